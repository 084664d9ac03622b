"""The words of the sending domain for a fail (RFC 7208 §6.2)."""

from __future__ import annotations

import dns.rdatatype
from dns.rdtypes.ANY.TXT import TXT

from danelaw.dnsdata import Answer, Lookup, Question
from danelaw.spf.errors import RecordError
from danelaw.spf.inquiry import Inquiry, failure
from danelaw.spf.limits import MAX_EXPLANATION_SIZE
from danelaw.spf.macro import MacroString, fit
from danelaw.spf.request import absolute_name
from danelaw.spf.result import Step
from danelaw.spf.terms import Explanation


def explain(inquiry: Inquiry, modifier: Explanation, domain: str) -> Lookup[str]:
    """The explanation, empty when anything about it is wrong: it never changes the result.

    Only printable US-ASCII gets through, since it may end in a reply, and no more than the limit's characters.
    """
    heard: list[Answer] = []
    text, note = yield from _explanation(inquiry, modifier, domain, heard)
    outcome = "explained" if text else "no explanation"
    inquiry.trace.append(Step(0, domain, modifier.to_text(), tuple(heard), outcome, note))
    return text


def _explanation(inquiry: Inquiry, modifier: Explanation, domain: str, heard: list[Answer]) -> Lookup[tuple[str, str]]:
    """(explanation, note)."""
    if inquiry.matches_nothing(modifier.domain):
        return "", "its macros name a local-part beyond ASCII"
    target = fit((yield from inquiry.expand(modifier.domain, domain, heard)))
    name = absolute_name(target)
    if name is None:
        return "", f"{target[:80]!r} cannot be a name in DNS"
    (answer,) = yield (Question(name, dns.rdatatype.TXT),)
    heard.append(answer)
    if answer.failed:
        return "", failure(answer)
    texts = [rdata for rdata in answer.records if isinstance(rdata, TXT)]
    if len(texts) != 1:
        return "", f"{target} has {len(texts)} TXT records; one is needed"
    octets = b"".join(texts[0].strings)
    if len(octets) > MAX_EXPLANATION_SIZE:
        return "", f"it has {len(octets)} octets; {MAX_EXPLANATION_SIZE} are read at most"
    try:
        words = MacroString.explanation(octets.decode("latin-1"))
    except RecordError as error:
        return "", error.reason
    text = yield from inquiry.expand(words, domain, heard)
    if not (text.isascii() and text.isprintable()):
        return "", "it expands to characters beyond printable US-ASCII"
    return text[: inquiry.limits.explanation], f"from {target}"

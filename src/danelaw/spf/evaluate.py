"""check_host() as a look-up: yields questions, is sent answers (RFC 7208 §4)."""

from __future__ import annotations

from typing import NamedTuple

from dns.rdtypes.ANY.TXT import TXT

from danelaw.dnsdata import Answer, Lookup, weakest
from danelaw.spf.errors import RecordError
from danelaw.spf.explain import explain
from danelaw.spf.inquiry import Inquiry, Stop, need
from danelaw.spf.limits import USUAL_LIMITS, Limits
from danelaw.spf.mechanisms import MATCHES, Verdict
from danelaw.spf.record import Networks, Record, parse, select
from danelaw.spf.request import Request, record_question
from danelaw.spf.result import Evaluation, SPFResult, Step
from danelaw.spf.terms import All, Directive, Include


class _Outcome(NamedTuple):
    """The end of one check_host(): `record` and `domain` are where it ended, redirects followed."""

    result: SPFResult
    reason: str
    mechanism: str = ""
    record: Record | None = None
    domain: str = ""


_SHOWN = 200
"""Characters of a directive in a reason."""
_MOST_WORDS = 600
"""Characters of a reason: it has to fit into a line of a header."""
_PENDING = Step(0, "", "", (), "", "")


def evaluate(
    request: Request, *, receiver: str = "unknown", now: float = 0.0, limits: Limits = USUAL_LIMITS
) -> Lookup[Evaluation]:
    """Whether the client may use the identity (RFC 7208 §4).

    `receiver` is our own name (macro r), `now` POSIX seconds (macro t); both are only seen in explanations.

    A failed or bogus answer ends in temperror, never in none or fail. RFC 7208 makes two exceptions, where it counts as
    absence: names of the client ("ptr" and the macro p, §5.5 and §7.3), since a client that breaks its own reverse zone
    must not turn a fail into a temperror; and explanations (§6.2), which change no result.
    """
    inquiry = Inquiry(request, receiver, now, limits)
    try:
        outcome = yield from _check_host(inquiry, request.domain, 0)
    except Stop as stop:
        outcome = _Outcome(stop.result, stop.reason)
    dnssec = weakest(answer for step in inquiry.trace for answer in step.answers)
    explanation = ""
    if outcome.result is SPFResult.FAIL and outcome.record is not None and outcome.record.explanation is not None:
        explanation = yield from explain(inquiry, outcome.record.explanation, outcome.domain)
    return Evaluation(
        result=outcome.result,
        identity=request.identity,
        domain=request.domain.lower().removesuffix("."),
        sender=request.sender,
        reason=outcome.reason[:_MOST_WORDS],
        mechanism=outcome.mechanism,
        explanation=explanation,
        dnssec=dnssec,
        trace=tuple(inquiry.trace),
        terms=inquiry.terms,
        void_lookups=inquiry.void_lookups,
    )


def _check_host(inquiry: Inquiry, domain: str, depth: int) -> Lookup[_Outcome]:
    """One check_host() with its redirects. Raises `Stop` for both kinds of error."""
    redirected = False
    while True:
        record = yield from _record(inquiry, domain, depth)
        if isinstance(record, str):
            if redirected:  # RFC 7208 §6.1
                raise Stop(SPFResult.PERMERROR, f"redirected to where no record is: {record}")
            return _Outcome(SPFResult.NONE, record)
        for step in record.steps:
            if isinstance(step, Networks):
                directive, note = _network(inquiry, step, domain, depth)
            else:
                directive, note = yield from _directive(inquiry, step, domain, depth)
            if directive is not None:
                text = directive.to_text()[:_SHOWN]
                reason = f"{text} in the record of {domain} matches: {note}"
                return _Outcome(directive.qualifier.result, reason, text, record, domain)
        target = yield from _redirect(inquiry, record, domain, depth)
        if target is None:
            return _Outcome(SPFResult.NEUTRAL, f"nothing in the record of {domain} matches", "default", record, domain)
        domain, redirected = target, True


def _record(inquiry: Inquiry, domain: str, depth: int) -> Lookup[Record | str]:
    """The record of a domain, or why it has none (RFC 7208 §4.3 to §4.6). Raises `Stop` for both kinds of error."""
    question = record_question(domain)
    if question is None:
        reason = f"{domain[:80]!r} is not a domain name of more than one label"
        inquiry.trace.append(Step(depth, domain, "", (), SPFResult.NONE.value, reason))
        return reason
    (answer,) = yield (question,)
    try:
        found = _read(domain, need(answer))
    except Stop as stop:
        inquiry.trace.append(Step(depth, domain, "", (answer,), stop.result.value, stop.reason))
        raise
    if isinstance(found, str):
        inquiry.trace.append(Step(depth, domain, "", (answer,), SPFResult.NONE.value, found))
        return found
    text, record = found
    inquiry.trace.append(Step(depth, domain, "", (answer,), "record", text))
    return record


def _read(domain: str, answer: Answer) -> tuple[str, Record] | str:
    """The record in an answer with its text, or why there is none. Raises `Stop` with permerror."""
    if answer.nxdomain:
        return f"{domain} does not exist"
    texts = [b"".join(rdata.strings).decode("latin-1") for rdata in answer.records if isinstance(rdata, TXT)]
    try:
        text = select(texts)
    except RecordError as error:
        raise Stop(SPFResult.PERMERROR, f"{domain}: {error.reason}") from None
    if text is None:
        return f"{domain} has no SPF record"
    record = parse(text)
    if isinstance(record, RecordError):
        raise Stop(SPFResult.PERMERROR, f"{domain}: {record.reason}")
    return text, record


def _network(inquiry: Inquiry, run: Networks, domain: str, depth: int) -> tuple[Directive | None, str]:
    """The first network of a run that holds the client (RFC 7208 §5.6), and a note."""
    directive = run.find(inquiry.address, inquiry.version)
    if directive is None:
        text, outcome, note = run.text, "no match", f"{inquiry.client} is in no such network"
    else:
        text, outcome, note = directive.to_text(), "match", f"{inquiry.client} is in it"
    inquiry.trace.append(Step(depth, domain, text, (), outcome, note))
    return directive, note


def _directive(inquiry: Inquiry, directive: Directive, domain: str, depth: int) -> Lookup[tuple[Directive | None, str]]:
    """The directive if it matches, and a note. Its step stands in the trace before those of what it includes."""
    mechanism = directive.mechanism
    text = directive.to_text()
    if isinstance(mechanism, All):
        note = "it always does"
        inquiry.trace.append(Step(depth, domain, text, (), "match", note))
        return directive, note
    heard: list[Answer] = []
    place = len(inquiry.trace)
    inquiry.trace.append(_PENDING)
    try:
        inquiry.count_term()
        matched, note = yield from _match(inquiry, mechanism, domain, depth, heard)
        if not matched:
            inquiry.count_void(heard)
    except Stop as stop:
        inquiry.trace[place] = Step(depth, domain, text, tuple(heard), stop.result.value, stop.reason)
        raise
    inquiry.trace[place] = Step(depth, domain, text, tuple(heard), "match" if matched else "no match", note)
    return directive if matched else None, note


def _match(inquiry: Inquiry, mechanism: object, domain: str, depth: int, heard: list[Answer]) -> Lookup[Verdict]:
    if inquiry.matches_nothing(getattr(mechanism, "domain", None)):
        return False, "its macros name a local-part beyond ASCII, which matches nothing"
    if not isinstance(mechanism, Include):
        return (yield from MATCHES[type(mechanism)](inquiry, mechanism, domain, heard))
    target = yield from inquiry.target(mechanism.domain, domain, heard)
    outcome = yield from _check_host(inquiry, target, depth + 1)
    if outcome.result is SPFResult.NONE:  # RFC 7208 §5.2
        raise Stop(SPFResult.PERMERROR, f"included is what has no record: {outcome.reason}")
    matched = outcome.result is SPFResult.PASS
    return matched, f"{target} says {outcome.result.value}"


def _redirect(inquiry: Inquiry, record: Record, domain: str, depth: int) -> Lookup[str | None]:
    """Where to go on, None when the record ends here (RFC 7208 §6.1)."""
    redirect = record.redirect
    if redirect is None:
        return None
    text = redirect.to_text()
    if inquiry.matches_nothing(redirect.domain):
        note = "its macros name a local-part beyond ASCII, which leads nowhere"
        inquiry.trace.append(Step(depth, domain, text, (), "no match", note))
        return None
    heard: list[Answer] = []
    try:
        inquiry.count_term()
        target = yield from inquiry.target(redirect.domain, domain, heard)
    except Stop as stop:
        inquiry.trace.append(Step(depth, domain, text, tuple(heard), stop.result.value, stop.reason))
        raise
    inquiry.trace.append(Step(depth, domain, text, tuple(heard), "redirect", f"nothing matched; {target} decides"))
    return target

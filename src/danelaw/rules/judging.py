"""Whether a rule holds for a message, condition by condition, with what was found: to judge and to explain are one."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from danelaw.policy import MailContext, MessageContext, RecipientContext
from danelaw.rules.patterns import address_matches, any_of, text_matches, within
from danelaw.rules.rule import Conditions, Rule


class Judged(NamedTuple):
    """One condition: its name, whether it holds, and what was found."""

    condition: str
    holds: bool
    found: str


class RuleJudged(NamedTuple):
    """A rule about one message: whether it applies, and why. `because` has the conditions that were looked at, those
    of `unless` with that word in front.
    """

    rule: Rule
    applies: bool
    because: tuple[Judged, ...]


def judge(rule: Rule, context: MailContext, *, everything: bool = False) -> RuleJudged:
    """Look at the conditions in order until one does not hold; at all of them with `everything`."""
    if rule.expires is not None and context.now >= rule.expires:
        return RuleJudged(rule, False, (Judged("expires", False, "its time is over"),))
    seen = []
    applies = True
    for one in conditions(rule.when, context):
        seen.append(one)
        applies = applies and one.holds
        if not applies and not everything:
            return RuleJudged(rule, False, tuple(seen))
    if rule.unless is not None and rule.unless.given:
        exempt = True
        for one in conditions(rule.unless, context):
            seen.append(one._replace(condition=f"unless {one.condition}"))
            exempt = exempt and one.holds
            if not exempt and not everything:
                break
        applies = applies and not exempt
    return RuleJudged(rule, applies, tuple(seen))


def conditions(wanted: Conditions, context: MailContext) -> Iterator[Judged]:
    """Each condition that is given, cheap ones first."""
    given = wanted.given
    for name, judged in _JUDGES.items():
        if name in given:
            yield judged(wanted, context)


def _texts(name: str, patterns: Iterable[str], texts: Iterable[str]) -> Judged:
    texts = list(texts)
    hit = any_of(text_matches, patterns, texts)
    return Judged(name, hit is not None, hit if hit is not None else ", ".join(texts) or "none")


def _addresses(name: str, patterns: Iterable[str], addresses: Iterable[str]) -> Judged:
    addresses = list(addresses)
    hit = any_of(address_matches, patterns, addresses)
    return Judged(name, hit is not None, (hit if hit is not None else ", ".join(addresses)) or "<>")


def _client(wanted: Conditions, context: MailContext) -> Judged:
    return Judged("client", within(wanted.client, context.client.address), context.client.address)


def _flag(name: str, wanted: bool | None, found: bool) -> Judged:
    return Judged(name, wanted == found, "yes" if found else "no")


def _recipient(wanted: Conditions, context: MailContext) -> Judged:
    if isinstance(context, RecipientContext):
        return _addresses("recipient", wanted.recipient, [context.recipient])
    return _addresses("recipient", wanted.recipient, context.recipients if isinstance(context, MessageContext) else [])


def _message(name: str, judged: Callable[[Conditions, MessageContext], Judged]) -> Callable[..., Judged]:
    def judge_message(wanted: Conditions, context: MailContext) -> Judged:
        if not isinstance(context, MessageContext):
            return Judged(name, False, "the message is not here yet")
        return judged(wanted, context)

    return judge_message


def _header(wanted: Conditions, context: MessageContext) -> Judged:
    for name, pattern in wanted.header.items():
        texts = context.mail.all(name)
        if any_of(text_matches, (pattern,), texts) is None:
            return Judged("header", False, f"{name}: {', '.join(texts) or 'none'}")
    return Judged("header", True, ", ".join(wanted.header))


def _missing(wanted: Conditions, context: MessageContext) -> Judged:
    there = [name for name in wanted.header_missing if context.mail.has(name)]
    return Judged("header_missing", not there, ", ".join(there) or "none of them is there")


def _attachment(wanted: Conditions, context: MessageContext) -> Judged:
    return _texts("attachment", wanted.attachment, (part.filename or "" for part in context.mail.attachments))


def _result(name: str, wanted: tuple[str, ...], found: Iterable[str]) -> Judged:
    found = list(found)
    return Judged(name, any(one in wanted for one in found), ", ".join(found) or "not looked at")


def _found(wanted: Conditions, context: MessageContext) -> Judged:
    seen = []
    for step, results in wanted.found.items():
        found = [one.result for one in context.found(step)]
        seen.append(f"{step}: {', '.join(found) or 'nothing'}")
        if not any(one in results for one in found):
            return Judged("found", False, "; ".join(seen))
    return Judged("found", True, "; ".join(seen))


def _origin(name: str, word: str) -> Callable[..., Judged]:
    def judged(wanted: Conditions, context: MessageContext) -> Judged:
        found = () if context.origin is None else (getattr(context.origin, word),)
        return _result(name, getattr(wanted, name), found)

    return _message(name, judged)


def _dkim(wanted: Conditions, context: MessageContext) -> Judged:
    found = [] if context.origin is None else [one.result for one in context.origin.dkim] or ["none"]
    return _result("dkim", wanted.dkim, found)


def _larger(wanted: Conditions, context: MessageContext) -> Judged:
    return Judged("larger_than", context.size > (wanted.larger_than or 0), f"{context.size} octets")


def _smaller(wanted: Conditions, context: MessageContext) -> Judged:
    return Judged("smaller_than", context.size < (wanted.smaller_than or 0), f"{context.size} octets")


def _hours(wanted: Conditions, context: MailContext) -> Judged:
    holds = any(one.holds(context.now, wanted.zone) for one in wanted.hours)
    return Judged("hours", holds, "now" if holds else "not now")


_JUDGES: dict[str, Callable[[Conditions, MailContext], Judged]] = {
    "client": _client,
    "trusted": lambda wanted, context: _flag("trusted", wanted.trusted, context.client.trusted),
    "listener": lambda wanted, context: _texts("listener", wanted.listener, [context.client.listener]),
    "tls": lambda wanted, context: _flag("tls", wanted.tls, context.client.tls is not None),
    "user": lambda wanted, context: _texts("user", wanted.user, [context.client.user]),
    "helo": lambda wanted, context: _texts("helo", wanted.helo, [context.client.helo]),
    "sender": lambda wanted, context: _addresses("sender", wanted.sender, [context.reverse_path]),
    "recipient": _recipient,
    "tag": lambda wanted, context: _result("tag", wanted.tag, sorted(context.tags)),
    "hours": _hours,
    "larger_than": _message("larger_than", _larger),
    "smaller_than": _message("smaller_than", _smaller),
    "spf": _origin("spf", "spf"),
    "dkim": _message("dkim", _dkim),
    "dmarc": _origin("dmarc", "dmarc"),
    "arc": _origin("arc", "arc"),
    "found": _message("found", _found),
    "author": _message("author", lambda wanted, context: _addresses("author", wanted.author, context.mail.authors)),
    "subject": _message("subject", lambda wanted, context: _texts("subject", wanted.subject, [context.mail.subject])),
    "header": _message("header", _header),
    "header_missing": _message("header_missing", _missing),
    "attachment": _message("attachment", _attachment),
}

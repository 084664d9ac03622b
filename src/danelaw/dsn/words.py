"""The first part of a notice: what happened, in plain words, the answer first, in one language or several."""

from __future__ import annotations

import re
import textwrap
from collections.abc import Sequence

from danelaw.dsn.cause import Cause
from danelaw.dsn.groups import Group, grouped
from danelaw.dsn.texts import Texts
from danelaw.dsn.values import DSN, Action, Asked, Demander, DSNRecipient, HostTry

_WIDTH = 76
_LABEL = 10
MOST_GROUPS = 20
"""Reasons told apart in the words; the fields for programs have every recipient."""
MOST_RECIPIENTS = 10
"""Recipients named under one reason."""
MOST_TRIES = 6
"""Hosts named under one reason."""
_LONGEST_DETAIL = 300
_VERSIONS = {"TLSv1": "TLS 1.0"}
_TOLD_BY_CAUSE = frozenset(
    {Cause.NOT_LISTED, Cause.NO_REQUIRETLS, Cause.NULL_MX, Cause.NO_DOMAIN, Cause.NO_SERVER, Cause.LOOP}
)
"""The finding has nothing to add to what the texts say of them."""
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def subject(dsn: DSN, texts: Texts) -> str:
    """`Returned: your message to anna@example.org and 2 more`; names nobody in ASCII-unsafe form."""
    concerned = [recipient.address for recipient in dsn.recipients if recipient.action is dsn.action]
    whom = concerned[0] if concerned[0].isascii() and len(concerned[0]) <= 120 else texts("whom.somebody")
    if len(concerned) > 1:
        whom += texts("whom.more", count=len(concerned) - 1)
    return texts(f"subject.{dsn.action.value}", whom=whom)


def explanation(dsn: DSN, message_id: str | None, languages: Sequence[Texts]) -> str:
    """The text for a person, lines ended by LF, at most 76 columns where words allow it; one language below the
    other, with a line between.
    """
    bar = "\n" + "-" * 40 + "\n\n"
    return bar.join(_in_language(dsn, message_id, texts) for texts in languages)


def _in_language(dsn: DSN, message_id: str | None, texts: Texts) -> str:
    parts: list[str] = []
    for action in Action:
        concerned = [recipient for recipient in dsn.recipients if recipient.action is action]
        if concerned:
            count = len(concerned)
            whom = texts("whom.one") if count == 1 else texts("whom.many", count=count)
            parts.append(_wrap(texts(f"outcome.{action.value}", whom=whom)))
            groups = grouped(concerned)
            parts.extend(_about(group, texts, dsn.asked) for group in groups[:MOST_GROUPS])
            left = sum(len(group.recipients) for group in groups[MOST_GROUPS:])
            if left:
                parts.append("  " + texts("line.more-recipients", count=left))
    parts.append(_which(dsn, message_id, texts))
    parts.append(_wrap(_next_step(dsn, texts)))
    return "\n\n".join(parts) + "\n"


def _about(group: Group, texts: Texts, asked: Asked) -> str:
    """Recipients with one fate for one reason."""
    first = group.first
    lines = [f"  {recipient.address}" for recipient in group.recipients[:MOST_RECIPIENTS]]
    if len(group.recipients) > MOST_RECIPIENTS:
        more = texts("line.more-recipients", count=len(group.recipients) - MOST_RECIPIENTS)
        lines += textwrap.wrap(more, _WIDTH, initial_indent="  ", subsequent_indent="    ")
    host = next((one.host for one in group.tries if one.cause is first.cause and one.host), first.destination)
    names = {"destination": first.destination or host, "host": host or first.destination}
    lines.append(_row(texts("label.why"), _why(group, names, texts)))
    if first.demander is not Demander.NOBODY and first.action in (Action.FAILED, Action.DELAYED):
        lines.append(_row(texts("label.demand"), _demanded(first.demander, asked, texts, **names)))
    lines += _what_happened(group, texts)
    lines += _when(first, texts)
    you = " ".join(part for part in (texts.of_cause(first.cause, "you", **names), first.advice) if part)
    if you:
        lines.append(_row(texts("label.you"), you))
    operator = texts.of_cause(first.cause, "operator", **names)
    if operator:
        lead = texts("line.operator", destination=names["destination"])
        lines.append(_row(texts("label.operator"), f"{lead} {operator}"))
    return "\n".join(lines)


def _why(group: Group, names: dict[str, str], texts: Texts) -> str:
    first = group.first
    own = texts.of_cause(first.cause, "why", **names)
    if not own:
        own = first.reason
    elif not group.tries and first.diagnostic is None and first.cause not in (Cause.OPERATOR, *_TOLD_BY_CAUSE):
        own = f"{own} ({_clipped(first.reason)})"
    over = texts("line.over", span=texts.span(first.over)) if first.over is not None else ""
    return " ".join(part for part in (own, over, first.remark) if part)


def _what_happened(group: Group, texts: Texts) -> list[str]:
    """What each host did, and what those who answered said of whom."""
    replies = group.replies
    seen = {reply for _, reply in replies.values()}
    tries = [one for one in group.tries if not one.reply or one.reply not in seen]
    told = [_one_try(one, texts) for one in tries[:MOST_TRIES]]
    if len(tries) > MOST_TRIES:
        told.append(texts("line.more-servers", count=len(tries) - MOST_TRIES))
    lines = [_row(texts("label.servers") if not number else "", text) for number, text in enumerate(told)]
    same = len(set(replies.values())) == 1
    for number, (address, (server, reply)) in enumerate(list(replies.items())[: 1 if same else MOST_RECIPIENTS]):
        when = texts.date(group.first.last_attempt) if group.first.last_attempt is not None else ""
        said = texts("line.answered", server=server, reply=_clipped(reply), when=when).rstrip(", ")
        lines.append(_row(texts("label.said") if not number else "", said if same else f"{address}: {said}"))
    return lines


def _one_try(one: HostTry, texts: Texts) -> str:
    tls = _VERSIONS.get(one.tls, one.tls.replace("TLSv", "TLS "))
    server = " ".join(part for part in (one.host, one.address) if part) + (f", {tls}" if tls else "")
    if one.reply:
        return texts("line.answered", server=server, reply=_clipped(one.reply), when=texts.date(one.when))
    what = texts.of_cause(one.cause, "what", destination=one.host, host=one.host)
    detail = "" if what and one.cause in _TOLD_BY_CAUSE else _clipped(one.detail)
    if what and detail:
        detail = f" ({detail})"
    said = texts("line.try", server=server, what=what, detail=detail, when=texts.date(one.when))
    return said.removeprefix(": ")


def _when(first: DSNRecipient, texts: Texts) -> list[str]:
    lines = []
    if first.failing_since is not None:
        since = texts("line.since", when=texts.date(first.failing_since))
        if first.worked_until is not None:
            since += "; " + texts("line.worked", when=texts.date(first.worked_until))
        lines.append(_row(texts("label.since"), since))
    if first.action is Action.DELAYED and first.will_retry_until is not None:
        lines.append(_row(texts("label.until"), texts("line.until", when=texts.date(first.will_retry_until))))
    return lines


def _which(dsn: DSN, message_id: str | None, texts: Texts) -> str:
    lines = [texts("line.which")]
    if dsn.arrival is not None:
        said = texts("line.received", when=texts.date(dsn.arrival), gateway=dsn.reporting_mta)
        lines.append(_row(texts("label.received"), said))
    if message_id is not None:
        lines.append(_row(texts("label.id"), message_id))
    if dsn.requiretls:
        words = texts("demand.requiretls") + (texts("line.untold") if dsn.redacted else "")
        lines.append(_row(texts("label.demand"), words))
    if dsn.demand not in (Demander.NOBODY, Demander.REQUIRETLS):
        lines.append(_row(texts("label.demand"), _demanded(dsn.demand, dsn.asked, texts)))
    return "\n".join(lines)


def _demanded(demander: Demander, asked: Asked, texts: Texts, **names: str) -> str:
    return texts(f"demand.{demander.value}", who=texts(f"asked.{asked.value}"), **names)


def _next_step(dsn: DSN, texts: Texts) -> str:
    if dsn.action in (Action.FAILED, Action.DELAYED):
        return texts(f"next.{dsn.action.value}", gateway=dsn.reporting_mta)
    return texts("next.told")


def _clipped(text: str) -> str:
    return text if len(text) <= _LONGEST_DETAIL else text[: _LONGEST_DETAIL - 1] + "…"


def _row(label: str, text: str) -> str:
    return textwrap.fill(
        " ".join(_CONTROLS.sub(" ", text).split()),
        _WIDTH,
        initial_indent=f"    {label:<{_LABEL}}",
        subsequent_indent=" " * (4 + _LABEL),
        break_long_words=False,
        break_on_hyphens=False,
    )


def _wrap(text: str) -> str:
    return textwrap.fill(text, _WIDTH, break_long_words=False, break_on_hyphens=False)

"""The first part of a notice: what happened, in plain words, the answer first."""

from __future__ import annotations

import textwrap

from danelaw.dsn.values import DSN, Action, DSNRecipient
from danelaw.message import format_date

_WIDTH = 76

_SUBJECTS = {
    Action.FAILED: "Returned",
    Action.DELAYED: "Waiting",
    Action.DELIVERED: "Delivered",
    Action.RELAYED: "Handed on",
    Action.EXPANDED: "Distributed",
}
_OUTCOMES = {
    Action.FAILED: "was NOT delivered and is returned to you",
    Action.DELAYED: "is still waiting; nothing is lost and nothing needs to be done now",
    Action.DELIVERED: "was delivered",
    Action.RELAYED: "was handed to a server that sends no notice of delivery",
    Action.EXPANDED: "was delivered to a list or alias and went on from there",
}


def subject(dsn: DSN) -> str:
    """`Returned: your message to anna@example.org and 2 others`; names nobody in ASCII-unsafe form."""
    concerned = [recipient.address for recipient in dsn.recipients if recipient.action is dsn.action]
    shown = concerned[0] if concerned[0].isascii() and len(concerned[0]) <= 120 else "one recipient"
    others = len(concerned) - 1
    more = f" and {others} other{'s' if others > 1 else ''}" if others else ""
    return f"{_SUBJECTS[dsn.action]}: your message to {shown}{more}"


def explanation(dsn: DSN, message_id: str | None) -> str:
    """The text for a person, lines ended by LF, at most 76 columns where words allow it."""
    parts: list[str] = []
    for action in Action:
        concerned = [recipient for recipient in dsn.recipients if recipient.action is action]
        if concerned:
            whom = "1 recipient" if len(concerned) == 1 else f"{len(concerned)} recipients"
            parts.append(_wrap(f"Your message {_OUTCOMES[action]}, for {whom}:"))
            parts.extend(_about(recipient) for recipient in concerned)
    parts.append(_which(dsn, message_id))
    parts.append(_wrap(_next_step(dsn)))
    return "\n\n".join(parts) + "\n"


def _about(recipient: DSNRecipient) -> str:
    lines = [f"  {recipient.address}", _row("why", recipient.reason)]
    if recipient.remote_mta is not None:
        said = f'{recipient.remote_mta} said "{recipient.diagnostic}"' if recipient.diagnostic else recipient.remote_mta
        lines.append(_row("server", said))
    if recipient.last_attempt is not None:
        lines.append(_row("tried", format_date(recipient.last_attempt)))
    if recipient.action is Action.DELAYED and recipient.will_retry_until is not None:
        lines.append(_row("until", f"{format_date(recipient.will_retry_until)}; you are told if it fails till then"))
    if recipient.advice is not None:
        lines.append(_row("advice", recipient.advice))
    return "\n".join(lines)


def _which(dsn: DSN, message_id: str | None) -> str:
    lines = ["Which message"]
    if dsn.arrival is not None:
        lines.append(_row("received", f"{format_date(dsn.arrival)} by {dsn.reporting_mta}"))
    if message_id is not None:
        lines.append(_row("id", message_id))
    if dsn.requiretls:
        words = "you asked that it travel only through verified TLS (REQUIRETLS)"
        lines.append(_row("demand", words + ("; this notice tells nothing of it" if dsn.redacted else "")))
    if dsn.demand:
        lines.append(_row("demand", dsn.demand))
    return "\n".join(lines)


def _next_step(dsn: DSN) -> str:
    if dsn.action is Action.FAILED:
        return (
            'Next: mend what is said under "why", or tell the recipient by another way, and send it again. '
            f"Questions: postmaster@{dsn.reporting_mta}, with this notice."
        )
    if dsn.action is Action.DELAYED:
        return f"Next: nothing; it is tried again by itself. Questions: postmaster@{dsn.reporting_mta}."
    return "Next: nothing; you asked for this notice."


def _row(label: str, text: str) -> str:
    return textwrap.fill(
        " ".join(text.split()),
        _WIDTH,
        initial_indent=f"    {label:<9}",
        subsequent_indent=" " * 13,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _wrap(text: str) -> str:
    return textwrap.fill(text, _WIDTH, break_long_words=False, break_on_hyphens=False)

"""The letter to the operator about destinations that prove less than they did. Pure: events in, a message out."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Sequence

from danelaw.message import format_date, text_entity, text_field
from danelaw.tlspolicy import Protection
from danelaw.watch.plan import day_text
from danelaw.watch.weakening import Weakening

MOST_EVENTS = 50
"""Destinations told of in one letter; the others are counted."""
_WIDTH = 76


def subject(events: Sequence[Weakening]) -> str:
    """The answer in one line."""
    if len(events) == 1:
        return f"{events[0].destination} proves less than it did: {events[0].after.value}"
    return f"{len(events)} destinations prove less than they did"


def letter(
    events: Sequence[Weakening], *, to: str, sender: str, hostname: str, date: float, message_id: str
) -> bytes:  # fmt: skip
    """The whole message, CRLF line ends; `events` the deepest fall first, at least one. `date` in POSIX seconds."""
    fields = (
        ("From", sender),
        ("To", to),
        ("Subject", subject(events)),
        ("Date", format_date(date)),
        ("Message-ID", message_id),
        ("Auto-Submitted", "auto-generated"),
        ("MIME-Version", "1.0"),
    )
    head = b"".join(text_field(name, value) for name, value in fields)
    return head + text_entity("\n\n".join(_paragraphs(events, hostname)) + "\n")


def _paragraphs(events: Sequence[Weakening], hostname: str) -> Iterable[str]:
    these = events[0].destination if len(events) == 1 else f"{len(events)} destinations"
    yield _wrap(
        f"Mail from {hostname} to {these} was verified for long and now goes with less protection. It was delivered: "
        "nothing published demands more any longer."
    )
    for one in events[:MOST_EVENTS]:
        yield _about(one)
    if len(events) > MOST_EVENTS:
        yield f"… and {len(events) - MOST_EVENTS} more."
    first = events[0]
    insist = "dane-require" if first.before is Protection.DANE else "verify"
    yield _wrap(
        "Mostly the owner wanted it or made a mistake; an attacker with a hand on its DNS would arrange just the same. "
        "Ask them by another way than mail. To let mail wait until you know:"
    )
    yield f'  danelaw override add {first.destination} {insist} --for 1d \\\n    --because "asked its postmaster"'
    yield "Next: danelaw watch list"


def _about(one: Weakening) -> str:
    held = f"on {one.days} days with mail since {day_text(one.since)}, {one.messages} messages"
    rows = (
        ("before", f"{one.before.value}, {held}"),
        ("now", f"{one.after.value}, since {day_text(one.day)}"),
        ("gone", one.kind.words),
        ("servers", ", ".join(one.hosts)),
        ("DNS then", one.facts),
    )  # fmt: skip
    return "\n".join([one.destination, *(_row(label, text) for label, text in rows if text)])


def _row(label: str, text: str) -> str:
    return textwrap.fill(
        " ".join(text.split()), _WIDTH, initial_indent=f"  {label:<10}", subsequent_indent=" " * 12,
        break_long_words=False, break_on_hyphens=False,
    )  # fmt: skip


def _wrap(text: str) -> str:
    return textwrap.fill(text, _WIDTH, break_long_words=False, break_on_hyphens=False)

"""The mail that tells an operator what became of a member of a trust group."""

from __future__ import annotations

import textwrap
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from danelaw.message import format_date, text_field
from danelaw.trustgroup import Observation

if TYPE_CHECKING:
    from danelaw.state.trust import Told
    from danelaw.trustgroup import TrustGroup

_SUBJECTS = {
    Observation.BROKEN: "BREACH: {domain} does not keep what trust group {group} demands",
    Observation.KEPT: "{domain} keeps what trust group {group} demands again",
    Observation.LEFT: "{domain} is no longer a member of trust group {group}",
}
_CONSEQUENCES = {
    (Observation.BROKEN, False): "Mail to it waits where none of its servers shows what is demanded, and goes nowhere "
    "else. It is tried again, and returned to its senders when its lifetime ends.",
    (
        Observation.BROKEN,
        True,
    ): "Mail to it is returned to its senders where none of its servers shows what is demanded.",
    (Observation.KEPT, False): "Mail that waited for it goes out with its next try.",
    (Observation.KEPT, True): "Mail to it goes out again.",
    (Observation.LEFT, False): "Nothing is demanded of it any more: mail to it goes as its own DNS says.",
    (Observation.LEFT, True): "Nothing is demanded of it any more: mail to it goes as its own DNS says.",
}


def alert(told: Told, group: TrustGroup, *, sender: str, message_id: str, date: float) -> bytes:
    """The whole message; what comes from the other side stands in it as plain text. `date` in POSIX seconds."""
    change = told.change
    subject = _SUBJECTS[change.now].format(domain=told.domain, group=told.group)
    since = datetime.fromtimestamp(change.at, UTC).strftime("%Y-%m-%d %H:%M UTC")
    lines = [
        f"{subject}.",
        "",
        f"Found {since}, in several looks in a row:" if change.now is not Observation.KEPT else f"Found {since}:",
        *textwrap.wrap(_line(change.reason), 76, initial_indent="  ", subsequent_indent="  "),
        "",
        *textwrap.wrap(_CONSEQUENCES[change.now, group.returns], 76),
        "",
        *([f"Looks after the group: {_line(group.owner)}", ""] if group.owner else []),
        *([f"Why there is the group: {_line(group.comment)}", ""] if group.comment else []),
        f"next: danelaw trust check {told.group} {told.domain}",
    ]
    header = b"".join(
        (
            text_field("From", sender),
            text_field("To", group.alert),
            text_field("Subject", subject),
            f"Date: {format_date(date)}\r\nMessage-ID: {message_id}\r\nAuto-Submitted: auto-generated\r\n".encode(),
            b'MIME-Version: 1.0\r\nContent-Type: text/plain; charset="utf-8"\r\nContent-Transfer-Encoding: 8bit\r\n',
        )
    )
    return header + b"\r\n" + "\r\n".join(lines).encode("utf-8") + b"\r\n"


def _line(text: str) -> str:
    """Words of others: one line, printable."""
    return "".join(character if character.isprintable() else "?" for character in text)[:900]

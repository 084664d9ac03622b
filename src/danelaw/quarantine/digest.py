"""The mail that tells somebody what is held for them, and when it is due.

Everything in it that strangers wrote is one harmless line, escaped in HTML, and no mail program will make a link of it:
the only links are ours.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from datetime import time as time_of_day
from html import escape

from danelaw.message import format_date
from danelaw.quarantine.forwarding import text_part
from danelaw.quarantine.summary import one_line
from danelaw.quarantine.tokens import Action

MOST_ENTRIES = 200
_LINKLIKE = re.compile(r"(?i)([a-z][a-z0-9+.-]{1,20})://|\bwww\.|\bmailto:")
_WORDS = {Action.RELEASE: "Deliver", Action.DELETE: "Delete", Action.ALLOW: "Deliver and allow sender"}


@dataclass(frozen=True, slots=True)
class Entry:
    """One held message for one recipient. Texts are as `Summary` gives them; `links` are ours, by action."""

    recipient: str
    author: str
    subject: str
    reason: str
    received_at: float
    until: float | None
    links: Mapping[Action, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Digest:
    """`entries` at most `MOST_ENTRIES`; `more` counts those beyond. `hostname` is the gateway's name."""

    to: str
    sender: str
    hostname: str
    entries: Sequence[Entry]
    more: int = 0


def last_due(times: Sequence[str], now: float) -> float:
    """The latest moment that is over at which digests are due, by this machine's time zone; `times` as `07:00`."""
    today = datetime.fromtimestamp(now).date()
    moments = [
        datetime.combine(today - timedelta(days=day), time_of_day.fromisoformat(text)).timestamp()
        for day in (0, 1, 2)
        for text in times
    ]
    return max(moment for moment in moments if moment <= now)


def build(digest: Digest, *, date: float, message_id: str, boundary: str) -> bytes:
    """The whole message: text and the same in HTML. `date` in POSIX seconds, `boundary` at random."""
    count = len(digest.entries) + digest.more
    subject = "1 message is held for you" if count == 1 else f"{count} messages are held for you"
    lines = [
        f"From: Held mail <{digest.sender}>",
        f"To: <{digest.to}>",
        f"Subject: {subject}",
        f"Date: {format_date(date)}",
        f"Message-ID: {message_id}",
        "Auto-Submitted: auto-generated",
        "MIME-Version: 1.0",
        f'Content-Type: multipart/alternative;\r\n\tboundary="{boundary}"',
    ]
    head = "".join(f"{line}\r\n" for line in lines).encode()
    mark = b"--" + boundary.encode("ascii")
    parts = (text_part(_text(digest, subject)), text_part(_html(digest, subject), "html"))
    return head + b"\r\n" + b"".join(b"%b\r\n%b\r\n" % (mark, part) for part in parts) + mark + b"--\r\n"


def unlinked(text: str) -> str:
    """A stranger's line in which no mail program finds a link."""
    return _LINKLIKE.sub(lambda match: match[0].replace(":", "[:]").replace(".", "[.]"), one_line(text))


def _facts(entry: Entry) -> list[tuple[str, str]]:
    facts = [
        ("From", unlinked(entry.author) or "nobody"),
        ("To", unlinked(entry.recipient)),
        ("Received", _moment(entry.received_at)),
        ("Held because", unlinked(entry.reason)),
    ]
    if entry.until is not None:
        facts.append(("Held until", _moment(entry.until)))
    return facts


def _text(digest: Digest, subject: str) -> str:
    lines = [f"{subject} at {digest.hostname}.", ""]
    for number, entry in enumerate(digest.entries, 1):
        lines.append(f"{number}. {unlinked(entry.subject) or '(no subject)'}")
        lines += [f"   {name}: {text}" for name, text in _facts(entry)]
        lines += [f"   {_WORDS[action]}: {link}" for action, link in entry.links.items()]
        lines.append("")
    lines += _closing(digest)
    return "\n".join(lines)


def _closing(digest: Digest) -> list[str]:
    lines = [f"… and {digest.more} more."] if digest.more else []
    if any(entry.links for entry in digest.entries):
        lines.append("A link opens a page with a button; nothing happens before you press it. Each link works once.")
    lines.append("Sender and subject are what each message says of itself; they may be wrong.")
    return lines


def _html(digest: Digest, subject: str) -> str:
    entries = []
    for entry in digest.entries:
        facts = "<br>".join(f"{escape(name)}: {escape(text)}" for name, text in _facts(entry))
        links = " · ".join(
            f'<a href="{escape(link)}">{escape(_WORDS[action])}</a>' for action, link in entry.links.items()
        )
        title = escape(unlinked(entry.subject) or "(no subject)")
        entries.append(
            f'<div style="border-top:1px solid #ccc;padding:10px 0"><b>{title}</b><br>\n'
            f'<span style="color:#555">{facts}</span>\n' + (f"<br>{links}\n" if links else "") + "</div>\n"
        )
    closing = "".join(f"<p>{escape(line)}</p>\n" for line in _closing(digest))
    return (
        f'<!DOCTYPE html>\n<html lang="en"><body style="font-family:sans-serif;max-width:640px">\n'
        f"<h3>{escape(subject)} at {escape(digest.hostname)}</h3>\n{''.join(entries)}{closing}</body></html>\n"
    )


def _moment(when: float) -> str:
    return datetime.fromtimestamp(when).strftime("%Y-%m-%d %H:%M")

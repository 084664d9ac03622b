"""Published messages: nothing lost, nothing raised, and the structure an independent parser sees."""

from __future__ import annotations

import email
from collections.abc import Callable
from email.message import Message
from pathlib import Path

import pytest

from danelaw.message import Draft, Part
from fuzz.message_parts import test_one_input as one_input

pytestmark = pytest.mark.corpus

_NO_MESSAGES = (".jpg", ".json", ".b64", ".uu", ".qp")

# Where the standard library's `email` and we divide a message differently, and why.
DIFFERENT = {
    "msg_15.txt": "white space at the end of a quoted-printable line is dropped (RFC 2045 §6.7 (3))",
    "unmunged.mbox.txt": "a byte order mark before the mbox line makes it a line without colon, which is read over",
    "msg_37.txt": "two delimiters in a row enclose an empty part (RFC 2046 §5.1.1: a part may be empty)",
    "feedback-report.txt": "a line without colon among the fields does not end the header (RFC 7103 §7.2)",
    "issue358.txt": "a line without colon among the fields does not end the header (RFC 7103 §7.2)",
    "content-length-summary.txt": "no message but words; `multipart` without subtype counts as multipart/mixed",
    "issue1189-summary.txt": "no message but words",
    "jwz-summary.txt": "no message but words; `multipart` without subtype counts as multipart/mixed",
}


def _messages(folder: Path) -> list[Path]:
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file() and path.suffix not in _NO_MESSAGES and "LICENSE" not in path.name
    )


def _theirs(message: Message) -> list[tuple[str, bytes | None]]:
    """Types and decoded contents; what only `email` takes apart (delivery status, external bodies) is left out."""
    found: list[tuple[str, bytes | None]] = []
    pending = [message]
    while pending:
        part = pending.pop()
        kind = part.get_content_type()
        status = part.get_content_maintype() == "message" and kind != "message/rfc822"
        parts = part.get_payload() if part.is_multipart() and not status else []
        assert isinstance(parts, list)
        whole = part.is_multipart() or kind.startswith(("message/", "multipart/"))
        content = None if whole else part.get_payload(decode=True)
        assert content is None or isinstance(content, bytes)
        found.append((kind, content))
        pending.extend(reversed([inner for inner in parts if isinstance(inner, Message)]))
    return found


def _ours(message: Part) -> list[tuple[str, bytes | None]]:
    return [
        (part.content_type.value, None if part.content_type.type in ("message", "multipart") else part.content())
        for part in message.walk()
    ]


def _lines(content: bytes | None) -> bytes | None:
    """`email` drops or keeps the last line end in its own ways, and normalizes others."""
    return content.replace(b"\r\n", b"\n").rstrip(b"\n") if content is not None else None


def test_published_messages_are_divided_as_others_divide_them(corpus: Callable[[str], Path]) -> None:
    files = _messages(corpus("mime"))
    different = {}
    for path in files:
        octets = path.read_bytes()
        ours = [(kind, _lines(content)) for kind, content in _ours(Part.from_octets(octets))]
        theirs = [(kind, _lines(content)) for kind, content in _theirs(email.message_from_bytes(octets))]
        if ours != theirs:
            different[path.name] = [pair for pair in zip(ours, theirs, strict=False) if pair[0] != pair[1]][:2]
    assert different.keys() == DIFFERENT.keys(), different
    assert len(files) == 95


def test_published_messages_go_out_as_they_came(corpus: Callable[[str], Path]) -> None:
    for path in (path for path in corpus("mime").rglob("*") if path.is_file()):
        octets = path.read_bytes()
        message = Part.from_octets(octets)
        assert b"".join(message.raw()) == octets
        assert Draft(message).to_bytes() == octets
        one_input(octets[: 1 << 16])

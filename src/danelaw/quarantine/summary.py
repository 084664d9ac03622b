"""What people are shown of a stranger's message: subject and author decoded, in one line, without tricks.

Encoded words (RFC 2047) are decoded; control characters, line ends and characters that change the direction of text
become spaces, since they could make a line say something else than it does.
"""

from __future__ import annotations

import binascii
import unicodedata
from dataclasses import dataclass
from email.errors import HeaderParseError
from email.header import decode_header

from danelaw.message import Header, MessageError

HEAD_OCTETS = 65_536
"""So much of a message's beginning is looked at."""
MOST_CHARACTERS = 200
_MOST_ENCODED = 4096
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp"})


@dataclass(frozen=True, slots=True)
class Summary:
    """`subject`, `author` (the From field) and `date` as written, each at most `MOST_CHARACTERS`, empty when absent."""

    subject: str = ""
    author: str = ""
    date: str = ""

    @classmethod
    def of(cls, head: bytes) -> Summary:
        """From the beginning of a message; what cannot be read is empty."""
        try:
            header = Header.from_bytes(head[:HEAD_OCTETS], max_octets=HEAD_OCTETS)
        except MessageError:
            return cls()
        values = (header.first(name) for name in ("Subject", "From", "Date"))
        return cls(*(shown(field.value) if field is not None else "" for field in values))


def shown(value: bytes, most: int = MOST_CHARACTERS) -> str:
    """An unfolded field's body as people read it, in one harmless line."""
    text = value[:_MOST_ENCODED].decode("utf-8", "replace")
    if "=?" in text:
        text = _decoded(text)
    return one_line(text, most)


def one_line(text: str, most: int = MOST_CHARACTERS) -> str:
    """Text of strangers in one line: white space runs and hidden characters as one space, cut with an ellipsis."""
    clean = "".join(" " if unicodedata.category(c) in _HIDDEN else c for c in text[: 4 * most])
    line = " ".join(clean.split())
    return line if len(line) <= most else line[: most - 1] + "…"


def _decoded(text: str) -> str:
    try:
        parts = decode_header(text)
    except (HeaderParseError, ValueError, binascii.Error):
        return text
    words = []
    for part, charset in parts:
        if isinstance(part, str):
            words.append(part)
            continue
        try:
            words.append(part.decode(charset or "utf-8", "replace"))
        except (LookupError, ValueError):
            words.append(part.decode("ascii", "replace"))
    return "".join(words)

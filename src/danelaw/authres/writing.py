"""Writes values from outside so that they stay values (RFC 2045 §5.1, RFC 5322 §3.2, RFC 6532 §3.2).

What is no token, mailbox or keyword is quoted; what cannot be quoted is refused with `UnwritableField`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache

from danelaw.authres.errors import UnwritableField

_CONTROLS = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_TOKEN = re.compile(r"[A-Za-z0-9!#$%&'*+\-.^_`{|}~]+\Z")
_ATEXT = r"[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~]+"
_DOT_ATOM = re.compile(rf"{_ATEXT}(?:\.{_ATEXT})*\Z")
_MAILBOX = re.compile(rf"(?:{_ATEXT}(?:\.{_ATEXT})*)?@[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*\Z")
_KEYWORD = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?\Z")
LINE = 78
"""Columns a line should have (RFC 5322 §2.1.1)."""
LONGEST_LINE = 998
"""Octets a line may have (RFC 5322 §2.1.1)."""


@lru_cache(maxsize=1_024)
def keyword(text: str) -> str:
    """A method, result, ptype or property (RFC 8601 §2.2)."""
    if not _KEYWORD.match(text):
        raise UnwritableField(f"{text[:60]!r} is not a keyword")
    return text


@lru_cache(maxsize=1_024)
def value(text: str) -> str:
    """A token as it is, everything else in quotes (RFC 8601 §2.2, `value`)."""
    return text if _TOKEN.match(text) else quoted(text)


def property_value(text: str) -> str:
    """A token or plain mailbox as it is, everything else in quotes (RFC 8601 §2.2, `pvalue`)."""
    return text if _TOKEN.match(text) or _MAILBOX.match(text) else quoted(text)


def dot_atom(text: str) -> str:
    """A dot-atom as it is, everything else in quotes (RFC 7208 §9.1)."""
    return text if _DOT_ATOM.match(text) else quoted(text)


def quoted(text: str) -> str:
    """A quoted-string."""
    return '"' + _plain(text).replace("\\", "\\\\").replace('"', '\\"') + '"'


def comment(text: str) -> str:
    """A comment with its parentheses; those inside lose their meaning."""
    return "(" + _plain(text).replace("\\", "\\\\").replace("(", "\\(").replace(")", "\\)") + ")"


def folded(name: str, lines: Iterable[Iterable[str]], *, utf8: bool) -> bytes:
    """A whole field from the pieces of its lines, CRLF at its end.

    Pieces are never broken; a line that grows too long goes on below. Raises `UnwritableField` for a piece that no line
    can hold, and for characters beyond US-ASCII unless `utf8` (RFC 6532 §3.2).
    """
    written = [f"{name}:"]
    for number, pieces in enumerate(lines):
        for place, piece in enumerate(pieces):
            fits = len(written[-1]) + 1 + len(piece) <= LINE
            if (number and not place) or (place and not fits):
                written.append("\t" + piece)
            else:
                written[-1] += " " + piece
    text = "\r\n".join(written) + "\r\n"
    longest = max(map(len, written)) if text.isascii() else max(len(line.encode()) for line in written)
    if longest > LONGEST_LINE:
        raise UnwritableField(f"a value is too long for a line of {name}")
    if not utf8 and not text.isascii():
        raise UnwritableField(f"{name} would hold characters beyond US-ASCII, which only SMTPUTF8 messages may have")
    return text.encode()


def _plain(text: str) -> str:
    if not text.isprintable() and _CONTROLS.search(text):
        raise UnwritableField(f"{text[:60]!r} contains control characters")
    return text

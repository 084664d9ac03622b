"""The part of a mailbox before the `@` (RFC 5321 §4.1.2, RFC 6531 §3.3).

`joe` and `"joe"` and `"j\\oe"` name the same mailbox, so a `Localpart` holds the content without quotes and
writes it back in the shortest form, as RFC 5321 §4.1.2 asks. Case is kept: only the final system may fold it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

from danelaw.errors import DanelawError

LOCALPART_OCTETS = 64  # RFC 5321 §4.5.3.1.1

# atext of RFC 5322 §3.2.3 without the letters and digits; RFC 6531 §3.3 adds every UTF-8 character beyond ASCII.
ATEXT = r"A-Za-z0-9!#$%&'*+\-/=?^_`{|}~\u0080-\U0010ffff"
DOT_STRING = rf"[{ATEXT}]+(?:\.[{ATEXT}]+)*"
QUOTED_STRING = r'"(?:[\x20\x21\x23-\x5b\x5d-\x7e\u0080-\U0010ffff]|\\[\x20-\x7e])*"'

_DOT_STRING = re.compile(DOT_STRING + r"\Z")
_QUOTED_STRING = re.compile(QUOTED_STRING + r"\Z")
_QUOTED_PAIR = re.compile(r"\\([\x20-\x7e])")
_SPECIAL = re.compile(r'(["\\])')
# C1 controls, surrogates and non-characters are in no one's name; U+2028/2029 would break lines in what we show.
_FORBIDDEN = re.compile("[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")


class LocalpartError(DanelawError, ValueError):
    """The text is not a local-part."""


@dataclass(frozen=True, slots=True, order=True)
class Localpart:
    """The content of a local-part, without quotes and backslashes."""

    content: str

    @classmethod
    def from_text(cls, text: str) -> Localpart:
        """Parse a Dot-string or a Quoted-string. Raises `LocalpartError`, also above 64 octets."""
        if _DOT_STRING.match(text):
            content = text
        elif _QUOTED_STRING.match(text):
            content = _QUOTED_PAIR.sub(r"\1", text[1:-1])
            if not content:
                # RFC 5321 lets "" pass, and no system has such a mailbox: isemail calls it an error too.
                raise LocalpartError('the local-part "" is empty')
        else:
            raise LocalpartError(f"{text[:80]!r} is not a local-part")
        if _FORBIDDEN.search(content):
            raise LocalpartError(f"the local-part {text[:80]!r} contains a control character")
        if len(text) > LOCALPART_OCTETS or (not text.isascii() and len(text.encode()) > LOCALPART_OCTETS):
            raise LocalpartError(f"the local-part {text[:80]!r} is longer than {LOCALPART_OCTETS} octets")
        return cls(content)

    def to_text(self) -> str:
        """The shortest form for the wire: quoted only when it must be."""
        return _text_of(self.content)

    @property
    def is_ascii(self) -> bool:
        """False when SMTPUTF8 is needed to transmit it."""
        return self.content.isascii()

    def __str__(self) -> str:
        return self.to_text()


@lru_cache(maxsize=8192)
def _text_of(content: str) -> str:
    if _DOT_STRING.match(content):
        return content
    return '"' + _SPECIAL.sub(r"\\\1", content) + '"'

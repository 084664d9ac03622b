"""xtext and utf-8-addr-xtext, in which DSN parameters travel (RFC 3461 §4, RFC 6533 §3)."""

from __future__ import annotations

import re
from dataclasses import dataclass

from danelaw.errors import DanelawError

# xchar is any ASCII character from "!" to "~" except "+" and "="; hexchar is "+" and two upper-case hex digits.
_XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})*\Z", re.ASCII)
_HEXCHAR = re.compile(r"\+([0-9A-F]{2})")
_TO_HEX = re.compile(r"[^!-*,-<>-~]")
# unitext of RFC 6533 §3: \x{HEX} with 2 to 6 digits, no surrogates, nothing that could have been written plainly
# except the characters xtext and the parameter syntax need.
_EMBEDDED = re.compile(r"\\x\{([0-9A-F]{2,6})\}")
# "\" stands for itself nowhere in utf-8-addr-xtext, "+" and "=" neither (RFC 6533 §3: QCHAR).
_UTF8_ADDR_XTEXT = re.compile(r"(?:[!-*,-<>-\[\]-~\u00a0-\U0010ffff]|\\x\{[0-9A-F]{2,6}\})+\Z")
_TO_EMBED = re.compile(r"[^!-*,-<>-\[\]-~]")
_ADDRESS_TYPE = re.compile(r"[A-Za-z0-9!#$%&'*+\-/=?^_`{|}~.]{1,64}\Z", re.ASCII)


class XtextError(DanelawError, ValueError):
    """The text is not xtext, or not an ORCPT value."""


def decode(text: str) -> str:
    """Undo xtext. The result is ASCII, one character per octet. Raises `XtextError`, also for octets above 127."""
    if not _XTEXT.match(text):
        raise XtextError(f"{text[:80]!r} is not xtext")
    if "+" not in text:
        return text
    plain = _HEXCHAR.sub(lambda match: chr(int(match[1], 16)), text)
    if not plain.isascii():
        raise XtextError(f"{text[:80]!r} hides octets that are not ASCII")
    return plain


def encode(text: str) -> str:
    """Write ASCII text as xtext. Raises `XtextError` for anything else."""
    if not text.isascii():
        raise XtextError(f"{text[:80]!r} is not ASCII: xtext cannot carry it")
    return _TO_HEX.sub(lambda match: f"+{ord(match[0]):02X}", text)


def decode_utf8(text: str) -> str:
    """Undo utf-8-addr-xtext or utf-8-addr-unitext (RFC 6533 §3). Raises `XtextError`."""
    if not _UTF8_ADDR_XTEXT.match(text):
        raise XtextError(f"{text[:80]!r} is not utf-8-addr-xtext")
    return _EMBEDDED.sub(_embedded, text)


def encode_utf8(text: str) -> str:
    r"""Write any text as utf-8-addr-xtext: ASCII, everything else as `\x{HEX}`."""
    return _TO_EMBED.sub(lambda match: f"\\x{{{ord(match[0]):02X}}}", text)


def _embedded(match: re.Match[str]) -> str:
    code = int(match[1], 16)
    if code > 0x10FFFF or 0xD800 <= code <= 0xDFFF:
        raise XtextError(f"{match[0]} is not a Unicode character")
    return chr(code)


@dataclass(frozen=True, slots=True)
class OriginalRecipient:
    """ORCPT: the address as the sender first wrote it, decoded (RFC 3461 §4.2).

    `address_type` is lower case, mostly `rfc822` or `utf-8`; `address` is free text in that type's terms.
    """

    address_type: str
    address: str

    @classmethod
    def from_text(cls, text: str) -> OriginalRecipient:
        """Parse the parameter's value, `rfc822;anna+2Bnews@example.org`. Raises `XtextError`."""
        kind, found, value = text.partition(";")
        if not found or not value or not _ADDRESS_TYPE.match(kind):
            raise XtextError(f"{text[:80]!r} is not an ORCPT value such as rfc822;anna@example.org")
        kind = kind.lower()
        address = decode_utf8(value) if kind == "utf-8" else decode(value)
        if any(ord(character) < 0x20 or 0x7F <= ord(character) < 0xA0 for character in address):
            raise XtextError(f"{text[:80]!r} hides control characters")
        return cls(kind, address)

    def to_text(self) -> str:
        """The parameter's value, always ASCII."""
        value = encode_utf8(self.address) if self.address_type == "utf-8" else encode(self.address)
        return f"{self.address_type};{value}"

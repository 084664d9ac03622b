"""xtext, and addresses of type utf-8, as DSN parameters and fields carry them (RFC 3461 §4, RFC 6533 §3)."""

from __future__ import annotations

import re

from danelaw.dsn.errors import DSNError

_XTEXT = re.compile(r"(?:[!-*,-<>-~]|\+[0-9A-F]{2})*\Z")
_HEXCHAR = re.compile(rb"\+([0-9A-F]{2})")
_EMBEDDED = re.compile(r"\\x\{([0-9A-F]{2,6})\}")


def encode_xtext(octets: bytes) -> str:
    """Octets as xtext: everything but printable ASCII without `+` and `=` becomes `+HH` (RFC 3461 §4)."""
    return "".join(chr(octet) if 0x21 <= octet <= 0x7E and octet not in b"+=" else f"+{octet:02X}" for octet in octets)


def decode_xtext(text: str) -> bytes:
    """The octets behind xtext. Raises `DSNError` for anything that is not xtext."""
    if not _XTEXT.match(text):
        raise DSNError(f"{text[:60]!r} is not xtext (RFC 3461 §4)")
    return _HEXCHAR.sub(lambda match: bytes([int(match[1], 16)]), text.encode("ascii"))


def encode_unitext(address: str) -> str:
    r"""An address as utf-8-addr-xtext, all ASCII: `\x{HEX}` for all that QCHAR leaves out (RFC 6533 §3)."""
    return "".join(
        character if "!" <= character <= "~" and character not in "\\+=" else f"\\x{{{ord(character):02X}}}"
        for character in address
    )


def decode_unitext(text: str) -> str:
    r"""Undo `\x{HEX}` (RFC 6533 §3); what is no Unicode character stays as it is written."""
    return _EMBEDDED.sub(_character, text)


def _character(match: re.Match[str]) -> str:
    point = int(match[1], 16)
    return match[0] if point > 0x10FFFF or 0xD800 <= point <= 0xDFFF else chr(point)

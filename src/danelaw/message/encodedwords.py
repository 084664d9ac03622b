"""Text other than ASCII in header fields: encoded words read and written (RFC 2047)."""

from __future__ import annotations

import binascii
import re
from typing import NamedTuple

from danelaw.message.charsets import decode, guess

# RFC 2047 §2, the language of RFC 2231 §5 included. The encoded text may contain spaces here, which it may not; a
# question mark ends it, so that looking takes linear time.
ENCODED_WORD = re.compile(r"=\?([^?=\s()<>@,;:\"/\[\]]{1,64})\?([bBqQ])\?([^?\r\n]*)\?=")
_HEX = re.compile(rb"=([0-9A-Fa-f]{2})")
_NOT_BASE64 = re.compile(r"[^A-Za-z0-9+/]+")
_Q_SAFE = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!*+-/")
_LONGEST = 75  # RFC 2047 §2


class _Word(NamedTuple):
    start: int
    end: int
    charset: str
    octets: bytes


def decode_words(text: str) -> str:
    """Unfolded text with its encoded words decoded, white space between two of them dropped (RFC 2047 §6.2).

    Neighbours of one charset are put together before decoding, since characters are found cut in two. What cannot be
    decoded stays as it is written. An unknown charset is read as UTF-8 or windows-1252.
    """
    if "=?" not in text:
        return text
    pieces: list[str] = []
    run: list[_Word] = []
    place = 0
    for match in ENCODED_WORD.finditer(text):
        octets = _octets(match[2], match[3])
        if octets is None:
            continue
        word = _Word(match.start(), match.end(), match[1].partition("*")[0].lower(), octets)
        between = text[place : word.start]
        if run and not between.strip(" \t\r\n"):
            run.append(word)
        else:
            pieces += (_text(run), between)
            run = [word]
        place = word.end
    pieces += (_text(run), text[place:])
    return "".join(pieces)


def _octets(encoding: str, encoded: str) -> bytes | None:
    if encoding in "qQ":
        raw = encoded.replace("_", " ").encode("utf-8", "surrogateescape")
        return _HEX.sub(lambda match: bytes.fromhex(match[1].decode()), raw)
    return lenient_base64(encoded)


def lenient_base64(encoded: str) -> bytes | None:
    """Base64 with strange characters dropped and padding missing or too much; None where nothing can be meant."""
    letters = _NOT_BASE64.sub("", encoded)
    if len(letters) % 4 == 1:
        letters = letters[:-1]
    if not letters:
        return b"" if not encoded.strip("= ") else None
    return binascii.a2b_base64(letters + "=" * (-len(letters) % 4))


def _text(run: list[_Word]) -> str:
    pieces: list[str] = []
    while run:
        charset = run[0].charset
        same = 1
        while same < len(run) and run[same].charset == charset:
            same += 1
        whole, known = decode(b"".join(word.octets for word in run[:same]), charset)
        pieces += [whole] if known or same == 1 else [decode(word.octets, charset)[0] for word in run[:same]]
        run = run[same:]
    return "".join(pieces)


def decode_field(value: bytes) -> str:
    """A field's value for people: raw UTF-8 (RFC 6532) or what else it may be, and encoded words decoded."""
    return decode_words(guess(value))


def encode_words(text: str, *, first_room: int = 60) -> str:
    """Text as encoded words in UTF-8, each at most 75 characters, joined by CRLF and a space; ASCII text unchanged.

    `first_room` is how many characters are left on the line where it begins (at least 20). Fit for unstructured fields
    and for display names: what may not stand in a phrase is encoded (RFC 2047 §5). Lone surrogates become `?`.
    """
    if text.isascii() and text.isprintable() and "=?" not in text:
        return text
    octets = text.encode("utf-8", "replace")
    safe = sum(octet in _Q_SAFE or octet == 0x20 for octet in octets)
    encode = _q if len(octets) + 2 * (len(octets) - safe) <= len(octets) * 4 / 3 else _b
    words: list[str] = []
    pending = b""
    room = max(min(first_room, _LONGEST), 20)
    for character in octets.decode():
        longer = pending + character.encode()
        if pending and len(encode(longer)) > room:
            words.append(encode(pending))
            room, longer = _LONGEST, character.encode()
        pending = longer
    return "\r\n ".join([*words, encode(pending)])


def _b(octets: bytes) -> str:
    return f"=?utf-8?B?{binascii.b2a_base64(octets, newline=False).decode()}?="


def _q(octets: bytes) -> str:
    letters = (chr(octet) if octet in _Q_SAFE else "_" if octet == 0x20 else f"={octet:02X}" for octet in octets)
    return f"=?utf-8?Q?{''.join(letters)}?="

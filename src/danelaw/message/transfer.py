"""Content transfer encodings undone and applied, in pieces (RFC 2045 §6)."""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable, Iterable, Iterator
from enum import StrEnum

from danelaw.message.defects import Defect, Defects

_ALPHABET = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_WHITE = b" \t\r\n"
_STRANGE = bytes(set(range(256)).difference(_ALPHABET, _WHITE, b"="))
_WHITE_AT_END = re.compile(rb"(?<![ \t])[ \t]++(?=\r?\n)")
_BAD_EQUALS = re.compile(rb"=(?![0-9A-Fa-f]{2}|\r?\n)")
_EQUALS = re.compile(rb"=(?:([0-9A-Fa-f]{2})|\r?\n)")
_LONGEST_LINE = 1 << 16


class TransferEncoding(StrEnum):
    """The registered encodings, and `UNKNOWN` for any other name."""

    SEVEN_BIT = "7bit"
    EIGHT_BIT = "8bit"
    BINARY = "binary"
    BASE64 = "base64"
    QUOTED_PRINTABLE = "quoted-printable"
    UNKNOWN = "unknown"

    @property
    def encodes(self) -> bool:
        """Whether the octets are others than they stand for."""
        return self in (TransferEncoding.BASE64, TransferEncoding.QUOTED_PRINTABLE)


def undo(encoding: TransferEncoding, pieces: Iterable[bytes], defects: Defects) -> Iterator[bytes]:
    """What the pieces encode, in pieces of about the same size: every octet that can be meant."""
    if encoding is TransferEncoding.BASE64:
        return from_base64(pieces, defects)
    if encoding is TransferEncoding.QUOTED_PRINTABLE:
        return from_quoted_printable(pieces, defects)
    return iter(pieces)


def from_base64(pieces: Iterable[bytes], defects: Defects) -> Iterator[bytes]:
    """Base64 undone: strange characters are passed over (RFC 2045 §6.8), padding ends only what stands before it."""
    rest = b""
    padded = False
    for piece in pieces:
        letters = piece.translate(None, _WHITE)
        plain = letters.translate(None, _STRANGE)
        if len(plain) != len(letters) or (padded and plain.strip(b"=")):
            defects.note(Defect.BAD_BASE64)
        *ended, rest = (rest + plain).split(b"=")
        for run in ended:
            if run and padded:
                defects.note(Defect.BAD_BASE64)
            padded = True
            yield _letters(run, defects)
        whole = len(rest) - len(rest) % 4
        if rest and ended:
            defects.note(Defect.BAD_BASE64)
        yield binascii.a2b_base64(rest[:whole])
        rest = rest[whole:]
    yield _letters(rest, defects)


def _letters(run: bytes, defects: Defects) -> bytes:
    if len(run) % 4 == 1:
        defects.note(Defect.BAD_BASE64)
        run = run[:-1]
    return binascii.a2b_base64(run + b"=" * (-len(run) % 4))


def from_quoted_printable(pieces: Iterable[bytes], defects: Defects) -> Iterator[bytes]:
    """Quoted-printable undone (RFC 2045 §6.7): white space at line ends dropped, an equals sign that encodes nothing
    left as it is.
    """
    rest = b""
    for piece in pieces:
        lines = rest + piece
        cut = lines.rfind(b"\n") + 1
        if not cut and len(lines) > _LONGEST_LINE:
            cut = len(lines.rstrip(b" \t\r")) or len(lines)
            equals = lines.find(b"=", max(cut - 2, 0), cut)
            cut = equals if equals > 0 else cut
        rest = lines[cut:]
        yield _quoted(lines[:cut], defects)
    last = rest.rstrip(b" \t")
    yield _quoted(last[:-1] if last.endswith(b"=") else last, defects)


def _quoted(lines: bytes, defects: Defects) -> bytes:
    if b" \n" in lines or b" \r" in lines or b"\t\r" in lines or b"\t\n" in lines:
        lines = _WHITE_AT_END.sub(b"", lines)
    if _BAD_EQUALS.search(lines):
        defects.note(Defect.BAD_QUOTED_PRINTABLE)
        return _EQUALS.sub(lambda match: bytes.fromhex(match[1].decode()) if match[1] else b"", lines)
    return binascii.a2b_qp(lines)


def to_base64(octets: bytes) -> bytes:
    """Lines of 76 characters with CRLF."""
    lines = (binascii.b2a_base64(octets[place : place + 57], newline=False) for place in range(0, len(octets), 57))
    return b"".join(line + b"\r\n" for line in lines)


def to_quoted_printable(text: bytes) -> bytes:
    """Text whose line ends are CRLF; a lone CR or LF is encoded."""
    return b"\r\n".join(map(_quoted_line, text.split(b"\r\n")))


def _quoted_line(line: bytes) -> bytes:
    pieces: list[str] = []
    room = 75
    for place, octet in enumerate(line):
        plain = 0x21 <= octet <= 0x7E and octet != 0x3D
        white = octet in b" \t" and place < len(line) - 1
        piece = chr(octet) if plain or white else f"={octet:02X}"
        if len(piece) > room:
            pieces.append("=\r\n")
            room = 75
        pieces.append(piece)
        room -= len(piece)
    return "".join(pieces).encode("ascii")


ENCODERS: dict[TransferEncoding, Callable[[bytes], bytes]] = {
    TransferEncoding.BASE64: to_base64,
    TransferEncoding.QUOTED_PRINTABLE: to_quoted_printable,
}

"""The third part of a notice: the original message or its header (RFC 3461 §6.2, RFC 6522 §3, RFC 6533 §4)."""

from __future__ import annotations

import base64
import re

from danelaw.dsn.sevenbit import quoted
from danelaw.dsn.values import DSN, Action
from danelaw.message import Header, MessageError, keep_fields, truncate

MAX_HEADER = 65_536
_LONG_LINE = re.compile(rb"[^\n]{999}")
_BARE = re.compile(rb"\r(?!\n)|(?<!\r)\n")


def returned_part(dsn: DSN) -> bytes:
    """The part with its own header lines, ready to stand behind a boundary line."""
    header = _header(dsn)
    if _whole(dsn, header):
        return _message_part(dsn, header)
    return _header_part(dsn, header)


def _header(dsn: DSN) -> Header:
    try:
        return Header.from_bytes(dsn.original, max_octets=MAX_HEADER)
    except MessageError:
        # Longer than we give back anyway: cut at a line, so that what remains is a header again.
        cut = dsn.original.rfind(b"\n", 0, MAX_HEADER) + 1
        return Header.from_bytes(dsn.original[:cut], max_octets=MAX_HEADER, max_fields=MAX_HEADER)


def _whole(dsn: DSN, header: Header) -> bool:
    """Whether to give the message back whole: only on failure, when not forbidden, small enough, and possible."""
    if dsn.requiretls or dsn.ret_full is False or dsn.action is not Action.FAILED:
        return False
    if len(dsn.original) > dsn.max_original or header.body_offset >= len(dsn.original):
        return False
    if not header.raw.isascii() and not _is_utf8(header.raw):
        return False
    clean = not _BARE.search(dsn.original) and not _LONG_LINE.search(dsn.original)
    if not header.raw.isascii():
        return clean or not dsn.smtputf8
    # message/rfc822 may not be encoded (RFC 2046 §5.2.1): what does not fit the way back is left out.
    return clean and (dsn.eight_bit or dsn.original.isascii())


def _message_part(dsn: DSN, header: Header) -> bytes:
    if header.raw.isascii():
        encoding = b"7bit" if dsn.original.isascii() else b"8bit"
        return _part(b"message/rfc822", encoding, dsn.original)
    if dsn.smtputf8:
        return _part(b"message/global", b"8bit", dsn.original)
    return _part(b"message/global", b"base64", _base64(dsn.original))


def _header_part(dsn: DSN, header: Header) -> bytes:
    raw = keep_fields(header) if dsn.redacted else truncate(header, MAX_HEADER)
    if raw.isascii() or not _is_utf8(raw):
        media = b"text/rfc822-headers" if raw.isascii() else b"text/rfc822-headers; charset=unknown-8bit"
        fits = raw.isascii() and not _LONG_LINE.search(raw) and not _BARE.search(raw)
        return _part(media, b"7bit", raw) if fits else _part(media, b"quoted-printable", quoted(raw))
    if dsn.smtputf8 and not _LONG_LINE.search(raw) and not _BARE.search(raw):
        return _part(b"message/global-headers", b"8bit", raw)
    return _part(b"message/global-headers", b"quoted-printable", quoted(raw))


def _part(media: bytes, encoding: bytes, content: bytes) -> bytes:
    return b"Content-Type: %b\r\nContent-Transfer-Encoding: %b\r\n\r\n%b" % (media, encoding, content)


def _is_utf8(raw: bytes) -> bool:
    try:
        raw.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _base64(raw: bytes) -> bytes:
    return base64.encodebytes(raw).replace(b"\n", b"\r\n")

"""A finished notice for a way back that carries seven bits only (RFC 6152 §3, RFC 2045 §6, RFC 6533 §4).

A sender must hear what became of the mail even where the next server lacks 8BITMIME. Text becomes quoted-printable and
message/global base64. An original message of type message/rfc822 may not be encoded (RFC 2046 §5.2.1): its header takes
its place (RFC 6522 §3), which tells the sender which message it was.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import replace

from danelaw.dsn.errors import DSNError
from danelaw.dsn.report import Report
from danelaw.message import Header, MessageError

_MOST_HEADER = 65_536
_TYPE = re.compile(rb"\s*([a-z0-9.+-]{1,64}/[a-z0-9.+-]{1,64})", re.IGNORECASE)
_WHOLE = b"message/rfc822"
_GLOBAL = b"message/global"


def seven_bit(notice: bytes) -> bytes:
    """The same notice in ASCII alone; one that is ASCII already comes back as it is.

    Raises `DSNError` for what is no notice, or has octets above 127 where they cannot be encoded: in its own header
    (an address that needs SMTPUTF8), or in parts that are no text and no message.
    """
    if notice.isascii():
        return notice
    report = Report.from_bytes(notice)
    if not report.header.raw.isascii():
        raise DSNError("the header of the notice needs SMTPUTF8, which has 8-bit transport in it")
    return replace(report, parts=tuple(map(_seven_bit_part, report.parts))).to_bytes()


def _seven_bit_part(part: bytes) -> bytes:
    if part.isascii():
        return part
    header = _header_of(part)
    if not header.raw.isascii():
        raise DSNError("a part of the notice has 8-bit octets in its header")
    kind, content = _kind_of(header), part[header.body_offset :]
    if kind == _WHOLE:
        return _original_header(content)
    if kind == _GLOBAL:
        return _encoded(header, b"base64", base64.encodebytes(content).replace(b"\n", b"\r\n").removesuffix(b"\r\n"))
    if kind == b"message/delivery-status":  # RFC 3464 §2.1: ASCII, or it is a fault of whoever wrote it
        return header.raw + b"\r\n" + bytes(octet if octet < 128 else 0x3F for octet in content)
    if kind.startswith((b"text/", b"message/global-")):
        return _encoded(header, b"quoted-printable", quoted(content))
    raise DSNError(f"a part of type {kind.decode()} cannot be turned into seven bits")


def _header_of(part: bytes) -> Header:
    try:
        return Header.from_bytes(part, max_octets=_MOST_HEADER)
    except MessageError as error:
        raise DSNError(f"a part of the notice cannot be read: {error.reason}") from None


def _kind_of(header: Header) -> bytes:
    """The media type in lower case; text/plain where none is said (RFC 2045 §5.2)."""
    field = header.first("Content-Type")
    found = _TYPE.match(field.value) if field is not None else None
    return found[1].lower() if found is not None else b"text/plain"


def _encoded(header: Header, encoding: bytes, content: bytes) -> bytes:
    """The part with its other header fields and another encoding. Raises `DSNError` where it has one already."""
    said = header.first("Content-Transfer-Encoding")
    if said is not None and said.value.lower() not in (b"8bit", b"7bit"):
        raise DSNError("a part of the notice claims to be encoded and has 8-bit octets all the same")
    kept = b"".join(field.raw for field in header if field.key != b"content-transfer-encoding")
    return kept + b"Content-Transfer-Encoding: %b\r\n\r\n%b" % (encoding, content)


def _original_header(message: bytes) -> bytes:
    """The original's header in place of the original (RFC 6522 §3 text/rfc822-headers)."""
    raw = _header_of(message).raw
    if raw.isascii():
        return b"Content-Type: text/rfc822-headers\r\n\r\n" + raw
    media = b"text/rfc822-headers; charset=unknown-8bit"
    return b"Content-Type: %b\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n%b" % (media, quoted(raw))


def quoted(raw: bytes) -> bytes:
    """Quoted-printable of text (RFC 2045 §6.7); a lone CR or LF is encoded, so that nothing is changed."""
    lines = raw.split(b"\r\n")
    return b"\r\n".join(binascii.b2a_qp(line, istext=False).replace(b"=\n", b"=\r\n") for line in lines)

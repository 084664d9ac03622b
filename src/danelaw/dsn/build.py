"""The notice as octets: multipart/report with three parts (RFC 6522 §3, RFC 3464 §2, RFC 3834 §5)."""

from __future__ import annotations

import binascii
import re
from collections.abc import Sequence

from danelaw.dsn.errors import DSNError
from danelaw.dsn.fields import delivery_status
from danelaw.dsn.original import MAX_HEADER, returned_part
from danelaw.dsn.texts import Texts, shipped
from danelaw.dsn.values import DSN
from danelaw.dsn.words import explanation, subject
from danelaw.message import Header, MessageError, encode_words, format_date

_BOUNDARY = re.compile(r"[A-Za-z0-9'()+_,\-./:=?]{1,69}[A-Za-z0-9'()+_,\-./:=?]\Z", re.ASCII)
_MESSAGE_ID = re.compile(r"<[!-;=?A-~]{1,200}@[!-;=?A-~]{1,255}>\Z", re.ASCII)


def build(dsn: DSN, *, date: float, message_id: str, boundary: str, languages: Sequence[Texts] | None = None) -> bytes:
    """The whole notice, canonical CRLF lines, final CRLF included.

    `languages` are the texts for a person, one below the other, the subject in the first; absent: English. `date` in
    POSIX seconds, `message_id` with angle brackets, `boundary` unguessable to who sent the original.
    Raises `DSNError` for an id or boundary that cannot be written, or a boundary that occurs in the original.
    """
    if not _MESSAGE_ID.match(message_id):
        raise DSNError(f"{message_id!r} is not a Message-ID")
    if not _BOUNDARY.match(boundary) or b"--" + boundary.encode() in dsn.original:
        raise DSNError(f"{boundary!r} cannot be the boundary", advice="choose another at random")
    texts = tuple(languages or (shipped("en"),))
    original_id = None if dsn.redacted else _original_id(dsn.original)
    utf8 = dsn.smtputf8 and not _ascii_recipients(dsn)
    parts = (words_part(explanation(dsn, original_id, texts), texts), _status_part(dsn, utf8), returned_part(dsn))
    mark = b"--" + boundary.encode("ascii")
    body = b"".join(b"%b\r\n%b\r\n" % (mark, part) for part in parts)
    return _header(dsn, date, message_id, boundary, original_id, texts) + b"\r\n" + body + mark + b"--\r\n"


def _header(
    dsn: DSN, date: float, message_id: str, boundary: str, original_id: str | None, texts: Sequence[Texts]
) -> bytes:
    lines = [
        f"From: {dsn.sender_name} <{dsn.sender_address or f'MAILER-DAEMON@{dsn.reporting_mta}'}>",
        f"To: <{dsn.to}>",
        f"Subject: {encode_words(subject(dsn, texts[0]), first_room=60)}",
        f"Date: {format_date(date)}",
        f"Message-ID: {message_id}",
        "Auto-Submitted: auto-replied",
        "MIME-Version: 1.0",
        f'Content-Type: multipart/report; report-type=delivery-status;\r\n\tboundary="{boundary}"',
    ]
    if original_id is not None:
        # RFC 3834 §3.1.5: an automatic response names what it responds to.
        lines.insert(5, f"In-Reply-To: {original_id}\r\nReferences: {original_id}")
    return "".join(f"{line}\r\n" for line in lines).encode()


def words_part(text: str, languages: Sequence[Texts]) -> bytes:
    """The part for a person, its own header lines included: ASCII as it is, else UTF-8 in quoted-printable."""
    language = b"Content-Language: %b\r\n" % ", ".join(one.language for one in languages).encode()
    plain = text.replace("\n", "\r\n")
    if plain.isascii() and all(len(line) <= 998 for line in plain.split("\r\n")):
        return b"Content-Type: text/plain; charset=us-ascii\r\n%b\r\n%b" % (language, plain.encode())
    lines = [binascii.b2a_qp(line.encode("utf-8", "replace"), istext=True).replace(b"=\n", b"=\r\n")
             for line in text.split("\n")]  # fmt: skip
    head = b"Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n"
    return head + language + b"\r\n" + b"\r\n".join(lines)


def _status_part(dsn: DSN, utf8: bool) -> bytes:
    status = delivery_status(dsn, utf8=utf8)
    if status.isascii():
        return f"Content-Type: message/delivery-status\r\n\r\n{status}".encode()
    head = "Content-Type: message/global-delivery-status\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    return (head + status).encode()


def _ascii_recipients(dsn: DSN) -> bool:
    return all(recipient.address.isascii() and "\\x{" not in (recipient.orcpt or "") for recipient in dsn.recipients)


def _original_id(original: bytes) -> str | None:
    try:
        found = Header.from_bytes(original, max_octets=MAX_HEADER).message_id
    except MessageError:
        return None
    return found if found is not None and _MESSAGE_ID.match(found) else None

"""Taking out of a finished notice what it tells of the message, for a way back without REQUIRETLS (RFC 8689 §5)."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from danelaw.dsn.build import words_part
from danelaw.dsn.errors import DSNError
from danelaw.dsn.report import Report
from danelaw.dsn.texts import Texts, shipped
from danelaw.message import Header, MessageError, encode_words, keep_fields

# Notices of other servers, and answers of mail readers, may repeat the original's subject and more in any other field.
_KEPT = frozenset({b"received", b"from", b"to", b"date", b"message-id", b"mime-version", b"auto-submitted"})
_MOST_HEADER = 65_536
_WIDTH = 76


def redacted(notice: bytes, languages: Sequence[Texts] | None = None) -> bytes:
    """The notice with nothing of the message it is about: for a way back that lacks REQUIRETLS.

    Of a report (RFC 6522 multipart/report with message/delivery-status) the part for programs stays, below general
    words. Of anything else with an empty reverse-path, such as a disposition notification or an answer of a mail
    reader, only who sent it: it may not be dropped for lack of REQUIRETLS, and what it repeats cannot be told apart.
    `languages` are the texts for a person; absent: English.
    """
    texts = tuple(languages or (shipped("en"),))
    try:
        report = Report.from_bytes(notice)
        status = next((part for part in report.parts if b"delivery-status" in part.partition(b"\r\n\r\n")[0]), None)
    except DSNError:
        status = None
    if status is None:
        return _recognisable(notice) + _subject("answer", texts) + b"MIME-Version: 1.0\r\n" + _words("answer", texts)
    kind = report.header.first("Content-Type")
    assert kind is not None, "it was read as a report"
    mark = b"--" + report.boundary
    body = b"\r\n".join((mark, _words("text", texts) + mark, status, mark + b"--", b""))
    return keep_fields(report.header, _KEPT) + _subject("redacted", texts) + kind.raw + b"\r\n" + body


def _subject(key: str, texts: Sequence[Texts]) -> bytes:
    return f"Subject: {encode_words(texts[0](f'subject.{key}'), first_room=60)}\r\n".encode()


def _words(key: str, texts: Sequence[Texts]) -> bytes:
    said = "\n\n".join(textwrap.fill(one(f"redacted.{key}"), _WIDTH) for one in texts) + "\n"
    return words_part(said, texts)


def _recognisable(notice: bytes) -> bytes:
    """Its trace, its sender and its date; of a header that cannot be read nothing."""
    try:
        header = Header.from_bytes(notice, max_octets=_MOST_HEADER)
    except MessageError:
        return b""
    return keep_fields(header, _KEPT - {b"mime-version"})

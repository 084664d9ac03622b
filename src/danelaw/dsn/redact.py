"""Taking out of a finished notice what it tells of the message, for a way back without REQUIRETLS (RFC 8689 §5)."""

from __future__ import annotations

from danelaw.dsn.errors import DSNError
from danelaw.dsn.report import Report
from danelaw.message import Header, MessageError, keep_fields

# Notices of other servers, and answers of mail readers, may repeat the original's subject and more in any other field.
_KEPT = frozenset({b"received", b"from", b"to", b"date", b"message-id", b"mime-version", b"auto-submitted"})
_SUBJECT = b"Subject: Returned: your message\r\n"
_WORDS = (
    b"Content-Type: text/plain; charset=us-ascii\r\n\r\n"
    b"Your message was NOT delivered as you asked. You asked that it travel only\r\n"
    b"through verified TLS (REQUIRETLS). A server on the way back to you does not\r\n"
    b"offer that, so this notice tells nothing of the message. What became of it,\r\n"
    b"for which recipient and why, is in the second part.\r\n"
)
_NOTHING_LEFT = (
    b"Subject: An answer to your message, without its contents\r\n"
    b"MIME-Version: 1.0\r\n"
    b"Content-Type: text/plain; charset=us-ascii\r\n\r\n"
    b"Somebody answered a message that was to travel only through verified TLS\r\n"
    b"(REQUIRETLS): a server that returned it, or a program of its recipient. A\r\n"
    b"server on the way back to you does not offer that, so the answer was taken\r\n"
    b"out here. Who sent it stands in From; ask there by another way.\r\n"
)
_MOST_HEADER = 65_536


def redacted(notice: bytes) -> bytes:
    """The notice with nothing of the message it is about: for a way back that lacks REQUIRETLS.

    Of a report (RFC 6522 multipart/report with message/delivery-status) the part for programs stays, below general
    words. Of anything else with an empty reverse-path, such as a disposition notification or an answer of a mail
    reader, only who sent it: it may not be dropped for lack of REQUIRETLS, and what it repeats cannot be told apart.
    """
    try:
        report = Report.from_bytes(notice)
        status = next((part for part in report.parts if b"delivery-status" in part.partition(b"\r\n\r\n")[0]), None)
    except DSNError:
        status = None
    if status is None:
        return _recognisable(notice) + _NOTHING_LEFT
    kind = report.header.first("Content-Type")
    assert kind is not None, "it was read as a report"
    mark = b"--" + report.boundary
    body = b"\r\n".join((mark, _WORDS + mark, status, mark + b"--", b""))
    return keep_fields(report.header, _KEPT) + _SUBJECT + kind.raw + b"\r\n" + body


def _recognisable(notice: bytes) -> bytes:
    """Its trace, its sender and its date; of a header that cannot be read nothing."""
    try:
        header = Header.from_bytes(notice, max_octets=_MOST_HEADER)
    except MessageError:
        return b""
    return keep_fields(header, _KEPT - {b"mime-version"})

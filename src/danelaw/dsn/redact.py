"""Taking out of a finished notice what it tells of the message, for a way back without REQUIRETLS (RFC 8689 §5)."""

from __future__ import annotations

from danelaw.dsn.errors import DSNError
from danelaw.dsn.report import Report

_TRACES = frozenset({b"in-reply-to", b"references"})
_WORDS = (
    b"Content-Type: text/plain; charset=us-ascii\r\n\r\n"
    b"Your message was NOT delivered as you asked. You asked that it travel only\r\n"
    b"through verified TLS (REQUIRETLS). A server on the way back to you does not\r\n"
    b"offer that, so this notice tells nothing of the message. What became of it,\r\n"
    b"for which recipient and why, is in the second part.\r\n"
)


def redacted(notice: bytes) -> bytes:
    """The notice (RFC 6522 multipart/report) with general words, its fields for programs, and nothing of the message.

    Raises `DSNError` for content that is no such notice.
    """
    report = Report.from_bytes(notice)
    status = next((part for part in report.parts if b"delivery-status" in part.partition(b"\r\n\r\n")[0]), None)
    if status is None:
        raise DSNError("the notice has no part for programs (message/delivery-status)")
    fields = b"".join(
        field.raw for field in report.header if field.raw.partition(b":")[0].strip().lower() not in _TRACES
    )
    mark = b"--" + report.boundary
    body = b"\r\n".join((mark, _WORDS + mark, status, mark + b"--", b""))
    return fields + b"\r\n" + body

"""Taking out of a finished notice what it tells of the message, for a way back without REQUIRETLS (RFC 8689 §5)."""

from __future__ import annotations

import re

from danelaw.dsn.errors import DSNError
from danelaw.message import Header, MessageError

_BOUNDARY = re.compile(
    rb"multipart/report\b.*?\bboundary=(?:\"([^\"\r\n]{1,70})\"|([^\s\";]{1,70}))", re.IGNORECASE | re.DOTALL
)
_TRACES = frozenset({b"in-reply-to", b"references"})
_MOST_HEADER = 65_536
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
    try:
        header = Header.from_bytes(notice, max_octets=_MOST_HEADER)
    except MessageError as error:
        raise DSNError(f"the notice cannot be read: {error.reason}") from None
    kind = next((field.raw for field in header.all("Content-Type")), b"")
    found = _BOUNDARY.search(kind)
    if found is None:
        raise DSNError("this is no notice (multipart/report)")
    mark = b"--" + (found[1] or found[2])
    parts = notice[header.body_offset :].split(b"\r\n" + mark)
    if parts[0].startswith(mark):
        parts = [b"", parts[0].removeprefix(mark), *parts[1:]]
    status = next((part for part in parts[1:] if b"delivery-status" in part.partition(b"\r\n\r\n")[0]), None)
    if status is None:
        raise DSNError("the notice has no part for programs (message/delivery-status)")
    fields = b"".join(
        field.raw for field in header.fields if field.raw.partition(b":")[0].strip().lower() not in _TRACES
    )
    body = b"\r\n".join((mark, _WORDS + mark, status.removeprefix(b"\r\n").removesuffix(b"\r\n"), mark + b"--", b""))
    return fields + b"\r\n" + body

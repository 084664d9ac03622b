"""As much of HTTP/1.1 (RFC 9112) as it takes to receive a posted report (RFC 8460 §5.4): the head, and lines of chunks.

A body comes with its length or in chunks, whose senders do not know the length before; `Expect: 100-continue` is
answered, since common clients wait for it. What could be read in two ways is refused.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from http import HTTPStatus

from danelaw.errors import DanelawError
from danelaw.tlsreport.container import MOST_COMPRESSED
from danelaw.tlsreport.mail_reading import MEDIA_TYPES

MOST_HEAD = 8192
"""Octets of a request's head."""
MOST_CHUNK_LINE = 128
"""Octets of the line before a chunk."""
_MOST_CHUNK = 1 << 24
_KINDS = MEDIA_TYPES | {"application/json", "application/gzip", "application/x-gzip", "application/octet-stream", ""}
_REQUEST_LINE = re.compile(rb"([A-Z]{1,20}) (?:https?://[^/ ]{1,300}(?=/))?(/[!-~]{0,2000}) HTTP/1\.([01])")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}):[ \t]*([^\r\n\0]*?)[ \t]*")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,8})[ \t]*(?:;[^\r\n]*)?\r?\n")
_ONCE = (b"content-length", b"transfer-encoding", b"content-type", b"content-encoding", b"expect")


class PostingError(DanelawError):
    """The request is not taken; `status` says how that is told."""

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True, slots=True)
class Posting:
    """A POST request. `path` is without a query; `length` of the body in octets, None where it comes in chunks;
    `awaits_continue`: the client sends the body once it is told to go on (RFC 9110 §10.1.1).
    """

    path: str
    length: int | None
    awaits_continue: bool = False

    @classmethod
    def from_head(cls, head: bytes, *, most: int = MOST_COMPRESSED) -> Posting:
        """From everything up to the empty line, for a body of at most `most` octets. Raises `PostingError`."""
        lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
        match = _REQUEST_LINE.fullmatch(lines[0])
        if match is None:
            raise PostingError(HTTPStatus.BAD_REQUEST, "this is not HTTP/1.1")
        if match[1] != b"POST":
            raise PostingError(HTTPStatus.METHOD_NOT_ALLOWED, "TLS reports are posted here (RFC 8460 §5.4)")
        fields = _fields(lines[1:])
        _check_kind(fields)
        path = match[2].partition(b"?")[0].decode("ascii")
        awaits = fields.get(b"expect", b"").lower() == b"100-continue" and match[3] == b"1"
        return cls(path, _length(fields, most), awaits)


def chunk_size(line: bytes) -> int:
    """How many octets follow a chunk's line, 0 after the last (RFC 9112 §7.1). Raises `PostingError`."""
    match = _CHUNK.fullmatch(line)
    if match is None or (size := int(match[1], 16)) > _MOST_CHUNK:
        raise PostingError(HTTPStatus.BAD_REQUEST, "a chunk of the body cannot be read")
    return size


def too_large(most: int) -> PostingError:
    """The body has too many octets."""
    return PostingError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a report may have {most} octets as it is posted")


def _fields(lines: list[bytes]) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    for line in lines:
        field = _FIELD.fullmatch(line)
        if field is None:
            raise PostingError(HTTPStatus.BAD_REQUEST, "a header field cannot be read")
        name = field[1].lower()
        if name in found and name in _ONCE:
            raise PostingError(HTTPStatus.BAD_REQUEST, "a header field stands twice")
        found[name] = field[2]
    return found


def _check_kind(fields: dict[bytes, bytes]) -> None:
    kind = fields.get(b"content-type", b"").partition(b";")[0].strip().lower().decode("latin-1")
    encoding = fields.get(b"content-encoding", b"identity").lower()
    if kind not in _KINDS or encoding not in (b"identity", b"gzip", b"x-gzip"):
        raise PostingError(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "reports are application/tlsrpt+gzip or application/tlsrpt+json"
        )


def _length(fields: dict[bytes, bytes], most: int) -> int | None:
    length, coding = fields.get(b"content-length"), fields.get(b"transfer-encoding")
    if coding is not None:
        if length is not None:
            raise PostingError(HTTPStatus.BAD_REQUEST, "the body has a length and comes in chunks")
        if coding.lower() != b"chunked":
            raise PostingError(HTTPStatus.NOT_IMPLEMENTED, "of transfer codings only chunked is known")
        return None
    if length is None:
        raise PostingError(HTTPStatus.LENGTH_REQUIRED, "the body's length must be told")
    if not re.fullmatch(rb"[0-9]{1,18}", length):
        raise PostingError(HTTPStatus.BAD_REQUEST, "the body's length is no number")
    if int(length) > most:
        raise too_large(most)
    return int(length)

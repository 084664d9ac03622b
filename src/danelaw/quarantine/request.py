"""As much of HTTP/1.1 (RFC 9112) as links and one form need: a head of at most 8 KiB, a body of known, small size."""

from __future__ import annotations

import re
from dataclasses import dataclass
from http import HTTPStatus
from urllib.parse import unquote_to_bytes

from danelaw.errors import DanelawError

MOST_HEAD = 8192
MOST_BODY = 2048
_MOST_FIELDS = 8
_REQUEST_LINE = re.compile(rb"(GET|HEAD|POST|[A-Z]{1,20}) (/[!-~]{0,2000}) HTTP/1\.[01]")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}):[ \t]*([^\r\n\0]*?)[ \t]*")
_LENGTH = re.compile(rb"[0-9]{1,6}")
_FORM_TYPE = b"application/x-www-form-urlencoded"


class RequestError(DanelawError):
    """The request is not answered as it wishes; `status` says how."""

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(frozen=True, slots=True)
class Request:
    """`method` is GET, HEAD or POST; `path` as written, without a query; `length` of the body that follows."""

    method: str
    path: str
    length: int

    @classmethod
    def from_head(cls, head: bytes) -> Request:
        """From everything up to the empty line. Raises `RequestError`."""
        lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
        match = _REQUEST_LINE.fullmatch(lines[0])
        if match is None:
            raise RequestError(HTTPStatus.BAD_REQUEST, "this is not HTTP/1.1")
        fields: dict[bytes, bytes] = {}
        for line in lines[1:]:
            field = _FIELD.fullmatch(line)
            if field is None:
                raise RequestError(HTTPStatus.BAD_REQUEST, "a header field cannot be read")
            name = field[1].lower()
            if name in fields and name in (b"content-length", b"transfer-encoding", b"content-type"):
                raise RequestError(HTTPStatus.BAD_REQUEST, "a header field stands twice")
            fields[name] = field[2]
        method, path = match[1].decode("ascii"), match[2].partition(b"?")[0].decode("ascii")
        if method in ("GET", "HEAD"):
            return cls(method, path, 0)
        if method != "POST":
            raise RequestError(HTTPStatus.METHOD_NOT_ALLOWED, "only GET, HEAD and POST")
        return cls(method, path, _body_length(fields))

    @property
    def last_segment(self) -> str:
        """What follows the last slash."""
        return self.path.rpartition("/")[2]


def _body_length(fields: dict[bytes, bytes]) -> int:
    if b"transfer-encoding" in fields or b"content-length" not in fields:
        raise RequestError(HTTPStatus.LENGTH_REQUIRED, "the body's length must be told")
    if not _LENGTH.fullmatch(fields[b"content-length"]):
        raise RequestError(HTTPStatus.BAD_REQUEST, "the body's length is no number")
    length = int(fields[b"content-length"])
    if length > MOST_BODY:
        raise RequestError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "the form is too large")
    if fields.get(b"content-type", b"").partition(b";")[0].strip().lower() != _FORM_TYPE:
        raise RequestError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "only the page's own form is read")
    return length


def form(body: bytes) -> dict[str, str]:
    """The fields of a form (application/x-www-form-urlencoded); values are ASCII, as ours are. Raises
    `RequestError`.
    """
    if len(body) > MOST_BODY:
        raise RequestError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "the form is too large")
    pairs = body.split(b"&", _MOST_FIELDS)
    if len(pairs) > _MOST_FIELDS:
        raise RequestError(HTTPStatus.BAD_REQUEST, "the form has too many fields")
    found: dict[str, str] = {}
    for pair in pairs:
        name, _, value = pair.partition(b"=")
        try:
            key, text = (unquote_to_bytes(part.replace(b"+", b" ")).decode("ascii") for part in (name, value))
        except UnicodeDecodeError:
            raise RequestError(HTTPStatus.BAD_REQUEST, "the form has characters it cannot have") from None
        if key in found:
            raise RequestError(HTTPStatus.BAD_REQUEST, "a field of the form stands twice")
        found[key] = text
    return found

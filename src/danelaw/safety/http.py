"""As much of HTTP/1.1 (RFC 9112) as an API needs: connections are kept, bodies have a length, nothing is chunked."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from danelaw.errors import DanelawError

MOST_HEAD = 8192
_MOST_FIELDS = 64
_REQUEST_LINE = re.compile(rb"([A-Z]{1,20}) (/[!-~]{0,4000}) HTTP/1\.([01])")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}):[ \t]*([^\r\n\0]*?)[ \t]*")
_LENGTH = re.compile(rb"[0-9]{1,9}")
_encode = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class RequestError(DanelawError):
    """The request is not answered as it wishes; `status` says how, `fields` go into the response's head."""

    def __init__(
        self, status: HTTPStatus, reason: str, *, advice: str | None = None, fields: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(reason, advice=advice)
        self.status = status
        self.fields = dict(fields or {})


@dataclass(frozen=True, slots=True)
class Request:
    """`path` and `query` as written; `fields` by lower-case name; `length` of the body that follows; `keep`: the client
    may send another request on this connection.
    """

    method: str
    path: str
    query: str
    fields: Mapping[str, bytes] = field(default_factory=dict)
    length: int = 0
    keep: bool = True

    @property
    def bearer(self) -> bytes | None:
        """The token of an Authorization field (RFC 6750 §2.1), None without one."""
        scheme, _, token = self.fields.get("authorization", b"").partition(b" ")
        return token.strip() if scheme.lower() == b"bearer" and token.strip() else None


def request_of(head: bytes, most_body: int) -> Request:
    """From everything up to the empty line. Raises `RequestError`; the connection is not to be used after one.

    What two readers could frame differently is refused (RFC 9112 §11.2): a repeated field that frames the message,
    folded lines, any Transfer-Encoding.
    """
    lines = head.removesuffix(b"\r\n\r\n").split(b"\r\n")
    match = _REQUEST_LINE.fullmatch(lines[0])
    if match is None:
        raise RequestError(HTTPStatus.BAD_REQUEST, "this is not HTTP/1.1")
    if len(lines) > _MOST_FIELDS:
        raise RequestError(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "too many header fields")
    fields: dict[str, bytes] = {}
    for line in lines[1:]:
        found = _FIELD.fullmatch(line)
        if found is None:
            raise RequestError(HTTPStatus.BAD_REQUEST, "a header field cannot be read")
        name = found[1].decode("ascii").lower()
        if name in fields and name in ("content-length", "host", "authorization"):
            raise RequestError(HTTPStatus.BAD_REQUEST, f"{name} stands twice")
        fields[name] = found[2]
    if "transfer-encoding" in fields:
        raise RequestError(HTTPStatus.LENGTH_REQUIRED, "the body's length must be told in Content-Length")
    newer = match[3] == b"1"
    if newer and "host" not in fields:
        raise RequestError(HTTPStatus.BAD_REQUEST, "there is no Host field")
    options = fields.get("connection", b"").lower()
    path, _, query = match[2].decode("ascii").partition("?")
    return Request(
        match[1].decode("ascii"),
        path,
        query,
        fields,
        _length(fields, most_body),
        b"close" not in options if newer else b"keep-alive" in options,
    )


def _length(fields: Mapping[str, bytes], most: int) -> int:
    text = fields.get("content-length")
    if text is None:
        return 0
    if not _LENGTH.fullmatch(text):
        raise RequestError(HTTPStatus.BAD_REQUEST, "the body's length is no number")
    if int(text) > most:
        raise RequestError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a body has at most {most} octets")
    return int(text)


def response(
    status: HTTPStatus,
    body: Any,
    *,
    keep: bool,
    fields: Mapping[str, str] | None = None,
    without_body: bool = False,
) -> bytes:
    """One response: `body` is JSON, or text that is JSON already; `fields` are added to the head."""
    data = b"" if status is HTTPStatus.NO_CONTENT else (body if isinstance(body, str) else _encode(body)).encode()
    more = "".join(f"{name}: {value}\r\n" for name, value in (fields or {}).items())
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: application/json\r\nContent-Length: {len(data)}\r\n"
        f"Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n{more}"
        f"Connection: {'keep-alive' if keep else 'close'}\r\n\r\n"
    ).encode("ascii", "replace")
    return head if without_body else head + data


def refusal(error: RequestError, *, keep: bool, without_body: bool = False) -> bytes:
    """The response to what is not answered."""
    body = {"error": error.reason, "advice": error.advice}
    return response(error.status, body, keep=keep, fields=error.fields, without_body=without_body)

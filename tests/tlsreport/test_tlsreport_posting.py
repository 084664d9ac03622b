"""Heads of requests that post reports: what is taken, and with which status all else is refused (RFC 8460 §5.4)."""

from __future__ import annotations

from http import HTTPStatus

import pytest

from danelaw.tlsreport import Posting, PostingError
from danelaw.tlsreport.posting import chunk_size

LINE = b"POST /v1/tlsrpt HTTP/1.1\r\n"
USUAL = b"Host: x\r\nContent-Type: application/tlsrpt+gzip\r\nContent-Length: 12\r\n"


def read(*lines: bytes) -> Posting:
    return Posting.from_head(b"".join(lines) + b"\r\n", most=1000)


@pytest.mark.parametrize(
    ("lines", "posting"),
    [
        ((LINE, USUAL), Posting("/v1/tlsrpt", 12)),
        ((b"POST /v1/tlsrpt?a=b HTTP/1.0\r\n", USUAL), Posting("/v1/tlsrpt", 12)),
        ((b"POST https://mx.example:8443/v1/tlsrpt HTTP/1.1\r\n", USUAL), Posting("/v1/tlsrpt", 12)),
        ((LINE, USUAL, b"Expect: 100-Continue\r\n"), Posting("/v1/tlsrpt", 12, True)),
        ((b"POST /x HTTP/1.0\r\n", USUAL, b"Expect: 100-continue\r\n"), Posting("/x", 12, False)),
        ((LINE, b"content-type: Application/TLSRPT+json; v=1\r\nCONTENT-LENGTH:  0 \r\n"), Posting("/v1/tlsrpt", 0)),
        ((LINE, b"Content-Length: 1000\r\n"), Posting("/v1/tlsrpt", 1000)),
        ((LINE, b"Transfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n"), Posting("/v1/tlsrpt", None)),
    ],
)
def test_posts(lines: tuple[bytes, ...], posting: Posting) -> None:
    assert read(*lines) == posting


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ((b"GET /v1/tlsrpt HTTP/1.1\r\n",), HTTPStatus.METHOD_NOT_ALLOWED),
        ((b"POST v1 HTTP/1.1\r\n", USUAL), HTTPStatus.BAD_REQUEST),
        ((b"POST / HTTP/2\r\n", USUAL), HTTPStatus.BAD_REQUEST),
        ((LINE, b"Content-Type: application/tlsrpt+gzip\r\n"), HTTPStatus.LENGTH_REQUIRED),
        ((LINE, b"Content-Length: 1001\r\n"), HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
        ((LINE, b"Content-Length: 99999999999999999\r\n"), HTTPStatus.REQUEST_ENTITY_TOO_LARGE),
        ((LINE, b"Content-Length: +1\r\n"), HTTPStatus.BAD_REQUEST),
        ((LINE, USUAL, b"Content-Length: 12\r\n"), HTTPStatus.BAD_REQUEST),
        ((LINE, USUAL, b"Transfer-Encoding: chunked\r\n"), HTTPStatus.BAD_REQUEST),
        ((LINE, b"Transfer-Encoding: gzip, chunked\r\n"), HTTPStatus.NOT_IMPLEMENTED),
        ((LINE, b"Content-Length: 1\r\nContent-Type: multipart/form-data\r\n"), HTTPStatus.UNSUPPORTED_MEDIA_TYPE),
        ((LINE, b"Content-Length: 1\r\nContent-Encoding: br\r\n"), HTTPStatus.UNSUPPORTED_MEDIA_TYPE),
        ((LINE, USUAL, b" folded: x\r\n"), HTTPStatus.BAD_REQUEST),
        ((LINE, USUAL, b"no colon\r\n"), HTTPStatus.BAD_REQUEST),
    ],
)
def test_what_is_refused(lines: tuple[bytes, ...], status: HTTPStatus) -> None:
    with pytest.raises(PostingError) as caught:
        read(*lines)
    assert caught.value.status is status


def test_lines_of_chunks() -> None:
    assert [chunk_size(line) for line in (b"0\r\n", b"1aF\r\n", b"10 ;name=value\r\n", b"2\n")] == [0, 431, 16, 2]
    for line in (b"\r\n", b"-1\r\n", b"0x1\r\n", b"ffffffff\r\n", b"1", b"1 1\r\n"):
        with pytest.raises(PostingError):
            chunk_size(line)

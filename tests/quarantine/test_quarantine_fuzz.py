"""The fuzz targets of the quarantine, on bytes that hypothesis chooses."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from danelaw.quarantine.tokens import Action, Key, Token
from fuzz import quarantine_anatomy, quarantine_request, quarantine_token

_REQUEST = st.sampled_from(
    [b"GET ", b"POST ", b"/q/", b" HTTP/1.1", b"\r\n", b"Content-Length: 7", b"Content-Type: application/x-www-form-",
     b"urlencoded", b"token=", b"%41", b"&", b"+", b"Transfer-Encoding: chunked", b":", b"\0"]
)  # fmt: skip
_MESSAGE = st.sampled_from(
    [b"Content-Type: multipart/mixed; boundary=a\r\n", b"\r\n", b"--a\r\n", b"--a--", b"From: =?x?b?", b"?=", b" ",
     b"Subject: =?utf-8?q?=E2=80=AE?=\r\n", b"Content-Type: message/rfc822\r\n", b'; name="\\"', b"\x1b[2J", b"\xff"]
)  # fmt: skip


@given(st.binary(max_size=120) | st.binary(min_size=62, max_size=62))
def test_tokens(data: bytes) -> None:
    quarantine_token.test_one_input(data)


@given(st.binary(max_size=300) | st.lists(_REQUEST, max_size=20).map(b"".join))
def test_requests(data: bytes) -> None:
    quarantine_request.test_one_input(data)


@given(st.binary(max_size=300) | st.lists(_MESSAGE, max_size=40).map(b"".join))
def test_messages(data: bytes) -> None:
    quarantine_anatomy.test_one_input(data)


def test_seeds() -> None:
    token = Token(Action.DELETE, 7, 1, 10, b"n" * 12).sealed(Key(1, b"k" * 32))
    quarantine_token.test_one_input(token.encode())
    quarantine_request.test_one_input(
        b"POST /q/ HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        b"Content-Length: 7\r\n\r\ntoken=%41&x=+"
    )

"""The fuzz target of whole messages, on bytes that hypothesis chooses."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fuzz import authentication_message

_AUTHORS = [b"From: ", b"From", b" : ", b"a@stranger.test", b"<b@victim.test>", b"@[192.0.2.1]", b"=?utf-8?q?", b"?="]
_MARKS = [
    b",",
    b"(",
    b")",
    b'"',
    b"\\",
    b":",
    b";",
    b"\r\n",
    b"\r\n ",
    b"\x00",
    b"\r\n\r\n",
    b"no field\r\n",
    b"List-Id: x\r\n",
]
_SIGNED = [
    b"DKIM-Signature: v=1; a=rsa-sha256; d=victim.test; s=x; ",
    b"h=from; ",
    b"bh=",
    b"b=AAAA",
    b"ARC-Seal: i=1;",
]
_PIECES = st.sampled_from([*_AUTHORS, *_MARKS, *_SIGNED])


@given(st.binary(max_size=300) | st.lists(_PIECES, max_size=25).map(b"".join))
def test_messages(data: bytes) -> None:
    authentication_message.test_one_input(data)


def test_seeds() -> None:
    for octets in (
        b"From: a@stranger.test\r\n\r\nx",
        b"From: a@victim.test\r\nFrom: a@stranger.test\r\n\r\nx",
        b"List-Id: x\r\nFrom: a@stranger.test, b@victim.test\r\n",
        b"",
        b"From: <@victim.test:a@stranger.test>\n\nx",
    ):
        authentication_message.test_one_input(octets)

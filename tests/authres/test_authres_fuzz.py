"""The fuzz target of authentication fields, on bytes that hypothesis chooses."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fuzz import authres_parse

_PIECES = st.sampled_from(
    [b" mx.example.org", b";", b" spf=pass", b" (a (b) \\) c)", b' reason="x;y"', b' smtp.mailfrom="a b"@example.org']
)
_BITS = st.sampled_from([b"\r\n ", b"1", b" /", b"=", b".", b'"', b"(", b"none", b"\xff", b"\r\nX: y"])


@given(st.binary(max_size=200) | st.lists(_PIECES | _BITS, max_size=20).map(b"".join))
def test_fields(data: bytes) -> None:
    authres_parse.test_one_input(data)

"""The fuzz target of this room, run on examples by hypothesis."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from fuzz.dsn_build import test_one_input as one_input


@given(st.binary(max_size=400))
@example(b"")
@example(b"A: b\r\n\r\nbody")
@example(b"\xff" * 50)
@example(b"Message-ID: <\xb1@b>\r\n\r\nbody\r\n.\r\n")
def test_any_octets(data: bytes) -> None:
    one_input(data)

"""The fuzz target of this room, run on examples by hypothesis."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from fuzz.message_header import test_one_input as one_input


@given(st.binary(max_size=400))
@example(b"")
@example(b"A: b\r\n\r\nbody")
@example(b"\xff" * 50)
def test_any_octets(data: bytes) -> None:
    one_input(data)

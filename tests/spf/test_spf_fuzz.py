"""The fuzz targets of records and macros, on bytes that hypothesis chooses."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fuzz import spf_macro, spf_record

_PIECES = st.sampled_from(
    [b"v=spf1 ", b"a", b"mx:", b"%{ir}", b"%{l1r-}", b".example.org", b"/24//64 ", b"ip4:192.0.2.0/24 ", b"\n", b"-all"]
)


@given(st.binary(max_size=200) | st.lists(_PIECES, max_size=20).map(b"".join))
def test_records(data: bytes) -> None:
    spf_record.test_one_input(data)


@given(st.binary(max_size=200) | st.lists(_PIECES, max_size=20).map(b"".join))
def test_macros(data: bytes) -> None:
    spf_macro.test_one_input(data)


def test_seeds() -> None:
    spf_record.test_one_input(
        b"v=spf1 a mx:%{ir}.%{l1r-}.example.org/24//64 ptr exists:%{p}.x exp=e.%{d} -all\nv=spf1x"
    )
    spf_record.test_one_input(b"v=spf1 include:example.org redirect=%{d2}")
    spf_macro.test_one_input(b"%{l1r+-}.%%%_%-.example.org\nstrong-bad+x")

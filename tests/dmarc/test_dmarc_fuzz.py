"""The fuzz target of records, on bytes that hypothesis chooses."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from fuzz import dmarc_record

_PIECES = st.sampled_from(
    [b"a.example.org", b"\n", b"v=DMARC1;", b"p=reject;", b"psd=y;", b"psd=n", b"adkim=s;", b"rua=mailto:a@b.c,", b".x"]
)


@given(st.binary(max_size=200) | st.lists(_PIECES, max_size=20).map(b"".join))
def test_records(data: bytes) -> None:
    dmarc_record.test_one_input(data)


def test_seeds() -> None:
    dmarc_record.test_one_input(
        b"a.b.c.d.e.f.g.h.i.example.org\nmail.example.org\nv=DMARC1; p=reject; rua=mailto:a@b.c"
    )
    dmarc_record.test_one_input(b"example.org\n\nv=DMARC1; p=none; psd=y\nv=spf1 -all")

"""Whom to write to: SOA and TLSRPT, from a dictionary of answers."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from danelaw.outbound.contacts import report_mailboxes
from fuzz.outbound_contacts import test_one_input as one_input


@pytest.mark.parametrize(
    ("texts", "found"),
    [
        ((b"v=TLSRPTv1; rua=mailto:tls@example.org",), ("tls@example.org",)),
        ((b"v=TLSRPTv1;rua=https://x.example/a,mailto:a@example.org , mailto:b@example.org;",),
         ("a@example.org", "b@example.org")),
        ((b"v=TLSRPTv1; rua=mailto:a@example.org?subject=x",), ("a@example.org",)),
        ((b"v=TLSRPTv1; rua=mailto:a@example.org", b"v=TLSRPTv1; rua=mailto:b@example.org"), ()),
        ((b"v=spf1 -all", b"v=TLSRPTv1; rua=mailto:a@example.org"), ("a@example.org",)),
        ((b"v=TLSRPTv2; rua=mailto:a@example.org",), ()),
        ((b"v=TLSRPTv1; rua=mailto:no-at",), ()),
        ((), ()),
    ],
)  # fmt: skip
def test_mailboxes_of_reports(texts: tuple[bytes, ...], found: tuple[str, ...]) -> None:
    """RFC 8460 §3: exactly one record; several URIs with commas."""
    assert report_mailboxes(texts) == found


@given(st.binary(max_size=300))
@example(b"mailto:a@b.example,mailto:c@d.example")
@example(b"mailto:a\r\nBcc: x@b.example")
def test_any_octets(data: bytes) -> None:
    one_input(data)

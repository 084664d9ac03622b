"""Names in certificates and their matching (RFC 9525 §6.3)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.pkix.authority import NOW, make

from danelaw.address import Domain
from danelaw.pkix import DERError, dns_ids, matches, read_certificate, subject_public_key_info


@pytest.mark.parametrize(
    ("reference", "presented"),
    [
        ("mx.example.org", "mx.example.org"),
        ("mx.example.org", "MX.Example.ORG"),
        ("mx.example.org", "mx.example.org."),
        ("mx.example.org", "*.example.org"),
        ("xn--bcher-kva.example.org", "*.example.org"),
    ],
)
def test_names_that_match(reference: str, presented: str) -> None:
    assert matches(Domain.from_text(reference), presented)


@pytest.mark.parametrize(
    ("reference", "presented"),
    [
        ("example.org", "*.example.org"),  # the wildcard is one label, not none
        ("a.mx.example.org", "*.example.org"),  # nor two
        ("mx.example.org", "m*.example.org"),  # only the whole label
        ("mx.example.org", "mx.*.org"),  # only the leftmost
        ("mx.example.org", "*.*.org"),
        ("mx.example.org", "*"),
        ("example.org", "*.org"),  # no certificate for a top-level domain
        ("mx.example.org", "mx.example.com"),
        ("mx.example.org", ".example.org"),
        ("mx.example.org", ""),
    ],
)
def test_names_that_do_not_match(reference: str, presented: str) -> None:
    assert not matches(Domain.from_text(reference), presented)


def test_only_dane_lets_a_wildcard_stand_below_a_top_level_domain() -> None:
    """RFC 7672 §3.2.3 has no exception; for public CAs the choice is ours (RFC 9525 §7.1)."""
    assert matches(Domain.from_text("mx.lan"), "*.lan", top_level=True)
    assert not matches(Domain.from_text("lan"), "*.lan", top_level=True)
    assert not matches(Domain.from_text("a.mx.lan"), "*.lan", top_level=True)
    assert not matches(Domain.from_text("mx.lan"), "*", top_level=True)


def test_dns_ids_are_read_in_order_and_lower_case() -> None:
    leaf = make("ignored.example", dns=["MX1.example.org", "*.example.net"])
    assert dns_ids(leaf.der) == ("mx1.example.org", "*.example.net")


def test_a_certificate_is_read_as_cryptography_reads_it() -> None:
    leaf = make("mx.example.org", dns=["mx.example.org"])
    read = read_certificate(leaf.der)
    assert read.spki == leaf.spki == subject_public_key_info(leaf.der)
    assert read.common_names == ("mx.example.org",)
    assert read.not_after == leaf.certificate.not_valid_after_utc.timestamp()
    assert read.not_before == leaf.certificate.not_valid_before_utc.timestamp()
    assert read.server_purpose
    assert read.tls_key_usage


def test_a_name_with_a_nul_octet_is_no_name() -> None:
    leaf = make("x", dns=["bank.example.org"])
    forged = leaf.der.replace(b"bank.example.org", b"bank.exampl\x00.org")
    assert dns_ids(forged) == ()
    assert read_certificate(forged).has_dns_id


@pytest.mark.parametrize(
    "data", [b"", b"\x30", b"\x30\x80\x00\x00", b"\x30\x03\x02\x01\x01", b"\x31\x00", b"\x30\x00\x00"]
)
def test_what_is_no_certificate_is_refused(data: bytes) -> None:
    with pytest.raises(DERError):
        read_certificate(data)


@given(st.data())
def test_damaged_certificates_give_an_error_or_a_reading(data: st.DataObject) -> None:
    whole = bytearray(_LEAF)
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(0, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        read = read_certificate(bytes(whole[: data.draw(st.integers(1, len(whole)))]))
    except DERError:
        return
    assert isinstance(read.spki, bytes)


_LEAF = make("mx.example.org", dns=["mx.example.org"], start=NOW - 5).der

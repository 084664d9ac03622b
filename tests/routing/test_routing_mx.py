"""MX look-up: RFC 5321 §5.1, RFC 7505, RFC 7672 §2.1.2 and §2.2.1."""

from __future__ import annotations

import dns.rcode
import pytest
from hypothesis import given
from hypothesis import strategies as st

from danelaw.address import Domain
from danelaw.dnsdata import DNSSECStatus
from danelaw.routing import MXHost, MXResult, NextHop, lookup_mx, order
from danelaw.testing import FakeDNS, run_lookup
from fuzz.routing_next_hop import test_one_input as fuzz_one


def look(dns: FakeDNS, text: str = "example.org") -> MXResult:
    return run_lookup(lookup_mx(NextHop.from_text(text)), dns)


def names(result: MXResult) -> list[str]:
    return [f"{host.preference} {host.name}" for host in result.hosts]


def test_hosts_come_by_preference_and_once_each() -> None:
    dns = FakeDNS("""
        example.org. MX 20 b.example.org.
        example.org. MX 10 c.example.org.
        example.org. MX 10 a.example.org.
        example.org. MX 30 a.example.org.
    """)
    result = look(dns)
    assert names(result) == ["10 a.example.org", "10 c.example.org", "20 b.example.org"]
    assert result.secure
    assert result.status == "secure"
    assert not any((result.implicit, result.null_mx, result.nxdomain, result.final))
    assert result.error is None


def test_unsigned_mx_is_not_secure() -> None:
    result = look(FakeDNS(insecure="example.org. MX 10 mx.example.org."))
    assert names(result) == ["10 mx.example.org"]
    assert not result.secure
    assert result.status == "insecure"


@pytest.mark.parametrize(
    ("how", "word"),
    [
        (DNSSECStatus.BOGUS, "bogus"),
        (DNSSECStatus.INDETERMINATE, "indeterminate"),
        (dns.rcode.SERVFAIL, "SERVFAIL"),
        (dns.rcode.REFUSED, "REFUSED"),
        (dns.rcode.FORMERR, "FORMERR"),
    ],
)
def test_a_failed_answer_defers_and_is_never_an_implicit_mx(how: DNSSECStatus | dns.rcode.Rcode, word: str) -> None:
    dns_ = FakeDNS("example.org. A 192.0.2.1").fail("example.org MX", how)
    result = look(dns_)
    assert result.error is not None
    assert word in result.error
    assert result.hosts == ()
    assert not any((result.implicit, result.final, result.secure))


def test_bogus_null_mx_defers() -> None:
    result = look(FakeDNS("example.org. MX 0 .").fail("example.org MX", DNSSECStatus.BOGUS))
    assert result.error
    assert not result.null_mx


@pytest.mark.parametrize("signed", [True, False])
def test_only_nodata_gives_the_implicit_mx(signed: bool) -> None:
    zone = "example.org. A 192.0.2.1"
    result = look(FakeDNS(zone) if signed else FakeDNS(insecure=zone))
    assert result.implicit
    assert names(result) == ["0 example.org"]
    assert result.secure is signed


def test_a_missing_name_is_final() -> None:
    result = look(FakeDNS("other.org. A 192.0.2.1"))
    assert result.nxdomain
    assert result.final
    assert result.hosts == ()


def test_null_mx_is_final() -> None:
    result = look(FakeDNS(insecure="example.org. MX 0 ."))
    assert result.null_mx
    assert result.final


def test_a_dot_beside_hosts_is_passed_over() -> None:
    """RFC 7505 §3: null MX stands alone."""
    result = look(FakeDNS("example.org. MX 0 .\nexample.org. MX 10 mx.example.org."))
    assert not result.null_mx
    assert names(result) == ["10 mx.example.org"]
    assert result.unusable == (".",)


def test_a_dot_with_another_preference_is_no_null_mx_and_waits() -> None:
    result = look(FakeDNS("example.org. MX 10 ."))
    assert not result.final
    assert result.error is not None
    assert "names a host" in result.error


def test_secure_alias_adds_its_end_as_a_name() -> None:
    dns = FakeDNS("""
        exchange.example.org. CNAME mail.example.org.
        mail.example.org. CNAME example.com.
        example.com. MX 10 mx10.example.com.
    """)
    result = look(dns, "exchange.example.org")
    assert result.secure
    assert result.expansion == (Domain("example.com"),)
    assert names(result) == ["10 mx10.example.com"]


def test_alias_into_an_unsigned_zone_is_not_secure_and_adds_nothing() -> None:
    dns = FakeDNS("example.org. CNAME plain.test.", insecure="plain.test. MX 10 mx.plain.test.")
    result = look(dns)
    assert not result.secure
    assert result.expansion == ()


def test_no_mx_is_asked_for_a_named_host() -> None:
    dns = FakeDNS("relay.example. MX 10 trap.example.")
    result = look(dns, "[relay.example]:2525")
    assert dns.asked == []
    assert names(result) == ["0 relay.example"]
    assert result.static
    assert result.secure
    assert result.status == "static"
    assert result.expires == float("inf")


def test_an_address_stands_for_itself() -> None:
    result = look(FakeDNS(), "[192.0.2.7]")
    assert names(result) == ["0 [192.0.2.7]"]


def test_order_mixes_equals_only() -> None:
    hosts = [MXHost(10, Domain(name)) for name in ("a.test", "b.test")] + [
        MXHost(5, Domain("z.test")),
        MXHost(20, Domain("c.test")),
    ]
    shuffled: list[int] = []

    def reverse(equals: list[MXHost]) -> None:
        shuffled.append(len(equals))
        equals.reverse()

    assert [host.name.ascii for host in order(hosts, reverse)] == ["z.test", "b.test", "a.test", "c.test"]
    assert shuffled == [2]


@given(st.binary(max_size=480))
def test_any_mx_records_lead_somewhere(data: bytes) -> None:
    fuzz_one(data)

"""Destinations: MX, then all hosts at once."""

from __future__ import annotations

from danelaw.address import Domain
from danelaw.dane import TLSAState
from danelaw.dnsdata import DNSSECStatus
from danelaw.routing import MAX_HOSTS, Destination, NextHop, lookup_destination
from danelaw.testing import FakeDNS, run_lookup

KEY = "0d6f88a1" * 8
SIGNED = f"""
    example.org. MX 10 mx1.example.org.
    example.org. MX 20 mx2.example.org.
    mx1.example.org. A 192.0.2.1
    mx1.example.org. AAAA 2001:db8::1
    mx2.example.org. A 192.0.2.2
    _25._tcp.mx1.example.org. TLSA 3 1 1 {KEY}
"""


def look(dns: FakeDNS, text: str = "example.org", port: int | None = None) -> Destination:
    return run_lookup(lookup_destination(NextHop.from_text(text), port), dns)


def test_hosts_are_looked_up_together_in_mx_order() -> None:
    dns = FakeDNS(SIGNED)
    found = look(dns)
    assert [host.host.ascii for host in found.hosts] == ["mx1.example.org", "mx2.example.org"]
    assert [host.tlsa_state for host in found.hosts] == [TLSAState.USABLE, TLSAState.ABSENT]
    assert set(found.hosts[0].addresses) == {"192.0.2.1", "2001:db8::1"}
    # MX, then the addresses of both, then the TLSA records of both.
    assert len(dns.batches) <= 4
    assert {str(question) for question in dns.batches[1]} >= {"mx1.example.org. A", "mx2.example.org. A"}
    assert found.expires == dns.now + dns.ttl
    assert found.host(Domain("mx2.example.org")) is found.hosts[1]
    assert found.host(Domain("mx3.example.org")) is None


def test_the_port_is_part_of_the_tlsa_question() -> None:
    dns = FakeDNS(SIGNED)
    assert look(dns, port=2525).hosts[0].tlsa_state is TLSAState.ABSENT
    assert "_2525._tcp.mx1.example.org. TLSA" in {str(question) for question in dns.asked}


def test_a_named_host_has_dane_without_mx() -> None:
    dns = FakeDNS(SIGNED)
    found = look(dns, "[mx1.example.org]")
    assert found.mx.secure
    assert [host.tlsa_state for host in found.hosts] == [TLSAState.USABLE]
    assert not [question for question in dns.asked if "MX" in str(question)]


def test_an_address_asks_nothing_and_publishes_nothing() -> None:
    dns = FakeDNS(SIGNED)
    (host,) = look(dns, "[192.0.2.1]").hosts
    assert dns.asked == []
    assert host.addresses == ("192.0.2.1",)
    assert host.tlsa_state is TLSAState.ABSENT
    assert host.error is None


def test_one_broken_host_leaves_the_other() -> None:
    dns = FakeDNS(SIGNED).fail("mx1.example.org", DNSSECStatus.BOGUS)
    first, second = look(dns).hosts
    assert first.error is not None
    assert second.error is None


def test_nothing_is_asked_about_hosts_when_mx_failed_or_is_final() -> None:
    for zone in (FakeDNS(SIGNED).fail("example.org MX", DNSSECStatus.BOGUS), FakeDNS("example.org. MX 0 ."), FakeDNS()):
        assert look(zone).hosts == ()
        assert len(zone.asked) == 1


def test_the_number_of_hosts_is_bounded() -> None:
    zone = "\n".join(f"example.org. MX {n} mx{n}.example.org.\nmx{n}.example.org. A 192.0.2.{n}" for n in range(1, 91))
    found = look(FakeDNS(zone))
    assert len(found.hosts) == MAX_HOSTS
    assert found.hosts[0].host.ascii == "mx1.example.org"
    assert len(found.mx.hosts) == 90


def test_forty_hosts_are_all_looked_at() -> None:
    """An attacker who blocks the others leaves the last one, so the weakest counts wherever it stands."""
    zone = "\n".join(f"example.org. MX {n} mx{n}.example.org.\nmx{n}.example.org. A 192.0.2.{n}" for n in range(1, 41))
    assert len(look(FakeDNS(zone)).hosts) == 40

"""Which name servers are responsible for TLSA records: the closest zone cut, and what is not known is said."""

from __future__ import annotations

import dns.name
import pytest

from danelaw.dane import Authority, lookup_authority
from danelaw.dane.authority import MAX_SERVERS
from danelaw.dnsdata import DNSSECStatus
from danelaw.testing import FakeDNS, run_lookup

ZONE = """
    example.org. NS ns1.example.org.
    example.org. NS ns2.example.net.
    ns1.example.org. A 192.0.2.1
    ns1.example.org. AAAA 2001:db8::1
    ns2.example.net. A 192.0.2.2
    mx.example.org. A 192.0.2.3
"""


def look(zone: FakeDNS, name: str = "mx.example.org") -> Authority:
    return run_lookup(lookup_authority(dns.name.from_text(name)), zone)


def test_the_closest_zone_cut_and_every_address_of_its_servers() -> None:
    found = look(FakeDNS(ZONE))
    assert found.zone == dns.name.from_text("example.org")
    assert {name.to_text(): addresses for name, addresses in found.servers} == {
        "ns1.example.org.": ("2001:db8::1", "192.0.2.1"),
        "ns2.example.net.": ("192.0.2.2",),
    }


def test_a_zone_of_the_host_itself_comes_before_its_parent() -> None:
    found = look(FakeDNS(ZONE + "mx.example.org. NS ns9.example.org.\n"))
    assert found.zone == dns.name.from_text("mx.example.org")
    assert found.servers == ((dns.name.from_text("ns9.example.org"), ()),)


def test_a_failed_look_up_hides_the_cut() -> None:
    found = look(FakeDNS(ZONE).fail("mx.example.org NS", DNSSECStatus.BOGUS))
    assert found.zone is None
    assert found.error


def test_without_any_ns_record_nobody_is_named() -> None:
    found = look(FakeDNS("mx.example.org. A 192.0.2.3\n"))
    assert (found.zone, found.servers) == (None, ())
    assert found.error == "no NS records found"


@pytest.mark.parametrize("name", [".", "org"])
def test_top_level_domains_are_left_alone(name: str) -> None:
    zone = FakeDNS(ZONE)
    assert look(zone, name).zone is None
    assert zone.asked == []


def test_the_number_of_servers_and_levels_is_bounded() -> None:
    zone = FakeDNS(
        "".join(f"example.org. NS ns{n}.example.org.\nns{n}.example.org. A 192.0.2.{n}\n" for n in range(40))
    )
    assert len(look(zone).servers) == MAX_SERVERS
    deep = FakeDNS(ZONE)
    look(deep, ".".join("abcdefghijklmnop") + ".example.org")
    assert len(deep.asked) <= 8

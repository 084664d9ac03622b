"""Reverse DNS and HELO: what is a fact and what is only DNS having failed."""

from __future__ import annotations

import ipaddress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danelaw.address import Domain
from danelaw.clientname import (
    HELO,
    ClientName,
    HELOResult,
    ReverseResult,
    generic,
    look_up_client_name,
    look_up_helo,
)
from danelaw.dnsdata import DNSSECStatus
from danelaw.testing import FakeDNS, run_lookup
from fuzz import clientname_helo

CLIENT = ipaddress.ip_address("192.0.2.10")
PTR = "10.2.0.192.in-addr.arpa."


def named(dns: FakeDNS, address: str = "192.0.2.10") -> ClientName:
    return run_lookup(look_up_client_name(ipaddress.ip_address(address)), dns, max_batches=2, max_questions=11)


def test_a_name_that_leads_back_is_confirmed_with_its_dnssec_status() -> None:
    found = named(FakeDNS(secure=f"{PTR} PTR mx.example.\nmx.example. A 192.0.2.10"))
    assert (found.result, found.names, found.dnssec) == (
        ReverseResult.PASS,
        (Domain("mx.example"),),
        DNSSECStatus.SECURE,
    )
    mixed = FakeDNS(secure=f"{PTR} PTR mx.example.", insecure="mx.example. A 192.0.2.10")
    assert named(mixed).dnssec is DNSSECStatus.INSECURE


def test_a_name_that_does_not_lead_back_is_only_claimed() -> None:
    found = named(FakeDNS(insecure=f"{PTR} PTR www.bank.example.\nwww.bank.example. A 198.51.100.1"))
    assert (found.result, found.names, found.claimed) == (ReverseResult.FAIL, (), (Domain("www.bank.example"),))


def test_no_name_is_permerror_as_in_rfc_8601() -> None:
    assert named(FakeDNS()).result is ReverseResult.PERMERROR


@pytest.mark.parametrize("what", [PTR + " PTR", "mx.example. A"])
def test_a_failure_of_dns_is_no_fact_against_anybody(what: str) -> None:
    dns = FakeDNS(secure=f"{PTR} PTR mx.example.\nmx.example. A 192.0.2.77").fail(what, DNSSECStatus.BOGUS)
    assert named(dns).result is ReverseResult.TEMPERROR


def test_one_good_name_suffices_among_ten_and_more_are_not_asked_for() -> None:
    many = "\n".join(f"{PTR} PTR h{number}.example." for number in range(40))
    dns = FakeDNS(insecure=many + "\n*.example. A 192.0.2.10")
    assert len(named(dns).names) == 10


def test_an_ipv6_client_and_a_mapped_one() -> None:
    six = FakeDNS(insecure="mx.example. AAAA 2001:db8::1")
    pointer = ipaddress.ip_address("2001:db8::1").reverse_pointer
    six.add(f"{pointer}. PTR mx.example.")
    assert named(six, "2001:db8::1").result is ReverseResult.PASS
    four = FakeDNS(insecure=f"{PTR} PTR mx.example.\nmx.example. A 192.0.2.10")
    assert named(four, "::ffff:192.0.2.10").result is ReverseResult.PASS


def helo(text: str, dns: FakeDNS | None = None, address: str = "192.0.2.10") -> HELO:
    own = (Domain("gw.ours.test"), Domain("ours.test"))
    return run_lookup(look_up_helo(text, ipaddress.ip_address(address), own=own), dns or FakeDNS(), max_questions=2)


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("mx.example", HELOResult.PASS),
        ("other.example", HELOResult.MISMATCH),
        ("six.example", HELOResult.MISMATCH),
        ("nobody.example", HELOResult.UNRESOLVABLE),
        ("broken.example", HELOResult.TEMPERROR),
        ("gw.ours.test", HELOResult.OWN_NAME),
        ("OURS.test", HELOResult.OWN_NAME),
        ("friend", HELOResult.SYNTAX),
        ("localhost", HELOResult.SYNTAX),
        ("192.0.2.10", HELOResult.SYNTAX),
        ("a b.example", HELOResult.SYNTAX),
        ("[192.0.2.10]", HELOResult.PASS),
        ("[192.0.2.11]", HELOResult.OTHER_LITERAL),
        ("[IPv6:2001:db8::1]", HELOResult.OTHER_LITERAL),
        ("[nonsense]", HELOResult.SYNTAX),
        ("", HELOResult.SYNTAX),
    ],
)
def test_each_kind_of_helo(text: str, result: HELOResult) -> None:
    zone = "mx.example. A 192.0.2.10\nother.example. A 192.0.2.99\nsix.example. AAAA 2001:db8::1"
    dns = FakeDNS(insecure=zone).fail("broken.example")
    assert helo(text, dns).result is result


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("192-0-2-10.provider.example", "192.0.2.10"),
        ("10.2.0.192.provider.example", "192.0.2.10"),
        ("host-c000020a.provider.example", "192.0.2.10"),
        ("p192000002010.provider.example", "192.0.2.10"),
        ("ip10.192-0-2.city.provider.example", "192.0.2.10"),
        ("dsl.city.provider.example", "192.0.2.10"),
        ("a.dyn.provider.example", "192.0.2.10"),
        ("2001-db8-1-2-3-4-5-6.provider.example", "2001:db8:1:2:3:4:5:6"),
    ],
)
def test_names_made_by_machine_are_told(name: str, address: str) -> None:
    assert generic(Domain(name), ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "name",
    [
        "mx.example",
        "mx10.example.org",
        "mail2.dsl-club.example",
        "cable.example",
        "smtp-192.example.org",
        "poolside.a.test",
    ],
)
def test_names_of_mail_servers_are_not_taken_for_machine_made(name: str) -> None:
    assert generic(Domain(name), CLIENT) is None


@given(st.text(max_size=300))
def test_any_helo_has_a_result(text: str) -> None:
    found = helo(text)
    assert found.result in HELOResult
    assert found.reason


@given(st.binary(max_size=300))
def test_the_fuzz_target_holds(data: bytes) -> None:
    clientname_helo.test_one_input(data)

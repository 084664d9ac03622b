"""DNS lists: names, codes, failures that are no listings (RFC 5782)."""

from __future__ import annotations

import ipaddress

import dns.rcode
import pytest
from hypothesis import given
from hypothesis import strategies as st

from danelaw.address import Domain
from danelaw.dnsdata import DNSSECStatus
from danelaw.dnslist import (
    DNSList,
    Inquiry,
    Listing,
    ListStatus,
    ReturnCodes,
    ReturnCodesError,
    look_up,
    look_up_tests,
    query_name,
)
from danelaw.testing import FakeDNS, run_lookup
from fuzz import dnslist_answers

ZONE = Domain("list.example")
CLIENT = ipaddress.ip_address("192.0.2.99")


def asked(dns: FakeDNS, *codes: str, subject: object = CLIENT) -> Listing:
    inquiry = Inquiry(DNSList(ZONE, ReturnCodes.from_text(codes)), subject)  # type: ignore[arg-type]
    return run_lookup(look_up([inquiry]), dns)[0]


def test_names_are_those_of_the_rfc() -> None:
    assert str(query_name(ZONE, CLIENT)) == "99.2.0.192.list.example."
    six = ipaddress.ip_address("2001:db8:1:2:3:4:567:89ab")
    nibbles = "b.a.9.8.7.6.5.0.4.0.0.0.3.0.0.0.2.0.0.0.1.0.0.0.8.b.d.0.1.0.0.2"
    assert str(query_name(ZONE, six)) == f"{nibbles}.list.example."
    assert str(query_name(ZONE, Domain("spammer.test"))) == "spammer.test.list.example."
    assert str(query_name(ZONE, ipaddress.ip_address("::ffff:192.0.2.99"))) == "99.2.0.192.list.example."


def test_the_ipv6_test_entries_keep_their_own_form() -> None:
    name = str(query_name(ZONE, ipaddress.ip_address("::ffff:127.0.0.2")))
    assert name.startswith("2.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.")


def test_a_name_that_would_be_too_long_is_in_no_list() -> None:
    long = Domain.from_text(".".join(["a" * 63] * 3 + ["b" * 50]))
    assert query_name(ZONE, long) is None
    dns = FakeDNS()
    assert asked(dns, subject=long).status is ListStatus.NOT_LISTED
    assert dns.asked == []


def test_a_listing_has_its_codes_reason_and_dnssec_status() -> None:
    dns = FakeDNS(
        secure="""
        99.2.0.192.list.example. A 127.0.0.2
        99.2.0.192.list.example. A 127.0.0.4
        99.2.0.192.list.example. TXT "see https://list.example/?ip=192.0.2.99"
        """
    )
    found = asked(dns)
    assert found.status is ListStatus.LISTED
    assert found.codes == ("127.0.0.2", "127.0.0.4")
    assert found.reason == "see https://list.example/?ip=192.0.2.99"
    assert found.dnssec is DNSSECStatus.SECURE
    assert found.expires == dns.now + dns.ttl


def test_only_codes_asked_for_count() -> None:
    dns = FakeDNS(insecure="99.2.0.192.list.example. A 127.0.0.10")
    assert asked(dns, "127.0.0.2", "127.0.0.4-7").status is ListStatus.NOT_LISTED
    assert asked(dns, "127.0.0.8-11").status is ListStatus.LISTED
    assert asked(dns, "127.0.0.0&2").status is ListStatus.LISTED
    assert asked(dns, "127.0.0.0&5").status is ListStatus.NOT_LISTED


def test_who_is_not_listed_costs_one_question() -> None:
    dns = FakeDNS(insecure="list.example. NS ns.list.example.")
    assert asked(dns).status is ListStatus.NOT_LISTED
    assert len(dns.asked) == 1


@pytest.mark.parametrize("address", ["127.255.255.254", "127.255.255.252", "127.0.0.1", "192.0.2.1", "208.91.112.55"])
def test_an_answer_by_which_a_list_refuses_or_has_ended_is_a_failure_and_no_listing(address: str) -> None:
    found = asked(FakeDNS(insecure=f"*.list.example. A {address}"))
    assert found.status is ListStatus.FAILED
    assert address in found.reason


@pytest.mark.parametrize("how", [DNSSECStatus.BOGUS, DNSSECStatus.INDETERMINATE, dns.rcode.SERVFAIL, dns.rcode.REFUSED])
def test_a_failure_of_dns_is_neither_listing_nor_absence(how: DNSSECStatus | dns.rcode.Rcode) -> None:
    dns_ = FakeDNS(secure="99.2.0.192.list.example. A 127.0.0.2").fail("99.2.0.192.list.example A", how)
    assert asked(dns_).status is ListStatus.FAILED


def test_a_missing_or_failed_reason_takes_nothing_from_the_listing() -> None:
    dns_ = FakeDNS(insecure="99.2.0.192.list.example. A 127.0.0.2").fail("99.2.0.192.list.example TXT")
    found = asked(dns_)
    assert (found.status, found.reason) == (ListStatus.LISTED, "")


def test_several_lists_are_asked_at_once_and_their_reasons_together() -> None:
    dns_ = FakeDNS(insecure='99.2.0.192.a.example. A 127.0.0.2\n99.2.0.192.a.example. TXT "why"')
    lists = [DNSList(Domain(name)) for name in ("a.example", "b.example", "c.example")]
    found = run_lookup(look_up([Inquiry(one, CLIENT) for one in lists]), dns_)
    assert [listing.status.value for listing in found] == ["listed", "not-listed", "not-listed"]
    assert [len(batch) for batch in dns_.batches] == [3, 1]


@pytest.mark.parametrize(
    "text", ["", "127.0.0", "10.0.0.2", "127.0.0.9-4", "127.0.0.2-256", "127.0.0.0&0", "127.0.0.300", "127.0.0.2/8"]
)
def test_unusable_codes_are_refused(text: str) -> None:
    with pytest.raises(ReturnCodesError):
        ReturnCodes.from_text([text])


def test_a_healthy_list_has_its_test_entries() -> None:
    healthy = FakeDNS(insecure="2.0.0.127.list.example. A 127.0.0.2")
    assert run_lookup(look_up_tests(DNSList(ZONE), domains=False), healthy).fault is None
    domains = FakeDNS(insecure="test.list.example. A 127.0.0.2")
    assert run_lookup(look_up_tests(DNSList(ZONE), domains=True), domains).fault is None


@pytest.mark.parametrize(
    ("zone", "words"),
    [
        ("", "does not list 127.0.0.2"),
        ("*.list.example. A 127.0.0.2", "lists everything"),
        ("*.list.example. A 127.255.255.254", "127.255.255.254"),
    ],
)
def test_a_sick_list_is_told_by_its_test_entries(zone: str, words: str) -> None:
    fault = run_lookup(look_up_tests(DNSList(ZONE), domains=False), FakeDNS(insecure=zone)).fault
    assert fault is not None
    assert words in fault


@given(st.lists(st.ip_addresses(v=4), max_size=5), st.binary(max_size=400))
def test_whatever_a_list_answers_is_one_of_three_things(addresses: list[ipaddress.IPv4Address], text: bytes) -> None:
    dnslist_answers.check(addresses, text)


@given(st.binary(max_size=600))
def test_the_fuzz_target_holds(data: bytes) -> None:
    dnslist_answers.test_one_input(data)

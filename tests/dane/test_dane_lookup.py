"""Where TLSA records are looked for (RFC 7672 §2.2.2, §2.2.3)."""

from __future__ import annotations

import dns.rcode
import pytest

from danelaw.address import Domain
from danelaw.dane import HostRecords, TLSAState, lookup_host
from danelaw.dnsdata import DNSSECStatus
from danelaw.testing import FakeDNS, run_lookup

DIGEST = "ab" * 32
MX = Domain("mx.example.org")


def found(dns_: FakeDNS, port: int = 25) -> HostRecords:
    return run_lookup(lookup_host(MX, port), dns_)


def asked(dns_: FakeDNS) -> list[str]:
    return [str(question) for question in dns_.asked]


SIGNED = f"""
    mx.example.org. A 192.0.2.1
    mx.example.org. AAAA 2001:db8::1
    _25._tcp.mx.example.org. TLSA 3 1 1 {DIGEST}
"""


def test_signed_host_with_a_usable_record() -> None:
    records = found(FakeDNS(SIGNED))
    assert records.addresses == ("2001:db8::1", "192.0.2.1")
    assert (records.tlsa_state, records.tlsa_base, records.error) == (TLSAState.USABLE, MX, None)
    assert records.address_status is DNSSECStatus.SECURE
    assert len(records.answers) == 3


def test_the_real_port_is_asked_for() -> None:
    dns_ = FakeDNS(SIGNED)
    assert found(dns_, 2525).tlsa_state is TLSAState.ABSENT
    assert asked(dns_)[-1] == "_2525._tcp.mx.example.org. TLSA"


def test_only_unusable_records() -> None:
    dns_ = FakeDNS(f"mx.example.org. A 192.0.2.1\n_25._tcp.mx.example.org. TLSA 1 1 1 {DIGEST}")
    assert found(dns_).tlsa_state is TLSAState.UNUSABLE


def test_unsigned_host_is_never_asked_for_tlsa() -> None:
    dns_ = FakeDNS(insecure=SIGNED)
    assert found(dns_).tlsa_state is TLSAState.ABSENT
    assert len(asked(dns_)) == 2


def test_unsigned_tlsa_records_count_as_none() -> None:
    dns_ = FakeDNS("mx.example.org. A 192.0.2.1", f"_25._tcp.mx.example.org. TLSA 3 1 1 {DIGEST}")
    records = found(dns_)
    assert (records.tlsa_state, records.records, records.error) == (TLSAState.ABSENT, (), None)


@pytest.mark.parametrize("failure", [DNSSECStatus.BOGUS, DNSSECStatus.INDETERMINATE, dns.rcode.SERVFAIL])
def test_a_failed_tlsa_lookup_skips_the_host(failure: DNSSECStatus | dns.rcode.Rcode) -> None:
    dns_ = FakeDNS(SIGNED)
    dns_.fail("_25._tcp.mx.example.org", failure)
    records = found(dns_)
    assert records.error is not None
    assert "TLSA records of mx.example.org cannot be looked up" in records.error
    assert records.addresses


ALIAS = f"""
    mx.example.org. CNAME host.example.net.
    host.example.net. A 192.0.2.1
    _25._tcp.mx.example.org. TLSA 3 1 1 {DIGEST}
"""


def test_the_expanded_name_comes_first() -> None:
    records = found(FakeDNS(ALIAS + f"_25._tcp.host.example.net. TLSA 3 1 1 {'cd' * 32}"))
    assert records.tlsa_base == Domain("host.example.net")
    assert records.records[0].association.hex() == "cd" * 32


def test_secure_absence_there_leads_to_the_original_name() -> None:
    dns_ = FakeDNS(ALIAS)
    assert found(dns_).tlsa_base == MX
    assert asked(dns_)[-2:] == ["_25._tcp.host.example.net. TLSA", "_25._tcp.mx.example.org. TLSA"]


def test_an_error_at_the_expanded_name_does_not_lead_to_the_original() -> None:
    dns_ = FakeDNS(ALIAS)
    dns_.fail("_25._tcp.host.example.net", dns.rcode.SERVFAIL)
    records = found(dns_)
    assert records.error is not None
    assert "_25._tcp.mx.example.org. TLSA" not in asked(dns_)


def test_unsigned_records_at_the_expanded_name_lead_to_the_original() -> None:
    """RFC 7672 §2.2.3: with "insecure" records on the way "the next candidate TLSA base domain is tried instead"."""
    dns_ = FakeDNS(ALIAS, f"_25._tcp.host.example.net. TLSA 3 1 1 {'cd' * 32}")
    records = found(dns_)
    assert (records.tlsa_state, records.tlsa_base) == (TLSAState.USABLE, MX)
    assert [record.association.hex() for record in records.records] == [DIGEST]


def test_a_signed_alias_of_the_tlsa_name_into_an_unsigned_zone_counts_as_none() -> None:
    dns_ = FakeDNS(
        "mx.example.org. A 192.0.2.1\n_25._tcp.mx.example.org. CNAME shared.plain.test.",
        f"shared.plain.test. TLSA 3 1 1 {DIGEST}",
    )
    records = found(dns_)
    assert (records.tlsa_state, records.tlsa_base, records.error) == (TLSAState.ABSENT, None, None)


def test_names_between_the_first_and_the_last_alias_are_never_asked() -> None:
    dns_ = FakeDNS(
        "mx.example.org. CNAME middle.example.org.\nmiddle.example.org. CNAME host.example.net.\n"
        f"host.example.net. A 192.0.2.1\n_25._tcp.middle.example.org. TLSA 3 1 1 {DIGEST}"
    )
    assert found(dns_).tlsa_state is TLSAState.ABSENT
    assert asked(dns_)[-2:] == ["_25._tcp.host.example.net. TLSA", "_25._tcp.mx.example.org. TLSA"]


SIGNED_ALIAS = f"mx.example.org. CNAME host.plain.test.\n_25._tcp.mx.example.org. TLSA 3 1 1 {DIGEST}"
PLAIN = "host.plain.test. A 192.0.2.1"


def test_a_signed_alias_into_an_unsigned_zone_keeps_dane_at_the_original() -> None:
    dns_ = FakeDNS(SIGNED_ALIAS, PLAIN)
    records = found(dns_)
    assert (records.tlsa_state, records.tlsa_base) == (TLSAState.USABLE, MX)
    assert records.address_status is DNSSECStatus.INSECURE
    assert asked(dns_)[2:] == ["mx.example.org. CNAME", "_25._tcp.mx.example.org. TLSA"]


def test_behind_a_signed_alias_a_broken_family_costs_the_host() -> None:
    dns_ = FakeDNS(SIGNED_ALIAS, PLAIN)
    dns_.fail("host.plain.test AAAA", dns.rcode.SERVFAIL)
    assert "cannot be looked up completely" in (found(dns_).error or "")


def test_an_unsigned_alias_ends_the_search() -> None:
    dns_ = FakeDNS(insecure=SIGNED_ALIAS + "\n" + PLAIN)
    assert found(dns_).tlsa_state is TLSAState.ABSENT
    assert asked(dns_)[2:] == ["mx.example.org. CNAME"]


def test_an_alias_that_cannot_be_looked_up_skips_the_host() -> None:
    dns_ = FakeDNS(SIGNED_ALIAS, PLAIN)
    dns_.fail("mx.example.org CNAME", dns.rcode.SERVFAIL)
    error = found(dns_).error
    assert error is not None
    assert "alias" in error


def test_wildcards_and_aliases_of_tlsa_names_work_and_keep_the_base() -> None:
    wild = FakeDNS(f"mx.example.org. A 192.0.2.1\n*._tcp.mx.example.org. TLSA 3 1 1 {DIGEST}")
    assert found(wild).tlsa_base == MX
    shared = FakeDNS(
        "mx.example.org. A 192.0.2.1\n_25._tcp.mx.example.org. CNAME shared.example.net.\n"
        f"shared.example.net. TLSA 2 0 1 {DIGEST}"
    )
    assert (found(shared).tlsa_base, found(shared).tlsa_state) == (MX, TLSAState.USABLE)


BROKEN = [DNSSECStatus.INDETERMINATE, dns.rcode.SERVFAIL]


@pytest.mark.parametrize("failure", BROKEN)
@pytest.mark.parametrize("family", ["A", "AAAA"])
def test_a_signed_host_is_skipped_when_one_family_cannot_be_looked_up(
    family: str, failure: DNSSECStatus | dns.rcode.Rcode
) -> None:
    """RFC 7672 §2.2.2: errors "for any query in the process MUST result in delaying or abandoning delivery"."""
    dns_ = FakeDNS(SIGNED)
    dns_.fail(f"mx.example.org {family}", failure)
    records = found(dns_)
    assert (records.addresses, records.tlsa_state) == ((), TLSAState.ABSENT)
    assert f"cannot be looked up completely: mx.example.org. {family}" in (records.error or "")
    assert len(asked(dns_)) == 2


@pytest.mark.parametrize("failure", BROKEN)
@pytest.mark.parametrize("family", ["A", "AAAA"])
def test_an_unsigned_host_with_one_broken_family_is_reached_by_the_other(
    family: str, failure: DNSSECStatus | dns.rcode.Rcode
) -> None:
    """RFC 7672 §2.1.2: the failure does not prevent address resolution, and no TLSA would be sought anyway."""
    dns_ = FakeDNS(insecure=SIGNED)
    dns_.fail(f"mx.example.org {family}", failure)
    records = found(dns_)
    assert (len(records.addresses), records.tlsa_state, records.error) == (1, TLSAState.ABSENT, None)
    assert len(asked(dns_)) == 2


@pytest.mark.parametrize("failed", ["mx.example.org A", "mx.example.org AAAA", "mx.example.org"])
def test_a_bogus_address_skips_the_host(failed: str) -> None:
    dns_ = FakeDNS(SIGNED)
    dns_.fail(failed, DNSSECStatus.BOGUS)
    records = found(dns_)
    assert records.addresses == ()
    assert records.error is not None
    assert "cannot be trusted" in records.error


def test_no_address_and_unknown_addresses_are_told_apart() -> None:
    broken = FakeDNS("mx.example.org. A 192.0.2.1")
    broken.fail("mx.example.org A", dns.rcode.SERVFAIL)
    assert "cannot be looked up" in (found(broken).error or "")
    assert found(FakeDNS("mx.example.org. TXT x")).error == "mx.example.org has no address"
    assert found(FakeDNS("example.org. TXT x")).error == "mx.example.org does not exist"


def test_a_failed_look_up_names_its_question_once() -> None:
    """The resolver's own words may begin with the question, and a sentence with the name three times is not read."""
    zone = FakeDNS(SIGNED).fail("mx.example.org AAAA", reason="mx.example.org. AAAA: the resolver answered SERVFAIL")
    found = run_lookup(lookup_host(Domain("mx.example.org"), 25), zone)
    assert found.error is not None
    assert found.error.count("AAAA") == 1

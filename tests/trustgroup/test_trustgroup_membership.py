"""Membership by signed DNS: every step present, absent, unsigned, bogus, failed."""

from __future__ import annotations

import dns.rcode
import pytest
from hypothesis import given
from hypothesis import strategies as st

from danelaw.address import Domain
from danelaw.dnsdata import DNSSECStatus
from danelaw.testing import FakeDNS, run_lookup
from danelaw.trustgroup import TES, DNSList, MembersError, Membership, Standing, lookup_membership, members_from_text
from fuzz.trustgroup_membership import check, test_one_input

ROOT = "trusted-email-services.com"
CHAIN = f"""
    tes-master.example.org. CNAME master.example.
    example.org.tes-member.master.example. TXT member
    master.example.tes-member.{ROOT}. TXT member
"""
STEPS = (
    "tes-master.example.org",
    "example.org.tes-member.master.example",
    f"master.example.tes-member.{ROOT}",
)


def look(dns_: FakeDNS, domain: str = "example.org") -> Membership:
    return run_lookup(lookup_membership(Domain(domain), TES()), dns_)


def signed(text: str = CHAIN) -> FakeDNS:
    return FakeDNS(text, outside=DNSSECStatus.SECURE)


def test_a_member_is_vouched_for_by_its_master_and_the_master_by_the_root() -> None:
    found = look(signed())
    assert found.standing is Standing.MEMBER
    assert found.master == Domain("master.example")
    assert found.reason == f"master.example vouches for it, and {ROOT} for master.example"
    assert [str(answer.question.name).rstrip(".") for answer in found.answers] == list(STEPS)


@pytest.mark.parametrize("step", STEPS)
def test_a_name_that_does_not_exist_ends_it(step: str) -> None:
    found = look(signed().remove(step))
    assert found.standing is Standing.NOT_MEMBER
    assert len(found.answers) == STEPS.index(step) + 1


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("how", [DNSSECStatus.BOGUS, DNSSECStatus.INDETERMINATE, dns.rcode.SERVFAIL, dns.rcode.REFUSED])
def test_any_other_failure_says_nothing(step: str, how: DNSSECStatus | dns.rcode.Rcode) -> None:
    found = look(signed().fail(step, how))
    assert [str(answer.question.rdtype.name) for answer in found.answers][-1] == "SOA"
    assert found.standing is Standing.UNKNOWN
    assert step in found.reason


@pytest.mark.parametrize("step", STEPS)
def test_what_is_not_signed_proves_nothing(step: str) -> None:
    found = look(signed().mark(step, DNSSECStatus.INSECURE))
    assert found.standing is Standing.NOT_MEMBER
    assert "not signed" in found.reason


def test_an_unsigned_domain_costs_one_question_whatever_its_dns_does_below() -> None:
    dns_ = FakeDNS("", "tes-master.example.org. CNAME hosting.example.").fail("hosting.example", below=True)
    assert look(dns_).standing is Standing.NOT_MEMBER
    assert len(dns_.asked) == 1


@pytest.mark.parametrize(("step", "zone"), list(zip(STEPS, ("example.org", "master.example", ROOT), strict=True)))
def test_a_failure_in_an_unsigned_zone_hides_no_member(step: str, zone: str) -> None:
    dns_ = signed().fail(step, dns.rcode.SERVFAIL).mark(zone, DNSSECStatus.INSECURE)
    found = look(dns_)
    assert found.standing is Standing.NOT_MEMBER
    assert f"{zone} is not signed" in found.reason
    assert look(dns_.fail(zone, DNSSECStatus.INDETERMINATE)).standing is Standing.UNKNOWN


@pytest.mark.parametrize("step", STEPS[1:])
def test_another_type_at_the_name_is_no_listing(step: str) -> None:
    found = look(signed().remove(step).add(f"{step}. A 192.0.2.1"))
    assert found.standing is Standing.NOT_MEMBER


def test_an_empty_non_terminal_is_no_listing() -> None:
    dns_ = signed().remove(STEPS[1]).add(f"below.{STEPS[1]}. TXT member")
    assert look(dns_).standing is Standing.NOT_MEMBER


def test_a_txt_record_where_the_alias_should_be_is_no_master() -> None:
    assert look(signed("tes-master.example.org. TXT master.example")).standing is Standing.NOT_MEMBER


@pytest.mark.parametrize("target", [".", "a\\032b.example."])
def test_an_alias_to_what_is_no_domain_is_no_master(target: str) -> None:
    found = look(signed(f"tes-master.example.org. CNAME {target}"))
    assert found.standing is Standing.NOT_MEMBER
    assert "no master" in found.reason


def test_names_that_would_be_too_long_cannot_be_listed() -> None:
    long = ".".join(["a" * 60] * 4)
    found = look(signed(f"tes-master.{long[:200]}. CNAME {long}."), long[:200])
    assert found.standing is Standing.NOT_MEMBER
    assert "too long" in found.reason
    assert look(signed(), long).standing is Standing.NOT_MEMBER


def test_one_list_in_dns() -> None:
    scheme = DNSList(Domain("members.example.net"))
    dns_ = FakeDNS("example.org.members.example.net. TXT yes", outside=DNSSECStatus.SECURE)
    assert run_lookup(lookup_membership(Domain("example.org"), scheme), dns_).standing is Standing.MEMBER
    assert run_lookup(lookup_membership(Domain("other.org"), scheme), dns_).standing is Standing.NOT_MEMBER


def test_a_file_of_members() -> None:
    text = "example.org  # the first\n\n# none\n.Clinic.EXAMPLE\nbücher.example\n"
    assert members_from_text(text, "f") == {"example.org", ".clinic.example", "xn--bcher-kva.example"}


def test_a_file_with_bad_lines_names_them_and_is_not_used() -> None:
    with pytest.raises(MembersError) as error:
        members_from_text("good.example\nbad domain\n" + "x..y\n" * 9, "f")
    assert "line 2:" in error.value.reason
    assert "and 5 more" in error.value.reason


@given(st.text(max_size=300))
def test_any_text_is_a_list_or_an_error_in_words(text: str) -> None:
    try:
        members = members_from_text(text, "f")
    except MembersError:
        return
    assert all(Domain.from_text(name.removeprefix(".")).ascii == name.removeprefix(".") for name in members)


@given(st.binary(max_size=300))
def test_any_names_in_dns_make_no_member_by_themselves(data: bytes) -> None:
    test_one_input(data)


def test_the_fuzz_target_knows_members() -> None:
    assert check(b"vouch", b"", vouched=True, signed=True) is Standing.MEMBER
    assert check(b"a b", b"", vouched=True, signed=True) is Standing.NOT_MEMBER

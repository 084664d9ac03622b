"""Policy discovery, the tree walk, alignment, and what failing DNS means (RFC 9989 §4.10, §5.3, Appendix B)."""

from __future__ import annotations

import dns.rcode
import pytest
from dmarc_samples import records, run, signature, spf
from hypothesis import given
from hypothesis import strategies as st

from danelaw.address import Domain
from danelaw.dkim import DKIMResult
from danelaw.dmarc import DMARCResult, Policy, PolicyTag, targets
from danelaw.dnsdata import DNSSECStatus
from danelaw.spf import SPFResult
from danelaw.testing import FakeDNS

NONE, PASS, FAIL = DMARCResult.NONE, DMARCResult.PASS, DMARCResult.FAIL
SERVFAIL = dns.rcode.SERVFAIL
TEMPERROR, PERMERROR = DMARCResult.TEMPERROR, DMARCResult.PERMERROR


def asked(dns: FakeDNS) -> list[str]:
    return [str(question) for question in dns.asked]


def test_a_walk_asks_at_most_eight_times_and_skips_the_middle_of_a_long_name() -> None:
    """The example of RFC 9989 §4.10."""
    names = [domain.ascii for domain in targets(Domain.from_text("a.b.c.d.e.f.g.h.i.j.mail.example.com"))]
    assert names == [
        "a.b.c.d.e.f.g.h.i.j.mail.example.com",
        "g.h.i.j.mail.example.com",
        "h.i.j.mail.example.com",
        "i.j.mail.example.com",
        "j.mail.example.com",
        "mail.example.com",
        "example.com",
        "com",
    ]
    eight = targets(Domain.from_text("a.b.c.d.e.f.example.com"))
    assert [domain.ascii for domain in eight][:2] == ["a.b.c.d.e.f.example.com", "b.c.d.e.f.example.com"]
    assert len(eight) == 8
    assert len(targets(Domain.from_text("com"))) == 1


def test_relaxed_alignment_is_that_of_organizational_domains() -> None:
    """RFC 9989 §B.4.1."""
    dns = FakeDNS(insecure=records(("example.com", "v=DMARC1; p=reject"), ("signing.example.com", "v=DMARC1; p=none")))
    found = run("example.com", dns, spf("example.com"), signature("signing.example.com"))
    assert (found.result, found.organizational_domain, found.policy) == (PASS, "example.com", Policy.REJECT)
    assert [one.aligned for one in found.identifiers] == [True, True]
    assert found.disposition is Policy.NONE
    assert run("example.com", dns, None, signature("signing.example.com")).result is PASS


def test_a_deep_name_finds_the_record_of_its_organizational_domain() -> None:
    """RFC 9989 §B.4.2."""
    dns = FakeDNS(insecure=records(("example.com", "v=DMARC1; p=reject"), ("signing.example.com", "v=DMARC1; p=none")))
    author = "a.b.c.d.e.f.g.h.i.j.k.example.com"
    found = run(author, dns, spf("bounce.example.com", SPFResult.FAIL), signature("signing.example.com"))
    assert (found.result, found.policy_domain, found.organizational_domain) == (PASS, "example.com", "example.com")
    assert sum("_dmarc" in question for question in asked(dns)) == 9
    failed = run(author, dns, spf("example.net"))
    assert (failed.result, failed.disposition) == (FAIL, Policy.REJECT)


def test_a_public_suffix_domain_separates_those_below_it() -> None:
    """RFC 9989 §B.4.3."""
    dns = FakeDNS(
        insecure=records(
            ("bank.example", "v=DMARC1; p=reject; psd=y"), ("giant.bank.example", "v=DMARC1; p=quarantine")
        )
    )
    found = run("giant.bank.example", dns, spf("mail.giant.bank.example"), signature("mail.mega.bank.example"))
    assert (found.result, found.organizational_domain, found.policy_domain) == (
        PASS,
        "giant.bank.example",
        "giant.bank.example",
    )
    assert [(one.method, one.aligned) for one in found.identifiers] == [("spf", True), ("dkim", False)]
    alone = run("giant.bank.example", dns, None, signature("mail.mega.bank.example"))
    assert (alone.result, alone.disposition) == (FAIL, Policy.QUARANTINE)


def test_the_policy_of_the_public_suffix_is_for_those_without_their_own() -> None:
    dns = FakeDNS(insecure=records(("bank.example", "v=DMARC1; p=none; sp=quarantine; np=reject; psd=y")))
    found = run("new.bank.example", dns, spf("mail.new.bank.example"))
    assert (found.result, found.organizational_domain, found.policy_domain) == (
        PASS,
        "new.bank.example",
        "bank.example",
    )
    assert (found.policy, found.policy_tag) == (Policy.REJECT, PolicyTag.NP)
    dns.add("new.bank.example. A 192.0.2.1", DNSSECStatus.INSECURE)
    assert run("new.bank.example", dns).policy_tag is PolicyTag.SP


def test_a_public_suffix_that_sends_mail_is_its_own_organization() -> None:
    dns = FakeDNS(insecure=records(("bank.example", "v=DMARC1; p=reject; psd=y"), ("example", "v=DMARC1; p=none")))
    found = run("bank.example", dns, spf("bank.example"))
    assert (found.result, found.organizational_domain) == (PASS, "bank.example")
    assert run("bank.example", dns, spf("giant.bank.example")).result is FAIL


def test_psd_n_ends_the_walk_before_what_lies_above() -> None:
    dns = FakeDNS(
        insecure=records(("mail.example.com", "v=DMARC1; p=none; psd=n"), ("example.com", "v=DMARC1; p=reject"))
    )
    dns.fail("_dmarc.com", SERVFAIL)
    found = run("a.mail.example.com", dns, spf("b.mail.example.com"))
    assert (found.result, found.organizational_domain) == (PASS, "mail.example.com")
    assert run("a.mail.example.com", dns, spf("b.example.com")).result is FAIL


def test_without_psd_the_highest_record_makes_the_organization() -> None:
    dns = FakeDNS(insecure=records(("mail.example.com", "v=DMARC1; p=none"), ("example.com", "v=DMARC1; p=reject")))
    found = run("a.mail.example.com", dns, spf("other.example.com"))
    assert (found.result, found.organizational_domain, found.policy_domain) == (PASS, "example.com", "example.com")
    own = run("mail.example.com", dns, spf("elsewhere.example"))
    assert (own.policy_domain, own.policy, own.policy_tag) == ("mail.example.com", Policy.NONE, PolicyTag.P)


@pytest.mark.parametrize(
    ("record", "author", "policy", "tag"),
    [
        ("v=DMARC1; p=reject; sp=quarantine; np=none", "example.com", Policy.REJECT, PolicyTag.P),
        ("v=DMARC1; p=reject; sp=quarantine; np=none", "there.example.com", Policy.QUARANTINE, PolicyTag.SP),
        ("v=DMARC1; p=reject; sp=quarantine; np=none", "not.example.com", Policy.NONE, PolicyTag.NP),
        ("v=DMARC1; p=reject; sp=quarantine", "not.example.com", Policy.QUARANTINE, PolicyTag.SP),
        ("v=DMARC1; p=none; np=reject", "there.example.com", Policy.NONE, PolicyTag.P),
        ("v=DMARC1; p=none; np=reject", "not.example.com", Policy.REJECT, PolicyTag.NP),
        ("v=DMARC1; p=none; np=reject", "empty.example.com", Policy.NONE, PolicyTag.P),
        ("v=DMARC1; p=none; np=reject", "alias.example.com", Policy.NONE, PolicyTag.P),
        ("v=DMARC1; p=reject; sp=bad; rua=mailto:a@b.example", "there.example.com", Policy.NONE, PolicyTag.P),
    ],
)
def test_the_policy_is_that_of_the_author(record: str, author: str, policy: Policy, tag: PolicyTag) -> None:
    dns = FakeDNS(
        insecure=records(("example.com", record))
        + "\nthere.example.com. A 192.0.2.1\nx.empty.example.com. A 192.0.2.1"
        + "\nalias.example.com. CNAME gone.example.net."
    )
    found = run(author, dns)
    assert (found.result, found.policy, found.policy_tag) == (FAIL, policy, tag)
    assert found.disposition is policy


@pytest.mark.parametrize(("policy", "left"), [("reject", "quarantine"), ("quarantine", "none"), ("none", "none")])
def test_testing_leaves_one_level_less(policy: str, left: str) -> None:
    dns = FakeDNS(insecure=records(("example.com", f"v=DMARC1; p={policy}; t=y; pct=100")))
    found = run("example.com", dns)
    assert (found.policy, found.applied, found.disposition) == (Policy(policy), Policy(left), Policy(left))
    assert found.testing


def test_strict_alignment_wants_the_author_itself() -> None:
    dns = FakeDNS(insecure=records(("example.com", "v=DMARC1; p=reject; adkim=s; aspf=r")))
    found = run("example.com", dns, spf("mail.example.com"), signature("mail.example.com"))
    assert [one.aligned for one in found.identifiers] == [True, False]
    assert run("example.com", dns, None, signature("mail.example.com")).result is FAIL
    assert run("example.com", dns, None, signature("EXAMPLE.com")).result is PASS


def test_only_what_is_authenticated_counts() -> None:
    dns = FakeDNS(insecure=records(("example.com", "v=DMARC1; p=reject")))
    for result in (SPFResult.FAIL, SPFResult.SOFTFAIL, SPFResult.NEUTRAL, SPFResult.NONE, SPFResult.PERMERROR):
        assert run("example.com", dns, spf("example.com", result)).result is FAIL
    for outcome in (DKIMResult.FAIL, DKIMResult.POLICY, DKIMResult.NEUTRAL, DKIMResult.PERMERROR):
        assert run("example.com", dns, None, signature("example.com", outcome)).result is FAIL
    doubtful = run("example.com", dns, None, signature("example.com", DKIMResult.PASS, "octets behind l="))
    assert doubtful.result is FAIL
    assert run("example.com", dns, None, signature("example.net"), signature("example.com")).result is PASS


def test_domains_of_strangers_cost_no_question() -> None:
    dns = FakeDNS(insecure=records(("example.com", "v=DMARC1; p=reject")))
    run("example.com", dns, spf("bounces.esp.example"), signature("a.b.esp.example"))
    assert asked(dns) == ["_dmarc.example.com. TXT", "_dmarc.com. TXT"]


def test_without_a_record_dmarc_does_not_apply() -> None:
    found = run("mail.example.com", FakeDNS(), spf("mail.example.com"))
    assert (found.result, found.policy, found.disposition) == (NONE, None, Policy.NONE)
    dns = FakeDNS(insecure='_dmarc.example.com. TXT "v=DMARC1; p=reject"\n_dmarc.example.com. TXT "v=DMARC1; p=none"')
    found = run("example.com", dns)
    assert found.result is NONE
    assert "2 records, of which none counts" in found.reason


def test_strings_of_a_record_are_joined() -> None:
    dns = FakeDNS(insecure='_dmarc.example.com. TXT "v=DMARC1; p=rej" "ect"')
    assert run("example.com", dns).policy is Policy.REJECT


@pytest.mark.parametrize(
    ("record", "result"),
    [
        ("v=DMARC1; p=bogus", PERMERROR),
        ("v=DMARC1; p=reject; np=bogus", PERMERROR),
        ("v=DMARC1;", NONE),
        ("v=DMARC1; p=bogus; rua=mailto:a@example.com", FAIL),
        ("v=DMARC1; rua=mailto:a@example.com", FAIL),
    ],
)
def test_a_record_without_valid_policy(record: str, result: DMARCResult) -> None:
    found = run("example.com", FakeDNS(insecure=records(("example.com", record))))
    assert (found.result, found.disposition) == (result, Policy.NONE)


@pytest.mark.parametrize("how", [dns.rcode.SERVFAIL, DNSSECStatus.BOGUS, DNSSECStatus.INDETERMINATE])
def test_a_record_that_cannot_be_had_is_temperror_and_applies_no_policy(how: dns.rcode.Rcode | DNSSECStatus) -> None:
    dns = FakeDNS(secure=records(("example.com", "v=DMARC1; p=reject")))
    for name in ("_dmarc.mail.example.com", "_dmarc.example.com", "_dmarc.com"):
        dns.fail(name, how)
        found = run("mail.example.com", dns, spf("mail.example.com"))
        assert (found.result, found.disposition, found.policy) == (TEMPERROR, Policy.NONE, None)
        dns = FakeDNS(secure=records(("example.com", "v=DMARC1; p=reject")))


def test_a_failure_that_decides_nothing_does_no_harm() -> None:
    dns = FakeDNS(secure=records(("example.com", "v=DMARC1; p=reject")))
    dns.fail("_dmarc.com", DNSSECStatus.BOGUS)
    found = run("example.com", dns, spf("example.com"))
    assert (found.result, found.dnssec) == (PASS, DNSSECStatus.SECURE)
    assert run("example.com", dns, spf("mail.example.com")).result is PASS
    assert run("example.com", dns, spf("mail.example.net")).result is FAIL
    assert run("example.com", dns, spf("other.com")).result is TEMPERROR
    assert run("example.com", dns).result is FAIL


def test_broken_dns_of_strangers_never_switches_the_policy_off() -> None:
    dns = FakeDNS(insecure=records(("example.com", "v=DMARC1; p=reject")))
    dns.fail("_dmarc.evil.test", SERVFAIL)
    found = run("example.com", dns, spf("evil.test", SPFResult.TEMPERROR), signature("evil.test", DKIMResult.TEMPERROR))
    assert (found.result, found.disposition) == (FAIL, Policy.REJECT)


def test_what_could_have_passed_leaves_it_open() -> None:
    dns = FakeDNS(insecure=records(("example.com", "v=DMARC1; p=reject")))
    open_spf = run("example.com", dns, spf("mail.example.com", SPFResult.TEMPERROR))
    open_key = run("example.com", dns, None, signature("example.com", DKIMResult.TEMPERROR))
    assert (open_spf.result, open_key.result) == (TEMPERROR, TEMPERROR)
    assert open_spf.disposition is Policy.NONE
    both = run("example.com", dns, spf("mail.example.com", SPFResult.TEMPERROR), signature("example.com"))
    assert both.result is PASS


def test_existence_that_cannot_be_known_applies_no_policy() -> None:
    dns = FakeDNS(insecure=records(("example.com", "v=DMARC1; p=none; np=reject")))
    dns.fail("x.example.com", SERVFAIL)
    found = run("x.example.com", dns)
    assert (found.result, found.disposition, found.exists) == (TEMPERROR, Policy.NONE, None)
    assert run("x.example.com", dns, spf("example.com")).result is PASS


@pytest.mark.parametrize("fault", ["", "the message has 2 From fields"])
def test_no_proper_author_is_permerror(fault: str) -> None:
    dns = FakeDNS(insecure=records(("example.com", "v=DMARC1; p=reject")))
    found = run("example.com" if fault else "", dns, spf("example.com"), fault=fault)
    assert (found.result, found.disposition) == (PERMERROR, Policy.NONE)
    assert found.reason == (fault or "the From field names no domain")


def test_of_several_authors_the_strictest_that_fails_speaks() -> None:
    """RFC 9989 §11.5."""
    dns = FakeDNS(
        insecure=records(
            ("a.test", "v=DMARC1; p=none"), ("b.test", "v=DMARC1; p=reject"), ("c.test", "v=DMARC1; p=quarantine")
        )
    )
    found = run("a.test b.test c.test", dns, spf("a.test"))
    assert (found.result, found.domain, found.disposition) == (FAIL, "b.test", Policy.REJECT)
    assert found.authors == ("a.test", "b.test", "c.test")
    assert run("a.test b.test", dns, spf("a.test"), signature("b.test")).result is PASS
    assert run("a.test none.test", dns, spf("a.test")).result is NONE
    assert run("a.test a.test", dns, spf("a.test")).result is PASS
    many = run("a.test d.a.test e.a.test f.a.test g.a.test", dns, spf("a.test"))
    assert (many.result, many.disposition) == (PERMERROR, Policy.NONE)
    assert run("b.test d.a.test e.a.test f.a.test g.a.test", dns, spf("a.test")).disposition is Policy.REJECT


def test_the_weakest_answer_is_named_and_every_answer_keeps_its_status() -> None:
    dns = FakeDNS(
        secure="example.com. A 192.0.2.1\n" + records(("example.com", "v=DMARC1; p=reject")),
        outside=DNSSECStatus.INSECURE,
    )
    found = run("mail.example.com", dns)
    assert found.dnssec is DNSSECStatus.INSECURE
    said = found.as_object()
    assert [(step["domain"], step["outcome"], step["asked"]["dnssec"]) for step in said["trace"]] == [
        ("mail.example.com", "no record", "secure"),
        ("example.com", "record", "secure"),
        ("com", "no record", "insecure"),
    ]
    assert (said["result"], said["policy"], said["domain"], said["disposition"]) == (
        "fail",
        "reject",
        "mail.example.com",
        "reject",
    )


def test_a_name_too_long_for_a_record_has_none() -> None:
    long = ".".join(["a" * 60] * 4) + ".example"  # 251 octets: no room for _dmarc
    found = run(long, FakeDNS())
    assert found.result is NONE
    assert "too long" in found.trace[0].note


def test_one_type_that_cannot_be_had_does_not_hide_that_the_name_is_none() -> None:
    dns = FakeDNS(insecure=records(("example.com", "v=DMARC1; p=none; np=reject")))
    dns.fail("x.example.com AAAA", SERVFAIL)
    assert run("x.example.com", dns).disposition is Policy.REJECT


def test_what_a_missing_answer_could_say_is_thought_through() -> None:
    dns = FakeDNS(insecure=records(("a.example.com", "v=DMARC1; p=reject"), ("b.example.com", "v=DMARC1; p=reject")))
    assert run("a.example.com", dns, spf("b.example.com")).result is FAIL
    dns.fail("_dmarc.example.com", SERVFAIL)
    assert run("a.example.com", dns, spf("b.example.com")).result is TEMPERROR
    assert run("a.example.com", dns, spf("x.a.example.com")).result is PASS
    dns.fail("_dmarc.com", SERVFAIL)
    assert run("a.example.com", dns, spf("x.a.example.com")).result is PASS
    dns.fail("_dmarc.x.a.example.com", SERVFAIL)
    assert run("a.example.com", dns, spf("x.a.example.com")).result is TEMPERROR


_RECORDS = st.dictionaries(
    st.sampled_from(["com", "e.com", "a.e.com", "b.e.com", "x.a.e.com", "y.a.e.com"]),
    st.sampled_from(["v=DMARC1; p=reject", "v=DMARC1; p=reject; psd=y", "v=DMARC1; p=reject; psd=n"]),
)


@given(_RECORDS, st.sets(st.sampled_from(["com", "e.com", "a.e.com", "x.a.e.com"]), max_size=3))
def test_with_some_answers_missing_alignment_is_right_or_open(published: dict[str, str], missing: set[str]) -> None:
    """Whatever could stand where the answer is missing, the verdict without it is never the opposite."""
    author, other = "x.a.e.com", "y.a.e.com"
    published["x.a.e.com"] = "v=DMARC1; p=reject"
    missing.discard("x.a.e.com")
    whole = run(author, FakeDNS(insecure=records(*published.items())), spf(other))
    dns = FakeDNS(insecure=records(*published.items()))
    for name in missing:
        dns.fail(f"_dmarc.{name}", SERVFAIL)
    found = run(author, dns, spf(other))
    assert found.result in (whole.result, TEMPERROR)
    assert found.identifiers[0].aligned in (whole.identifiers[0].aligned, None)

"""The decision, against expectations written by hand from the RFCs and not from the code.

Each line of `EXPECTED` gives MX, TLSA and MTA-STS, then the requirement without override, under the sender's
three demands. `DANE` and so on are the checks that must hold; `may` is opportunistic; `TLS` is encrypted
without checks; `skip` means that the host is passed over; a trailing `?X` is watched only.
"""

from __future__ import annotations

import itertools

import pytest

from danelaw.address import Domain
from danelaw.dane import TLSAState
from danelaw.tlspolicy import (
    DANECheck,
    Failure,
    FingerprintCheck,
    GroupDemand,
    Judgement,
    Override,
    OverrideTLS,
    PKIXCheck,
    Protection,
    RefusalKind,
    Requirement,
    RequireTLSCheck,
    SenderDemand,
    STSCheck,
    STSPublished,
    TLSUse,
    conclude,
    decide,
)
from danelaw.tlspolicy.table import DOMAIN, HOST, case, cases, cell, group_demand, page, rows

PIN = "ab" * 32
NAMES = {DANECheck: "DANE", STSCheck: "STS", PKIXCheck: "CA", FingerprintCheck: "pin", RequireTLSCheck: "RT"}
STS = {
    "none": STSPublished.NONE,
    "testing": STSPublished.TESTING_LISTED,
    "testing-": STSPublished.TESTING_UNLISTED,
    "enforce": STSPublished.ENFORCE_LISTED,
    "enforce-": STSPublished.ENFORCE_UNLISTED,
}
TLSA = {"usable": TLSAState.USABLE, "unusable": TLSAState.UNUSABLE, "absent": TLSAState.ABSENT}


def words(wanted: Requirement) -> str:
    if wanted.refusal is not None:
        return "skip-dns" if wanted.refusal.kind is RefusalKind.LOOKUP else "skip"
    demanded = "+".join(NAMES[type(check)] for check in wanted.checks)
    base = {TLSUse.NEVER: "never", TLSUse.OPPORTUNISTIC: "may", TLSUse.MANDATORY: demanded or "TLS"}[wanted.tls]
    if wanted.tls is not TLSUse.MANDATORY:
        assert not demanded, "a demand that does not insist on TLS is no demand"
    return base + "".join(f"?{NAMES[type(check)]}" for check in wanted.observe)


def override(tls: OverrideTLS | None) -> Override | None:
    if tls is None:
        return None
    return Override.of("example.org", tls, fingerprints=[PIN] if tls is OverrideTLS.FINGERPRINT else [])


EXPECTED = """
    signed    usable    none      DANE           dane        DANE+RT     may?DANE
    signed    usable    testing   DANE           dane        DANE+RT     may?DANE
    signed    usable    testing-  DANE           dane        DANE+RT     may?DANE
    signed    usable    enforce   DANE           dane        DANE+RT     may?DANE
    signed    usable    enforce-  DANE           dane        DANE+RT     may?DANE
    signed    unusable  none      TLS            encrypted   CA+RT       may
    signed    unusable  testing   TLS?STS        encrypted   CA+RT?STS   may?STS
    signed    unusable  testing-  TLS?STS        encrypted   CA+RT?STS   may?STS
    signed    unusable  enforce   STS            mta-sts     STS+RT      may?STS
    signed    unusable  enforce-  skip           waits       skip        may?STS
    signed    absent    none      may            encrypted   CA+RT       may
    signed    absent    testing   may?STS        encrypted   CA+RT?STS   may?STS
    signed    absent    testing-  may?STS        encrypted   CA+RT?STS   may?STS
    signed    absent    enforce   STS            mta-sts     STS+RT      may?STS
    signed    absent    enforce-  skip           waits       skip        may?STS
    unsigned  usable    none      DANE           host-dane   skip        may?DANE
    unsigned  usable    testing   DANE?STS       host-dane   skip        may?DANE?STS
    unsigned  usable    testing-  DANE?STS       host-dane   skip        may?DANE?STS
    unsigned  usable    enforce   DANE+STS       mta-sts     DANE+STS+RT may?DANE?STS
    unsigned  usable    enforce-  skip           waits       skip        may?DANE?STS
    unsigned  unusable  none      TLS            encrypted   skip        may
    unsigned  unusable  testing   TLS?STS        encrypted   skip        may?STS
    unsigned  unusable  testing-  TLS?STS        encrypted   skip        may?STS
    unsigned  unusable  enforce   STS            mta-sts     STS+RT      may?STS
    unsigned  unusable  enforce-  skip           waits       skip        may?STS
    unsigned  absent    none      may            encrypted   skip        may
    unsigned  absent    testing   may?STS        encrypted   skip        may?STS
    unsigned  absent    testing-  may?STS        encrypted   skip        may?STS
    unsigned  absent    enforce   STS            mta-sts     STS+RT      may?STS
    unsigned  absent    enforce-  skip           waits       skip        may?STS
"""
LINES = [line.split() for line in EXPECTED.strip().splitlines()]


def test_the_expectations_leave_no_cell_empty() -> None:
    wanted = set(itertools.product(("signed", "unsigned"), TLSA, STS))
    assert {tuple(line[:3]) for line in LINES} == wanted
    assert len(LINES) == len(wanted)
    assert all(len(line) == 7 for line in LINES)


@pytest.mark.parametrize("line", LINES, ids=" ".join)
def test_without_override(line: list[str]) -> None:
    mx, tlsa, sts, plain, level, requiretls, waived = line
    facts = case(secure_mx=mx == "signed", tlsa=TLSA[tlsa], sts=STS[sts])
    wanted = decide(facts, None, SenderDemand.NONE)
    assert words(wanted) == plain
    assert wanted.earns.level == level
    assert words(decide(facts, None, SenderDemand.REQUIRETLS)) == requiretls
    assert words(decide(facts, None, SenderDemand.TLS_REQUIRED_NO)) == waived


# What an override makes of three shapes: DANE, nothing with a signed MX, nothing with an unsigned MX; then REQUIRETLS.
OVERRIDDEN = """
    none          never       never      never       skip       skip    skip
    may           may?DANE    may        may         DANE+RT    CA+RT   skip
    encrypt       TLS?DANE    TLS        TLS         DANE+RT    CA+RT   skip
    verify        CA?DANE     CA         CA          CA+DANE+RT CA+CA+RT skip
    dane          DANE        may        may         DANE+RT    CA+RT   skip
    dane-require  DANE        skip       skip        DANE+RT    skip    skip
    fingerprint   pin?DANE    pin        pin         pin+DANE+RT pin+CA+RT skip
"""


@pytest.mark.parametrize("line", [line.split() for line in OVERRIDDEN.strip().splitlines()], ids=lambda line: line[0])
def test_overrides(line: list[str]) -> None:
    tls, *expected = line
    shapes = [
        case(secure_mx=True, tlsa=TLSAState.USABLE),
        case(secure_mx=True),
        case(secure_mx=False),
    ]
    chosen = override(OverrideTLS(tls))
    found = [
        words(decide(facts, chosen, demand))
        for demand in (SenderDemand.NONE, SenderDemand.REQUIRETLS)
        for facts in shapes
    ]
    assert found == expected


# The same without REQUIRETLS: what is demanded is encryption, verified TLS, DANE.
STRONGER = """
    signed    usable    none      DANE      DANE       DANE
    signed    usable    testing   DANE      DANE       DANE
    signed    usable    testing-  DANE      DANE       DANE
    signed    usable    enforce   DANE      DANE       DANE
    signed    usable    enforce-  DANE      DANE       DANE
    signed    unusable  none      TLS       CA         skip
    signed    unusable  testing   TLS?STS   CA?STS     skip
    signed    unusable  testing-  TLS?STS   CA?STS     skip
    signed    unusable  enforce   STS       STS        skip
    signed    unusable  enforce-  skip      skip       skip
    signed    absent    none      TLS       CA         skip
    signed    absent    testing   TLS?STS   CA?STS     skip
    signed    absent    testing-  TLS?STS   CA?STS     skip
    signed    absent    enforce   STS       STS        skip
    signed    absent    enforce-  skip      skip       skip
    unsigned  usable    none      DANE      DANE+CA    skip
    unsigned  usable    testing   DANE?STS  DANE+CA?STS skip
    unsigned  usable    testing-  DANE?STS  DANE+CA?STS skip
    unsigned  usable    enforce   DANE+STS  DANE+STS   skip
    unsigned  usable    enforce-  skip      skip       skip
    unsigned  unusable  none      TLS       CA         skip
    unsigned  unusable  testing   TLS?STS   CA?STS     skip
    unsigned  unusable  testing-  TLS?STS   CA?STS     skip
    unsigned  unusable  enforce   STS       STS        skip
    unsigned  unusable  enforce-  skip      skip       skip
    unsigned  absent    none      TLS       CA         skip
    unsigned  absent    testing   TLS?STS   CA?STS     skip
    unsigned  absent    testing-  TLS?STS   CA?STS     skip
    unsigned  absent    enforce   STS       STS        skip
    unsigned  absent    enforce-  skip      skip       skip
"""
STRONGER_LINES = [line.split() for line in STRONGER.strip().splitlines()]
STRONGER_DEMANDS = (SenderDemand.ENCRYPTED, SenderDemand.VERIFIED, SenderDemand.DANE)


def test_stronger_demands_leave_no_cell_empty() -> None:
    assert [line[:3] for line in STRONGER_LINES] == [line[:3] for line in LINES]


@pytest.mark.parametrize("line", STRONGER_LINES, ids=" ".join)
def test_stronger_demands_without_override(line: list[str]) -> None:
    facts = case(secure_mx=line[0] == "signed", tlsa=TLSA[line[1]], sts=STS[line[2]])
    assert [words(decide(facts, None, demand)) for demand in STRONGER_DEMANDS] == line[3:]


# Encryption, verified TLS, DANE, each for DANE, nothing with a signed MX, nothing with an unsigned MX.
STRONGER_OVERRIDDEN = """
    none          TLS       TLS   TLS    DANE      CA    CA    DANE      skip  skip
    may           TLS?DANE  TLS   TLS    DANE      CA    CA    DANE      skip  skip
    encrypt       TLS?DANE  TLS   TLS    DANE      CA    CA    DANE      skip  skip
    verify        CA?DANE   CA    CA     CA?DANE   CA    CA    CA+DANE   skip  skip
    dane          DANE      TLS   TLS    DANE      CA    CA    DANE      skip  skip
    dane-require  DANE      skip  skip   DANE      skip  skip  DANE      skip  skip
    fingerprint   pin?DANE  pin   pin    pin?DANE  pin   pin   pin+DANE  skip  skip
"""


@pytest.mark.parametrize(
    "line", [line.split() for line in STRONGER_OVERRIDDEN.strip().splitlines()], ids=lambda line: line[0]
)
def test_stronger_demands_under_overrides(line: list[str]) -> None:
    tls, *expected = line
    shapes = [case(secure_mx=True, tlsa=TLSAState.USABLE), case(secure_mx=True), case(secure_mx=False)]
    chosen = override(OverrideTLS(tls))
    assert [words(decide(facts, chosen, demand)) for demand in STRONGER_DEMANDS for facts in shapes] == expected


def test_an_address_can_be_encrypted_to_but_not_verified() -> None:
    [literal] = [facts for facts in cases() if facts.domain is None]
    assert [words(decide(literal, None, demand)) for demand in STRONGER_DEMANDS] == ["TLS", "skip", "skip"]


def test_requiretls_and_dane_is_both() -> None:
    both = SenderDemand.REQUIRETLS_DANE
    assert words(decide(case(secure_mx=True, tlsa=TLSAState.USABLE), None, both)) == "DANE+RT"
    assert words(decide(case(secure_mx=True), None, both)) == "skip"
    verify = override(OverrideTLS.VERIFY)
    assert words(decide(case(secure_mx=True, tlsa=TLSAState.USABLE), verify, both)) == "CA+DANE+RT"
    assert words(decide(case(secure_mx=True, tlsa=TLSAState.USABLE), override(OverrideTLS.NONE), both)) == "skip"
    assert words(decide(case(secure_mx=True, tlsa_error="bogus"), None, both)) == "skip-dns"


def test_demands_join_to_the_stronger_of_both() -> None:
    none, waived, encrypted, verified, dane, required, both = SenderDemand
    for one, other, joined in (
        (none, waived, waived),
        (waived, none, waived),
        (waived, encrypted, encrypted),
        (encrypted, verified, verified),
        (dane, encrypted, dane),
        (required, verified, required),
        (verified, required, required),
        (dane, required, both),
        (both, waived, both),
    ):
        assert one.with_demand(other) is joined
        assert other.with_demand(one) is joined
    for one in SenderDemand:
        assert one.with_demand(one) is one
        assert SenderDemand.from_word(one.word) is one
    with pytest.raises(ValueError, match="no demand"):
        SenderDemand.from_word("safe")


def test_a_stronger_demand_never_earns_less() -> None:
    for facts in cases():
        for tls in (None, *OverrideTLS):
            for weaker, stronger in itertools.product(SenderDemand, repeat=2):
                if weaker.with_demand(stronger) is not stronger or stronger is SenderDemand.TLS_REQUIRED_NO:
                    continue
                less, more = (decide(facts, override(tls), demand) for demand in (weaker, stronger))
                if more.refusal is None and less.refusal is None:
                    assert more.earns >= less.earns, (facts, tls, weaker, stronger)
                if less.refusal is not None and weaker is not SenderDemand.TLS_REQUIRED_NO:
                    assert more.refusal is not None


def test_every_override_wins_over_a_waiver() -> None:
    for facts in cases():
        for tls in OverrideTLS:
            assert decide(facts, override(tls), SenderDemand.TLS_REQUIRED_NO) == decide(
                facts, override(tls), SenderDemand.NONE
            )


def test_a_forged_mx_to_a_signed_host_does_not_walk_around_an_enforced_policy() -> None:
    """FIELD rule 7: the attacker's own TLSA records are usable, but the policy does not list his host."""
    forged = case(secure_mx=False, tlsa=TLSAState.USABLE, sts=STSPublished.ENFORCE_UNLISTED)
    wanted = decide(forged, None, SenderDemand.NONE)
    assert wanted.refusal is not None
    assert wanted.refusal.kind is RefusalKind.DEMAND
    assert "MTA-STS" in wanted.reason


def test_host_only_dane_satisfies_nothing_that_asks_for_the_domain() -> None:
    facts = case(secure_mx=False, tlsa=TLSAState.USABLE)
    assert decide(facts, override(OverrideTLS.DANE_REQUIRE), SenderDemand.NONE).refusal
    assert decide(facts, None, SenderDemand.REQUIRETLS).refusal
    assert decide(facts, None, SenderDemand.NONE).earns is Protection.HOST_DANE


def test_unknown_tlsa_skips_the_host_unless_an_override_or_the_sender_gives_in() -> None:
    for secure_mx in (True, False):
        facts = case(secure_mx=secure_mx, tlsa_error="TLSA look-up failed: bogus")
        for tls in (None, OverrideTLS.DANE, OverrideTLS.DANE_REQUIRE):
            assert words(decide(facts, override(tls), SenderDemand.NONE)) == "skip-dns"
        assert words(decide(facts, None, SenderDemand.REQUIRETLS)) == "skip-dns"
        assert words(decide(facts, None, SenderDemand.TLS_REQUIRED_NO)) == "may"
        assert words(decide(facts, override(OverrideTLS.ENCRYPT), SenderDemand.NONE)) == "TLS"
    signed = case(secure_mx=True, tlsa_error="TLSA look-up failed: bogus")
    assert words(decide(signed, override(OverrideTLS.ENCRYPT), SenderDemand.REQUIRETLS)) == "skip-dns"


def test_without_an_address_nobody_can_give_in() -> None:
    facts = case(secure_mx=True, unreachable="mx.example.org has no address")
    for tls in (None, *OverrideTLS):
        for demand in SenderDemand:
            assert words(decide(facts, override(tls), demand)) == "skip-dns"


def test_a_wait_for_mta_sts_does_not_touch_dane() -> None:
    with_dane = case(secure_mx=True, tlsa=TLSAState.USABLE, wait="TXT failed")
    assert words(decide(with_dane, None, SenderDemand.NONE)) == "DANE"
    without = case(secure_mx=True, wait="TXT failed")
    assert words(decide(without, None, SenderDemand.NONE)) == "skip-dns"
    assert words(decide(without, override(OverrideTLS.MAY), SenderDemand.NONE)) == "may"


def test_verify_takes_the_mx_name_only_when_nobody_could_choose_it() -> None:
    def accepted(secure_mx: bool, sts: STSPublished) -> tuple[Domain, ...]:
        (check,) = decide(case(secure_mx=secure_mx, sts=sts), override(OverrideTLS.VERIFY), SenderDemand.NONE).checks
        assert isinstance(check, PKIXCheck)
        return check.names

    assert accepted(True, STSPublished.NONE) == (DOMAIN, HOST)
    assert accepted(False, STSPublished.NONE) == (DOMAIN,)
    assert accepted(False, STSPublished.TESTING_LISTED) == (DOMAIN,)
    assert accepted(False, STSPublished.ENFORCE_LISTED) == (DOMAIN, HOST)


def test_every_cell_says_who_demands_what() -> None:
    count = 0
    for row in rows():
        count += 1
        wanted = row.requirement
        assert wanted.reason
        assert wanted.demanded_by
        assert cell(wanted)
        assert (wanted.earns is Protection.NOTHING_SENT) == (wanted.refusal is not None)
        if wanted.tls is TLSUse.MANDATORY and wanted.refusal is None:
            assert wanted.earns not in (Protection.CLEAR, Protection.NOTHING_SENT)
            assert wanted.demanded_by != "nobody"
        if row.demand.requiretls and wanted.refusal is None:
            assert wanted.requiretls
            assert wanted.earns.verified
        if wanted.earns is Protection.DANE:
            assert wanted.dane is not None
            assert wanted.dane.secure_mx
        if row.demand.verified and wanted.refusal is None:
            assert wanted.tls is TLSUse.MANDATORY
            assert wanted.earns.verified
        if row.demand.dane and wanted.refusal is None:
            assert wanted.earns is Protection.DANE
        if row.demand is SenderDemand.ENCRYPTED and wanted.refusal is None:
            assert wanted.tls is TLSUse.MANDATORY
        if row.group is not SenderDemand.NONE and wanted.refusal is None:
            assert wanted.tls is TLSUse.MANDATORY
            assert wanted.earns.verified or row.group is SenderDemand.ENCRYPTED
            assert wanted.earns is Protection.DANE or row.group is not SenderDemand.DANE
            assert 'trust group "example"' in wanted.demanded_by
            assert 'trust group "example" demands' in wanted.reason
    assert count == len(list(cases())) * 8 * (7 + 6)


def test_a_trust_group_never_weakens_and_is_never_waived() -> None:
    for facts in cases():
        for tls, demand in itertools.product((None, *OverrideTLS), SenderDemand):
            plain = decide(facts, override(tls), demand)
            for strength in (SenderDemand.ENCRYPTED, SenderDemand.VERIFIED, SenderDemand.DANE):
                grouped = decide(facts, override(tls), demand, group_demand(strength))
                assert grouped.refusal is not None or grouped.earns >= plain.earns
                assert grouped.refusal is not None or set(plain.checks) <= set(grouped.checks)
                assert (grouped.at_best or grouped.earns) >= grouped.earns
                if demand is not SenderDemand.TLS_REQUIRED_NO:
                    together = decide(facts, override(tls), demand.with_demand(strength))
                    assert cell(grouped) == cell(together)


def test_two_groups_demand_the_stronger_of_both() -> None:
    demands = (GroupDemand(SenderDemand.DANE, ("a",)), GroupDemand(SenderDemand.VERIFIED, ("b",), returns=True))
    both = GroupDemand.together((*demands, GroupDemand(SenderDemand.NONE, ("c",))))
    assert both == GroupDemand(SenderDemand.DANE, ("a", "b"), returns=True)
    assert both.owner == 'trust groups "a" and "b"'
    assert GroupDemand.together((GroupDemand(SenderDemand.NONE, ("c",)),)) is None


def test_a_group_that_returns_does_so_only_for_what_no_time_will_mend() -> None:
    def judged(failure: Failure) -> Judgement:
        return Judgement(HOST, "192.0.2.1", None, Protection.NOTHING_SENT, failure.value, failure=failure)

    returning = GroupDemand(SenderDemand.DANE, ("a",), returns=True)
    for group, failure, bounce in (
        (returning, Failure.NOT_VERIFIED, True),
        (returning, Failure.NO_TLS, True),
        (returning, Failure.LOOKUP, False),
        (GroupDemand(SenderDemand.DANE, ("a",)), Failure.NOT_VERIFIED, False),
        (None, Failure.NOT_VERIFIED, False),
    ):
        conclusion = conclude(SenderDemand.NONE, [judged(failure)], group=group)
        assert conclusion.bounce is bounce
        assert conclusion.status == (5, 7, 10) or not bounce
    assert not conclude(SenderDemand.NONE, [judged(Failure.NO_TLS)], unreached=1, group=returning).bounce


def test_no_demand_weaker_than_what_is_published_without_someone_asking_for_it() -> None:
    """With REQUIRETLS nothing is ever weaker than without."""
    for facts in cases():
        for tls in (None, *OverrideTLS):
            plain = decide(facts, override(tls), SenderDemand.NONE)
            insisted = decide(facts, override(tls), SenderDemand.REQUIRETLS)
            assert insisted.refusal is not None or insisted.earns >= plain.earns
            assert insisted.refusal is not None or set(plain.checks) <= set(insisted.checks)


def test_the_server_name_sent_is_the_tlsa_base_domain() -> None:
    base = Domain("real.example.net")
    from dataclasses import replace

    facts = replace(case(secure_mx=True, tlsa=TLSAState.USABLE), base=base)
    for demand in SenderDemand:
        assert decide(facts, None, demand).sni == base
    assert decide(case(secure_mx=True), None, SenderDemand.NONE).sni == HOST


def test_the_page_is_fresh(repository) -> None:  # type: ignore[no-untyped-def]
    path = repository / "docs" / "decision-table.md"
    assert path.read_text("utf-8") == page(), "next: python -m danelaw.tlspolicy.table > docs/decision-table.md"


@pytest.mark.parametrize("tlsa", list(TLSAState))
def test_requiretls_mail_waits_while_dns_hides_whether_a_policy_covers_the_mx(tlsa: TLSAState) -> None:
    """RFC 8689 §4.2.1 returns mail whose demand cannot be met; a look-up that failed shows no such thing."""
    hidden = decide(case(secure_mx=False, tlsa=tlsa, sts_unknown="TXT look-up failed"), None, SenderDemand.REQUIRETLS)
    absent = decide(case(secure_mx=False, tlsa=tlsa), None, SenderDemand.REQUIRETLS)
    assert hidden.refusal is not None
    assert absent.refusal is not None
    assert (hidden.refusal.kind, absent.refusal.kind) == (RefusalKind.LOOKUP, RefusalKind.DEMAND)
    assert "TXT look-up failed" in hidden.refusal.reason
    nothing_asked = decide(case(secure_mx=False, tlsa=tlsa, sts_unknown="x"), None, SenderDemand.NONE)
    assert nothing_asked == decide(case(secure_mx=False, tlsa=tlsa), None, SenderDemand.NONE)

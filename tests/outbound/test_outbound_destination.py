"""Surveys: what deliveries, check and console all ask first."""

from __future__ import annotations

import asyncio

import pytest

from danelaw.address import Domain
from danelaw.dnsdata import DNSSECStatus
from danelaw.mtasts import PolicyMode, STSPolicy
from danelaw.outbound.destination import Survey, Surveyor, survey
from danelaw.routing import NextHop
from danelaw.state import OverrideStore, StateDatabase, TrustRoll
from danelaw.testing import FakeDNS, FakeResolver
from danelaw.tlspolicy import Override, Protection, SenderDemand, STSState, TLSUse
from danelaw.trustgroup import TES, TrustGroup

NOW = 1_790_000_000.0
KEY = "0d6f88a1" * 8
SIGNED = f"""
    example.org. MX 10 mx1.example.org.
    example.org. MX 10 mx2.example.org.
    example.org. MX 5 mx0.example.org.
    mx0.example.org. A 192.0.2.9
    mx1.example.org. A 192.0.2.1
    mx2.example.org. A 192.0.2.2
    _25._tcp.mx0.example.org. TLSA 3 1 1 {KEY}
    _25._tcp.mx1.example.org. TLSA 3 1 1 {KEY}
    _25._tcp.mx2.example.org. TLSA 3 1 1 {KEY}
"""
PLAIN = "example.org. MX 10 mx1.example.org.\nmx1.example.org. A 192.0.2.1"


class Policies:
    """MTA-STS as a dictionary."""

    def __init__(self, policy: STSPolicy | None = None) -> None:
        self.policy = policy
        self.asked: list[Domain] = []

    async def state_for(self, domain: Domain, now: float) -> STSState:
        self.asked.append(domain)
        return STSState(domain=domain, policy=self.policy, fresh_until=now + 300)


ENFORCE = STSPolicy(PolicyMode.ENFORCE, ("mx1.example.org",), 86400)


def look(
    dns: FakeDNS,
    text: str = "example.org",
    policies: Policies | None = None,
    overrides: tuple[Override, ...] = (),
    demand: SenderDemand = SenderDemand.NONE,
    sts_always: bool = False,
) -> Survey:
    return asyncio.run(
        survey(
            NextHop.from_text(text),
            FakeResolver(dns),
            policies,
            overrides,
            demand,
            now=NOW,
            sts_always=sts_always,
        )
    )


def test_each_host_has_its_requirement_in_mx_order() -> None:
    found = look(FakeDNS(SIGNED))
    assert [(plan.preference, plan.host.ascii) for plan in found.hosts] == [
        (5, "mx0.example.org"),
        (10, "mx1.example.org"),
        (10, "mx2.example.org"),
    ]
    assert {plan.requirement.earns for plan in found.hosts} == {Protection.DANE}
    assert [plan.host.ascii[:3] for plan in found.ordered(lambda equals: equals.reverse())] == ["mx0", "mx2", "mx1"]
    assert found.error is None
    assert found.undeliverable is None
    assert found.expires == NOW + 3600


def test_mta_sts_is_not_consulted_where_dane_decides() -> None:
    policies = Policies(ENFORCE)
    assert not look(FakeDNS(SIGNED), policies=policies).sts_asked
    assert policies.asked == []
    shown = look(FakeDNS(SIGNED), policies=policies, sts_always=True)
    assert policies.asked == [Domain("example.org")]
    assert {plan.requirement.earns for plan in shown.hosts} == {Protection.DANE}


def test_mta_sts_is_consulted_where_the_mx_is_not_signed() -> None:
    found = look(FakeDNS(insecure=PLAIN), policies=Policies(ENFORCE))
    assert found.hosts[0].requirement.earns is Protection.MTA_STS
    assert found.expires == NOW + 300


def test_an_override_that_leaves_mta_sts_aside_does_not_ask_for_it() -> None:
    policies = Policies(ENFORCE)
    found = look(FakeDNS(insecure=PLAIN), policies=policies, overrides=(Override.of("example.org", "none"),))
    assert policies.asked == []
    assert found.hosts[0].requirement.tls is TLSUse.NEVER


GROUPS = (
    TrustGroup(name="verified", members=frozenset({"example.org"}), send=SenderDemand.VERIFIED, expires=NOW + 9.0),
    TrustGroup(name="tes", scheme=TES(), send=SenderDemand.DANE),
)


def look_with_groups(dns: FakeDNS, policies: Policies, *overrides: Override) -> Survey:
    resolver = FakeResolver(dns)
    asked = survey(
        NextHop.from_text("example.org"), resolver, policies, overrides, now=NOW, groups=TrustRoll(GROUPS, resolver)
    )
    return asyncio.run(asked)


def test_a_group_that_insists_has_the_policy_asked_whatever_an_override_leaves_aside() -> None:
    policies = Policies(ENFORCE)
    found = look_with_groups(FakeDNS(insecure=PLAIN), policies, Override.of("example.org", "none"))
    assert policies.asked == [Domain("example.org")]
    (plan,) = found.hosts
    assert plan.requirement.earns is Protection.MTA_STS
    assert plan.requirement.demanded_by.startswith('trust group "verified"')
    assert found.expires == NOW + 9.0


def test_mail_waits_while_membership_cannot_be_known_and_not_for_long() -> None:
    dns = FakeDNS(SIGNED, outside=DNSSECStatus.SECURE).fail("tes-master.example.org", DNSSECStatus.INDETERMINATE)
    found = look_with_groups(dns, Policies())
    assert found.error is not None
    assert "cannot be known now" in found.error
    assert found.hosts == ()
    assert found.expires == NOW + 5.0


def test_who_takes_no_mail_is_not_looked_up_in_groups() -> None:
    dns = FakeDNS("example.org. MX 0 .", outside=DNSSECStatus.SECURE)
    assert look_with_groups(dns, Policies()).undeliverable is not None
    assert not [question for question in dns.asked if "tes-master" in str(question)]


def test_an_override_ends_the_survey_with_it() -> None:
    found = look(FakeDNS(SIGNED), overrides=(Override.of("example.org", "encrypt", expires=NOW + 7),))
    assert found.override.override is not None
    assert found.hosts[0].requirement.earns is Protection.ENCRYPTED
    assert found.expires == NOW + 7


@pytest.mark.parametrize(
    ("zone", "status"),
    [
        ("other.org. A 192.0.2.1", (5, 1, 2)),
        ("example.org. MX 0 .", (5, 1, 10)),
        ("example.org. TXT hello", (5, 4, 4)),
    ],
)
def test_what_takes_no_mail_is_returned(zone: str, status: tuple[int, int, int]) -> None:
    for dns in (FakeDNS(zone), FakeDNS(insecure=zone)):
        found = look(dns)
        assert found.undeliverable is not None
        assert found.undeliverable.status == status
        assert found.hosts == ()


def test_a_failed_mx_waits_and_is_soon_asked_again() -> None:
    found = look(FakeDNS(SIGNED).fail("example.org MX", DNSSECStatus.BOGUS))
    assert found.error
    assert found.undeliverable is None
    assert found.hosts == ()
    assert found.expires <= NOW + 5


def test_a_failed_address_of_an_implicit_mx_waits() -> None:
    found = look(FakeDNS("example.org. TXT hello").fail("example.org A", DNSSECStatus.INDETERMINATE))
    assert found.undeliverable is None
    assert found.hosts[0].requirement.refusal is not None
    assert found.expires <= NOW + 5


def test_an_mx_host_without_address_is_skipped_and_not_final() -> None:
    found = look(FakeDNS("example.org. MX 10 gone.example.org."))
    assert found.undeliverable is None
    assert found.hosts[0].requirement.refusal is not None


def test_an_address_has_no_policy() -> None:
    policies = Policies(ENFORCE)
    found = look(FakeDNS(), "[192.0.2.1]", policies=policies)
    assert policies.asked == []
    assert found.hosts[0].requirement.tls is TLSUse.OPPORTUNISTIC
    assert found.hosts[0].requirement.sni is None


def test_a_named_host_is_its_own_policy_domain() -> None:
    policies = Policies(ENFORCE)
    dns = FakeDNS("mx1.example.org. A 192.0.2.1")
    found = look(dns, "[mx1.example.org]", policies=policies)
    assert policies.asked == [Domain("mx1.example.org")]
    assert found.hosts[0].requirement.earns is Protection.MTA_STS


def test_a_surveyor_asks_once_until_something_changes() -> None:
    dns = FakeDNS(SIGNED)
    overrides = OverrideStore(StateDatabase(":memory:"))
    surveyor = Surveyor(FakeResolver(dns), Policies(), overrides)
    hop = NextHop.from_text("example.org")

    async def story() -> None:
        assert surveyor.cached(hop, SenderDemand.NONE, NOW) is None
        first, twin = await asyncio.gather(
            surveyor.survey(hop, SenderDemand.NONE, NOW), surveyor.survey(hop, SenderDemand.NONE, NOW)
        )
        assert first is twin
        asked = len(dns.asked)
        assert await surveyor.survey(hop, SenderDemand.NONE, NOW + 1) is first
        assert len(dns.asked) == asked
        other = await surveyor.survey(hop, SenderDemand.REQUIRETLS, NOW + 1)
        assert other is not first
        overrides.add(Override.of("example.org", "may"), NOW)
        assert surveyor.cached(hop, SenderDemand.NONE, NOW + 1) is None
        changed = await surveyor.survey(hop, SenderDemand.NONE, NOW + 1)
        assert changed.hosts[0].requirement.tls is TLSUse.OPPORTUNISTIC
        assert surveyor.cached(hop, SenderDemand.NONE, first.expires) is None
        surveyor.forget()
        assert surveyor.cached(hop, SenderDemand.NONE, NOW + 1) is None

    asyncio.run(story())

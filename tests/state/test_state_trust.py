"""What is remembered of members, seen by two processes at once; and to which groups a domain belongs."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import dns.rcode
import pytest

from danelaw.address import Domain
from danelaw.dnsdata import DNSSECStatus
from danelaw.state import FILE_NAME, StateDatabase, TrustRoll, TrustStore
from danelaw.state import trust as trust_module
from danelaw.state.trust_roll import GroupsOf
from danelaw.testing import FakeDNS, FakeResolver
from danelaw.tlspolicy import GroupDemand, SenderDemand
from danelaw.trustgroup import TES, Change, MemberRecord, Observation, TrustGroup

NOW = 1_795_000_000.0
KEPT = MemberRecord(Observation.KEPT, NOW, "fine", NOW, NOW + 100.0)
BROKEN = MemberRecord(Observation.BROKEN, NOW + 5.0, "not fine", NOW + 5.0, NOW + 200.0, Observation.KEPT, 1)
BREACH = Change(Observation.KEPT, Observation.BROKEN, NOW + 5.0, "not fine")


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[tuple[TrustStore, TrustStore]]:
    first, second = (TrustStore(StateDatabase(tmp_path / FILE_NAME)) for _ in range(2))
    yield first, second
    first.close()
    second.close()


def meet(store: TrustStore, *domains: str, group: str = "g", now: float = NOW) -> None:
    store.meet(group, domains, now, lambda domain: 0.5, 60.0)


def test_each_look_is_given_to_one_process(stores: tuple[TrustStore, TrustStore]) -> None:
    first, second = stores
    meet(first, "a.example", "b.example")
    assert first.claim(NOW + 29.0) is None
    claimed = [store.claim(NOW + 31.0) for store in (first, second, first, second)]
    assert [one.domain for one in claimed if one is not None] == ["a.example", "b.example"]
    # A process that died with it gives way after a while.
    assert second.claim(NOW + 31.0 + 599.0) is None
    assert second.claim(NOW + 31.0 + 601.0) is not None


def test_who_is_met_again_stays_as_it_is(stores: tuple[TrustStore, TrustStore]) -> None:
    first, second = stores
    meet(first, "a.example")
    first.keep("g", "a.example", BROKEN, BREACH)
    meet(second, "a.example", "b.example", now=NOW + 50.0)
    assert [(one.domain, one.record.standing) for one in second.members("g")] == [
        ("a.example", Observation.BROKEN), ("b.example", None),
    ]  # fmt: skip
    assert second.members("g")[0].record == BROKEN
    assert second.counts() == {("g", "broken"): 1, ("g", ""): 1}


def test_dns_cannot_fill_the_disk(stores: tuple[TrustStore, TrustStore], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trust_module, "MOST_MEMBERS", 3)
    meet(stores[0], *(f"{letter}.example" for letter in "abcde"))
    meet(stores[0], "other.example", group="h")
    assert [len(stores[0].members(group)) for group in ("g", "h")] == [3, 1]


def test_each_change_is_told_by_one_process_and_again_when_it_could_not(stores: tuple[TrustStore, TrustStore]) -> None:
    first, second = stores
    meet(first, "a.example")
    assert first.keep("g", "a.example", KEPT, None) is None
    number = first.keep("g", "a.example", BROKEN, BREACH)
    assert number is not None
    (told,) = second.untold()
    assert (told.number, told.domain, told.change) == (number, "a.example", BREACH)
    assert second.take_to_tell(number)
    assert not first.take_to_tell(number)
    second.give_back(number)
    assert first.take_to_tell(number)
    assert first.untold() == ()
    assert [one.change for one in first.changes("g")] == [BREACH]


def test_groups_that_are_gone_and_members_that_left_long_ago_are_forgotten(
    stores: tuple[TrustStore, TrustStore],
) -> None:
    store = stores[0]
    for group in ("g", "gone"):
        meet(store, "a.example", "left.example", group=group)
    store.keep("g", "left.example", MemberRecord(Observation.LEFT, NOW, "", NOW, NOW), None)
    store.forget(["g"], NOW - 1.0)
    assert [one.domain for one in store.members("g")] == ["a.example", "left.example"]
    assert store.members("gone") == ()
    store.forget(["g"], NOW + 1.0)
    assert [one.domain for one in store.members("g")] == ["a.example"]
    store.drop("g", "a.example")
    store.forget([], NOW)
    assert store.counts() == {}


CHAIN = """
    tes-master.member.example. CNAME master.example.
    member.example.tes-member.master.example. TXT yes
    master.example.tes-member.trusted-email-services.com. TXT yes
"""
LISTED = TrustGroup(name="list", members=frozenset({"a.example", "member.example"}), send=SenderDemand.VERIFIED)
DNS = TrustGroup(name="tes", scheme=TES(), send=SenderDemand.DANE, returns=True)


def demand(roll: TrustRoll, name: str | None, now: float = NOW) -> GroupsOf:
    return asyncio.run(roll.demand_on(None if name is None else Domain(name), now))


def roll(*groups: TrustGroup, dns_: FakeDNS | None = None) -> TrustRoll:
    return TrustRoll(groups, FakeResolver(dns_ or FakeDNS(CHAIN, outside=DNSSECStatus.SECURE)))


def test_all_groups_of_a_destination_demand_together() -> None:
    found = demand(roll(LISTED, DNS), "member.example")
    assert found.demand == GroupDemand(SenderDemand.DANE, ("list", "tes"), returns=True)
    assert found.expires == FakeDNS().now + 3600
    assert demand(roll(LISTED, DNS), "a.example").demand == GroupDemand(SenderDemand.VERIFIED, ("list",))
    assert demand(roll(LISTED, DNS), "stranger.example").demand is None
    assert demand(roll(LISTED, DNS), None) == GroupsOf()


def test_a_failure_of_one_look_up_says_so_whatever_the_others_say() -> None:
    failing = FakeDNS(CHAIN, outside=DNSSECStatus.SECURE).fail("tes-master.a.example", dns.rcode.SERVFAIL)
    found = demand(roll(LISTED, DNS, dns_=failing), "a.example")
    assert found.error is not None
    assert 'whether a.example is a member of trust group "tes" cannot be known now: tes-master.a.example' in found.error


def test_the_list_goes_first_and_asks_nobody() -> None:
    dns_ = FakeDNS()
    both = TrustGroup(name="both", members=frozenset({"a.example"}), scheme=TES(), send=SenderDemand.DANE)
    assert demand(roll(both, dns_=dns_), "a.example").demand is not None
    assert dns_.asked == []


def test_the_end_of_a_group_and_an_exemption_end_its_demand() -> None:
    until = TrustGroup(name="g", members=frozenset({"a.example"}), send=SenderDemand.DANE, expires=NOW + 10.0)
    assert demand(roll(until), "a.example").expires == NOW + 10.0
    assert demand(roll(until), "a.example", NOW + 10.0).demand is None
    exempt = TrustGroup(
        name="g", members=frozenset({".example"}), exempt=frozenset({"a.example"}), send=SenderDemand.DANE
    )
    found = demand(roll(exempt), "a.example")
    assert found.demand is None
    assert [one.group.name for one in found.member_of] == ["g"]
    assert demand(roll(exempt), "b.example").demand is not None


def test_a_failing_look_up_does_not_matter_where_nothing_is_demanded() -> None:
    failing = FakeDNS(outside=DNSSECStatus.SECURE).fail("tes-master.a.example", dns.rcode.SERVFAIL)
    exempt = TrustGroup(name="tes", scheme=TES(), exempt=frozenset({"a.example"}), send=SenderDemand.DANE)
    found = demand(roll(exempt, dns_=failing), "a.example")
    assert (found.error, found.demand, failing.asked) == (None, None, [])


def test_members_that_are_met_are_told() -> None:
    told: list[tuple[str, str]] = []
    one = roll(LISTED, DNS)
    one.met = lambda group, domain: told.append((group.name, domain.ascii))
    demand(one, "member.example")
    demand(one, "stranger.example")
    assert told == [("list", "member.example"), ("tes", "member.example")]

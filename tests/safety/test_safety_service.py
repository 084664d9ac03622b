"""What is asked, remembered and concluded, without a network."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace

import pytest
from tests.ends import run

from danelaw.address import Domain, Mailbox
from danelaw.dnsdata import DNSSECStatus
from danelaw.keydiscovery import KeyReport, KeySource, KeyState
from danelaw.outbound.checkup import LEVELS
from danelaw.outbound.destination import Survey, survey
from danelaw.outbound.probe import Probed, Unreached
from danelaw.queue import Attempt
from danelaw.routing import NextHop
from danelaw.safety import (
    Bounds,
    DomainFacts,
    EnquiryError,
    Means,
    ProbeLimits,
    SafetyService,
    Subject,
    TooBusy,
    described,
)
from danelaw.safety.facts import label_of, worded
from danelaw.testing import FakeClock, FakeDNS, FakeResolver
from danelaw.tlspolicy import WORDS, Handshake, Protection, StartTLSOutcome, judge

NOW = 1_790_000_000.0
TLSA = "TLSA 3 1 1 " + "0d6f88a1" * 8
ZONE = f"""
    example.org. MX 10 a.example.org.
    example.org. MX 20 b.example.org.
    a.example.org. A 192.0.2.1
    b.example.org. A 192.0.2.2
    _25._tcp.b.example.org. {TLSA}
    both.example. MX 10 b.example.org.
    null.example. MX 0 .
"""
ANNA = Subject.from_text("anna@example.org")


async def surveyed(domain: str = "example.org", dns: FakeDNS | None = None) -> Survey:
    return await survey(NextHop.from_text(domain), FakeResolver(dns or FakeDNS(ZONE)), None, (), now=NOW)


def attempt(host: str, protection: Protection, outcome: str = "delivered", tls: str = "TLSv1.3") -> Attempt:
    return Attempt(NOW - 60, "example.org", (0,), host, protection=protection.value, tls_version=tls, outcome=outcome,
                   reason="as it was")  # fmt: skip


def levels(found: Survey, *tries: Attempt, probes: tuple[Probed, ...] | None = None) -> tuple[str, str, list[str]]:
    shown = described("example.org", DomainFacts(found, {one.host: one for one in tries}, probes, NOW))
    assert shown["words"] == worded(shown["level"])
    return shown["level"], shown["guaranteed"], [host["level"] for host in shown["hosts"]]


def test_dns_alone_tells_what_is_demanded_and_not_what_is_offered() -> None:
    async def play() -> None:
        assert levels(await surveyed()) == ("unknown", "clear", ["unknown", "dane"])
        assert levels(await surveyed("both.example")) == ("dane", "dane", ["dane"])
        assert levels(await surveyed("null.example"))[:2] == ("no-mail", "no-mail")
        broken = FakeDNS(ZONE).fail("a.example.org", DNSSECStatus.BOGUS)
        assert levels(await surveyed(dns=broken)) == ("dane", "dane", ["waits", "dane"])
        lost = FakeDNS(ZONE).fail("example.org MX", DNSSECStatus.INDETERMINATE)
        assert levels(await surveyed(dns=lost)) == ("waits", "waits", [])

    run(play())


@pytest.mark.parametrize(
    ("protection", "outcome", "level", "host"),
    [
        (Protection.ENCRYPTED, "delivered", "encrypted", "encrypted"),
        (Protection.CLEAR, "delivered", "clear", "clear"),
        (Protection.DANE, "delivered", "encrypted", "encrypted"),  # it was demanded then, and is not now
        (Protection.ENCRYPTED, "returned", "encrypted", "encrypted"),  # a refused recipient says nothing of TLS
        (Protection.NOTHING_SENT, "waiting", "unknown", "waits"),  # it may be back, and without TLS
    ],
)
def test_our_last_delivery_tells_what_is_offered(protection: Protection, outcome: str, level: str, host: str) -> None:
    async def play() -> None:
        found = levels(await surveyed(), attempt("a.example.org", protection, outcome))
        assert found == (level, "clear", [host, "dane"])

    run(play())


def test_what_is_demanded_now_counts_before_what_was_met_then() -> None:
    async def play() -> None:
        found = await surveyed("both.example")
        for earlier in (Protection.ENCRYPTED, Protection.CLEAR, Protection.DANE):
            assert levels(found, attempt("b.example.org", earlier))[0] == "dane"
        assert levels(found, attempt("b.example.org", Protection.NOTHING_SENT, "waiting"))[0] == "waits"
        assert levels(found, replace(attempt("b.example.org", Protection.DANE), protection="handed over"))[0] == "dane"

    run(play())


def probes_of(found: Survey, *kinds: str) -> tuple[Probed, ...]:
    """`clear` talks without STARTTLS, `silent` does not answer."""
    made = []
    for plan, kind in zip(found.hosts, kinds, strict=True):
        address = plan.records.addresses[0]
        if kind == "silent":
            made.append(Probed(plan, address, None, None, "no answer", Unreached.SILENT))
            continue
        handshake = Handshake(plan.host, address, 25, 1, StartTLSOutcome.NOT_OFFERED)
        judgement = judge(plan.requirement, handshake, None, NOW)
        made.append(Probed(plan, address, handshake, judgement, judgement.reason))
    return tuple(made)


def test_probes_come_first_unless_our_own_network_is_in_the_way() -> None:
    async def play() -> None:
        found = await surveyed()
        old = attempt("a.example.org", Protection.ENCRYPTED)
        assert levels(found, old, probes=probes_of(found, "clear", "clear"))[2] == ["clear", "waits"]
        assert levels(found, old, probes=probes_of(found, "silent", "silent"))[2] == ["encrypted", "dane"]
        assert levels(found, old, probes=probes_of(found, "silent", "clear"))[2] == ["waits", "waits"]

    run(play())


def test_one_server_is_not_probed_in_the_name_of_many_domains() -> None:
    async def play() -> None:
        (host,) = (await surveyed("both.example")).hosts
        limits = ProbeLimits()
        assert [bool(limits.allowed([host], 0.0)) for _ in range(9)] == [True] * 8 + [False]
        assert not limits.allowed([host], 1.0)
        assert limits.allowed([host], 2.5)
        # Many names for one address count as many connections, and a host is probed whole or not at all.
        many = replace(host, records=replace(host.records, addresses=("192.0.2.9", "192.0.2.2")))
        assert limits.allowed([many] * 9, 100.0) == (many,) * 8
        crowd = replace(host, records=replace(host.records, addresses=tuple(f"2001:db8::{n:x}" for n in range(1, 8))))
        assert limits.allowed([crowd, crowd], 200.0) == (crowd,)

    run(play())


def test_every_level_has_its_words() -> None:
    assert {label_of(level) for level in LEVELS} <= set(WORDS)
    for one in Protection:
        assert one.words is WORDS[one.value]
    for words in WORDS.values():
        assert "secure" not in f"{words.people} {words.experts}".lower().split()


class Network:
    """Means that count what they are asked, and wait where told to."""

    def __init__(self) -> None:
        self.clock = FakeClock(NOW)
        self.dns = FakeDNS(ZONE)
        self.asked: list[str] = []
        self.gate = asyncio.Event()
        self.gate.set()
        self.failures: list[str] = []

    def means(self, *, probe: bool = False) -> Means:
        return Means(
            next_hop=lambda domain: None if domain.ascii == "carried.example" else NextHop(domain),
            survey=self.survey,
            tries=self.tries,
            probe=self.probe if probe else None,
            keys=self.keys,
            clock=self.clock,
            failed=lambda what, error: self.failures.append(str(error)),
        )

    async def survey(self, next_hop: NextHop) -> Survey:
        self.asked.append(f"survey {next_hop.to_text()}")
        await self.gate.wait()
        if next_hop.domain == Domain("broken.example"):
            raise RuntimeError("a defect")
        made = await survey(next_hop, FakeResolver(self.dns), None, (), now=self.clock())
        return replace(made, expires=self.clock() + 300)

    async def tries(self, found: Survey) -> Mapping[str, Attempt]:
        return {}

    async def probe(self, found: Survey) -> tuple[Probed, ...]:
        self.asked.append("probe")
        return probes_of(found, *["clear"] * len(found.hosts))

    async def keys(self, source: KeySource, mailbox: Mailbox) -> KeyReport:
        self.asked.append(source.value)
        await self.gate.wait()
        return KeyReport(source, KeyState.ABSENT, "nothing is published", expires=self.clock() + 60)


def test_equal_questions_are_looked_up_once_and_remembered() -> None:
    async def play() -> None:
        network = Network()
        service = SafetyService(network.means(), Bounds())
        answers = await asyncio.gather(*(service.answer(ANNA, 5.0) for _ in range(20)))
        assert sorted(network.asked) == ["OPENPGPKEY", "SMIMEA", "WKD", "survey example.org"]
        assert {one["state"] for one in answers} == {"fresh"}
        assert answers[0]["end_to_end"]["possible"] is False
        network.clock.advance(30)
        again = await service.answer(ANNA, 5.0)
        assert (again["state"], again["age"], len(network.asked)) == ("cached", 30.0, 4)
        network.clock.advance(40)  # the keys have ended, the survey has not
        assert (await service.answer(ANNA, 5.0))["state"] == "fresh"
        assert len(network.asked) == 7
        network.clock.now -= 3600
        assert not service.knows(ANNA)  # a clock that stepped back
        await service.close()

    run(play())


def test_the_deadline_marks_what_is_missing() -> None:
    async def play() -> None:
        network = Network()
        service = SafetyService(network.means(), Bounds())
        network.gate.clear()
        partial = await service.answer(ANNA, 0.0)
        assert (partial["state"], partial["missing"]) == ("partial", ["dns", "OPENPGPKEY", "SMIMEA", "WKD"])
        network.gate.set()
        full = await service.answer(ANNA, 5.0)
        assert (full["missing"], len(network.asked)) == ([], 4)
        await service.close()

    run(play())


def test_one_probe_per_domain_and_time() -> None:
    async def play() -> None:
        network = Network()
        service = SafetyService(network.means(probe=True), Bounds(probe_every=600, remember=100))
        domain = Subject.from_text("example.org")
        first = await service.answer(domain, 5.0)
        assert [host["basis"] for host in first["hosts"]] == ["probe", "probe"]
        for _ in range(5):
            network.clock.advance(101)
            again = await service.answer(domain, 5.0)
            assert [host["basis"] for host in again["hosts"]] == ["probe", "probe"]
        assert network.asked.count("probe") == 1
        network.clock.advance(101)
        await service.answer(domain, 5.0)
        assert network.asked.count("probe") == 2
        await service.close()

    run(play())


def test_a_defect_leaves_an_answer_partial_and_is_told() -> None:
    async def play() -> None:
        network = Network()
        service = SafetyService(network.means(), Bounds())
        found = await service.answer(Subject.from_text("broken.example"), 5.0)
        assert (found["state"], found["level"], network.failures) == ("partial", "unknown", ["a defect"])
        with pytest.raises(EnquiryError, match="handed over"):
            await service.answer(Subject.from_text("carried.example"), 5.0)
        await service.close()

    run(play())


def test_look_ups_and_memory_are_bounded() -> None:
    async def play() -> None:
        network = Network()
        service = SafetyService(network.means(), Bounds(at_once=1, entries=3))
        network.gate.clear()
        for number in range(16):
            await service.answer(Subject.from_text(f"d{number}.example"), 0.0)
        with pytest.raises(TooBusy):
            await service.answer(Subject.from_text("more.example"), 0.0)
        assert (service.under_way, network.asked) == (16, ["survey d0.example"])
        network.gate.set()
        last = Subject.from_text("d15.example")
        await service.answer(last, 5.0)
        assert service.knows(last)
        assert not service.knows(Subject.from_text("d1.example"))
        await service.close()

    run(play())

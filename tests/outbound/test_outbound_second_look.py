"""No message is returned before its domain was asked for a new MTA-STS policy (RFC 8461 §5.1 step 3)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from pathlib import Path
from typing import Any, cast

import pytest

from danelaw.mtasts import PolicyMode
from danelaw.outbound.courier import Courier
from danelaw.outbound.destination import Surveyor
from danelaw.outbound.engine import Engine
from danelaw.outbound.outcome import Outcome
from danelaw.outbound.second_look import GRACE, SecondLook
from danelaw.queue import (
    QueuedMessage,
    QueuedRecipient,
    RecipientState,
    RetrySchedule,
    RoutingKey,
    Scheduler,
    Settlement,
)
from danelaw.queue.pages import HostVerdict, Work
from danelaw.routing import NextHop
from danelaw.spool import Spool
from danelaw.state import OverrideStore, StateDatabase, STSStore
from danelaw.telemetry import Log, Metrics
from danelaw.testing import FakeDNS, FakeResolver
from danelaw.tlspolicy import SenderDemand

NOW = 1_790_000_000.0
HOP = NextHop.from_text("example.org")
KEY = RoutingKey("example.org", "requiretls")
ZONE = "example.org. MX 10 mx1.example.org.\nmx1.example.org. A 192.0.2.1\n"


def zone(policy_id: str) -> str:
    return f'{ZONE}_mta-sts.example.org. TXT "v=STSv1; id={policy_id};"'


class World:
    """A domain whose policy the test may change; DNS answers are never old here."""

    def __init__(self, tmp_path: Path) -> None:
        self.resolver = FakeResolver(FakeDNS(insecure=zone("1"), now=NOW))
        self.body = b"version: STSv1\nmode: enforce\nmx: mx9.example.org\nmax_age: 864000\n"
        database = StateDatabase(tmp_path / "state.db")
        self.store = STSStore(database, self.resolver, self._fetch)
        self.surveyor = Surveyor(self.resolver, self.store, OverrideStore(database))

    async def _fetch(self, domain: object) -> bytes:
        return self.body

    def publish(self, policy_id: str, pattern: str, mode: str = "enforce") -> None:
        self.resolver.dns = FakeDNS(insecure=zone(policy_id), now=NOW)
        self.body = f"version: STSv1\nmode: {mode}\nmx: {pattern}\nmax_age: 864000\n".encode()


def message(*keys: RoutingKey) -> QueuedMessage:
    recipients = tuple(QueuedRecipient(n, f"r{n}@example.org", key, "", due=NOW) for n, key in enumerate(keys))
    return QueuedMessage(7, NOW - 100, NOW, "s@shop.example", recipients, 100, len(recipients))


def tell(story: Awaitable[None]) -> None:
    async def bounded() -> None:
        await asyncio.wait_for(story, 20)

    asyncio.run(bounded())


def delivered_by(world: World) -> Outcome:
    courier = Courier(
        surveyor=world.surveyor,
        door=cast(Any, None),
        pool=cast(Any, None),
        roots=None,
        spool=cast(Any, None),
        log=Log.in_memory()[0],
        metrics=Metrics(),
        answers=cast(Any, None),
        clock=lambda: NOW,
    )
    return asyncio.run(courier.deliver(Work(KEY, message(KEY), None, NOW + 1000, NOW, False)))


def test_requiretls_mail_is_returned_when_the_policy_still_stands(tmp_path: Path) -> None:
    outcome = delivered_by(World(tmp_path))
    assert outcome.recipients[0].state is RecipientState.FAILED
    assert outcome.recipients[0].status.startswith("5.7.")


def test_requiretls_mail_waits_when_the_policy_just_changed(tmp_path: Path) -> None:
    world = World(tmp_path)

    async def before() -> None:
        await world.surveyor.survey(HOP, SenderDemand.REQUIRETLS, NOW)

    tell(before())
    world.publish("2", "mx1.example.org")
    outcome = delivered_by(world)
    assert (outcome.verdict, outcome.recipients) == (HostVerdict.DOWN, {})
    assert "policy has just changed" in outcome.reason
    assert world.surveyor.cached(HOP, SenderDemand.REQUIRETLS, NOW) is None


def test_a_surveyor_compares_with_the_policy_that_took_part(tmp_path: Path) -> None:
    world = World(tmp_path)

    async def story() -> None:
        recheck = world.surveyor.recheck
        assert not await recheck(HOP, SenderDemand.NONE, NOW)  # nothing known of it at all
        await world.surveyor.survey(HOP, SenderDemand.NONE, NOW)
        assert not await recheck(HOP, SenderDemand.NONE, NOW + 1)
        world.publish("2", "mx1.example.org")
        await world.store.state_for(HOP.policy_domain, NOW + 2)  # somebody else fetched it meanwhile
        assert await recheck(HOP, SenderDemand.NONE, NOW + 3)
        survey = await world.surveyor.survey(HOP, SenderDemand.NONE, NOW + 4)
        assert survey.sts.policy is not None
        assert survey.sts.policy.mx == ("mx1.example.org",)
        assert not await recheck(HOP, SenderDemand.NONE, NOW + 5)

    tell(story())


def test_after_a_restart_the_remembered_policy_is_compared(tmp_path: Path) -> None:
    world = World(tmp_path)

    async def story() -> None:
        await world.store.state_for(HOP.policy_domain, NOW)
        assert not await world.surveyor.recheck(HOP, SenderDemand.NONE, NOW + 1)
        world.publish("2", "mx1.example.org", mode="none")
        assert await world.surveyor.recheck(HOP, SenderDemand.NONE, NOW + 1)
        cached, _ = world.store.known(HOP.policy_domain)
        assert cached is not None
        assert cached.policy.mode is PolicyMode.NONE

    tell(story())


@pytest.mark.parametrize("text", ["[192.0.2.1]", "example.org"])
def test_without_a_policy_nothing_is_asked(text: str, tmp_path: Path) -> None:
    world = World(tmp_path)
    world.resolver.dns = FakeDNS(insecure=ZONE, now=NOW)

    async def story() -> None:
        hop = NextHop.from_text(text)
        await world.surveyor.survey(hop, SenderDemand.NONE, NOW)
        asked = len(world.resolver.dns.asked)
        assert not await world.surveyor.recheck(hop, SenderDemand.NONE, NOW)
        assert len(world.resolver.dns.asked) == asked

    tell(story())


class Looks:
    """Answers for `SecondLook`, and what it granted."""

    def __init__(self, *changed: RoutingKey) -> None:
        self.changed = changed
        self.asked: list[RoutingKey] = []
        self.granted: list[int] = []
        self.release = asyncio.Event()

    async def __call__(self, key: RoutingKey, now: float) -> bool:
        self.asked.append(key)
        await self.release.wait()
        return key in self.changed


OTHER = RoutingKey("other.example", "")


async def settled(look: SecondLook) -> None:
    await asyncio.gather(*look._tasks)


def test_an_expired_message_with_a_new_policy_lives_on_once() -> None:
    async def story() -> None:
        looks = Looks(OTHER)
        late = message(KEY, OTHER)
        look = SecondLook(looks, lambda one: looks.granted.append(one.id))
        assert look.spares(late, NOW)
        assert look.spares(late, NOW + 1)  # the look goes on
        look.extend(late)
        assert late.expires == NOW
        looks.release.set()
        await settled(look)
        assert (looks.asked, looks.granted) == ([KEY, OTHER], [7])
        assert look.spares(late, NOW + 2)
        look.extend(late)
        assert late.expires == NOW + GRACE
        assert not look.spares(late, NOW + GRACE)
        assert looks.asked == [KEY, OTHER]
        assert len(look) == 1
        later = message(OTHER)
        later.id = 8
        assert look.spares(later, NOW + GRACE + 3600)
        assert len(look) == 1  # what was settled long ago is forgotten
        await settled(look)

    tell(story())


def test_an_expired_message_without_a_new_policy_is_given_up() -> None:
    async def story() -> None:
        looks = Looks()
        late = message(KEY)
        look = SecondLook(looks, lambda one: looks.granted.append(one.id))
        looks.release.set()
        assert look.spares(late, NOW)
        await settled(look)
        assert not look.spares(late, NOW + 1)
        look.extend(late)
        assert (late.expires, looks.granted) == (NOW, [])

    tell(story())


class Deliveries:
    """A courier that writes down what it is given, and says whether the policy changed."""

    def __init__(self, changed: bool) -> None:
        self.changed = changed
        self.works: asyncio.Queue[Work] = asyncio.Queue()

    async def policy_changed(self, key: RoutingKey, now: float) -> bool:
        return self.changed

    async def deliver(self, work: Work, outcome: Outcome) -> Outcome:
        self.works.put_nowait(work)
        return Outcome.all_recipients(work, RecipientState.DELIVERED, "2.0.0", "taken")

    def close(self) -> None:
        pass


class Returns:
    """Stands for `Notices`."""

    def __init__(self) -> None:
        self.given_up: list[int] = []

    def expiry(self, message: QueuedMessage, now: float) -> Settlement:
        self.given_up.append(message.id)
        return Settlement(message, now)


@pytest.mark.parametrize("changed", [True, False])
def test_the_engine_tries_an_expired_message_once_more(tmp_path: Path, changed: bool) -> None:
    async def story() -> None:
        spool = Spool.open(tmp_path / "spool", clock=lambda: NOW - 200)
        late = message(KEY)
        late.id = spool.new_id()
        await spool.append(late, b"Subject: x\r\n\r\nx\r\n")
        courier, returns, now = Deliveries(changed), Returns(), [NOW + 1]
        engine = Engine(
            spool,
            Scheduler(),
            cast(Any, courier),
            cast(Any, returns),
            RetrySchedule(),
            Log.in_memory()[0],
            Metrics(),
            clock=lambda: now[0],
        )
        engine._lifetimes.look(now[0], 0.0)
        await settled(engine._second_look)
        if changed:
            work = await courier.works.get()
            assert (work.message.id, work.deadline) == (late.id, NOW + 1 + GRACE)
            now[0] = NOW + 2
            engine._lifetimes.look(now[0], 1.0)  # its second life has begun: nothing is returned
            assert returns.given_up == []
        else:
            engine._lifetimes.look(now[0], 1.0)
            assert returns.given_up == [late.id]
        await engine.stop(5)
        await spool.close()

    tell(story())

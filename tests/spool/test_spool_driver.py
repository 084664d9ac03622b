"""Spool and scheduler together, driven as the package page says: every message ends once, across a restart."""

from __future__ import annotations

import asyncio
import random
from pathlib import Path

import pytest
from spool_samples import BODY, NOW, Clock, sample

from danelaw.queue import (
    HostVerdict,
    RecipientResult,
    RecipientState,
    RoutingKey,
    Scheduler,
    SchedulerSettings,
    Settlement,
)
from danelaw.queue.pages import OVERHEAD
from danelaw.spool import Spool, SpoolError, SpoolSettings

KEYS = [RoutingKey(f"d{number}.example", "", "a" if number % 2 else "b") for number in range(5)]


class Driver:
    """The loop of an outbound service, with chance from a seed and a clock that jumps to the next wake-up."""

    def __init__(self, directory: Path, clock: Clock, chance: random.Random, delivered: list[int]) -> None:
        self.clock, self.chance, self.delivered = clock, chance, delivered
        self.spool = Spool.open(directory, settings=SpoolSettings(reserve=0), clock=clock)
        self.scheduler = Scheduler(SchedulerSettings(slots=10, memory=30 * (OVERHEAD + len(BODY)), idle_queues=1))
        for row in self.spool.queues():
            self.scheduler.restore(row.key, row.due, row.suspended_until, row.failures, row.reason, clock.now)

    def receive(self) -> None:
        message = sample(self.spool, key=self.chance.choice(KEYS), due=self.clock.now, received_at=self.clock.now)
        straight = self.scheduler.admit(message, len(BODY))

        def stored(error: SpoolError | None) -> None:
            assert error is None
            body = BODY if straight else None
            self.scheduler.arrived(message, body, len(BODY), self.clock.now, claimed=straight)

        self.spool.append_soon(message, BODY, stored, claimed=straight)

    def turn(self, failing: float) -> None:
        now = self.clock.now
        for key, count in self.scheduler.refills(now):
            self.scheduler.refilled(key, *self.spool.claim(key, count, now), now)
        for work in self.scheduler.next_work(now):
            assert (work.body or self.spool.read_body(work.message)) == BODY
            drawn = self.chance.random()
            if drawn < failing / 4:
                sleep = self.scheduler.finished(work, HostVerdict.DOWN, now, spread=self.chance.random(), reason="down")
            else:
                sleep = self.scheduler.finished(work, HostVerdict.GOOD, now)
                self.settle(work.key, work.message.id, Settlement(work.message, now), drawn < failing)
            if sleep is not None:
                self.spool.save_queue(*sleep)
        if gone := self.scheduler.surrendered():
            self.spool.release(gone, lambda: self.scheduler.returned(gone, self.clock.now))

    def settle(self, key: RoutingKey, number: int, settlement: Settlement, again: bool) -> None:
        due = self.clock.now + 300
        state = RecipientState.QUEUED if again else RecipientState.DELIVERED
        settlement.results = (RecipientResult(0, state, due, 1),)
        if not again:
            self.delivered.append(number)
        self.spool.settle_soon(settlement, lambda _: self.scheduler.deferred(key, due, due - 300) if again else None)


@pytest.mark.parametrize("seed", range(4))
def test_every_message_is_delivered_once(tmp_path: Path, seed: int) -> None:
    async def run() -> None:
        clock, chance, delivered = Clock(), random.Random(seed), list[int]()
        driver = Driver(tmp_path, clock, chance, delivered)
        for _ in range(60):
            for _ in range(chance.randrange(8)):
                driver.receive()
            driver.turn(0.4)
            if chance.random() < 0.3:
                await driver.spool._commits.drain()
            clock.now += chance.random() * 40
        await driver.spool.close()
        driver = Driver(tmp_path, clock, chance, delivered)
        assert driver.spool.recovered == 0
        for _ in range(500):
            driver.turn(0.1)
            await driver.spool._commits.drain()
            wake = driver.scheduler.next_wakeup()
            if wake is None:
                break
            clock.now = max(clock.now, wake)
        assert driver.spool.reader.execute("SELECT count(*) FROM message").fetchone() == (0,)
        finished = [row[0] for row in driver.spool.reader.execute("SELECT id FROM history ORDER BY id")]
        assert sorted(delivered) == finished
        assert len(finished) > 100
        assert driver.scheduler.memory_used == 0
        assert clock.now > NOW
        await driver.spool.close()

    asyncio.run(run())

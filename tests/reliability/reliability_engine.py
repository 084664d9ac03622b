"""An engine on a real spool with a courier that does as told: no sockets, no DNS, the clock in the test's hand."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

from danelaw.outbound.engine import Engine
from danelaw.outbound.notices import Notices
from danelaw.outbound.outcome import Outcome, RecipientOutcome
from danelaw.queue import (
    QueuedMessage,
    QueuedRecipient,
    RecipientState,
    RetrySchedule,
    RoutingKey,
    Scheduler,
    SchedulerSettings,
    Work,
)
from danelaw.spool import Spool, SpoolSettings
from danelaw.spool.committer import commit_transaction
from danelaw.telemetry import Log, Metrics

NOW = 1_795_000_000.0
KEY, OTHER = RoutingKey("a.example"), RoutingKey("b.example")
BODY = b"From: <s@y.example>\r\nSubject: hello\r\n\r\nbody\r\n"
DELIVERED, FAILED, QUEUED = RecipientState.DELIVERED, RecipientState.FAILED, RecipientState.QUEUED

Deliver = Callable[[Work, Outcome], Awaitable[Outcome]]


def end(work: Work, outcome: Outcome, state: RecipientState, *numbers: int) -> Outcome:
    """Give some recipients (default: all of the work) this end."""
    for number in numbers or tuple(item.number for item in work.message.recipients):
        outcome.recipients[number] = RecipientOutcome(number, state, "2.0.0", "250 said", "words", "mx.test")
    return outcome


class FakeCourier:
    """`deliver` is the test's; every work it was given is kept."""

    def __init__(self, deliver: Deliver) -> None:
        self._deliver = deliver
        self.works: list[Work] = []

    def express(self, work: Work, outcome: Outcome, ended: object) -> None:
        """There is no open connection: every delivery takes the long way."""

    async def deliver(self, work: Work, outcome: Outcome) -> Outcome:
        """Write it down and do what the test wants."""
        self.works.append(work)
        return await self._deliver(work, outcome)

    async def policy_changed(self, key: RoutingKey, now: float) -> bool:
        """Never."""
        return False

    def close(self) -> None:
        """Nothing is open."""


class World:
    """One engine and its spool."""

    def __init__(self, directory: Path, deliver: Deliver, *, settings: SchedulerSettings, commit: Any) -> None:
        self.now = NOW
        self.monotonic = 0.0
        self.directory = directory
        self.courier = FakeCourier(deliver)
        self.log, self.sink = Log.in_memory()
        self.schedule = RetrySchedule(delay_notice=0.0)
        self.spool = Spool.open(
            directory, settings=SpoolSettings(reserve=0), clock=lambda: self.now, commit=commit or commit_transaction
        )
        self.scheduler = Scheduler(settings)
        notices = Notices(
            "gw.test",
            self.spool,
            self.schedule,
            lambda domain: str(domain),
            self.scheduler.reason,
            self.log,
            Metrics(),
        )
        self.engine = Engine(
            self.spool,
            self.scheduler,
            cast("Any", self.courier),
            notices,
            self.schedule,
            self.log,
            Metrics(),
            clock=lambda: self.now,
            spread=lambda: 0.5,
        )

    def look(self, seconds: float = 1.0) -> None:
        """The watch over time looks, after both clocks went on."""
        self.now += seconds
        self.monotonic += seconds
        self.engine._lifetimes.look(self.now, self.monotonic)

    async def receive(self, *keys: RoutingKey, claimed: bool = True, lifetime: float = 432_000.0) -> QueuedMessage:
        """A message with a recipient per key, on disk and told to the engine as inbound would."""
        recipients = tuple(
            QueuedRecipient(number, f"r{number}@x.example", key, due=self.now)
            for number, key in enumerate(keys or (KEY,))
        )
        message = QueuedMessage(
            self.spool.new_id(), self.now, self.now + lifetime, "s@y.example", recipients, len(BODY), len(recipients)
        )
        claimed = claimed and self.scheduler.admit(message, len(BODY))
        await self.spool.append(message, BODY, claimed=claimed)
        self.engine.arrived(message, BODY if claimed else None, claimed)
        return message

    def states(self, message: QueuedMessage) -> dict[int, int]:
        """The state of each recipient still in the queue."""
        found = self.spool.reader.execute("SELECT number, state FROM recipient WHERE message = ?", (message.id,))
        return dict(found.fetchall())

    def history(self, message: QueuedMessage) -> str | None:
        """The finished message's recipients as history has them."""
        row = self.spool.reader.execute("SELECT recipients FROM history WHERE id = ?", (message.id,)).fetchone()
        return None if row is None else str(row[0])

    def waiting(self) -> int:
        """Messages in the queue, notices included."""
        return int(self.spool.reader.execute("SELECT count(*) FROM message").fetchone()[0])

    async def stored(self) -> None:
        """Everything decided so far is on disk, and what follows from it was begun."""
        for _ in range(3):
            await asyncio.sleep(0)
        await self.spool._commits.drain()
        await asyncio.sleep(0)


@asynccontextmanager
async def world(
    directory: Path, deliver: Deliver, *, settings: SchedulerSettings | None = None, commit: Any = None
) -> AsyncIterator[World]:
    """A running engine, stopped at the end. Its watch over time looks only when the test says so."""
    made = World(directory, deliver, settings=settings or SchedulerSettings(), commit=commit)
    try:
        yield made
    finally:
        await made.engine.stop(0)
        await made.spool.close()

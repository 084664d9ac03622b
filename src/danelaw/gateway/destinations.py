"""Which destinations are busy and which wait: looked through only while somebody watches, and never all at once.

With half a million queues in memory one pass over them takes long enough to be felt by mail, so it goes in slices with
a turn of the loop between them, and rests twenty times as long as it worked. What waits on disk is counted by a thread
under the same rule. Who asks meanwhile gets the last result.
"""

from __future__ import annotations

import asyncio
import heapq
import sqlite3
import time
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

from danelaw.errors import DanelawError
from danelaw.queue.pages import VirtualQueue
from danelaw.queue.values import priority_word
from danelaw.spool import database
from danelaw.spool.groups import Longest, longest_queues

if TYPE_CHECKING:
    from pathlib import Path

    from danelaw.queue import RoutingKey, Scheduler

MOST_ROWS = 200
"""Destinations in one answer: half of them the busiest, half those where most waits."""
_SLICE = 1000
_REST = 20
_LOOK_SECONDS = 0.8
_COUNT_SECONDS = 5.0
_PATIENCE = 0.05
_RATE_SECONDS = 5.0
_STALE = 60.0

Offer = tuple[float, int, "VirtualQueue", float | None]


class Destinations:
    """The destinations of one process whose name contains `match`."""

    def __init__(self, match: str = "", *, clock: Callable[[], float] = time.monotonic) -> None:
        self.match = match.lower()
        self.asked_at = 0.0
        self._clock = clock
        self._rows: list[dict[str, Any]] = []
        self._known = self._waiting = 0
        # What each had answered at two earlier looks: rates are over the time since the older, 5 to 10 seconds.
        self._earlier: tuple[float, dict[RoutingKey, int]] = (float("-inf"), {})
        self._later: tuple[float, dict[RoutingKey, int]] = (float("-inf"), {})
        self._looked = False
        self._longest: dict[RoutingKey, Longest] = {}
        self._look_at = self._count_at = float("-inf")
        self._look: asyncio.Task[None] | None = None
        self._count: asyncio.Task[None] | None = None

    async def report(self, schedulers: Sequence[Scheduler], shards: Sequence[Path]) -> dict[str, Any]:
        """What is known, after beginning to find out anew where it is time for that."""
        self.asked_at = now = self._clock()
        loop = asyncio.get_running_loop()
        first = not self._looked
        if self._count is None and now >= self._count_at:
            self._count = loop.create_task(self._count_waiting(shards))
        if first and self._count is not None:
            await asyncio.wait((self._count,))
        if self._look is None and now >= self._look_at and schedulers:
            self._look = loop.create_task(self._look_through(schedulers))
        if self._look is not None:
            await asyncio.wait((self._look,), timeout=None if first else _PATIENCE)
        return {"known": self._known, "waiting": self._waiting, "rows": self._rows}

    def close(self) -> None:
        """Look no further."""
        for task in (self._look, self._count):
            if task is not None:
                task.cancel()

    # in memory

    async def _look_through(self, schedulers: Sequence[Scheduler]) -> None:
        worked = 0.0
        known = waiting = 0
        busy: list[Offer] = []
        stuck: list[Offer] = []
        answered: dict[RoutingKey, int] = {}
        unmet = dict(self._longest)
        try:
            now = self._clock()
            base = self._earlier if now - self._earlier[0] < _STALE else self._later
            span = now - base[0]
            for queue in (one for scheduler in schedulers for one in scheduler.queues()):
                known += 1
                if known % _SLICE == 0:
                    worked += self._clock() - now
                    await asyncio.sleep(0)
                    now = self._clock()
                unmet.pop(queue.key, None)
                waits = bool(
                    queue.page or queue.asleep_until or queue.disk_due is not None or queue.key in self._longest
                )
                waiting += waits
                if queue.answered:
                    answered[queue.key] = queue.answered
                if self.match and self.match not in queue.key.next_hop.lower():
                    continue
                before = base[1].get(queue.key, 0)
                gone = queue.answered - before if queue.answered >= before else queue.answered
                rate = gone / span if span < _STALE else None
                _offer(busy, ((rate or 0.0) + queue.in_flight, known, queue, rate))
                if waits:
                    _offer(stuck, (self._waiting_in(queue), known, queue, rate))
            worked += self._clock() - now
            self._remember(now, answered)
            for key, counted in unmet.items():  # what is due later than soon only the disk knows
                known, waiting = known + 1, waiting + 1
                idle = VirtualQueue(key, float(schedulers[0].settings.first_window))
                _offer(stuck, (counted.waiting, known, idle, None))
            self._known, self._waiting = known, waiting
            chosen = {id(queue): (queue, rate) for _, _, queue, rate in (*busy, *stuck)}
            cap = schedulers[0].settings.cap
            gates = (scheduler.gate for scheduler in schedulers if scheduler.gate is not None)
            limited = {one.key: one.reason for gate in gates for one in gate.waiting()}
            posix = time.time()
            limited |= {one.key: one.reason for each in schedulers for one in each.brakes.waiting(posix)}
            self._rows = [self._row(queue, rate, cap, limited.get(queue.key)) for queue, rate in chosen.values()]
            self._looked = True
        finally:
            self._look_at = self._clock() + max(_LOOK_SECONDS, _REST * worked)
            self._look = None

    def _remember(self, now: float, answered: dict[RoutingKey, int]) -> None:
        if now - self._later[0] >= _RATE_SECONDS:
            self._earlier, self._later = self._later, (now, answered)

    def _waiting_in(self, queue: VirtualQueue) -> int:
        """Recipients that wait: exact for the longest queues, else what is in memory and one for what is on disk."""
        counted = self._longest.get(queue.key)
        on_disk = counted.waiting if counted is not None else int(queue.disk_due is not None)
        return len(queue.page) + on_disk

    def _row(self, queue: VirtualQueue, rate: float | None, cap: int, limited: str | None) -> dict[str, Any]:
        counted = self._longest.get(queue.key)
        limit = queue.limit(cap)
        full = bool(queue.page) and queue.in_flight >= limit
        due = queue.asleep_until or queue.disk_due or (counted.due if counted is not None else None)
        return {
            "next_hop": queue.key.next_hop,
            "demand": queue.key.demand,
            "tenant": queue.key.tenant,
            "job": queue.key.job,
            "priority": priority_word(queue.key.priority),
            "under_way": queue.in_flight,
            "limit": limit,
            "limited": limited or (f"{queue.in_flight} at once is its limit now" if full else None),
            "per_second": None if rate is None else round(rate, 2),
            "waiting": self._waiting_in(queue),
            "oldest": counted.since if counted is not None else None,
            "next_try": due,
            "asleep_until": queue.asleep_until or None,
            "failures": queue.failures,
            "reason": queue.reason or (counted.reason if counted is not None else ""),
        }

    # on disk

    async def _count_waiting(self, shards: Sequence[Path]) -> None:
        begun = self._clock()
        try:
            found = await asyncio.to_thread(_longest_of, shards, self.match)
            self._longest = {one.key: one for one in found}
        except (DanelawError, sqlite3.Error):
            pass  # a disk that cannot be read now is said elsewhere; the last count stands
        finally:
            worked = self._clock() - begun
            self._count_at = self._clock() + max(_COUNT_SECONDS, _REST * worked)
            self._count = None


def _offer(heap: list[Offer], item: Offer) -> None:
    """Keep the best half of `MOST_ROWS`; what has no weight is not worth a row."""
    if item[0] <= 0:
        return
    if len(heap) < MOST_ROWS // 2:
        heapq.heappush(heap, item)
    elif item > heap[0]:
        heapq.heapreplace(heap, item)


def _longest_of(shards: Iterable[Path], match: str) -> list[Longest]:
    found: dict[RoutingKey, Longest] = {}
    for shard in shards:
        connection = database.open_reader(shard / database.DATABASE_NAME)
        try:
            for one in longest_queues(connection, MOST_ROWS, match):
                known = found.get(one.key)
                found[one.key] = one if known is None else one._replace(waiting=one.waiting + known.waiting)
        finally:
            connection.close()
    return list(found.values())

"""Claims on messages that wait on disk, and the moment from which each is known there as claimed."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from danelaw.queue import QueuedMessage, RoutingKey, Scheduler
    from danelaw.queue.pages import Work
    from danelaw.spool import Spool

RECIPIENTS_AT_A_TURN = 100


class Claiming:
    """Nothing is delivered before its claim is on stable storage, so that a restart knows what may come twice."""

    __slots__ = ("_loop", "_spool", "_unmarked")

    def __init__(self, spool: Spool, loop: asyncio.AbstractEventLoop) -> None:
        self._spool = spool
        self._loop = loop
        self._unmarked: dict[tuple[int, RoutingKey], asyncio.Future[None]] = {}

    def refill(self, scheduler: Scheduler, most: int, now: float, taken: Callable[[QueuedMessage], None]) -> None:
        """Take about `most` messages for queues that want more, but no more recipients than a turn of the event loop
        has time for: who is left wants them in the next. `taken` is told of each message. Raises `SpoolError`.
        """
        recipients = 0
        for key, wanted in scheduler.refills(now, most):
            messages, next_due = self.take(key, wanted, now)
            for message in messages:
                taken(message)
                recipients += len(message.recipients)
            scheduler.refilled(key, messages, next_due, now)
            if recipients >= RECIPIENTS_AT_A_TURN:
                return

    def take(self, key: RoutingKey, wanted: int, now: float) -> tuple[Sequence[QueuedMessage], float | None]:
        """Up to `wanted` messages of a queue, and when the earliest of the rest is due. Raises `SpoolError`."""
        marked = self._loop.create_future()

        def stored() -> None:
            marked.set_result(None)
            for message in messages:
                if self._unmarked.get((message.id, key)) is marked:
                    del self._unmarked[message.id, key]

        messages, next_due = self._spool.claim(key, wanted, now, stored)
        for message in messages:
            self._unmarked[message.id, key] = marked
        return messages, next_due

    def is_known(self, work: Work) -> bool:
        """Whether the disk knows the claim on this work already; it mostly does."""
        return not self._unmarked or (work.message.id, work.key) not in self._unmarked

    async def known(self, work: Work) -> None:
        """Wait until the disk knows the claim on this work."""
        if self._unmarked and (marked := self._unmarked.get((work.message.id, work.key))) is not None:
            await asyncio.shield(marked)

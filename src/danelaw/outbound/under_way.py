"""The deliveries under way: some have a task, some live in their connection's callbacks; all can be ended."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Coroutine
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from danelaw.outbound.express import Express
    from danelaw.outbound.outcome import Outcome
    from danelaw.queue import RoutingKey
    from danelaw.queue.pages import Work
    from danelaw.telemetry import Log


InHand: TypeAlias = "Callable[[Coroutine[None, None, None], int], Coroutine[None, None, None]]"
"""Wraps the coroutine of a delivery, given with its message's id, so that each of its steps is seen."""


class UnderWay:
    """Every delivery from its beginning to its end.

    `ended(work, outcome)` is called for one that was ended by `abort`, with what it had reached by then; `over()` after
    each that had a task.
    """

    def __init__(self, log: Log, *, ended: Callable[[Work, Outcome], None], over: Callable[[], None]) -> None:
        self._log = log
        self._ended = ended
        self._over = over
        self._tasks: dict[asyncio.Task[None], tuple[Work, Outcome]] = {}
        self._expresses: dict[Express, Outcome] = {}
        self._quiet: asyncio.Future[None] | None = None
        self.in_hand: InHand = lambda delivery, message: delivery

    def __len__(self) -> int:
        return len(self._tasks) + len(self._expresses)

    def keys(self) -> list[RoutingKey]:
        """The queue of each."""
        return [work.key for work, _ in self._tasks.values()] + [express.work.key for express in self._expresses]

    def run(self, work: Work, delivery: Coroutine[None, None, None], outcome: Outcome) -> None:
        """A delivery with a task of its own."""
        task = asyncio.get_running_loop().create_task(self.in_hand(delivery, work.message.id))
        self._tasks[task] = (work, outcome)
        task.add_done_callback(self._task_done)

    def add(self, express: Express, outcome: Outcome) -> None:
        """A delivery without one."""
        self._expresses[express] = outcome

    def remove(self, express: Express) -> Outcome:
        """It has ended by itself."""
        outcome = self._expresses.pop(express)
        self._tell_if_quiet()
        return outcome

    def abort(self, works: Collection[Work]) -> None:
        """End these deliveries."""
        late = set(works)
        for task, (work, _) in tuple(self._tasks.items()):
            if work in late:
                task.cancel()
        for express in tuple(self._expresses):
            if express.work in late:
                express.cancel()
                self._ended(express.work, self.remove(express))

    async def finish(self, seconds: float) -> None:
        """Returns when all have ended; those that last longer than `seconds` are aborted."""
        if len(self):
            self._quiet = asyncio.get_running_loop().create_future()
            await asyncio.wait((self._quiet,), timeout=seconds)
        self.abort([work for work, _ in self._tasks.values()] + [express.work for express in self._expresses])
        if self._tasks:
            await asyncio.wait(tuple(self._tasks), timeout=5)

    def _task_done(self, task: asyncio.Task[None]) -> None:
        work, outcome = self._tasks.pop(task)
        if task.cancelled():
            self._ended(work, outcome)
        elif (error := task.exception()) is not None:
            self._log.error("delivery-broken", id=work.message.id_text, reason=repr(error))
        self._tell_if_quiet()
        self._over()

    def _tell_if_quiet(self) -> None:
        if self._quiet is not None and not len(self) and not self._quiet.done():
            self._quiet.set_result(None)

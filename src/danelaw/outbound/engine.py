"""The outbound engine: takes work from the scheduler, runs deliveries, and writes down what became of them.

All decisions about order and back-off are the scheduler's, all decisions about protection are made by
`tlspolicy`; here are only the loop between them, and the two watches over time: delay notices and lifetimes.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from danelaw.outbound.notices import Notices
from danelaw.outbound.outcome import Outcome, settlement_of
from danelaw.outbound.second_look import SecondLook
from danelaw.queue.pages import HostVerdict, Sleep, Work
from danelaw.queue.scheduler import Scheduler
from danelaw.spool import SpoolError

if TYPE_CHECKING:
    from danelaw.outbound.courier import Courier
    from danelaw.queue import QueuedMessage, RetrySchedule, RoutingKey, Settlement
    from danelaw.spool import Spool
    from danelaw.telemetry import Log, Metrics

# A member looked up on its Enum class costs eight times a global in Python 3.11, and these are on the hot path.
_HOST_VERDICT_GOOD = HostVerdict.GOOD
_WATCH_SECONDS = 1.0
_SWEEP_SECONDS = 5.0


class Engine:
    """Runs the queue of one shard. `start()` it, feed it with `arrived`, `stop()` it."""

    def __init__(
        self,
        spool: Spool,
        scheduler: Scheduler,
        courier: Courier,
        notices: Notices,
        schedule: RetrySchedule,
        log: Log,
        metrics: Metrics,
        *,
        clock: Callable[[], float] = time.time,
        spread: Callable[[], float] = random.random,
    ) -> None:
        self._spool = spool
        self.scheduler = scheduler
        self._courier = courier
        self._notices = notices
        self._schedule = schedule
        self._log = log
        self._metrics = metrics
        self._clock = clock
        self._spread = spread
        self._running: dict[asyncio.Task[None], Work] = {}
        self._pumping = False
        self._stopping = False
        self._wakeup: asyncio.TimerHandle | None = None
        self._wakeup_at = float("inf")
        self._watch: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._second_look = SecondLook(courier.policy_changed, self._try_once_more)

    def start(self) -> None:
        """Restore the queues from disk and begin."""
        now = self._clock()
        for row in self._spool.queues():
            self.scheduler.restore(row.key, row.due, row.suspended_until, row.failures, row.reason, now)
        self._watch = self._loop.create_task(self._watch_time())
        self.pump()

    async def stop(self, seconds: float) -> None:
        """Start nothing new, let running deliveries end for `seconds`, then abort them: their messages stay queued."""
        self._stopping = True
        if self._watch is not None:
            self._watch.cancel()
        if self._wakeup is not None:
            self._wakeup.cancel()
        self._second_look.close()
        if self._running:
            await asyncio.wait(tuple(self._running), timeout=seconds)
        for task in tuple(self._running):
            task.cancel()
        if self._running:
            await asyncio.wait(tuple(self._running), timeout=5)
        self._courier.close()

    # what others tell

    def arrived(self, message: QueuedMessage, body: bytes | None, claimed: bool) -> None:
        """A message is on stable storage."""
        self.scheduler.arrived(message, body, message.size, self._clock(), claimed=claimed)
        self.pump()

    def requeued(self, key: RoutingKey) -> None:
        """An operator made something of this queue due."""
        now = self._clock()
        self._remember(self.scheduler.resume(key, now))
        self.scheduler.deferred(key, now, now)
        self.pump()

    def bounce_by_operator(self, message: QueuedMessage) -> tuple[QueuedMessage, bytes] | None:
        """The notice for recipients an operator returns; None where nobody may be told."""
        return self._notices.operator(message, self._clock())

    def withdraw(self, message_ids: Collection[int]) -> set[int]:
        """An operator takes messages out of the pages; returns those on the wire at this moment."""
        return self.scheduler.forget(message_ids)

    @property
    def open_connections(self) -> int:
        """Connections to next hops, idle ones included."""
        return len(self._courier.door.sweep)

    @property
    def busy(self) -> int:
        """Deliveries under way."""
        return len(self._running)

    # the loop

    def pump(self) -> None:
        """Look for work at the end of this turn of the event loop."""
        if not self._pumping and not self._stopping:
            self._pumping = True
            self._loop.call_soon(self._pump)

    def _pump(self) -> None:
        self._pumping = False
        if self._stopping:
            return
        now = self._clock()
        scheduler = self.scheduler
        for key, wanted in scheduler.refills(now):
            messages, next_due = self._spool.claim(key, wanted, now)
            for message in messages:
                self._second_look.extend(message)
            scheduler.refilled(key, messages, next_due, now)
        works = scheduler.next_work(now)
        for work in works:
            task = self._loop.create_task(self._deliver(work))
            self._running[task] = work
            task.add_done_callback(self._ended)
        if works:
            self.pump()
        self._set_wakeup(scheduler.next_wakeup(), now)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.pop(task, None)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._log.error("delivery-broken", reason=repr(error))
        self.pump()

    def _set_wakeup(self, when: float | None, now: float) -> None:
        if when is None or (self._wakeup is not None and self._wakeup_at <= when):
            return
        if self._wakeup is not None:
            self._wakeup.cancel()
        self._wakeup_at = when
        self._wakeup = self._loop.call_later(min(max(when - now, 0.001), 3600), self._woken)

    def _woken(self) -> None:
        self._wakeup, self._wakeup_at = None, float("inf")
        self.pump()

    async def _deliver(self, work: Work) -> None:
        try:
            outcome = await self._courier.deliver(work)
        except asyncio.CancelledError:
            self._spool.release((work.message,))
            self._remember(self.scheduler.finished(work, _HOST_VERDICT_GOOD, self._clock()))
            raise
        except Exception as error:  # a defect of ours must not strand the message
            self._log.error("delivery-broken", id=work.message.id_text, reason=f"{type(error).__name__}: {error}")
            outcome = Outcome.defect(work, f"internal error: {error}", self._clock())
        self._conclude(work, outcome)

    def _conclude(self, work: Work, outcome: Outcome) -> None:
        now = self._clock()
        settlement = settlement_of(work, outcome, self._schedule, self._notices, now, self._spread)
        self._remember(
            self.scheduler.finished(work, outcome.verdict, now, spread=self._spread(), reason=outcome.reason)
        )
        self._surrender()
        if settlement is None:
            return
        due = min((item.due for item in settlement.results if not item.state.final), default=None)
        key = work.key

        def stored(error: SpoolError | None) -> None:
            for notice, _ in settlement.notices:
                self._told(notice)
            if due is not None and error is None:
                self.scheduler.deferred(key, due, self._clock())
                self.pump()

        self._spool.settle_soon(settlement, stored)

    def _remember(self, change: Sleep | None) -> None:
        """A queue fell asleep or woke: true after a restart too."""
        if change is not None:
            self._spool.save_queue(change.key, change.until, change.failures, change.reason)

    def _surrender(self) -> None:
        """Give claims on a sleeping queue's messages back to the disk."""
        messages = self.scheduler.surrendered()
        if messages:

            def released() -> None:
                self.scheduler.returned(messages, self._clock())
                self.pump()

            self._spool.release(messages, released)

    def _told(self, notice: QueuedMessage) -> None:
        """A delivery notice is on disk now: it is mail like any other."""
        self._log.event("notice", id=notice.id_text, to=notice.recipients[0].forward_path)
        for key in notice.keys:
            self.scheduler.deferred(key, notice.received_at, self._clock())
        self.pump()

    async def _watch_time(self) -> None:
        """Delay notices and lifetimes, wherever a message stands, then the spool's own housekeeping."""
        swept = 0.0
        while True:
            await asyncio.sleep(_WATCH_SECONDS)
            now = self._clock()
            try:
                self._expire(now)
                self._warn(now)
                if now - swept >= _SWEEP_SECONDS:
                    swept = now
                    self._spool.sweep(now)
            except SpoolError as error:
                self._log.error("spool", reason=error.reason)

    def _expire(self, now: float) -> None:
        late = set(self.scheduler.overdue(now))
        for task, running in tuple(self._running.items()):
            if running in late:
                task.cancel()
        messages = self._spool.expired(now)
        flying = self.scheduler.forget([message.id for message in messages]) if messages else set()
        for message in messages:
            if message.id in flying:
                continue  # on the wire: its try ends first, then this look comes again
            if self._second_look.spares(message, now):
                continue
            self._store_notices(self._notices.expiry(message, now))
            for recipient in message.recipients:
                self._log.event(
                    "returned",
                    id=message.id_text,
                    to=recipient.forward_path,
                    reason=f"lifetime over: {recipient.reason}",
                )

    def _try_once_more(self, message: QueuedMessage) -> None:
        """The policy a message failed under changed at the last moment."""

        def released() -> None:
            self.scheduler.returned((message,), self._clock())
            for key in message.keys:
                self.requeued(key)

        self._log.event("once-more", id=message.id_text, reason="the MTA-STS policy changed; tried again before return")
        self._spool.release((message,), released)

    def _warn(self, now: float) -> None:
        if self._schedule.delay_notice > 0:
            for message in self._spool.late(now, self._schedule.delay_notice):
                self._store_notices(self._notices.delay(message, now))

    def _store_notices(self, settlement: Settlement) -> None:
        def stored(error: SpoolError | None) -> None:
            for notice, _ in settlement.notices:
                self._told(notice)

        self._spool.settle_soon(settlement, stored)

"""The outbound engine: takes work from the scheduler, runs deliveries, and writes down what became of them.

All decisions about order and back-off are the scheduler's, all decisions about protection are made by
`tlspolicy`; here is only the loop between them. What a crash can repeat is bounded and counted: nothing taken from
disk goes on the wire before its claim is stored, and while results cannot be stored little new is begun.
"""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import Callable, Collection
from dataclasses import replace
from typing import TYPE_CHECKING

from danelaw.outbound import ahead
from danelaw.outbound.checkpoint import LimitReached
from danelaw.outbound.claiming import Claiming
from danelaw.outbound.lifetimes import Lifetimes
from danelaw.outbound.notices import Notices
from danelaw.outbound.outcome import Outcome, settlement_of
from danelaw.outbound.returning import Returning
from danelaw.outbound.second_look import SecondLook
from danelaw.outbound.slowing import Slowing
from danelaw.outbound.stepping import ask_after
from danelaw.outbound.suspending import Suspending
from danelaw.outbound.under_way import InHand, UnderWay
from danelaw.outbound.wakeup import Wakeup
from danelaw.queue.pages import HostVerdict, Sleep, Work
from danelaw.queue.results import Settlement
from danelaw.queue.scheduler import Scheduler
from danelaw.spool import SpoolError

if TYPE_CHECKING:
    from danelaw.outbound.courier import Courier
    from danelaw.outbound.express import Express
    from danelaw.queue import QueuedMessage, RetrySchedule, RoutingKey
    from danelaw.queue.gate import Gate
    from danelaw.spool import Spool
    from danelaw.telemetry import Log, Metrics

_WATCH_SECONDS = 1.0
_UNREADABLE_SECONDS = 1.0
# Deliveries begun in one turn of the event loop: clients and hosts wait for their answers meanwhile.
_AT_A_TURN = 8
MOST_UNSETTLED = 1000
"""Messages whose outcome may wait for the disk; with more, no delivery begins."""


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
        self._spool, self._notices, self._schedule = spool, notices, schedule
        self.scheduler = scheduler
        self._courier = courier
        self._log, self._metrics = log, metrics
        self._clock = clock
        self._spread = spread
        self._under_way = UnderWay(log, ended=self._aborted, over=self.pump)
        self._unsettled: dict[int, int] = {}
        self._unreadable_until = float("-inf")
        self._telling: set[asyncio.Task[None]] = set()
        self._pumping = self._held_up = self._stopping = False
        self._watch: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._show: Callable[[int], None] | None = None
        self._wakeup = Wakeup(self._loop, self.pump)
        self._claiming = Claiming(spool, self._loop)
        self.slowing = Slowing(scheduler, spool, log, clock=clock, under_way=self._under_way.keys, woken=self.pump)
        self.suspending: Suspending | None = None
        if scheduler.gate is not None:
            self.suspending = Suspending(scheduler.gate, spool, log, clock=clock, woken=self.pump)
            scheduler.gate.stirred = self.pump
            courier.answers.suspend, courier.answers.slow = self.suspending.suspend_by_reply, self.slowing.slow_by_reply
        self._second_look = SecondLook(courier.policy_changed, self._try_once_more)
        self._lifetimes = Lifetimes(
            spool, scheduler, notices, schedule, self._second_look, log,
            abort=self._under_way.abort, settle=self._settle, unsettled=self._unsettled.keys(), wake=self.requeued,
        )  # fmt: skip
        self.returning = Returning(notices, self._lifetimes.owing, self._told)

    def watch(self, in_hand: InHand, show: Callable[[int], None]) -> None:
        """Let it be seen which message each step is for: `in_hand` wraps the coroutine of a delivery, `show` is given
        the id while a step without one runs, and 0 after it.
        """
        self._under_way.in_hand = in_hand
        self._show = show

    def start(self) -> None:
        """Restore the queues from disk and begin."""
        now = self._clock()
        self._lifetimes.begin(now, self._loop.time())
        # A clock that ran ahead in an earlier run must not make mail wait now; an operator's suspension stays.
        latest = now + self._lifetimes.longest_wait
        self._spool.bring_forward(latest, now, claimed=False)
        if self.suspending is not None:
            self.suspending.restore()
        self.slowing.restore()
        ahead.begin(self._spool, self.scheduler)
        for row in self._spool.asleep():
            until = min(row.suspended_until, latest) if row.failures else row.suspended_until
            self.scheduler.restore(row.key, row.due, until, row.failures, row.reason, now)
        self._watch = self._loop.create_task(self._watch_time())
        self.pump()

    async def stop(self, seconds: float) -> None:
        """Start nothing new, let running deliveries end for `seconds`, then abort them: their messages stay queued."""
        self._stopping = True
        if self._watch is not None:
            self._watch.cancel()
        self._wakeup.cancel()
        self._lifetimes.close()
        await self._under_way.finish(seconds)
        self._courier.close()
        if self.scheduler.gate is not None:
            self.scheduler.gate.close()

    # what others tell

    def arrived(self, message: QueuedMessage, body: bytes | None, claimed: bool) -> None:
        """A message is on stable storage."""
        if message.recipient_count > self.scheduler.settings.recipients:
            task = self._loop.create_task(ahead.tell(self.scheduler, message, self._clock, self.pump))
            self._telling.add(task)
            task.add_done_callback(self._telling.discard)
            return
        self.scheduler.arrived(message, body, message.size, self._clock(), claimed=claimed)
        self.pump()

    def requeued(self, key: RoutingKey) -> None:
        """An operator made something of this queue due."""
        now = self._clock()
        self._remember(self.scheduler.resume(key, now))
        self.scheduler.deferred(key, now, now)
        self.pump()

    @property
    def lifetimes(self) -> Lifetimes:
        """What watches over time and the clock."""
        return self._lifetimes

    @property
    def unsettled(self) -> int:
        """Messages whose outcome waits for the disk."""
        return len(self._unsettled)

    @property
    def busy(self) -> int:
        """Deliveries under way."""
        return len(self._under_way)

    def abort(self, works: Collection[Work]) -> None:
        """End these deliveries; whom they had reached by then stays reached."""
        self._under_way.abort(works)

    def evidence_purged(self) -> None:
        """A purge took evidence away that what is under way to the same destinations rests on too."""
        self._courier.ledger.forget()

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
        if len(self._unsettled) >= MOST_UNSETTLED:
            self._held_up = True  # the next result that is stored goes on here
            return
        self._held_up = False
        now = self._clock()
        scheduler = self.scheduler
        if scheduler.headroom.wants_look(now):
            scheduler.headroom.look(now, time.thread_time())
        self._surrender()
        readable = self._refill(now)
        works = scheduler.next_work(now, _AT_A_TURN)
        for work in works:
            if work.deadline <= now and self._lifetimes.trusts_clock(now, self._loop.time()):
                # Its lifetime is over: the watch over lifetimes returns it, and nobody may claim it before.
                self._remember(scheduler.finished(work, HostVerdict.UNKNOWN, now))
                continue
            self._begin(work)
        if works:
            self.pump()
        wakeup = scheduler.next_wakeup()
        slowed = scheduler.brakes.next_wakeup(now)
        wakeup = slowed if wakeup is None else wakeup if slowed is None else min(wakeup, slowed)
        if scheduler.gate is not None:
            wakeup = self._gate_wakeup(scheduler.gate, wakeup, now)
        if not readable:
            wakeup = max(wakeup or 0.0, now + _UNREADABLE_SECONDS)
        self._wakeup.set(wakeup, now)

    def _gate_wakeup(self, gate: Gate, wakeup: float | None, now: float) -> float | None:
        """When limits let somebody in by time alone, if that is earlier; what the gate learned goes to disk."""
        for key, site in gate.learned().items():
            self._spool.save_site(key, site)
            self.scheduler.brakes.belongs(key, site)
        wait = gate.next_wakeup()
        return wakeup if wait is None else min(now + wait, wakeup if wakeup is not None else float("inf"))

    def _begin(self, work: Work) -> None:
        outcome = Outcome()
        # A claim that is not stored yet must be waited for.
        if self._claiming.is_known(work):
            express = self._courier.express(work, outcome, self._express_ended)
            if express is not None:
                express.show = self._show
                self._under_way.add(express, outcome)
                return
        self._under_way.run(work, self._deliver(work, outcome), outcome)

    def _express_ended(self, express: Express, error: Exception | None) -> None:
        work, outcome = express.work, self._under_way.remove(express)
        if error is not None:
            self._broke(work, outcome, error)
            self._conclude(work, outcome)
        elif express.unheard:
            self._under_way.run(work, self._deliver(work, outcome), outcome)
        elif express.tour.complete and not self._courier.steps.after:
            self._conclude(work, express.tour.ended())
        else:
            self._under_way.run(work, self._finish_tour(express, outcome), outcome)
        self.pump()

    def _refill(self, now: float) -> bool:
        """Take claims for queues that want more. False while the disk cannot be read."""
        if self._loop.time() < self._unreadable_until:
            return False
        try:
            paced = self.scheduler.headroom.pace < math.inf
            most = _AT_A_TURN if paced else 4 * _AT_A_TURN
            self._claiming.refill(self.scheduler, most, now, self._second_look.extend)
        except SpoolError as error:
            self._unreadable_until = self._loop.time() + _UNREADABLE_SECONDS
            self._log.error("spool", reason=error.reason, advice=error.advice)
            return False
        return True

    async def _deliver(self, work: Work, outcome: Outcome) -> None:
        try:
            await self._claiming.known(work)
            if work.forgotten:  # held before anything was sent
                raise asyncio.CancelledError
            outcome = await self._courier.deliver(work, outcome)
        except LimitReached as limit:
            self._postpone(work, outcome, limit)
            return
        except Exception as error:
            self._broke(work, outcome, error)
        self._conclude(work, outcome)

    async def _finish_tour(self, express: Express, outcome: Outcome) -> None:
        """The first host did not take it for everybody: on to the others."""
        try:
            await express.tour.run()
            if self._courier.steps.after:
                await ask_after(self._courier, express.work, outcome)
        except Exception as error:
            self._broke(express.work, outcome, error)
        self._conclude(express.work, outcome)

    def _postpone(self, work: Work, outcome: Outcome, limit: LimitReached) -> None:
        """A limit stopped it before anything was sent: it is no try, but what was learned on the way is kept."""
        now = self._clock()
        self.scheduler.postponed(work, limit.refused, now)
        self._surrender()
        if outcome.attempts:
            self._settle(Settlement(work.message, now, (), tuple(outcome.attempts), (), tuple(outcome.evidence)))

    def _broke(self, work: Work, outcome: Outcome, error: Exception) -> None:
        """A defect of ours must not strand the message."""
        self._log.error("delivery-broken", id=work.message.id_text, reason=f"{type(error).__name__}: {error}")
        outcome.broke_off(work, f"internal error: {error}", self._clock())

    def _conclude(self, work: Work, outcome: Outcome) -> None:
        now = self._clock()
        self._remember(
            self.scheduler.finished(work, outcome.verdict, now, spread=self._spread(), reason=outcome.reason)
        )
        self._surrender()
        self._record(work, outcome, now)

    def _record(self, work: Work, outcome: Outcome, now: float) -> None:
        try:
            settlement = settlement_of(work, outcome, self._schedule, self._notices, now, self._spread)
        except Exception as error:  # no notice can be made: what needs none is stored, the rest is tried again
            self._log.error("notice-broken", id=work.message.id_text, reason=f"{type(error).__name__}: {error}")
            outcome.do_without_notices(f"internal error: {error}")
            settlement = settlement_of(work, outcome, self._schedule, self._notices, now, self._spread)
        if settlement is not None:
            self._settle(settlement, work.key)

    def _settle(self, settlement: Settlement, key: RoutingKey | None = None) -> None:
        """Store what became true; `key` is where recipients wait on that are to be tried again."""
        number = settlement.message.id
        unsettled = self._unsettled
        unsettled[number] = unsettled.get(number, 0) + 1
        due = min((item.due for item in settlement.results if not item.state.final), default=None)

        def stored(error: SpoolError | None) -> None:
            if unsettled[number] == 1:
                del unsettled[number]
            else:
                unsettled[number] -= 1
            if error is not None:
                self._log.error("not-recorded", id=settlement.message.id_text, reason=error.reason)
                return
            self._lifetimes.owing.stored(settlement)
            for notice, _ in settlement.notices:
                self._told(notice)
            for move in settlement.moves:
                self.scheduler.deferred(move.key, settlement.at, self._clock())
            if due is not None and key is not None:
                self.scheduler.deferred(key, due, self._clock())
                self.pump()
            elif self._held_up:
                self.pump()

        self._spool.settle_soon(settlement, stored)

    def _aborted(self, work: Work, outcome: Outcome) -> None:
        """A delivery was ended by us. Whom it had reached is a fact all the same; the others wait on."""
        now = self._clock()
        message = work.message
        self._remember(self.scheduler.finished(work, HostVerdict.UNKNOWN, now))
        ended = {number for number, end in outcome.recipients.items() if end.state.final}
        if ended or outcome.attempts:
            outcome.verdict = HostVerdict.UNKNOWN
            part = replace(message, recipients=tuple(one for one in message.recipients if one.number in ended))
            self._record(replace(work, message=part), outcome, now)
        left = replace(message, recipients=tuple(one for one in message.recipients if one.number not in ended))
        if not left.recipients:
            return
        self._log.warning("aborted", id=message.id_text, reason="lifetime over" if work.overdue else "ended by us")
        if not work.overdue:  # what is overdue stays claimed until the watch over lifetimes returns it
            self._spool.release((left,), lambda: self._released((left,)))

    def _released(self, messages: Collection[QueuedMessage]) -> None:
        self.scheduler.returned(messages, self._clock())
        self.pump()

    def _remember(self, change: Sleep | None) -> None:
        """A queue fell asleep or woke: true after a restart too."""
        if change is not None:
            self._spool.save_queue(change.key, change.until, change.failures, change.reason)

    def _surrender(self) -> None:
        """Give claims on a sleeping queue's messages back to the disk."""
        messages = self.scheduler.surrendered()
        if messages:
            self._spool.release(messages, lambda: self._released(messages))

    def _told(self, notice: QueuedMessage) -> None:
        """A delivery notice is on disk now: it is mail like any other."""
        self._log.event("notice", id=notice.id_text, to=notice.recipients[0].forward_path)
        for key in notice.keys:
            self.scheduler.deferred(key, notice.received_at, self._clock())
        self.pump()

    async def _watch_time(self) -> None:
        while True:
            await ahead.look(self._spool, self.scheduler, self._clock, self._log, self.pump)
            await asyncio.sleep(_WATCH_SECONDS)
            self._lifetimes.look(self._clock(), self._loop.time())

    def _try_once_more(self, message: QueuedMessage) -> None:
        """The policy a message failed under changed at the last moment."""

        def released() -> None:
            self.scheduler.returned((message,), self._clock())
            for key in message.keys:
                self.requeued(key)

        if self.scheduler.on_the_wire({message.id}):
            return  # a try is under way already, and ends as any other does
        self._log.event("once-more", id=message.id_text, reason="the MTA-STS policy changed; tried again before return")
        self.scheduler.forget([message.id])  # else a page could hold it while the disk calls it free
        self._spool.release((message,), released)

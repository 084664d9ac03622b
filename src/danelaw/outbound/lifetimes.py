"""What becomes true by time alone: delay notices, lifetimes, the clock itself, and the spool's housekeeping.

A lifetime ends wherever a message stands: in its queue, asleep with its host, or behind a connection that never
answers. Lifetimes and due times are times of day, for they outlive the process; the monotonic clock guards them. A
clock that jumps ahead must not return mail that was to live for days yet, so after a jump nothing is given up, nobody
is told of a delay and nothing is forgotten for an hour: time to repair the clock. After a jump back whatever is due
later than the longest wait of the schedule was written by a clock that ran ahead, and is due now.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import TYPE_CHECKING

from danelaw.outbound import ahead
from danelaw.outbound.owing import Owing
from danelaw.spool import SpoolError

if TYPE_CHECKING:
    from danelaw.outbound.notices import Notices
    from danelaw.outbound.second_look import SecondLook
    from danelaw.queue import QueuedMessage, RetrySchedule, RoutingKey, Scheduler, Settlement, Work
    from danelaw.spool import Spool
    from danelaw.telemetry import Log

JUMP = 60.0
"""Seconds by which the clock may drift from the monotonic one within a look before that is a jump."""
GRACE = 3600.0
# After a jump back: what was under way then (a message arriving, an outcome on its way to the disk) has a due time of
# the clock before, and comes to the disk a little later.
MENDS = (0.0, 5.0, 60.0, 600.0, 3600.0)
_AT_ONCE = 64
_SWEEP_SECONDS = 5.0


class Lifetimes:
    """Asked to `look` every second. `abort` ends deliveries under way, `settle` stores what was decided, `unsettled`
    holds the ids of messages whose last outcome is not yet on disk, `wake` ends a queue's sleep. `jumped` may be set by
    whoever else must know of a jump of the clock, in seconds.
    """

    def __init__(
        self,
        spool: Spool,
        scheduler: Scheduler,
        notices: Notices,
        schedule: RetrySchedule,
        second_look: SecondLook,
        log: Log,
        *,
        abort: Callable[[Collection[Work]], None],
        settle: Callable[[Settlement], None],
        unsettled: Collection[int],
        wake: Callable[[RoutingKey], None],
    ) -> None:
        self._spool = spool
        self._scheduler = scheduler
        self._notices = notices
        self._schedule = schedule
        self._second_look = second_look
        self._log = log
        self._abort = abort
        self._settle = settle
        self._unsettled = unsettled
        self._wake = wake
        self._seen: tuple[float, float] | None = None
        self._patient_until = float("-inf")
        self._mends: list[float] = []
        self.jumped: Callable[[float], None] = lambda seconds: None
        self._swept = float("-inf")
        self._trouble: str | None = None
        self.owing = Owing(spool, notices, log, settle=settle, on_the_wire=scheduler.on_the_wire)

    def look(self, now: float, monotonic: float) -> None:
        """One look at `now` (POSIX seconds); `monotonic` never jumps. Trouble is logged, never raised: the next look
        must come.
        """
        for step in (
            self._examine_clock, self._mend, self._examine_spool, self._expire, self._warn, self.owing.look, self._sweep
        ):  # fmt: skip
            try:
                step(now, monotonic)
            except SpoolError as error:
                self._log.error("spool", reason=error.reason, advice=error.advice)
            except Exception as error:  # a defect in one step must not stop the others
                self._log.error(
                    "watch-broken", step=step.__name__.strip("_"), reason=f"{type(error).__name__}: {error}"
                )

    @property
    def longest_wait(self) -> float:
        """Seconds beyond which no right clock puts a next try."""
        schedules = (self._schedule, self._scheduler.settings.backoff)
        return max(max(schedule.waits) * (1 + schedule.jitter) for schedule in schedules)

    def begin(self, now: float, monotonic: float) -> None:
        """At start. Whether the gateway was down for long or the machine came up with a wrong clock cannot be told, and
        either way mail deserves a try before it is returned: nothing is given up for an hour then.
        """
        self.owing.begin(monotonic)
        alive = self._spool.last_alive
        if alive is not None and now - alive > GRACE:
            self._patient_until = monotonic + GRACE
            self._log.event(
                "patient", reason=f"the last run ended {now - alive:.0f} s ago: no mail is returned for an hour"
            )
        self._examine_clock(now, monotonic)

    def close(self) -> None:
        """Begin nothing more in the background."""
        self._second_look.close()
        self.owing.close()

    def trusts_clock(self, now: float, monotonic: float) -> bool:
        """False while the clock must not end anything, since it jumped ahead a while ago or just now."""
        self._examine_clock(now, monotonic)
        return monotonic >= self._patient_until

    def patience_left(self, monotonic: float) -> float:
        """Seconds for which the clock ends nothing after a jump ahead; 0 when it is trusted."""
        return max(0.0, self._patient_until - monotonic)

    def _examine_clock(self, now: float, monotonic: float) -> None:
        before, self._seen = self._seen, (now, monotonic)
        if before is None:
            return
        jump = (now - before[0]) - (monotonic - before[1])
        if abs(jump) < JUMP:
            return
        if jump > 0:
            self._patient_until = monotonic + GRACE
        else:
            self._mends = [monotonic + delay for delay in MENDS]
        self._log.error(
            "clock",
            reason=f"the clock jumped by {jump:+.0f} s",
            advice="repair the clock (chrony, systemd-timesyncd); "
            + ("no mail is returned for an hour" if jump > 0 else "what it made wait is tried now"),
        )
        self.jumped(jump)

    def _mend(self, now: float, monotonic: float) -> None:
        """After a jump back: nothing waits longer than the schedule says. What an operator suspended stays so."""
        if not self._mends or monotonic < self._mends[0]:
            return
        latest = now + self.longest_wait
        self._spool.bring_forward(latest, now)
        self._mends = [moment for moment in self._mends if moment > monotonic]
        ahead.begin(self._spool, self._scheduler)
        for queue in self._scheduler.queues():
            if queue.asleep_until > latest and queue.failures:
                self._wake(queue.key)

    def _examine_spool(self, now: float, monotonic: float) -> None:
        """Say once that the spool takes no mail, and once that it does again."""
        refusal = self._spool.refusal()
        trouble = None if refusal is None else refusal.reason
        if trouble is not None and self._trouble is None:
            assert refusal is not None
            self._log.error("spool-closed", reason=trouble, advice=refusal.advice)
        elif trouble is None and self._trouble is not None:
            self._log.event("spool-open", after=self._trouble)
        self._trouble = trouble

    def _expire(self, now: float, monotonic: float) -> None:
        if monotonic < self._patient_until:
            return
        self._abort(self._scheduler.overdue(now))
        found = self._spool.expired(now, _AT_ONCE + len(self._second_look))
        # On the wire: its try ends first. Unsettled: perhaps delivered, which is not on disk yet. Then this look again.
        busy = {*self._scheduler.on_the_wire({message.id for message in found}), *self._unsettled}
        ending = [one for one in found if one.id not in busy and not self._second_look.spares(one, now)]
        if ending:
            self._scheduler.forget([message.id for message in ending])
        for message in ending:
            self._give_up(message, now)

    def _give_up(self, message: QueuedMessage, now: float) -> None:
        try:
            self._settle(self._notices.expiry(message, now))
        except Exception as error:  # one message must not keep the others from their end
            self._log.error("watch-broken", id=message.id_text, reason=f"{type(error).__name__}: {error}")
            return
        for recipient in message.recipients:
            self._log.event(
                "returned",
                id=message.id_text,
                to=recipient.forward_path,
                reason=f"lifetime over: {recipient.reason}",
            )

    def _warn(self, now: float, monotonic: float) -> None:
        if self._schedule.delay_notice <= 0 or monotonic < self._patient_until:
            return
        for message in self._spool.late(now, self._schedule.delay_notice):
            if message.id in self._unsettled or message.expires <= now:  # returned in a moment: one notice is enough
                continue
            try:
                self._settle(self._notices.delay(message, now))
            except Exception as error:  # the sender of one message hears nothing; the others do
                self._log.error("watch-broken", id=message.id_text, reason=f"{type(error).__name__}: {error}")

    def _sweep(self, now: float, monotonic: float) -> None:
        # History is forgotten by age: not while the clock may be wrong.
        if monotonic - self._swept >= _SWEEP_SECONDS and self._trouble is None and monotonic >= self._patient_until:
            self._swept = monotonic
            self._spool.sweep(now)

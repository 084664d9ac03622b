"""What goes next: pages of claimed messages, fairness, concurrency, back-off of whole queues.

The timer heap holds queues, never messages, and a queue is known by at most a page of its messages, so memory is
bounded whatever lies on disk. The scheduler hears of rows only once they are stored: all it believes about the disk
is committed, and a wake-up that comes too early costs one empty look, while none can come too late.
"""

from __future__ import annotations

import math
from collections import OrderedDict
from collections.abc import Collection, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from danelaw.queue import pages
from danelaw.queue.alarms import Alarms
from danelaw.queue.brakes import Brakes
from danelaw.queue.fairness import TenantRing
from danelaw.queue.headroom import Headroom
from danelaw.queue.pages import Entry, HostVerdict, SchedulerSettings, Sleep, VirtualQueue, Work
from danelaw.queue.values import QueuedMessage, RecipientState, RoutingKey
from danelaw.queue.wanting import Wanting

if TYPE_CHECKING:
    from danelaw.queue.gate import Gate
    from danelaw.queue.permits import Refused

_HOST_VERDICT_DOWN = HostVerdict.DOWN
_RECIPIENT_STATE_QUEUED = RecipientState.QUEUED  # looked up on its class a member costs eight times as much
DEFAULTS = SchedulerSettings()


class Scheduler:
    """One shard's scheduler. All times are POSIX seconds and arguments; nothing here waits or draws lots."""

    def __init__(self, settings: SchedulerSettings = DEFAULTS, gate: Gate | None = None) -> None:
        """`gate` keeps limits and suspensions; without one there are none. What is due after `reached` (POSIX seconds)
        is left to the disk: whoever sets it tells `deferred` of that in time.
        """
        self.settings = settings
        self.reached = math.inf
        self.gate = gate
        self.brakes, self.headroom = Brakes(), Headroom()
        self.memory_used, self._cap = 0, settings.cap
        self._queues: dict[RoutingKey, VirtualQueue] = {}
        self.ready: TenantRing[VirtualQueue] = TenantRing()
        self._alarms = Alarms()
        self._begun, self._wanting = 0, Wanting()
        self.flying: set[Work] = set()  # this and `ready` are for others to look at only
        self._surrendered: list[QueuedMessage] = []
        self._idle: OrderedDict[RoutingKey, VirtualQueue] = OrderedDict()

    def resize(self, slots: int, destination_concurrency: int, now: float) -> None:
        """Have another share of the limits, if any, from now on; what is on the wire ends normally."""
        self.settings = replace(self.settings, slots=slots, destination_concurrency=destination_concurrency)
        before, self._cap = self._cap, self.settings.cap
        for queue in self._queues.values() if self._cap > before else ():
            if queue.page:
                self._activate(queue, now)

    # Mail arriving.

    def admit(self, message: QueuedMessage, body_size: int) -> bool:
        """True when the message may wait in memory (its octets are reserved): append it with `claimed=True`."""
        if message.recipient_count > self.settings.recipients:
            return False
        keys = message.keys
        charge = (body_size + pages.OVERHEAD) * len(keys)
        if self.memory_used + charge > self.settings.memory:
            return False
        for key in keys:
            queue = self._queues.get(key)
            if queue is not None and (queue.backlog or queue.asleep_until):
                return False
        for recipient in message.recipients:
            if recipient.state is not _RECIPIENT_STATE_QUEUED or recipient.due > message.received_at:
                return False
        self.memory_used += charge
        return True

    def abandoned(self, message: QueuedMessage, body_size: int) -> None:
        """An admitted message could not be stored: its reservation is given back."""
        self.memory_used -= (body_size + pages.OVERHEAD) * len(message.keys)

    def arrived(self, message: QueuedMessage, body: bytes | None, body_size: int, now: float, *, claimed: bool) -> None:
        """A message is on stable storage; `claimed`, `body_size` are those of `admit`, `body` None for a large one."""
        if not claimed:
            for recipient in message.recipients:
                if recipient.state is _RECIPIENT_STATE_QUEUED:
                    self._stored(self._queue(recipient.key), recipient.due, now)
            return
        self.headroom.came(now)
        keys = message.keys
        for key in keys:
            queue = self._queue(key)
            part = message if len(keys) == 1 else pages.part_of(message, key)
            queue.page.append(Entry(part, body, body_size + pages.OVERHEAD))
            self._activate(queue, now)

    def restore(
        self, key: RoutingKey, due: float | None, asleep_until: float, failures: int, reason: str, now: float
    ) -> None:
        """At start: one queue as `Spool.queues` reports it."""
        queue = self._queue(key)
        queue.failures, queue.reason, queue.probing = failures, reason, failures > 0
        queue.asleep_until = asleep_until if asleep_until > now else queue.asleep_until
        if due is not None:
            self._stored(queue, due, now)
        self._alarms.set(queue)

    def deferred(self, key: RoutingKey, due: float, now: float) -> None:
        """A recipient of this key waits on disk until `due`; call it once that is stored."""
        self._stored(self._queue(key), due, now)

    def returned(self, messages: Iterable[QueuedMessage], now: float) -> None:
        """The claims of `surrendered` messages are given back on disk."""
        for key in (key for message in messages for key in message.keys):
            self._stored(self._queue(key), now, now)

    def refills(self, now: float, most: int = pages.PAGE) -> list[tuple[RoutingKey, int]]:
        """Queues that want more from disk, and how many claims to take, about `most` in all: give each to `refilled`,
        then ask again.
        """
        self._wake(now)
        if self.memory_used >= self.settings.memory:
            return []
        return self._wanting.portions(most, plenty=self._plenty)

    def refilled(self, key: RoutingKey, messages: Sequence[QueuedMessage], next_due: float | None, now: float) -> None:
        """What `Spool.claim` gave: claimed messages, and the earliest due time of what is left on disk."""
        queue = self._queue(key)
        self._wanting.discard(key)
        queue.disk_due, queue.backlog = None, False
        for message in messages:
            self.memory_used += pages.OVERHEAD
            queue.page.append(Entry(message, None, pages.OVERHEAD))
        if next_due is not None:
            self._stored(queue, next_due, now, fresh=False)
        queue.steady = bool(queue.page) and (queue.steady or queue.backlog)
        self._activate(queue, now)

    # Work.

    def next_work(self, now: float, limit: int = pages.PAGE) -> list[Work]:
        """Work that may start, about as much as `limit` small messages; each takes a slot until `finished`."""
        self._wake(now)
        chosen: list[Work] = []
        gate, cap, left = self.gate, self._cap, limit
        while True:
            self._let_in(now)
            if not self.ready or len(self.flying) >= self.settings.slots or left <= 0:
                break
            ahead = not self.headroom.admits(now)
            if (front := self.ready.front_ahead() if ahead else self.ready.front()) is None:
                break
            tenant, queue = front
            full = queue.in_flight >= queue.limit(cap)  # the limit was lowered
            if full or not self.brakes.admits(queue, now) or (gate and not gate.admits(queue, self._begun + 1, cap)):
                self.ready.remove(tenant, queue)
                continue
            entry = queue.next_entry(gate.recipients(queue) if gate is not None else None)
            self._begun += 1
            message = entry.message
            work = Work(queue.key, message, entry.body, message.expires, now, queue.probing, entry.charge, self._begun)
            queue.in_flight += 1
            self.brakes.began(work, now)
            self.flying.add(work)
            chosen.append(work)
            left -= pages.weight(message)
            self.ready.pay(
                tenant, 1.0 + min(message.size / 262144, 63.0), soon=queue.begins(self.headroom), ahead=ahead
            )
            if not queue.page or queue.in_flight >= queue.limit(cap):
                self.ready.remove(tenant, queue)
                if gate is not None and not queue.page:
                    gate.left(queue)
            if queue.backlog and len(queue.page) < pages.LOW_MARK:
                self._wanting.add(queue, fresh=False)
        return chosen

    def finished(
        self, work: Work, verdict: HostVerdict, now: float, *, spread: float = 0.5, reason: str = ""
    ) -> Sleep | None:
        """Gives the slot back. `spread` is a random number in 0 … 1 for the jitter of back-off.

        After `DOWN` the queue sleeps, its page is `surrendered`. Gives what to store with `Spool.save_queue`.
        """
        queue = self._queues[work.key]
        queue.in_flight -= 1
        queue.answered += verdict is not _HOST_VERDICT_DOWN
        self.flying.discard(work)
        self.brakes.ended(work, now)
        self.memory_used -= work.charge
        if self.gate is not None:
            self.gate.finished(work.serial, verdict)
        change: Sleep | None = None
        if verdict is _HOST_VERDICT_DOWN:
            self._surrendered.append(work.message)
            change = self._host_down(queue, work, now, spread, reason)
        elif queue.heard(verdict, work.serial, self._begun, self._cap):
            change = Sleep(queue.key, 0.0, 0, "")
        self._activate(queue, now)
        return change

    def postponed(self, work: Work, refused: Refused, now: float) -> None:
        """Gives the slot back: a limit refused the delivery before anything was sent. It is the queue's next again."""
        queue = self._queues[work.key]
        queue.in_flight -= 1
        self.flying.discard(work)
        self.brakes.ended(work, now)
        if queue.asleep_until or work.forgotten:
            self.memory_used -= work.charge
            self._surrendered.append(work.message)
        else:
            queue.page.appendleft(Entry(work.message, work.body, work.charge))
        if self.gate is not None:
            self.gate.postponed(queue, work.serial, refused)
            self.ready.remove(queue.key.tenant, queue)
            if not queue.page:
                self.gate.left(queue)
        self._activate(queue, now)

    def surrendered(self) -> list[QueuedMessage]:
        """Claimed messages given up since the last call: pass them to `Spool.release`, then to `returned`."""
        messages, self._surrendered = self._surrendered, []
        return messages

    def overdue(self, now: float) -> list[Work]:
        """Work on the wire whose message's lifetime ended, each reported once: abort it, then call `finished`."""
        late = [work for work in self.flying if work.deadline <= now and not work.overdue]
        for work in late:
            work.overdue = True
        return late

    # Operators.

    def resume(self, key: RoutingKey, now: float) -> Sleep | None:
        """Ends a back-off: a probe may start. None when the queue was awake."""
        queue = self._queues.get(key)
        if queue is not None and queue.asleep_until:
            self._wake_queue(queue, now)
            return Sleep(key, 0.0, queue.failures, queue.reason)
        return None

    def forget(self, message_ids: Collection[int]) -> set[int]:
        """Take messages out of all pages: held, dropped, rerouted, expired. Returns those on the wire now.

        All their parts are surrendered: an act may have changed only some of the recipients, and who was not meant must
        not stay claimed. To give back what is no longer claimed changes nothing.
        """
        gone = frozenset(message_ids)
        for queue in self._queues.values():
            taken = queue.take(gone)
            if taken:
                self.memory_used -= sum(entry.charge for entry in taken)
                self._surrendered += [entry.message for entry in taken]
                if not queue.page:
                    self._unready(queue)
                if queue.disk_due is not None and not queue.asleep_until:
                    self._wanting.add(queue, fresh=True)
                elif queue.idle:
                    self._idle[queue.key] = queue
        flying = [work for work in self.flying if work.message.id in gone]
        for work in flying:
            work.forgotten = True
        return {work.message.id for work in flying}

    # Looking.

    def on_the_wire(self, message_ids: Collection[int]) -> dict[int, set[int]]:
        """Which of these messages are being delivered now, and the numbers of the recipients."""
        found: dict[int, set[int]] = {}
        for message in (work.message for work in self.flying if work.message.id in message_ids):
            found.setdefault(message.id, set()).update(one.number for one in message.recipients)
        return found

    def next_wakeup(self) -> float | None:
        """When to ask for refills and work again if nothing else happens: 0 for at once, None for never by itself."""
        first = self._alarms.first
        if self.ready and len(self.flying) < self.settings.slots:
            paced = self.headroom.next_wakeup() if self.ready.front_ahead() is None else 0.0
            first = paced if first is None else min(paced, first)
        refills = self.memory_used < self.settings.memory and self._wanting.anybody(plenty=self._plenty)
        return 0.0 if refills else first

    def reason(self, key: RoutingKey) -> str:
        """Why a queue sleeps, in words, or nothing."""
        return queue.reason if (queue := self._queues.get(key)) is not None else ""

    @property
    def _plenty(self) -> bool:
        """Whether more queues are ready than can be served soon."""
        return len(self.ready) >= max(1, 2 * self.settings.slots)

    @property
    def in_flight(self) -> int:
        """How many slots are taken."""
        return len(self.flying)

    def queues(self) -> list[VirtualQueue]:
        """The queues known now, to look at only."""
        return list(self._queues.values())

    # Inside.

    def _queue(self, key: RoutingKey) -> VirtualQueue:
        queue = self._queues.get(key)
        if queue is None:
            queue = self._queues[key] = VirtualQueue(key, float(self.settings.first_window))
        self._idle.pop(key, None)
        return queue

    def _let_in(self, now: float) -> None:
        """Queues that slow-downs and limits kept waiting and that may ask again."""
        for queue in self.brakes.woken(now):
            self._activate(queue, now)
        if (gate := self.gate) is None:
            return
        for queue in gate.woken():
            if queue.page and not queue.asleep_until and queue.in_flight < queue.limit(self._cap):
                self.ready.add(queue.key.tenant, queue, soon=queue.sparse, priority=queue.key.priority)
            else:
                gate.left(queue)
                self._activate(queue, now)

    def _unready(self, queue: VirtualQueue) -> None:
        self.ready.remove(queue.key.tenant, queue)
        self.brakes.left(queue.key)
        if self.gate is not None:
            self.gate.left(queue)

    def _activate(self, queue: VirtualQueue, now: float) -> None:
        """Into the ring when it may send; into the idle list when there is nothing to do or remember."""
        if queue.page and not queue.asleep_until and queue.in_flight < queue.limit(self._cap):
            if not self.brakes.waits(queue.key) and (self.gate is None or not self.gate.waits(queue)):
                self.ready.add(queue.key.tenant, queue, soon=queue.sparse, priority=queue.key.priority)
        elif queue.idle:
            queue.idle_since = now
            self._idle[queue.key] = queue
            self._evict(now)

    def _evict(self, now: float) -> None:
        while self._idle:
            key, queue = next(iter(self._idle.items()))
            if len(self._idle) <= self.settings.idle_queues and now - queue.idle_since < self.settings.idle:
                return
            del self._idle[key]
            self._wanting.discard(key)
            queue.wake = None
            del self._queues[key]
            if self.gate is not None:
                self.gate.forget(key)

    def _stored(self, queue: VirtualQueue, due: float, now: float, *, fresh: bool = True) -> None:
        # Not what is due now: after a jump of the clock the horizon has passed what is on disk, but not `now`.
        if due > self.reached and due > now:
            self._activate(queue, now)
            return
        queue.on_disk(due)
        if due > now:
            self._alarms.set(queue)
            return
        queue.backlog = True
        if not queue.asleep_until:
            self._wanting.add(queue, fresh=fresh)

    def _wake(self, now: float) -> None:
        for queue in self._alarms.rung(now):
            if queue.asleep_until:
                self._wake_queue(queue, now)
            elif queue.disk_due is not None:
                self._stored(queue, queue.disk_due, now)
        self._evict(now)

    def _wake_queue(self, queue: VirtualQueue, now: float) -> None:
        queue.asleep_until, queue.wake, queue.changed_after = 0.0, None, self._begun
        queue.probing = queue.failures > 0
        if queue.disk_due is not None:
            self._stored(queue, queue.disk_due, now)
        self._activate(queue, now)

    def _host_down(self, queue: VirtualQueue, work: Work, now: float, spread: float, reason: str) -> Sleep | None:
        # Of deliveries begun before the queue last went to sleep or woke, only the first counts as a failure.
        if queue.asleep_until or work.serial <= queue.changed_after:
            return None
        queue.failures += 1
        self._sleep(queue, now + self.settings.backoff.wait(queue.failures, spread), reason, now)
        return Sleep(queue.key, queue.asleep_until, queue.failures, reason)

    def _sleep(self, queue: VirtualQueue, until: float, reason: str, now: float) -> None:
        queue.asleep_until, queue.reason, queue.changed_after = until, reason, self._begun
        queue.window = float(self.settings.first_window)
        self._unready(queue)
        self._wanting.discard(queue.key)
        for entry in queue.page:
            self.memory_used -= entry.charge
            self._surrendered.append(entry.message)
        queue.page.clear()
        self._alarms.set(queue)

"""One queue as the scheduler sees it: a page of claimed messages, and what it knows of the rest on disk."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import NamedTuple

from danelaw.queue.headroom import Headroom
from danelaw.queue.schedule import RetrySchedule
from danelaw.queue.values import QueuedMessage, RoutingKey

PAGE = 64
LOW_MARK = 16
# What a message without body takes in memory, roughly: values, strings, its place in the page.
OVERHEAD = 2048
HOST_BACKOFF = RetrySchedule(waits=(60.0, 120.0, 300.0, 600.0, 1200.0, 1800.0, 3600.0))


class HostVerdict(Enum):
    """What a delivery says about the next hop as a whole."""

    GOOD = "good"  # a host answered: whatever became of the message was about the message
    THROTTLED = "throttled"  # 421, too many connections, time-outs: fewer at once
    DOWN = "down"  # no host of the next hop could be used: the queue sleeps, no rows are rewritten
    UNKNOWN = "unknown"  # the try was ended from our side: nothing was learned about the next hop


# A member looked up on its Enum class costs eight times a global in Python 3.11, and these are on the hot path.
_GOOD = HostVerdict.GOOD
_THROTTLED = HostVerdict.THROTTLED


@dataclass(frozen=True, slots=True)
class SchedulerSettings:
    """`slots` are all outbound deliveries at once; one queue gets at most `share` of them (of `total`, when these slots
    are part of more), but `least` in any case and `destination_concurrency` at most. A new or recovering queue starts
    with `first_window`. `memory` is the budget in octets for messages that wait in memory. `backoff` is how long a
    queue sleeps after each failure of its hosts. Queues without work are forgotten after `idle` seconds, or sooner when
    there are more than `idle_queues`. A message with more than so many `recipients` does not wait in memory: parts of
    it are read from disk one by one.
    """

    slots: int = 200
    share: float = 0.1
    least: int = 2
    destination_concurrency: int = 20
    first_window: int = 5
    memory: int = 64 << 20
    backoff: RetrySchedule = HOST_BACKOFF
    idle: float = 300.0
    idle_queues: int = 1000
    recipients: int = 1000
    total: int | None = None

    @property
    def cap(self) -> int:
        """The most slots one queue may hold."""
        total = self.slots if self.total is None else self.total
        return min(total, self.destination_concurrency, max(self.least, int(total * self.share)))


class Sleep(NamedTuple):
    """What to remember of a queue across restarts, for `Spool.save_queue`; `until` 0 means it is awake."""

    key: RoutingKey
    until: float
    failures: int
    reason: str


class Entry(NamedTuple):
    """One message in a page; `charge` is what it takes from the memory budget."""

    message: QueuedMessage
    body: bytes | None
    charge: int


def weight(message: QueuedMessage) -> int:
    """How many small messages' work this one is: more with more recipients."""
    return 1 + len(message.recipients) // 16


@dataclass(slots=True, eq=False)
class Work:
    """One message for one routing key, holding one outbound slot until `Scheduler.finished`.

    `message` has only the recipients of `key`; `body` None means: read it from the spool. `deadline` is the end of the
    message's lifetime. `probe` is true for the single try after a failure of the host. `serial` orders the
    beginnings of works: clocks step back, serials do not.
    """

    key: RoutingKey
    message: QueuedMessage
    body: bytes | None
    deadline: float
    started: float
    probe: bool
    charge: int = 0
    serial: int = 0
    overdue: bool = False
    forgotten: bool = False


@dataclass(slots=True, eq=False)
class VirtualQueue:
    """The state of one routing key. `disk_due` is the earliest due time on disk (it may be too early, never too late);
    `backlog` is true while messages due now wait on disk, so that new ones do not overtake them. `changed_after` and
    `halved_after` are the serials of the last work begun before the queue last slept or woke, or lost half its window.
    `answered` counts the works that ended with an answer of a host. `steady`: its page holds part of a backlog.
    """

    key: RoutingKey
    window: float
    page: deque[Entry] = field(default_factory=deque)
    disk_due: float | None = None
    backlog: bool = False
    in_flight: int = 0
    asleep_until: float = 0.0
    changed_after: int = 0
    halved_after: int = 0
    failures: int = 0
    reason: str = ""
    probing: bool = False
    wake: float | None = None
    answered: int = 0
    steady: bool = False
    idle_since: float = 0.0

    def limit(self, cap: int) -> int:
        """How many deliveries at once; `cap` is the most, and may be none."""
        return min(cap, 1 if self.probing else int(self.window))

    def next_entry(self, most_recipients: int | None) -> Entry:
        """Takes the first message; of one with more recipients than that, the rest stays as a message of its own."""
        entry = self.page.popleft()
        recipients = entry.message.recipients
        if most_recipients is None or len(recipients) <= most_recipients:
            return entry
        rest = replace(entry.message, recipients=recipients[most_recipients:])
        self.page.appendleft(Entry(rest, entry.body, entry.charge))
        return Entry(replace(entry.message, recipients=recipients[:most_recipients]), entry.body, 0)

    def begins(self, headroom: Headroom) -> bool:
        """One of its messages does, and the pace hears of it; True when the queue may have its next turn soon."""
        if self.sparse:
            headroom.began_new()
            return True
        headroom.began()
        self.steady = self.steady and bool(self.page)
        return False

    def take(self, message_ids: Collection[int]) -> list[Entry]:
        """Takes these messages out of the page."""
        taken = [entry for entry in self.page if entry.message.id in message_ids]
        if taken:
            self.page = deque(entry for entry in self.page if entry.message.id not in message_ids)
        return taken

    def heard(self, verdict: HostVerdict, serial: int, begun: int, cap: int) -> bool:
        """What a delivery begun as `serial` says about how many at once; True when it ended a row of failures."""
        if verdict is _THROTTLED:
            self.probing = False
            # Deliveries that began before the last halving say nothing new.
            if serial > self.halved_after:
                self.window = max(1.0, min(self.window, cap) / 2)
                self.halved_after = begun
        elif verdict is _GOOD and serial > self.changed_after:
            failed = self.failures > 0
            self.failures, self.reason, self.probing = 0, "", False
            if self.window < cap:  # a cap that was lowered, perhaps for a moment, takes nothing away
                self.window = min(float(cap), self.window + 1)
            return failed
        return False

    def on_disk(self, due: float) -> None:
        """Something due then is stored and unclaimed."""
        if self.disk_due is None or due < self.disk_due:
            self.disk_due = due

    @property
    def held(self) -> int:
        """What the page holds, a message with many recipients counted as several."""
        page = self.page
        return len(page) if len(page) >= LOW_MARK else sum(weight(entry.message) for entry in page)

    @property
    def sparse(self) -> bool:
        """Nothing of it waits, or did until now: what comes may go before queues that always have more."""
        return not self.backlog and not self.steady

    @property
    def idle(self) -> bool:
        """Nothing in it, nothing to remember."""
        return not self.page and not self.in_flight and self.disk_due is None and not self.asleep_until


def part_of(message: QueuedMessage, key: RoutingKey) -> QueuedMessage:
    """The message with only the recipients of one routing key."""
    return replace(message, recipients=tuple(recipient for recipient in message.recipients if recipient.key == key))

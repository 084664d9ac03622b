"""Skeleton of the scheduler's interface; being filled."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from danelaw.queue.values import QueuedMessage, RoutingKey


class HostVerdict(Enum):
    """What a delivery says about the next hop as a whole."""

    GOOD = "good"  # the host answered; whatever became of the message was about the message
    THROTTLED = "throttled"  # 421, too many connections, time-outs: halve the concurrency
    DOWN = "down"  # no host of the next hop could be used: suspend the queue with back-off; the message stays claimed


@dataclass(frozen=True, slots=True)
class SchedulerSettings:
    """Slots in total, per destination, memory; see fields."""

    slots: int = 200
    destination_concurrency: int = 20
    memory: int = 64 << 20


@dataclass(slots=True, eq=False)
class Work:
    """One message for one routing key, holding one outbound slot until `Scheduler.finished`."""

    key: RoutingKey
    message: QueuedMessage  # only the recipients of `key`
    body: bytes | None  # None: read it from the spool
    deadline: float  # the message's `expires`
    started: float
    probe: bool  # a single try after suspension


class Scheduler:
    """Decides what goes next. All times POSIX seconds."""

    def __init__(self, settings: SchedulerSettings) -> None:
        raise NotImplementedError

    def admit(self, message: QueuedMessage, body_size: int) -> bool:
        """True when the message may go straight to memory (reserves the bytes): append it with `claimed=True`."""
        raise NotImplementedError

    def abandoned(self, message: QueuedMessage, body_size: int) -> None:
        """An admitted message could not be stored: give its reservation back."""
        raise NotImplementedError

    def arrived(self, message: QueuedMessage, body: bytes | None, now: float, *, claimed: bool) -> None:
        """A message is on disk. `claimed` is what `admit` said; `body` None with `claimed` for a large body."""
        raise NotImplementedError

    def restore(self, key: RoutingKey, due: float | None, suspended_until: float, failures: int, reason: str) -> None:
        """At start: one queue as `Spool.queues()` reports it."""
        raise NotImplementedError

    def refills(self, now: float) -> list[tuple[RoutingKey, int]]:
        """Queues whose page wants refilling and how many claims to take: give each result to `refilled`."""
        raise NotImplementedError

    def refilled(self, key: RoutingKey, messages: Sequence[QueuedMessage], next_due: float | None, now: float) -> None:
        """Claims taken from disk, and the earliest due time of what is left there."""
        raise NotImplementedError

    def next_work(self, now: float, limit: int = 64) -> list[Work]:
        """Work that may start now, fairly chosen."""
        raise NotImplementedError

    def finished(self, work: Work, verdict: HostVerdict, now: float, *, spread: float = 0.5, reason: str = "") -> None:
        """Gives the slot back. After DOWN the message returns to the head of its page, its queue sleeps."""
        raise NotImplementedError

    def deferred(self, key: RoutingKey, due: float, now: float) -> None:
        """Recipients of this key were stored for a later try (call once the settlement is on disk)."""
        raise NotImplementedError

    def suspend(self, key: RoutingKey, until: float, reason: str, now: float) -> None:
        """No work from this queue until then (operator, limits)."""
        raise NotImplementedError

    def resume(self, key: RoutingKey, now: float) -> None:
        """Ends a suspension or back-off: a probe may start at once."""
        raise NotImplementedError

    def forget(self, message_id: int) -> bool:
        """An operator held, dropped, rerouted or expired it: out of all pages. True when it is on the wire now."""
        raise NotImplementedError

    def overdue(self, now: float) -> list[Work]:
        """Work on the wire whose message's lifetime is over: abort it."""
        raise NotImplementedError

    def next_wakeup(self) -> float | None:
        """When to call `refills` and `next_work` again if nothing else happens; None: never by itself."""
        raise NotImplementedError

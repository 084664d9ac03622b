"""What a semaphore's key holds: who has it, until when, and who waits for it, first come, first served."""

from __future__ import annotations

import heapq
import math
from collections import OrderedDict
from collections.abc import Iterator
from typing import Any, NamedTuple

from danelaw.shared.errors import StoreFull

MOST_WAITING = 10_000
_EMPTY_OCTETS = 360
_LEASE_OCTETS = 200


class Lease(NamedTuple):
    """One holder's part, until it gives it back or its time is over."""

    number: int
    holder: str
    until: float


class Granted(NamedTuple):
    """What somebody waited for: his request, and the number of the lease; 0 when his wait is over without one."""

    holder: str
    request: int
    lease: int


class _Wait(NamedTuple):
    until: float
    seconds: float


class Leases:
    """Leases of one key and the line for them."""

    __slots__ = ("_ends", "_leases", "_waiting")

    def __init__(self) -> None:
        self._ends: list[float] = []
        self._leases: dict[int, Lease] = {}
        self._waiting: OrderedDict[tuple[str, int], _Wait] = OrderedDict()

    @property
    def octets(self) -> int:
        """What it counts for beside its key."""
        return _EMPTY_OCTETS + _LEASE_OCTETS * (len(self._leases) + len(self._waiting))

    @property
    def due(self) -> float:
        """When time may change something."""
        return self._ends[0] if self._ends else math.inf

    @property
    def empty(self) -> bool:
        """Nobody has it, nobody waits."""
        return not self._leases and not self._waiting

    @property
    def held(self) -> tuple[Lease, ...]:
        """All leases."""
        return tuple(self._leases.values())

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    def acquire(self, number: int, holder: str, seconds: float, limit: int, now: float) -> bool:
        """Take lease `number` if there is room and nobody waits."""
        if self._waiting or len(self._leases) >= limit:
            return False
        self._lend(number, holder, now + seconds)
        return True

    def wait(self, holder: str, request: int, seconds: float, until: float) -> None:
        """Stand in line. Raises `StoreFull` for a line too long."""
        if len(self._waiting) >= MOST_WAITING:
            raise StoreFull(f"{MOST_WAITING} wait for this semaphore already")
        self._waiting[holder, request] = _Wait(until, seconds)
        self._time(until)

    def retry_after(self, now: float) -> float:
        """Seconds until the next lease ends at the latest."""
        return max(0.0, min((lease.until for lease in self._leases.values()), default=now) - now)

    def release(self, number: int, holder: str | None) -> bool:
        """Give a lease back; False when this holder has it no more. None is an operator, for anybody's."""
        lease = self._leases.get(number)
        if lease is None or holder not in (None, lease.holder):
            return False
        del self._leases[number]
        return True

    def renew(self, number: int, holder: str, seconds: float, now: float) -> bool:
        """Let a lease last so long from now; False when this holder has it no more."""
        lease = self._leases.get(number)
        if lease is None or lease.holder != holder:
            return False
        self._lend(number, holder, now + seconds)
        return True

    def forget(self, holder: str) -> None:
        """A holder is dead."""
        self._leases = {number: lease for number, lease in self._leases.items() if lease.holder != holder}
        for key in [key for key in self._waiting if key[0] == holder]:
            del self._waiting[key]

    def lapse(self, now: float) -> bool:
        """Drop leases whose time is over; true when nothing is left. `serve` must follow."""
        while self._ends and self._ends[0] <= now:
            heapq.heappop(self._ends)
        self._leases = {number: lease for number, lease in self._leases.items() if lease.until > now}
        return self.empty

    def serve(self, limit: int, now: float, numbers: Iterator[int]) -> list[Granted]:
        """Grant what there is room for, in order."""
        told = []
        while self._waiting and len(self._leases) < limit:
            (holder, request), wait = self._waiting.popitem(last=False)
            number = next(numbers) if wait.until > now else 0
            if number:
                self._lend(number, holder, now + wait.seconds)
            told.append(Granted(holder, request, number))
        return told

    def send_away(self, now: float) -> list[Granted]:
        """Those whose wait is over."""
        late = [key for key, wait in self._waiting.items() if wait.until <= now]
        for key in late:
            del self._waiting[key]
        return [Granted(holder, request, 0) for holder, request in late]

    def to_row(self) -> list[Any]:
        """As JSON has it, times as they are."""
        return [list(self._leases.values()), [[*key, *wait] for key, wait in self._waiting.items()]]

    @classmethod
    def from_row(cls, row: list[Any]) -> Leases:
        """What `to_row` gave."""
        found = cls()
        leases, waiting = row
        found._leases = {number: Lease(number, holder, until) for number, holder, until in leases}
        for holder, request, until, seconds in waiting:
            found._waiting[holder, request] = _Wait(until, seconds)
        found._renew_ends()
        return found

    def _lend(self, number: int, holder: str, until: float) -> None:
        self._leases[number] = Lease(number, holder, until)
        self._time(until)

    def _time(self, until: float) -> None:
        heapq.heappush(self._ends, until)
        if len(self._ends) > 2 * (len(self._leases) + len(self._waiting)) + 64:
            self._renew_ends()

    def _renew_ends(self) -> None:
        self._ends = [lease.until for lease in self._leases.values()]
        self._ends += [wait.until for wait in self._waiting.values()]
        heapq.heapify(self._ends)

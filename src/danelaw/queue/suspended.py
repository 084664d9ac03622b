"""Suspensions at a gate: which queues they stop, who waits for their end, and the one that probes afterwards."""

from __future__ import annotations

import heapq
import math
from collections import OrderedDict
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Generic, TypeVar

from danelaw.errors import DanelawError
from danelaw.queue.permits import Ceiling, Granted, PermitKey, PermitLedger, Refused
from danelaw.queue.suspensions import MOST, Suspension

if TYPE_CHECKING:
    from danelaw.queue.values import RoutingKey

SUSPENSION = "suspension"
ANYTHING = Ceiling()
T = TypeVar("T")


class Suspended(Generic[T]):
    """The suspensions in force. A queue that one names waits until it ends; then one probes, and when the host took
    that well the others follow. `T` is what stands for a waiting queue; `ticks` is the monotonic clock, `clock` gives
    POSIX seconds.
    """

    def __init__(self, ticks: Callable[[], float], clock: Callable[[], float]) -> None:
        self.version = 0
        self._ticks = ticks
        self._clock = clock
        self._ledger = PermitLedger(lambda key: ANYTHING)
        self._all: dict[str, Suspension] = {}
        self._lines: dict[PermitKey, OrderedDict[RoutingKey, T]] = {}
        self._timers: list[tuple[float, PermitKey]] = []
        self._timed: dict[PermitKey, float] = {}
        self._stirred: dict[PermitKey, None] = {}

    # set and ended

    def suspend(self, one: Suspension) -> None:
        """Until it ends; replaces one with the same filter. Raises `DanelawError` when there are too many."""
        if one.filter.text not in self._all and len(self._all) >= MOST:
            raise DanelawError(f"{MOST} suspensions are in force", advice="danelaw queue resume FILTER")
        self._all[one.filter.text] = one
        self._ledger.suspend(_key(one.filter.text), self._ticks() + max(0.0, one.until - self._clock()))
        self.version += 1

    def resume(self, text: str) -> bool:
        """End one; False when there is none with this filter."""
        if self._all.pop(text, None) is None:
            return False
        self._ledger.resume(_key(text))
        self.version += 1
        self._stirred[_key(text)] = None
        return True

    def in_force(self) -> tuple[Suspension, ...]:
        """Those in force, after dropping those that ended: with a probe taken well, or an hour ago without any mail."""
        now, ticks = self._clock(), self._ticks()
        for text, one in list(self._all.items()):
            key = _key(text)
            probed = self._ledger.allowed(key) == math.inf and self._ledger.free(key, ticks)
            if one.until <= now and (probed or (one.until < now - 3600 and key not in self._lines)):
                self.resume(text)
        return tuple(one for one in self._all.values() if one.until > now)

    # for the gate

    def keys(self, key: RoutingKey, site: str) -> tuple[PermitKey, ...]:
        """What a queue needs permits of besides its limits."""
        return tuple(_key(text) for text, one in self._all.items() if one.names(key, site)) if self._all else ()

    def closed(self, keys: Iterable[PermitKey]) -> PermitKey | None:
        """The first of these that lets nobody pass now."""
        now = self._ticks()
        return next((key for key in keys if not self._ledger.free(key, now)), None)

    def take(self, holder: int, keys: tuple[PermitKey, ...]) -> Granted | Refused:
        """Let a delivery pass, or say which of them does not."""
        return self._ledger.acquire(holder, keys, self._ticks())

    def done(self, holder: int, keys: tuple[PermitKey, ...], serial: int, good: bool | None) -> None:
        """A delivery that was let pass has ended; `serial` is that of its beginning."""
        if good is not None:
            self._stirred.update(dict.fromkeys(self._ledger.answered(keys, serial, good=good)))
        self._stirred.update(dict.fromkeys(self._ledger.release(holder, keys, self._ticks())))

    def park(self, key: PermitKey, queue: RoutingKey, waiting: T) -> None:
        """A queue waits for the end of a suspension."""
        self._lines.setdefault(key, OrderedDict())[queue] = waiting
        self._stirred[key] = None

    def unpark(self, key: PermitKey, queue: RoutingKey) -> None:
        """It does so no longer."""
        line = self._lines.get(key)
        if line is not None:
            line.pop(queue, None)
            if not line:
                del self._lines[key]

    def stir(self, key: PermitKey) -> None:
        """Somebody who was woken does not go: the next one may."""
        self._stirred[key] = None

    def woken(self) -> list[tuple[PermitKey, T]]:
        """Who may go on, and by which key. One at a time while one probes, else all."""
        if not self._stirred and not self._timers:
            return []
        now = self._ticks()
        while self._timers and self._timers[0][0] <= now:
            _, key = heapq.heappop(self._timers)
            self._timed.pop(key, None)
            self._stirred[key] = None
        woken: list[tuple[PermitKey, T]] = []
        stirred, self._stirred = self._stirred, {}
        for key in stirred:
            line = self._lines.get(key)
            if line is None:
                continue
            if not self._ledger.free(key, now):
                when = self._ledger.room_at(key, now)
                if when is not None and when < self._timed.get(key, math.inf):
                    self._timed[key] = when
                    heapq.heappush(self._timers, (when, key))
                continue
            chosen = list(line.items()) if self._ledger.allowed(key) == math.inf else [next(iter(line.items()))]
            for queue, waiting in chosen:
                self.unpark(key, queue)
                woken.append((key, waiting))
        return woken

    def next_wakeup(self) -> float | None:
        """When time alone lets somebody in (monotonic seconds)."""
        while self._timers and self._timers[0][1] not in self._lines:
            self._timed.pop(heapq.heappop(self._timers)[1], None)
        return self._timers[0][0] if self._timers else None

    def reason(self, key: PermitKey) -> str:
        """Why a queue waits, in words."""
        one = self._all.get(key.subject[0])
        return f"suspended: {one.because or one.filter.text}" if one is not None else "a suspension has just ended"

    def waiting(self) -> list[tuple[RoutingKey, PermitKey]]:
        """Every queue that waits for the end of a suspension."""
        return [(queue, key) for key, line in self._lines.items() for queue in line]


def _key(text: str) -> PermitKey:
    return PermitKey(SUSPENSION, "", (text,))

"""Slow-downs: a destination that complains gets a fraction of the mail it got, and more again step by step.

A slow-down keeps a *share* of what was under way when the destination complained: 0.5 is half. The share grows back
with time by equal steps until it is whole at the end (additive increase); a further complaint multiplies it again
(multiplicative decrease), down to a floor. What is allowed is a number of deliveries at once that need not be whole:
with 1.5 two may be under way, and each keeps its place for a third longer than it took. So a destination that gets all
its mail over one connection is slowed down as well as one that gets it over twenty, and no rate needs to be known.

Brakes are asked by the scheduler before the gate. Pure: times are POSIX seconds and arguments.
"""

from __future__ import annotations

import heapq
import json
import math
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, NamedTuple

from danelaw.queue.values import RoutingKey

if TYPE_CHECKING:
    from danelaw.queue.pages import VirtualQueue, Work

MOST = 1000
"""How many slow-downs may be in force."""
_SITES = 20_000


@dataclass(frozen=True, slots=True)
class SlowDown:
    """One slow-down of all queues to a site, or of one next hop (`of` is `site` or `domain`, `name` which).

    `full` is how many deliveries were under way at once before it, `share` what was left of them at `begun`.
    """

    of: str
    name: str
    full: float
    share: float
    begun: float
    until: float
    because: str = ""
    who: str = ""

    @property
    def text(self) -> str:
        """The filter that names its queues."""
        return f'{"site" if self.of == "site" else "host"}:"{self.name}"'

    def share_at(self, now: float) -> float:
        """What is left at this time: 1 is everything."""
        if now >= self.until:
            return 1.0
        return self.share + (1.0 - self.share) * max(0.0, now - self.begun) / (self.until - self.begun)

    def again(self, now: float, factor: float, floor: float, seconds: float) -> SlowDown:
        """The same after a further complaint."""
        return replace(
            self, share=max(floor, self.share_at(now) * factor), begun=now, until=max(self.until, now + seconds)
        )


class Held(NamedTuple):
    """A queue that a slow-down keeps waiting, for people."""

    key: RoutingKey
    reason: str


@dataclass(slots=True, eq=False)
class _Brake:
    """A slow-down in force: how many places are taken, which become free by time, and who waits."""

    slow: SlowDown
    busy: int = 0
    freed: list[float] = field(default_factory=list)
    parked: OrderedDict[RoutingKey, VirtualQueue] = field(default_factory=OrderedDict)

    def allowed(self, now: float) -> float:
        return max(1e-3, self.slow.full * self.slow.share_at(now))

    def room(self, now: float) -> bool:
        while self.freed and self.freed[0] <= now:
            heapq.heappop(self.freed)
        return self.busy + len(self.freed) < math.ceil(self.allowed(now) - 1e-9)

    def grown(self, now: float) -> float:
        """When the share has grown by enough for one more place."""
        slow, allowed = self.slow, self.allowed(now)
        each = (slow.until - slow.begun) / max(1e-9, slow.full * (1.0 - slow.share))
        return now + max(0.05, (math.ceil(allowed - 1e-9) - allowed) * each + 0.01)

    def ended(self, seconds: float, now: float) -> None:
        """A delivery is over that took so long; its place stays taken for as long as makes up for what is missing."""
        self.busy -= 1
        allowed = self.allowed(now)
        stretch = seconds * (math.ceil(allowed - 1e-9) / allowed - 1.0)
        if stretch > 0:
            heapq.heappush(self.freed, min(now + stretch, self.slow.until))


class Brakes:
    """All slow-downs of one scheduler."""

    def __init__(self) -> None:
        self._brakes: dict[tuple[str, str], _Brake] = {}
        self._sites: OrderedDict[RoutingKey, str] = OrderedDict()
        self._running: dict[int, tuple[float, tuple[_Brake, ...]]] = {}
        self._parked: dict[RoutingKey, _Brake] = {}
        self._released: list[VirtualQueue] = []

    # setting them

    def slow(self, wanted: SlowDown, factor: float, floor: float, under_way: Iterable[RoutingKey]) -> SlowDown:
        """Slow down, or further down: gives what is in force now. `wanted` says what, since when, until when and why;
        `under_way` are the keys of all deliveries under way now.
        """
        name = (wanted.of, wanted.name)
        brake = self._brakes.get(name)
        if brake is None:
            if len(self._brakes) >= MOST:
                self.release(*next(iter(self._brakes)))
            full = float(max(1, sum(self._names(name, key) for key in under_way)))
            brake = self._brakes[name] = _Brake(replace(wanted, full=full, share=max(floor, factor)))
        else:
            # Several complaints about what was under way together are one.
            again = brake.slow.again(wanted.begun, factor, floor, wanted.until - wanted.begun)
            brake.slow = replace(again, because=wanted.because, who=wanted.who)
        return brake.slow

    def follow(self, slow: SlowDown, now: float, under_way: Iterable[RoutingKey]) -> bool:
        """Leave no larger share here than is left elsewhere; `slow.full` does not count. True when that changed
        anything.
        """
        name = (slow.of, slow.name)
        brake = self._brakes.get(name)
        if brake is None:
            self.slow(slow, slow.share, slow.share, under_way)
            return True
        if slow.share_at(now) >= brake.slow.share_at(now):
            return False
        brake.slow = replace(slow, full=brake.slow.full)
        return True

    def restore(self, slow: SlowDown) -> None:
        """One that was in force before a restart."""
        self._brakes[slow.of, slow.name] = _Brake(slow)

    def release(self, of: str, name: str) -> bool:
        """End one; False when there is none. The queues that waited for it are woken."""
        brake = self._brakes.pop((of, name), None)
        if brake is None:
            return False
        for key in brake.parked:
            del self._parked[key]
        self._released += brake.parked.values()
        return True

    def in_force(self, now: float) -> list[SlowDown]:
        """Those that have not ended."""
        return [brake.slow for brake in self._brakes.values() if brake.slow.until > now]

    def belongs(self, key: RoutingKey, site: str) -> None:
        """The mail of this queue goes to this MX site."""
        self._sites[key] = site
        self._sites.move_to_end(key)
        if len(self._sites) > _SITES:
            self._sites.popitem(last=False)

    # the scheduler asks

    def admits(self, queue: VirtualQueue, now: float) -> bool:
        """True when the queue may start a delivery; otherwise it waits here until `woken` gives it."""
        if not self._brakes:
            return True
        self.left(queue.key)
        for brake in self._of(queue.key):
            if brake.slow.until > now and not brake.room(now):
                brake.parked[queue.key] = queue
                self._parked[queue.key] = brake
                return False
        return True

    def began(self, work: Work, now: float) -> None:
        """A delivery was begun."""
        brakes = tuple(self._of(work.key)) if self._brakes else ()
        if brakes:
            self._running[work.serial] = (now, brakes)
            for brake in brakes:
                brake.busy += 1

    def ended(self, work: Work, now: float) -> None:
        """A delivery is over."""
        running = self._running.pop(work.serial, None) if self._running else None
        if running is not None:
            for brake in running[1]:
                brake.ended(max(0.0, now - running[0]), now)

    def waits(self, key: RoutingKey) -> bool:
        """True while the queue waits here."""
        return key in self._parked

    def left(self, key: RoutingKey) -> None:
        """The queue has nothing to send, or sleeps."""
        brake = self._parked.pop(key, None)
        if brake is not None:
            brake.parked.pop(key, None)

    def woken(self, now: float) -> list[VirtualQueue]:
        """Queues that may ask again, one for each that has room; slow-downs whose time is over end."""
        woken, self._released = self._released, []
        for name, brake in list(self._brakes.items()) if self._brakes else ():
            if brake.slow.until <= now:
                self.release(*name)
            elif brake.parked and brake.room(now):
                key, queue = brake.parked.popitem(last=False)
                del self._parked[key]
                woken.append(queue)
        if self._released:
            woken, self._released = woken + self._released, []
        return woken

    def next_wakeup(self, now: float) -> float | None:
        """When time alone lets somebody go on; None when nobody waits."""
        times = [now] if self._released else []
        for brake in self._brakes.values():
            if not brake.parked:
                continue
            if brake.room(now):
                return now
            times.append(min(brake.freed[0] if brake.freed else math.inf, brake.grown(now), brake.slow.until))
        return min(times, default=None)

    def waiting(self, now: float) -> list[Held]:
        """Every queue that waits here, and for what, in words."""
        return [Held(key, words(brake.slow, now)) for key, brake in self._parked.items()]

    def _of(self, key: RoutingKey) -> list[_Brake]:
        found = [self._brakes.get(("domain", key.next_hop))]
        site = self._sites.get(key)
        if site:
            found.append(self._brakes.get(("site", site)))
        return [brake for brake in found if brake is not None]

    def _names(self, name: tuple[str, str], key: RoutingKey) -> bool:
        of, value = name
        return key.next_hop == value if of == "domain" else self._sites.get(key) == value


def words(slow: SlowDown, now: float) -> str:
    """Why a queue waits."""
    return f"slowed down to {slow.share_at(now):.0%}: {slow.because or slow.text}"


def encode(slow_downs: Iterable[SlowDown]) -> bytes:
    """For storing across restarts."""
    rows = [[one.of, one.name, one.full, one.share, one.begun, one.until, one.because, one.who] for one in slow_downs]
    return json.dumps(rows).encode()


def decode(stored: bytes | None, now: float) -> tuple[SlowDown, ...]:
    """What `encode` gave, without those that have ended. Raises `ValueError` for anything else."""
    if not stored:
        return ()
    try:
        found = [
            SlowDown(str(of), str(name), float(full), float(share), float(begun), float(until), str(why), str(who))
            for of, name, full, share, begun, until, why, who in json.loads(stored)
        ]
    except TypeError as error:
        raise ValueError(str(error)) from None
    return tuple(one for one in found if one.until > now and one.begun <= now)

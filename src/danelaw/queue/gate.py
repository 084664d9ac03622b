"""The gate between the scheduler and the permits: which queue may start a delivery, who waits for what, who is next.

A refused queue parks on the key that had no room and is woken when that key has room again: first come, first served,
and nobody overtakes. One waiter is woken at a time; once it was dealt with, taken or parked elsewhere, the next one is,
while there is room, so no permit lies idle while somebody waits for it, and no release costs more than one look.

Suspensions are keys too: everything a suspension's filter names needs its permit, and gets none until it ends.
"""

from __future__ import annotations

import heapq
import math
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import islice
from typing import NamedTuple

from danelaw.errors import DanelawError
from danelaw.queue.limits import ANYTHING, Allowance, Limits, Subject
from danelaw.queue.pages import HostVerdict, VirtualQueue
from danelaw.queue.permits import Ceiling, Granted, PermitBroker, PermitKey, Refused
from danelaw.queue.suspensions import MOST, Suspension
from danelaw.queue.values import RoutingKey

SUSPENSION = "suspension"
NOTHING = Allowance()
_LOOKED_AT = 10_000


@dataclass(slots=True, eq=False)
class _Held:
    """What one delivery holds."""

    state: GateState
    keys: list[PermitKey]
    serial: int


@dataclass(slots=True, eq=False)
class GateState:
    """What the gate knows of one queue: what its deliveries need, as far as known, and what it waits for."""

    queue: VirtualQueue
    subject: Subject
    allowance: Allowance = NOTHING
    version: int = -1
    cleared: tuple[str, str] | None = None
    parked_on: PermitKey | None = None
    woken_by: PermitKey | None = None


class Waiting(NamedTuple):
    """A queue that a limit or a suspension keeps waiting, for people."""

    key: RoutingKey
    reason: str


@dataclass(slots=True)
class Gate:
    """All limits of one process. `ticks` is the monotonic clock, `clock` gives POSIX seconds, `site_of` the site of a
    host.
    """

    limits: Limits
    ticks: Callable[[], float]
    clock: Callable[[], float]
    site_of: Callable[[str], str]
    broker: PermitBroker = field(init=False)
    _states: dict[RoutingKey, GateState] = field(default_factory=dict)
    _held: dict[int, _Held] = field(default_factory=dict)
    _parked: dict[PermitKey, OrderedDict[RoutingKey, GateState]] = field(default_factory=dict)
    _timers: list[tuple[float, PermitKey]] = field(default_factory=list)
    _timed: dict[PermitKey, float] = field(default_factory=dict)
    _stirred: dict[PermitKey, None] = field(default_factory=dict)
    _suspensions: dict[str, Suspension] = field(default_factory=dict)
    _learned: dict[RoutingKey, str] = field(default_factory=dict)
    _version: int = 0

    def __post_init__(self) -> None:
        self.broker = PermitBroker(self._ceiling)

    def _ceiling(self, key: PermitKey) -> Ceiling:
        return ANYTHING if key.rule == SUSPENSION else self.limits.ceiling(key, self.clock())

    # the scheduler asks

    def admits(self, queue: VirtualQueue, holder: int) -> bool:
        """True when the queue may start a delivery called `holder` now; otherwise it waits here until it is woken."""
        state = self._state(queue)
        keys = state.allowance.keys
        if not keys:
            return True
        woken_by, state.woken_by = state.woken_by, None
        # Whoever was woken is first in line, and must not queue again: two lines could send their heads to each other.
        refused = self._line(keys) if woken_by is None else None
        if refused is None:
            answer = self.broker.acquire(holder, keys, self.ticks())
            if isinstance(answer, Granted):
                self._held[holder] = _Held(state, list(keys), answer.serial)
            else:
                refused = answer
        if woken_by is not None:
            self._stirred[woken_by] = None
        if refused is not None:
            self._park(state, refused)
        return refused is None

    def _line(self, keys: Iterable[PermitKey]) -> Refused | None:
        """The first key others already wait for: nobody overtakes them."""
        for key in keys:
            if key in self._parked:
                self._stirred[key] = None
                return Refused(key, None)
        return None

    def recipients(self, queue: VirtualQueue) -> int | None:
        """How many recipients one transaction of this queue may have; None for any number."""
        return self._state(queue).allowance.recipients

    def waits(self, queue: VirtualQueue) -> bool:
        """True while the queue is parked."""
        state = self._states.get(queue.key)
        return state is not None and state.parked_on is not None

    def left(self, queue: VirtualQueue) -> None:
        """The queue has nothing to send, or may not: it waits for nothing, and the next one may be woken instead."""
        state = self._states.get(queue.key)
        if state is not None:
            self._unpark(state)
            if state.woken_by is not None:
                self._stirred[state.woken_by] = None
                state.woken_by = None

    def forget(self, key: RoutingKey) -> None:
        """The queue is evicted from memory."""
        self._states.pop(key, None)

    def woken(self) -> list[VirtualQueue]:
        """Queues that may ask again; call it until it gives none."""
        if not self._stirred and not self._timers:
            return []
        now = self.ticks()
        while self._timers and self._timers[0][0] <= now:
            _, key = heapq.heappop(self._timers)
            self._timed.pop(key, None)
            self._stirred[key] = None
        woken = []
        stirred, self._stirred = self._stirred, {}
        for key in stirred:
            waiting = self._parked.get(key)
            if waiting is None:
                continue
            if not self.broker.free(key, now):
                self._time(key, now)
                continue
            state = next(iter(waiting.values()))
            self._unpark(state)
            state.woken_by = key
            woken.append(state.queue)
        return woken

    def next_wakeup(self) -> float | None:
        """Seconds until time alone wakes somebody; None when nothing but a release does."""
        while self._timers and self._timers[0][1] not in self._parked:
            self._timed.pop(heapq.heappop(self._timers)[1], None)
        return max(0.0, self._timers[0][0] - self.ticks()) if self._timers else None

    # a delivery goes on

    def connect(
        self, holder: int, key: RoutingKey, mx: str, remote: str, local: str, *, new: bool
    ) -> Allowance | Refused:
        """Before a host is used: the permits of the limits that name it, `new` for those of a new connection too.

        When refused, nothing may be sent: give the delivery back with `Scheduler.postponed`.
        """
        state = self._states[key]
        if state.cleared == (mx, remote) and state.version == self._version:
            return state.allowance
        subject = state.subject
        if (subject.mx, subject.remote, subject.local) != (mx, remote, local):
            site = self.site_of(mx)
            if site != subject.site:
                self._learned[key] = site
            state.subject, state.version = subject._replace(site=site, mx=mx, remote=remote, local=local), -1
        if state.version != self._version:
            self._resolve(state)
        allowance = state.allowance
        state.cleared = (mx, remote) if not allowance.keys and not allowance.connect else None
        if state.cleared is not None:
            return allowance
        held = self._held.setdefault(holder, _Held(state, [], 0))
        wanted = [one for one in allowance.keys if one not in held.keys]
        now = self.ticks()
        if wanted:
            answer = self.broker.acquire(holder, wanted, now)
            if isinstance(answer, Refused):
                return answer
            held.keys += wanted
            held.serial = answer.serial
        if new and allowance.connect:
            answer = self.broker.acquire(holder, allowance.connect, now)
            if isinstance(answer, Refused):
                return answer
            self.broker.release(holder, allowance.connect, now)
        return allowance

    def learned(self) -> dict[RoutingKey, str]:
        """Queues whose MX site became known since the last call, to be stored for filters."""
        learned, self._learned = self._learned, {}
        return learned

    def finished(self, holder: int, verdict: HostVerdict) -> None:
        """A delivery is over: its permits go back, and adaptive limits learn from how the host took it."""
        held = self._held.pop(holder, None)
        if held is None:
            return
        # A host that takes no connection (421 in place of a greeting) also says that it is too much.
        if held.keys and verdict is not HostVerdict.UNKNOWN:
            wider = self.broker.answered(held.keys, held.serial, good=verdict is HostVerdict.GOOD)
            self._stirred.update(dict.fromkeys(wider))
        self._stirred.update(dict.fromkeys(self.broker.release(holder, held.keys, self.ticks())))

    def postponed(self, queue: VirtualQueue, holder: int, refused: Refused) -> None:
        """A delivery was refused on its way: it gives back what it holds, and its queue waits for what it lacked."""
        self.finished(holder, HostVerdict.UNKNOWN)
        state = self._state(queue)
        if state.parked_on is None:
            self._park(state, refused)

    # suspensions

    def suspend(self, suspension: Suspension) -> None:
        """Start nothing for the queues it names until it ends; replaces one with the same filter.

        Raises `DanelawError` when there are too many.
        """
        if suspension.filter.text not in self._suspensions and len(self._suspensions) >= MOST:
            raise DanelawError(f"{MOST} suspensions are in force", advice="danelaw queue resume FILTER")
        self._suspensions[suspension.filter.text] = suspension
        key = PermitKey(SUSPENSION, "", (suspension.filter.text,))
        until = self.ticks() + max(0.0, suspension.until - self.clock())
        self.broker.suspend(key, until)
        self._version += 1

    def matching(self, suspension: Suspension) -> int:
        """How many of the queues known now it names, looked at no further than an act may take."""
        known = islice(self._states.values(), _LOOKED_AT)
        return sum(suspension.names(state.queue.key, state.subject.site) for state in known)

    def resume(self, text: str) -> bool:
        """End a suspension; False when there is none with this filter."""
        if self._suspensions.pop(text, None) is None:
            return False
        key = PermitKey(SUSPENSION, "", (text,))
        self.broker.resume(key)
        self._version += 1
        self._stirred[key] = None
        return True

    def suspensions(self) -> tuple[Suspension, ...]:
        """Those in force, after dropping those that ended: with a probe taken well, or an hour ago without any mail."""
        now, ticks = self.clock(), self.ticks()
        for text, one in list(self._suspensions.items()):
            key = PermitKey(SUSPENSION, "", (text,))
            probed = self.broker.allowed(key) == math.inf and self.broker.free(key, ticks)
            if one.until <= now and (probed or (one.until < now - 3600 and key not in self._parked)):
                self.resume(text)
        return tuple(one for one in self._suspensions.values() if one.until > now)

    # people look

    def waiting(self) -> list[Waiting]:
        """Every queue that waits here, and for what."""
        return [Waiting(key, self.reason(name)) for name, states in self._parked.items() for key in states]

    def reason(self, key: PermitKey) -> str:
        """Why a key has no room, in words."""
        if key.rule == SUSPENSION:
            one = self._suspensions.get(key.subject[0])
            return f"suspended: {one.because or one.filter.text}" if one is not None else "a suspension has just ended"
        allowed = self.broker.allowed(key)
        ceiling = self._ceiling(key)
        if allowed < math.inf and self.broker.in_use(key) >= allowed:
            return f"limit {key.to_text()}: {allowed:.0f} at once"
        return f"limit {key.to_text()}: {ceiling.rate.to_text()}" if ceiling.rate else f"limit {key.to_text()}"

    # inside

    def _state(self, queue: VirtualQueue) -> GateState:
        state = self._states.get(queue.key)
        if state is None or state.queue is not queue:
            state = self._states[queue.key] = GateState(queue, subject_of(queue.key))
        if state.version != self._version:
            self._resolve(state)
        return state

    def _resolve(self, state: GateState) -> None:
        state.version = self._version
        allowance = self.limits.of(state.subject)
        key = state.queue.key
        held_up = [
            PermitKey(SUSPENSION, "", (text,))
            for text, one in self._suspensions.items()
            if one.names(key, state.subject.site)
        ]
        state.allowance = allowance._replace(keys=(*held_up, *allowance.keys)) if held_up else allowance

    def _park(self, state: GateState, refused: Refused) -> None:
        state.parked_on = refused.key
        self._parked.setdefault(refused.key, OrderedDict())[state.queue.key] = state
        self._stirred[refused.key] = None

    def _time(self, key: PermitKey, now: float) -> None:
        """Somebody waits for a key without room: where time will make room, look again then."""
        when = self.broker.room_at(key, now)
        if when is not None and when < self._timed.get(key, math.inf):
            self._timed[key] = when
            heapq.heappush(self._timers, (when, key))

    def _unpark(self, state: GateState) -> None:
        key, state.parked_on = state.parked_on, None
        if key is not None:
            waiting = self._parked[key]
            del waiting[state.queue.key]
            if not waiting:
                del self._parked[key]


def subject_of(key: RoutingKey) -> Subject:
    """What is known of a queue's mail before a host is chosen."""
    hop = key.next_hop
    if hop.startswith("["):
        return Subject(hop[1:].partition("]")[0], key.tenant, "fixed")
    return Subject(hop.partition(":")[0], key.tenant, "mx")

"""The store against a naive model, over any history of operations, deaths and time."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from danelaw.shared import LATER, Kind, Request, Space, Store, everything, lines, restore, restore_file

_KEYS = st.sampled_from(["a", "b", "c"])
_MEMBERS = st.sampled_from(["x", "y", "z"])
_HOLDERS = st.sampled_from(["w1", "w2"])
_EXPIRES = st.none() | st.integers(1, 20)
_LIMIT = 5
_SPAN = 16.0


class Naive(RuleBasedStateMachine):
    """Plain dictionaries and lists that are searched as a whole each time."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.store = Store()
        for space in (
            Space("counter", Kind.COUNTER),
            Space("set", Kind.SET),
            Space("value", Kind.VALUE),
            Space("rate", Kind.RATE, limit=_LIMIT, span=_SPAN),
            Space("semaphore", Kind.SEMAPHORE, limit=2, lease=10.0),
        ):
            self.store.declare(space, self.now)
        self.counters: dict[str, tuple[int, float]] = {}
        self.members: dict[tuple[str, str], float] = {}
        self.values: dict[str, tuple[str, float]] = {}
        self.events: dict[str, list[float]] = {}
        self.leases: dict[int, tuple[str, str, float]] = {}
        self.number = 0
        self.grids = 1  # each restart has slots that begin elsewhere, and rounds up once more

    def ask(self, code: str, space: str, key: str, *args: Any, holder: str = "w1") -> Any:
        self.number += 1
        return self.store.perform(holder, Request(self.number, code, space, key, args), self.now)

    def until(self, expires: int | None) -> float:
        return math.inf if expires is None else self.now + expires

    @rule(seconds=st.floats(0.1, 8.0))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def time_works(self) -> None:
        self.store.look(self.now)

    @rule(key=_KEYS, by=st.integers(-3, 3), expires=_EXPIRES, prolong=st.booleans())
    def add(self, key: str, by: int, expires: int | None, prolong: bool) -> None:
        total, end = self.counters.get(key, (0, -1.0))
        fresh = end <= self.now
        total = by if fresh else total + by
        self.counters[key] = (total, self.until(expires) if fresh or prolong else end)
        assert self.ask("add", "counter", key, by, expires, prolong) == total

    @rule(key=_KEYS)
    def count(self, key: str) -> None:
        total, end = self.counters.get(key, (0, -1.0))
        assert self.ask("count", "counter", key) == (total if end > self.now else 0)

    @rule(key=_KEYS, member=_MEMBERS, expires=_EXPIRES)
    def join(self, key: str, member: str, expires: int | None) -> None:
        fresh = self.members.get((key, member), -1.0) <= self.now
        self.members[key, member] = self.until(expires)
        assert self.ask("join", "set", key, member, expires) is fresh

    @rule(key=_KEYS, member=_MEMBERS)
    def leave(self, key: str, member: str) -> None:
        there = self.members.pop((key, member), -1.0) > self.now
        assert self.ask("leave", "set", key, member) is there

    @rule(key=_KEYS)
    def members_are_those(self, key: str) -> None:
        expected = sorted(one for (of, one), end in self.members.items() if of == key and end > self.now)
        assert self.ask("members", "set", key, "", 10) == expected
        assert self.ask("size", "set", key) == len(expected)

    @rule(key=_KEYS, expected=st.none() | st.sampled_from(["1", "2"]), text=st.none() | st.sampled_from(["1", "2"]))
    def swap(self, key: str, expected: str | None, text: str | None) -> None:
        found, end = self.values.get(key, ("", -1.0))
        there = found if end > self.now else None
        done = there == expected
        if done and text is None:
            self.values.pop(key, None)
        elif done and text is not None:
            self.values[key] = (text, self.now + 7)
        assert self.ask("swap", "value", key, expected, text, 7) == [done, text if done else there]

    @rule(key=_KEYS, number=st.integers(1, 3))
    def take(self, key: str, number: int) -> None:
        """Never more than the limit in any stretch; and what is older than a span and a slot is forgotten."""
        events = self.events.setdefault(key, [])
        allowed, retry_after = self.ask("take", "rate", key, number, None)
        lately = sum(1 for one in events if one > self.now - _SPAN)
        in_slots = sum(1 for one in events if one > self.now - _SPAN - _SPAN / 16 * self.grids)
        if allowed:
            events += [self.now] * number
            assert lately + number <= _LIMIT
        else:
            assert in_slots + number > _LIMIT
            assert 0 < retry_after <= _SPAN + _SPAN / 16 * self.grids

    @rule(key=_KEYS, holder=_HOLDERS, seconds=st.integers(1, 10))
    def acquire(self, key: str, holder: str, seconds: int) -> None:
        held = [end for of, _, end in self.leases.values() if of == key and end > self.now]
        number, _ = self.ask("acquire", "semaphore", key, seconds, 0, holder=holder)
        assert bool(number) is (len(held) < 2)
        if number:
            self.leases[number] = (key, holder, self.now + seconds)

    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        if self.leases:
            number = data.draw(st.sampled_from(sorted(self.leases)))
            key, holder, end = self.leases.pop(number)
            assert self.ask("release", "semaphore", key, number, holder=holder) is (end > self.now)

    @rule(holder=_HOLDERS)
    def die(self, holder: str) -> None:
        self.leases = {number: one for number, one in self.leases.items() if one[1] != holder}
        self.store.forget(holder, self.now)

    @rule(away=st.floats(0.0, 10.0))
    def restart(self, away: float) -> None:
        """Through the file, with a clock that begins anew; semaphores are free then."""
        octets = b"".join(lines(self.store, self.now, 5e8))
        fresh = Store()
        shift = 1e6 + away
        restore_file(fresh, octets, self.now + shift, 5e8 + away)
        # The model keeps its clock; what it holds came closer by the time away.
        fresh_now = self.now + shift
        self.counters = {key: (total, end + shift - away) for key, (total, end) in self.counters.items()}
        self.members = {key: end + shift - away for key, end in self.members.items()}
        self.values = {key: (text, end + shift - away) for key, (text, end) in self.values.items()}
        self.events = {key: [one + shift - away for one in events] for key, events in self.events.items()}
        self.leases = {}
        self.grids += 1
        self.store, self.now = fresh, fresh_now
        for name, kind in (("counter", Kind.COUNTER), ("set", Kind.SET), ("value", Kind.VALUE)):
            self.store.declare(Space(name, kind), self.now)
        self.store.declare(Space("rate", Kind.RATE, limit=_LIMIT, span=_SPAN), self.now)
        self.store.declare(Space("semaphore", Kind.SEMAPHORE, limit=2, lease=10.0), self.now)

    @rule()
    def hand_on(self) -> None:
        """To the program that follows in the same process: nothing is lost."""
        state = everything(self.store)
        fresh = Store()
        restore(fresh, state["rows"], self.now)
        fresh.last_lease = state["lease"]
        self.store = fresh

    @invariant()
    def octets_are_accounted_for(self) -> None:
        assert self.store.budget.used == sum(shelf.octets for shelf in self.store.shelves.values())
        assert all(shelf.octets > 0 or not len(shelf) for shelf in self.store.shelves.values())


class Waiting(RuleBasedStateMachine):
    """One semaphore with room for two, and who waits for it: first come, first served, over deaths and time."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.store = Store()
        self.store.declare(Space("s", Kind.SEMAPHORE, limit=2, lease=10.0), self.now)
        self.leases: dict[int, tuple[str, float]] = {}
        self.line: list[tuple[str, int, float]] = []
        self.number = 0

    def ask(self, code: str, holder: str, *args: Any) -> Any:
        self.number += 1
        return self.store.perform(holder, Request(self.number, code, "s", "k", args), self.now)

    def hear(self) -> None:
        """What the store tells must be what a plain line would."""
        self.leases = {number: one for number, one in self.leases.items() if one[1] > self.now}
        told = {(one.holder, one.request): one.lease for one in self.store.news()}
        for entry in tuple(self.line):
            holder, request, until = entry
            if until <= self.now:
                self.line.remove(entry)
                assert told.pop((holder, request)) == 0
            elif len(self.leases) < 2:
                self.line.remove(entry)
                lease = told.pop((holder, request))
                assert lease
                self.leases[lease] = (holder, self.now + 10)
        assert not told

    @rule(holder=_HOLDERS, wait=st.integers(1, 30))
    def acquire(self, holder: str, wait: int) -> None:
        self.store.look(self.now)
        self.hear()
        result = self.ask("acquire", holder, 10, wait)
        if result is LATER:
            assert len(self.leases) == 2
            self.line.append((holder, self.number, self.now + wait))
        else:
            assert not self.line
            self.leases[result[0]] = (holder, self.now + 10)
        self.hear()

    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        if self.leases:
            number = data.draw(st.sampled_from(sorted(self.leases)))
            holder, end = self.leases.pop(number)
            assert self.ask("release", holder, number) is (end > self.now)
            self.hear()

    @rule(seconds=st.integers(1, 6))
    def time_passes(self, seconds: int) -> None:
        self.now += seconds
        self.store.look(self.now)
        self.hear()

    @rule(holder=_HOLDERS)
    def die(self, holder: str) -> None:
        self.leases = {number: one for number, one in self.leases.items() if one[0] != holder}
        self.line = [one for one in self.line if one[0] != holder]
        self.store.forget(holder, self.now)
        self.hear()


TestNaive = Naive.TestCase
TestNaive.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestWaiting = Waiting.TestCase
TestWaiting.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)

"""One space with its keys: limits, which key goes when there is no room, and what time does."""

from __future__ import annotations

import heapq
import math
from collections import OrderedDict
from typing import TypeAlias

from danelaw.shared.contents import Members, Text, Total
from danelaw.shared.errors import StoreFull
from danelaw.shared.leases import Leases
from danelaw.shared.spaces import Kind, Space
from danelaw.shared.window import Window

Content: TypeAlias = Total | Text | Members | Window | Leases
KEY_OCTETS = 360
"""What a key counts for beside its own octets and its content: what the tables around it take, measured."""

_MAKE: dict[Kind, type[Total] | type[Members] | type[Window] | type[Leases]] = {
    Kind.COUNTER: Total, Kind.SET: Members, Kind.RATE: Window, Kind.SEMAPHORE: Leases,
}  # fmt: skip


class Budget:
    """The octets that all spaces share."""

    __slots__ = ("most", "used")

    def __init__(self, most: int) -> None:
        self.most = most
        self.used = 0


class Shelf:
    """The keys of one space. Whoever changes what a key holds says so with `changed`."""

    def __init__(self, space: Space, budget: Budget) -> None:
        self.space = space
        self.octets = 0
        self.operations = 0
        self.refused = 0
        self.forgotten = 0
        self._budget = budget
        self._contents: OrderedDict[str, Content] = OrderedDict()
        self._costs: dict[str, int] = {}
        self._timers: list[tuple[float, str]] = []
        self._timed: dict[str, float] = {}

    def __len__(self) -> int:
        """Keys there are."""
        return len(self._contents)

    def __contains__(self, key: str) -> bool:
        """Whether there is such a key; it may be over already."""
        return key in self._contents

    def names(self) -> list[str]:
        """All keys, the one used least recently first where the space forgets."""
        return list(self._contents)

    def get(self, key: str, now: float) -> Content | None:
        """What a key holds at this moment."""
        content = self._contents.get(key)
        if content is None:
            return None
        if content.due <= now:
            # Whoever waits for a semaphore is served by `look`, before its key may go.
            if content.lapse(now) and self.space.kind is not Kind.SEMAPHORE:
                self.drop(key)
                return None
            self.changed(key, content)
        if self.space.forgets:
            self._contents.move_to_end(key)
        return content

    def peek(self, key: str) -> Content | None:
        """What a key holds, without using it."""
        return self._contents.get(key)

    def room(self, key: str, octets: int, now: float) -> None:
        """Make room for so many octets more at a key, which may be new. Raises `StoreFull`."""
        fresh = key not in self._contents
        if fresh:
            octets += KEY_OCTETS + _octets(key)
            if len(self._contents) >= self.space.keys:
                self._tidy(now)
            while len(self._contents) >= self.space.keys:
                self._forget_one(f"space {self.space.name} has its {self.space.keys} keys", key)
        if self._budget.used + octets > self._budget.most:
            self._tidy(now)
        while self._budget.used + octets > self._budget.most:
            self._forget_one(f"shared state has its {self._budget.most} octets", key)

    def make(self, key: str, now: float) -> Content:
        """A new key's content, empty. Raises `StoreFull`."""
        content = _MAKE[self.space.kind]()
        self.room(key, content.octets, now)
        self.put(key, content)
        return content

    def put(self, key: str, content: Content) -> None:
        """A key holds this from now on; `room` was made."""
        self._contents[key] = content
        self.changed(key, content)

    def changed(self, key: str, content: Content) -> None:
        """Account for what a key holds now."""
        cost = KEY_OCTETS + _octets(key) + content.octets
        more = cost - self._costs.get(key, 0)
        if more:
            self._costs[key] = cost
            self.octets += more
            self._budget.used += more
        due = content.due
        if due < self._timed.get(key, math.inf):
            self._timed[key] = due
            heapq.heappush(self._timers, (due, key))
            if len(self._timers) > 2 * len(self._contents) + 64:
                self._timers = [(when, one) for one, when in self._timed.items()]
                heapq.heapify(self._timers)

    def drop(self, key: str) -> None:
        """No such key any more."""
        if self._contents.pop(key, None) is not None:
            self._timed.pop(key, None)
            cost = self._costs.pop(key)
            self.octets -= cost
            self._budget.used -= cost

    def clear(self) -> int:
        """No keys any more; gives how many there were."""
        number = len(self._contents)
        self._budget.used -= self.octets
        self.octets = 0
        for one in (self._contents, self._costs, self._timed, self._timers):
            one.clear()
        return number

    def look(self, now: float, most: int) -> list[str]:
        """Let time work on at most so many keys; gives those where it did, dropped or not."""
        touched: list[str] = []
        for _ in range(most):
            if not self._timers or self._timers[0][0] > now:
                break
            when, key = heapq.heappop(self._timers)
            if self._timed.get(key) != when:
                continue
            del self._timed[key]
            content = self._contents.get(key)
            if content is None:
                continue
            touched.append(key)
            if content.lapse(now):
                self.drop(key)
            else:
                self.changed(key, content)
        return touched

    @property
    def due(self) -> float:
        """When to `look` again."""
        return self._timers[0][0] if self._timers else math.inf

    def _tidy(self, now: float) -> None:
        if self.space.kind is not Kind.SEMAPHORE:
            self.look(now, 100)

    def _forget_one(self, why: str, keep: str) -> None:
        oldest = next((key for key in self._contents if key != keep), None) if self.space.forgets else None
        if oldest is None:
            raise StoreFull(why, advice="declare more keys, or clear some: danelaw state clear")
        self.drop(oldest)
        self.forgotten += 1


def _octets(text: str) -> int:
    return len(text.encode("utf-8", "surrogatepass"))

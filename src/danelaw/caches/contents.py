"""What a cache holds: values with their ends, within limits of number and octets; the value used least recently goes
first. Times are seconds of one steady clock, given by whoever asks.
"""

from __future__ import annotations

import sys
from collections import OrderedDict
from collections.abc import Hashable
from enum import Enum
from typing import Any, NamedTuple

_ENTRY_OCTETS = 200
_DEEPEST = 6


class Age(Enum):
    """How old a value is: within its time, over but still to be had, or gone."""

    FRESH = "fresh"
    STALE = "stale"
    GONE = "gone"


class Failure(NamedTuple):
    """A computation's error, kept in place of a value."""

    error: Exception


class Entry(NamedTuple):
    """One value: until when it is fresh, until when it may be had at all, and what it counts for."""

    value: Any
    fresh_until: float
    until: float
    octets: int

    def age(self, now: float) -> Age:
        """How old it is."""
        return Age.FRESH if now < self.fresh_until else Age.STALE if now < self.until else Age.GONE


class Contents:
    """Values by key."""

    def __init__(self, entries: int, octets: int) -> None:
        self.octets = 0
        self.evicted = 0
        self._most_entries = entries
        self._most_octets = octets
        self._entries: OrderedDict[Hashable, Entry] = OrderedDict()

    def __len__(self) -> int:
        """How many there are, those that are over and have not been looked at since included."""
        return len(self._entries)

    def get(self, key: Hashable, now: float) -> Entry | None:
        """What is there, fresh or stale."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry.age(now) is Age.GONE:
            self.drop(key)
            return None
        self._entries.move_to_end(key)
        return entry

    def put(self, key: Hashable, value: Any, octets: int, fresh_until: float, until: float) -> bool:
        """Keep a value; False for one larger than the cache."""
        self.drop(key)
        octets += _ENTRY_OCTETS
        if octets > self._most_octets or self._most_entries < 1:
            return False
        while len(self._entries) >= self._most_entries or self.octets + octets > self._most_octets:
            _, oldest = self._entries.popitem(last=False)
            self.octets -= oldest.octets
            self.evicted += 1
        self._entries[key] = Entry(value, fresh_until, until, octets)
        self.octets += octets
        return True

    def drop(self, key: Hashable) -> bool:
        """Forget one; True when it was there."""
        entry = self._entries.pop(key, None)
        if entry is None:
            return False
        self.octets -= entry.octets
        return True

    def clear(self) -> int:
        """Forget all; gives how many there were."""
        number = len(self._entries)
        self._entries.clear()
        self.octets = 0
        return number

    def items(self) -> list[tuple[Hashable, Entry]]:
        """All, the one used last first."""
        return list(reversed(self._entries.items()))


def octets_of(value: object, _depth: int = 0) -> int:
    """About how much memory a value takes, with what it holds, some levels deep."""
    if isinstance(value, str | bytes | bytearray | memoryview | int | float | bool | None) or _depth > _DEEPEST:
        return sys.getsizeof(value)
    held: list[object] = []
    if isinstance(value, dict):
        held = [*value, *value.values()]
    elif isinstance(value, list | tuple | set | frozenset):
        held = [*value]
    elif hasattr(value, "__dict__"):
        held = [*vars(value).values()]
    return sys.getsizeof(value) + sum(octets_of(one, _depth + 1) for one in held)

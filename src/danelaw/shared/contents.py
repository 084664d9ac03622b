"""What the keys of counters, values and sets hold. Times are seconds of one steady clock, given by whoever asks.

Whatever a key holds says when time alone changes it (`due`), and `lapse` does then what time asks for.
"""

from __future__ import annotations

import heapq
import json
import math
from typing import Any

from danelaw.shared.errors import BadRequest, StoreFull
from danelaw.shared.spaces import LONGEST_KEY, LONGEST_VALUE, MOST_MEMBERS

HIGHEST = (1 << 63) - 1
_SET_OCTETS = 330
_MEMBER_OCTETS = 180


class Total:
    """What a counter's key holds: a sum. It expires as a whole, `due`."""

    __slots__ = ("due", "total")
    octets = 0

    def __init__(self, total: int = 0, due: float = math.inf) -> None:
        self.total = total
        self.due = due

    def add(self, by: int) -> int:
        """The new sum. Raises `BadRequest` for one that needs more than 63 bits."""
        if not -HIGHEST <= self.total + by <= HIGHEST:
            raise BadRequest("a counter goes no further than 63 bits")
        self.total += by
        return self.total

    def lapse(self, now: float) -> bool:
        """True when nothing is left at `now`."""
        return self.due <= now

    def to_row(self, shift: float) -> list[Any]:
        """As JSON has it, times `shift` later."""
        return [self.total, time_to_json(self.due, shift)]

    @classmethod
    def from_row(cls, row: list[Any], shift: float) -> Total:
        """What `to_row` gave, times `shift` later. Raises `ValueError`, `TypeError`."""
        total, due = row
        if type(total) is not int or not -HIGHEST <= total <= HIGHEST:
            raise ValueError(total)
        return cls(total, time_from_json(due, shift))


class Text:
    """What a value's key holds: JSON text, which nobody here reads."""

    __slots__ = ("due", "text")

    def __init__(self, text: str, due: float = math.inf) -> None:
        self.text = text
        self.due = due

    @property
    def octets(self) -> int:
        """What it counts for beside its key; characters outside ASCII are escaped in it."""
        return len(self.text)

    def lapse(self, now: float) -> bool:
        """True when nothing is left at `now`."""
        return self.due <= now

    def to_row(self, shift: float) -> list[Any]:
        """As JSON has it, times `shift` later."""
        return [self.text, time_to_json(self.due, shift)]

    @classmethod
    def from_row(cls, row: list[Any], shift: float) -> Text:
        """What `to_row` gave, times `shift` later. Raises `ValueError`, `TypeError`."""
        text, due = row
        if not isinstance(text, str) or len(text) > LONGEST_VALUE:
            raise ValueError(text)
        json.loads(text)
        return cls(text, time_from_json(due, shift))


class Members:
    """What a set's key holds: members, each with its own end."""

    __slots__ = ("_ends", "members", "octets")

    def __init__(self) -> None:
        self.members: dict[str, float] = {}
        self.octets = _SET_OCTETS
        self._ends: list[tuple[float, str]] = []

    @property
    def due(self) -> float:
        """When the next member may end."""
        return self._ends[0][0] if self._ends else math.inf

    def needs(self, member: str) -> int:
        """The octets that adding it would take."""
        return 0 if member in self.members else len(member.encode("utf-8", "surrogatepass")) + _MEMBER_OCTETS

    def add(self, member: str, due: float, most: int) -> bool:
        """True when it was not there. Its end is `due` from now on. Raises `StoreFull` for more than `most`."""
        fresh = member not in self.members
        if fresh and len(self.members) >= most:
            raise StoreFull(f"a set of this space has no more than {most} members")
        self.octets += self.needs(member)
        self.members[member] = due
        if due < math.inf:
            heapq.heappush(self._ends, (due, member))
            if len(self._ends) > 2 * len(self.members) + 16:
                self._ends = [(end, one) for one, end in self.members.items() if end < math.inf]
                heapq.heapify(self._ends)
        return fresh

    def remove(self, member: str) -> bool:
        """True when it was there."""
        if member not in self.members:
            return False
        del self.members[member]
        self.octets -= self.needs(member)
        return True

    def lapse(self, now: float) -> bool:
        """Drop members whose end has come; true when none is left."""
        while self._ends and self._ends[0][0] <= now:
            end, member = heapq.heappop(self._ends)
            if self.members.get(member) == end:
                self.remove(member)
        return not self.members

    def page(self, after: str, most: int) -> list[str]:
        """So many members in order of their text, those behind `after`."""
        return heapq.nsmallest(most, (one for one in self.members if one > after))

    def to_row(self, shift: float) -> list[Any]:
        """As JSON has it, times `shift` later."""
        return [[[member, time_to_json(end, shift)] for member, end in self.members.items()]]

    @classmethod
    def from_row(cls, row: list[Any], shift: float) -> Members:
        """What `to_row` gave, times `shift` later. Raises `ValueError`, `TypeError`."""
        found = cls()
        (members,) = row
        for member, end in members:
            if not isinstance(member, str) or len(member) > LONGEST_KEY:
                raise ValueError(member)
            found.add(member, time_from_json(end, shift), MOST_MEMBERS)
        return found


def time_to_json(when: float, shift: float) -> float | None:
    """A time, `shift` later; None for never."""
    return None if when == math.inf else when + shift


def time_from_json(value: Any, shift: float) -> float:
    """What `time_to_json` gave, `shift` later. Raises `ValueError`."""
    if value is None:
        return math.inf
    if type(value) not in (int, float) or not math.isfinite(value):
        raise ValueError(value)
    return float(value) + shift

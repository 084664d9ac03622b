"""What a rate's key holds: how many events there were lately, by slots of time.

An event counts for the end of its slot, so it is forgotten between one span and one span and a sixteenth after it, and
in no stretch of a span are there more than allowed. An event may be booked for a time to come: tokens that a process
holds and may use until then count as used at that time, the latest possible.
"""

from __future__ import annotations

import math
from typing import Any

SLOTS = 16
"""Slots in a span."""


class Window:
    """Counts of events by slot. `span` is in seconds and the same in all calls."""

    __slots__ = ("_counts", "due")
    octets = 40 * SLOTS

    def __init__(self) -> None:
        self._counts: dict[int, int] = {}
        self.due = math.inf

    def taken(self, now: float, span: float) -> int:
        """Events that still count."""
        width = span / SLOTS
        gone = [slot for slot in self._counts if (slot + 1) * width <= now - span]
        for slot in gone:
            del self._counts[slot]
        return sum(self._counts.values())

    def take(self, number: int, at: float, span: float) -> int:
        """Book events for the time `at`; gives the slot."""
        width = span / SLOTS
        slot = math.floor(at / width)
        self._counts[slot] = self._counts.get(slot, 0) + number
        self.due = (max(self._counts) + 1) * width + span
        return slot

    def give_back(self, number: int, slot: int) -> int:
        """Events of a slot that did not happen after all; gives how many were still booked."""
        number = min(number, self._counts.get(slot, 0))
        if number:
            self._counts[slot] -= number
        return number

    def retry_after(self, number: int, now: float, span: float, limit: int) -> float | None:
        """Seconds until so many fit, if nobody takes any meanwhile; None when they never do."""
        if number > limit:
            return None
        width, excess = span / SLOTS, self.taken(now, span) + number - limit
        wait = 0.0
        for slot in sorted(self._counts):
            if excess <= 0:
                break
            excess -= self._counts[slot]
            wait = (slot + 1) * width + span - now
        return max(0.0, wait)

    def lapse(self, now: float) -> bool:
        """True when nothing counts any more."""
        return self.due <= now

    def to_row(self, span: float, shift: float = 0.0) -> list[Any]:
        """As JSON has it: the end of each slot, `shift` later, and its count."""
        width = span / SLOTS
        return [[[(slot + 1) * width + shift, count] for slot, count in self._counts.items() if count]]

    @classmethod
    def from_row(cls, row: list[Any], span: float, shift: float = 0.0) -> Window:
        """What `to_row` gave, `shift` later, also under another span: events count for the end of their slot at least.
        Raises `ValueError`, `TypeError`.
        """
        found = cls()
        (slots,) = row
        for end, count in slots:
            if type(end) not in (int, float) or not math.isfinite(end) or type(count) is not int or count < 1:
                raise ValueError(end)
            # A little less than the end, which belongs to the next slot.
            found.take(count, end + shift - span / SLOTS / 1000, span)
        return found

"""What stands in the place of spans of octets, in the order in which it is given out."""

from __future__ import annotations

from bisect import bisect_left
from enum import IntEnum
from typing import NamedTuple

from danelaw.message.errors import MessageError


class Rank(IntEnum):
    """What is put in at one place stands in this order: fields of a header, the empty line behind it, the delimiter
    before a first part, content, a part behind.
    """

    FIELD = 0
    SEPARATOR = 1
    OPENING = 2
    CONTENT = 3
    SIBLING = 4


class Replacement(NamedTuple):
    """Original octets from `start` to `end`, and what stands there instead."""

    start: int
    end: int
    rank: Rank
    octets: bytes

    @property
    def is_insertion(self) -> bool:
        """Whether it takes nothing away."""
        return self.start == self.end


def put(replaced: tuple[Replacement, ...], new: Replacement, given_up: Rank | None = None) -> tuple[Replacement, ...]:
    """The replacements with one more, in order; those within its span are given up.

    So is what was put in behind its last octet from the rank `given_up` to content, since it belonged to what stood
    there. Raises `MessageError` where the span cuts another.
    """
    start, end = new.start, new.end
    kept = []
    for one in replaced:
        if start < one.start < end and one.end <= end:
            continue
        if start == one.start < one.end <= end:
            continue
        if given_up is not None and one.start == one.end == end and given_up <= one.rank <= Rank.CONTENT:
            continue
        if one.start < end and start < one.end:
            raise MessageError("these octets have been replaced already")
        kept.append(one)
    place = bisect_left(kept, (start, end, new.rank + 1))
    return (*kept[:place], new, *kept[place:])

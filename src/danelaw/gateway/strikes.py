"""Poison messages: how often each ended the worker that had it in hand. Pure.

One death says little: the machine may have run out of memory just then. The second under the same message is held
against it: it is held in the queue, with an alert, and the next worker lives.
"""

from __future__ import annotations

from collections import OrderedDict

from danelaw.queue import shard_of

STRIKES = 2
"""Deaths after which a message is held."""
_MOST_REMEMBERED = 10_000


class Strikes:
    """Counts deaths by message id. The oldest counts are forgotten first, so memory is bounded."""

    __slots__ = ("_counts", "_out")

    def __init__(self) -> None:
        self._counts: OrderedDict[int, int] = OrderedDict()
        self._out: set[int] = set()

    def struck(self, message: int) -> bool:
        """A worker died with this message in hand. True when it is to be held from now on."""
        count = self._counts.pop(message, 0) + 1
        self._counts[message] = count
        if len(self._counts) > _MOST_REMEMBERED:
            self._counts.popitem(last=False)
        if count < STRIKES:
            return False
        self._out.add(message)
        return True

    def to_hold(self, shard: int) -> tuple[int, ...]:
        """The messages of a shard that whoever opens it must hold before it delivers anything."""
        return tuple(sorted(message for message in self._out if shard_of(message) == shard))

    def held(self, messages: list[int]) -> None:
        """They are held on disk, or were gone already. An operator who releases one starts its count anew."""
        for message in messages:
            self._out.discard(message)
            self._counts.pop(message, None)

"""What a scheduler could use of slots: those taken, and those for which a message is ready now."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from danelaw.queue.pages import VirtualQueue

LOOKS = 10


def demand(ready: Iterable[VirtualQueue], cap: int, taken: int, most: int) -> int:
    """Slots that could be used at once, no more than `most`, so that the look at the queues is a short one. A queue may
    have `cap` of them.
    """
    wanted = taken
    for queue in ready:
        if wanted >= most:
            return most
        wanted += min(queue.limit(cap) - queue.in_flight, len(queue.page))
    return min(wanted, most)


class Demand:
    """Demand over the last looks: the most counts, so that a share is not given away in a pause between messages."""

    __slots__ = ("_seen",)

    def __init__(self) -> None:
        self._seen: deque[int] = deque([0], LOOKS)

    def look(self, wanted: int) -> int:
        """What is wanted now; gives what to ask for."""
        self._seen.append(wanted)
        return max(self._seen)

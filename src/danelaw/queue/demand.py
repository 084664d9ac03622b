"""What a scheduler could use of slots: those taken, and those for which a message is ready now."""

from __future__ import annotations

from collections import Counter, deque
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from danelaw.queue.scheduler import Scheduler

LOOKS = 10


def demand(scheduler: Scheduler, most: int, cap: int) -> int:
    """Slots that could be used at once if a queue may have `cap` of them: no more than `most`, so that the look at the
    queues is a short one.
    """
    wanted = scheduler.in_flight
    for queue in scheduler.ready:
        if wanted >= most:
            break
        wanted += max(0, min(queue.limit(cap) - queue.in_flight, len(queue.page)))
    return min(wanted, most)


def busiest(scheduler: Scheduler) -> int:
    """The most deliveries to one destination now."""
    return max(Counter(work.key for work in scheduler.flying).values(), default=0)


def has_work(scheduler: Scheduler) -> bool:
    """Whether anything is under way or waits in memory, though it may not begin."""
    return bool(scheduler.flying or scheduler.ready) or any(queue.page for queue in scheduler.queues())


class Demand:
    """Demand over the last looks: the most counts, so that a share is not given away in a pause between messages."""

    __slots__ = ("_seen",)

    def __init__(self) -> None:
        self._seen: deque[int] = deque([0], LOOKS)

    def look(self, wanted: int) -> int:
        """What is wanted now; gives what to ask for."""
        self._seen.append(wanted)
        return max(self._seen)

"""When queues wake: one heap of queues, never of messages."""

from __future__ import annotations

import heapq
from collections.abc import Iterator

from danelaw.queue.pages import VirtualQueue


class Alarms:
    """At most one time counts for each queue, `VirtualQueue.wake`; others of it in the heap are passed over."""

    __slots__ = ("_heap", "_serial")

    def __init__(self) -> None:
        self._heap: list[tuple[float, int, VirtualQueue]] = []
        self._serial = 0

    def set(self, queue: VirtualQueue) -> None:
        """The end of its sleep, or else the next due time on disk."""
        wake = queue.asleep_until or queue.disk_due
        if wake is not None and wake != queue.wake:
            queue.wake = wake
            self._serial += 1
            heapq.heappush(self._heap, (wake, self._serial, queue))

    def rung(self, now: float) -> Iterator[VirtualQueue]:
        """Queues whose time has come, each once."""
        while self._heap and self._heap[0][0] <= now:
            when, _, queue = heapq.heappop(self._heap)
            if queue.wake == when:
                queue.wake = None
                yield queue

    @property
    def first(self) -> float | None:
        """When the first queue wakes, None when none waits."""
        while self._heap and self._heap[0][2].wake != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

"""Queues that want more messages from disk, and how much each is given at a time.

Those whose mail has just become due come first, as new flows do in fair queueing (RFC 8290 §4.2): a host that returns
with thousands of domains must not keep a single message to another host waiting until each of them had its turn. Many
queues are given little each, so that memory and one turn of the event loop stay bounded however many they are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from danelaw.queue.pages import LOW_MARK, PAGE

if TYPE_CHECKING:
    from danelaw.queue.pages import VirtualQueue
    from danelaw.queue.values import RoutingKey

LEAST = 4
"""Messages a queue is given at least, when it is not its first time: fewer, and the look at the disk costs more."""


class Wanting:
    """Awake queues with mail due on disk and room in their page, in the order in which they are served."""

    __slots__ = ("_again", "_fresh")

    def __init__(self) -> None:
        self._fresh: dict[RoutingKey, VirtualQueue] = {}
        self._again: dict[RoutingKey, VirtualQueue] = {}

    def add(self, queue: VirtualQueue, *, fresh: bool) -> None:
        """A queue has mail due on disk; `fresh` when it had none before. No effect for one that waits already."""
        key = queue.key
        if key not in self._fresh and key not in self._again:
            (self._fresh if fresh else self._again)[key] = queue

    def discard(self, key: RoutingKey) -> None:
        """It wants nothing (now)."""
        self._fresh.pop(key, None)
        self._again.pop(key, None)

    def anybody(self, *, plenty: bool) -> bool:
        """Whether `portions` would find somebody."""
        return bool(self._fresh) or bool(self._again and not plenty)

    def portions(self, most: int, *, plenty: bool) -> list[tuple[RoutingKey, int]]:
        """Whom to give how many messages, about `most` in all. While there is `plenty` to do only the fresh get some.

        All stay until `discard`; those whose page has filled up meanwhile leave.
        """
        waiting = len(self._fresh) + (0 if plenty else len(self._again))
        if not waiting:
            return []
        share = most // waiting
        given: list[tuple[RoutingKey, int]] = []
        filled: list[RoutingKey] = []
        for queues in (self._fresh,) if plenty else (self._fresh, self._again):
            each = max(1 if queues is self._fresh else LEAST, share)
            for key, queue in queues.items():
                if most <= 0:
                    break
                held = queue.held
                if held >= LOW_MARK:
                    filled.append(key)
                    continue
                count = 1 if queue.probing else min(PAGE - held, each)
                given.append((key, count))
                most -= count
        for key in filled:
            self.discard(key)
        return given

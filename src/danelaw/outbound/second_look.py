"""The last look before a lifetime ends: a new MTA-STS policy earns the mail one more try (RFC 8461 §5.1 step 3)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from danelaw.queue import QueuedMessage, RoutingKey

GRACE = 1800.0
"""Seconds a message lives on when a policy changed: enough for a try at every host."""
_REMEMBERED = 60.0
_LOOKING = float("inf")


class SecondLook:
    """Remembers for which messages the look was taken, so that each gets one extension at most.

    `changed` looks for a new policy of a destination and never raises; `granted` is told of a message that may be tried
    once more. What is remembered here is lost on restart: the look is then taken again.
    """

    def __init__(
        self,
        changed: Callable[[RoutingKey, float], Awaitable[bool]],
        granted: Callable[[QueuedMessage], None],
    ) -> None:
        self._changed = changed
        self._granted = granted
        self._until: dict[int, float] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def spares(self, message: QueuedMessage, now: float) -> bool:
        """True while an expired message must not be given up yet. The first call takes the look in the background."""
        until = self._until.get(message.id)
        if until is None:
            self._until = {number: end for number, end in self._until.items() if now < end + _REMEMBERED}
            self._until[message.id] = _LOOKING
            task = asyncio.ensure_future(self._look(message, now))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            return True
        return now < until

    def __len__(self) -> int:
        """How many expired messages are spared, or were a moment ago: the queue still lists them first."""
        return len(self._until)

    def extend(self, message: QueuedMessage) -> None:
        """Give a message taken from disk the longer life it was granted."""
        until = self._until.get(message.id)
        if until is not None and until != _LOOKING:
            message.expires = max(message.expires, until)

    def close(self) -> None:
        """End looks under way."""
        for task in tuple(self._tasks):
            task.cancel()

    async def _look(self, message: QueuedMessage, now: float) -> None:
        earned = False
        try:
            for key in message.keys:
                earned |= await self._changed(key, now)
        finally:
            self._until[message.id] = now + GRACE if earned else now
        if earned:
            self._granted(message)

"""When the next batch may begin while flushes of earlier ones are under way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from danelaw.spool.flush import MOST


class Pace:
    """`flying` counts batches that are written and whose flush is under way. Belongs to the loop thread."""

    __slots__ = ("_held_back", "_timer", "flying")

    def __init__(self) -> None:
        self.flying = 0
        self._timer: asyncio.TimerHandle | None = None
        self._held_back = False

    def wait(self, loop: asyncio.AbstractEventLoop, seconds: float, go: Callable[[], None]) -> None:
        """Call `go` after so long; with too many under way not before one has landed."""
        if self.flying < MOST:
            self._timer = loop.call_later(seconds, go)
        else:
            self._held_back = True

    def landed(self) -> bool:
        """One flush less; True when the next batch was held back for it."""
        self.flying -= 1
        held_back, self._held_back = self._held_back, False
        return held_back

    def stop(self) -> bool:
        """Wait no more; True when something did."""
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()
        return timer is not None

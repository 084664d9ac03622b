"""The one timer of the engine: the earliest time at which something may be due by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Callable


class Wakeup:
    """Calls `woken` once at the earliest of the times set since it last did."""

    __slots__ = ("_at", "_handle", "_loop", "_woken")

    def __init__(self, loop: asyncio.AbstractEventLoop, woken: Callable[[], None]) -> None:
        self._loop = loop
        self._woken = woken
        self._handle: asyncio.TimerHandle | None = None
        self._at = float("inf")

    def set(self, when: float | None, now: float) -> None:
        """`when` and `now` are POSIX seconds; None changes nothing."""
        if when is None or (self._handle is not None and self._at <= when):
            return
        if self._handle is not None:
            self._handle.cancel()
        self._at = when
        self._handle = self._loop.call_later(min(max(when - now, 0.001), 3600), self._due)

    def cancel(self) -> None:
        """Call nobody any more."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None

    def _due(self) -> None:
        self._handle, self._at = None, float("inf")
        self._woken()

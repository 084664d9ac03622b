"""When the garbage collector may look for cycles: not while very much is made at once that is soon gone and no cycle.

To look at half a million objects takes 80 ms in which no thread of the process turns, whichever thread made them.
"""

from __future__ import annotations

import asyncio
import gc

REST_SECONDS = 5.0
MOST_SECONDS = 20.0
"""The longest rest, however much is made."""


class CollectorRest:
    """One rest at a time. The collector is the process's, and so is `REST`: all who make much share it."""

    __slots__ = ("_began", "_ends", "_handle", "_loop")

    def __init__(self) -> None:
        self._began = self._ends = 0.0
        self._handle: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def begin(self) -> None:
        """No look for `REST_SECONDS` from now on; a rest under way becomes longer, up to `MOST_SECONDS` in all."""
        loop = asyncio.get_running_loop()
        if self._handle is None or self._loop is not loop:
            gc.disable()
            self._began, self._loop = loop.time(), loop
        else:
            self._handle.cancel()
        self._ends = min(loop.time() + REST_SECONDS, self._began + MOST_SECONDS)
        self._handle = loop.call_at(self._ends, self.end)

    @property
    def until(self) -> float | None:
        """When it ends, by the loop's clock; None when there is none."""
        return None if self._handle is None else self._ends

    def end(self) -> None:
        """Look again."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
            gc.enable()


REST = CollectorRest()

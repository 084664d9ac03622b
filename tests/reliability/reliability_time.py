"""A loop on which hours pass in seconds, and a clock that jumps: whole gateways with the waits of their real settings.

Everything that waits waits on the loop, so a faster loop makes every time-out, pause and lifetime shorter alike, and
the order of what happens stays what it is. The clock of the day goes with the loop until a test makes it jump.
"""

from __future__ import annotations

import asyncio
import selectors
import time
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class _Selector(selectors.DefaultSelector):  # type: ignore[misc, valid-type]
    """Waits a fraction of what the loop asks for."""

    def __init__(self, pace: float) -> None:
        super().__init__()
        self._pace = pace

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        """As its base does, sooner."""
        found: list[tuple[selectors.SelectorKey, int]] = super().select(
            timeout if timeout is None or timeout <= 0 else timeout / self._pace
        )
        return found


class FastLoop(asyncio.SelectorEventLoop):
    """A loop on which `pace` seconds pass in one."""

    def __init__(self, pace: float) -> None:
        self.pace = pace
        self._begun = time.monotonic()
        super().__init__(_Selector(pace))

    def time(self) -> float:
        """Seconds since it was made, by its own pace."""
        return (time.monotonic() - self._begun) * self.pace


class DayClock:
    """POSIX seconds that pass as those of the loop do, until it jumps."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._base = time.time() - loop.time()

    def __call__(self) -> float:
        return self._base + self._loop.time()

    def jump(self, seconds: float) -> None:
        """Step, ahead or back."""
        self._base += seconds


def run_fast(work: Coroutine[Any, Any, T], pace: float = 60.0) -> T:
    """Run a test's coroutine with a minute in each second (or another pace)."""
    with asyncio.Runner(loop_factory=lambda: FastLoop(pace)) as runner:
        return runner.run(work)

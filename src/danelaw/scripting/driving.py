"""Running a hook's coroutine step by step: each step under the guard, and none in a task before the hook waits.

Most hooks never wait. To make a task for each would cost more than they do; so a coroutine is begun by hand, and only
one that has something to wait for goes on in a task (`inbound.asking.begin` makes that task for all of a step's hooks).
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from typing import Any

from danelaw.scripting.guard import Guard


class Driven:
    """A coroutine of a script. `begin` runs it until it waits for the first time or ends; then it can be awaited."""

    __slots__ = ("_coroutine", "_cpu", "_first", "_guard", "is_done", "result")

    def __init__(self, coroutine: Coroutine[Any, Any, Any], guard: Guard, cpu: float) -> None:
        self._coroutine = coroutine
        self._guard = guard
        self._cpu = cpu
        self._first: Any = None
        self.is_done = False
        self.result: Any = None

    def begin(self) -> bool:
        """Run the first step; True when that was all. Raises what the script raises, and `Overrun`."""
        try:
            self._first = self._guard.step(self._cpu, self._coroutine.send, None)
        except StopIteration as end:
            self.result, self.is_done = end.value, True
        return self.is_done

    def close(self) -> None:
        """It is not to go on."""
        self._coroutine.close()

    def __await__(self) -> Generator[Any, Any, Any]:
        if self.is_done:
            return self.result
        waits_for = self._first
        while True:
            try:
                yield waits_for
            except BaseException as error:
                call, argument = self._coroutine.throw, error
            else:
                call, argument = self._coroutine.send, None  # type: ignore[assignment]
            try:
                waits_for = self._guard.step(self._cpu, call, argument)
            except StopIteration as end:
                self.result, self.is_done = end.value, True
                return self.result


async def in_task() -> None:
    """Return within a task: what comes next may use time-outs, and everything else of asyncio that asks for the
    current task. Costs a turn of the event loop, and only where there is no task yet.
    """
    if asyncio.current_task() is None:
        await asyncio.sleep(0)

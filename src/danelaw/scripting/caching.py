"""Where results of functions under `@cached` are kept, one cache per function of a version of the policy.

A result is computed in a task of its own, under the guard and within a time limit, so that it reaches those who wait
even when the hook that asked first is stopped.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Iterable
from typing import Any, NamedTuple, cast

from danelaw.policy import LibraryError
from danelaw.policy.cached import CachedFunction
from danelaw.scripting.driving import Driven, in_task
from danelaw.scripting.guard import GUARD, Overrun
from danelaw.scripting.library.call import Shielded

CPU_SECONDS = 0.1
SECONDS = 10.0


class _Kept(NamedTuple):
    value: Any
    expires: float


class FunctionCache:
    """`policy.cached.Cache` of one function. `hits` were kept, `joined` waited for a call, `misses` began one."""

    def __init__(
        self,
        function: CachedFunction[Any, Any],
        *,
        clock: Callable[[], float] = time.monotonic,
        seconds: float = SECONDS,
        cpu: float = CPU_SECONDS,
    ) -> None:
        """`seconds` bound a computation in all, `cpu` its work between two waits. `clock` is monotonic."""
        self.name = function.name
        self._function = function
        self._clock = clock
        self._seconds = seconds
        self._cpu = cpu
        self._kept: OrderedDict[Hashable, _Kept] = OrderedDict()
        self._under_way: dict[Hashable, asyncio.Task[Any]] = {}
        self.hits = 0
        self.joined = 0
        self.misses = 0

    def __len__(self) -> int:
        return len(self._kept)

    async def get(self, key: Hashable, compute: Callable[[], Awaitable[Any]]) -> Any:
        """What is kept, else what the call under way gives, else what a new one does. Raises what that raises."""
        kept = self._kept.get(key)
        if kept is not None and self._clock() < kept.expires:
            self.hits += 1
            self._kept.move_to_end(key)
            return kept.value
        return await Shielded(self._computed(key, compute))

    def forget(self, key: Hashable) -> None:
        """Keep it no longer; a call under way gives its result to those who wait, and it is not kept."""
        self._kept.pop(key, None)
        self._under_way.pop(key, None)

    def clear(self) -> int:
        """Forget everything; gives how many results that were."""
        count = len(self._kept)
        self._kept.clear()
        self._under_way.clear()
        return count

    async def _computed(self, key: Hashable, compute: Callable[[], Awaitable[Any]]) -> Any:
        task = self._under_way.get(key)
        if task is None:
            self.misses += 1
            task = self._under_way[key] = asyncio.get_running_loop().create_task(self._compute(key, compute))
            task.add_done_callback(_look_at)
        else:
            self.joined += 1
        await in_task()
        return await asyncio.shield(task)

    async def _compute(self, key: Hashable, compute: Callable[[], Awaitable[Any]]) -> Any:
        coroutine = cast("Coroutine[Any, Any, Any]", compute())
        driven = Driven(coroutine, GUARD, self._cpu)
        me = asyncio.current_task()
        try:
            async with asyncio.timeout(self._seconds):
                value = driven.result if driven.begin() else await driven
            if self._under_way.get(key) is me:
                self._keep(key, value)
            return value
        except Overrun:
            raise LibraryError(f"{self.name} worked for more than {self._cpu:g} s without waiting") from None
        except TimeoutError:
            raise LibraryError(f"{self.name} gave no result within {self._seconds:g} s") from None
        finally:
            driven.close()
            if self._under_way.get(key) is me:
                del self._under_way[key]

    def _keep(self, key: Hashable, value: Any) -> None:
        seconds = self._function.seconds_for(value)
        if seconds <= 0:
            return
        self._kept[key] = _Kept(value, self._clock() + seconds)
        self._kept.move_to_end(key)
        while len(self._kept) > self._function.max_entries:
            self._kept.popitem(last=False)


def bind(
    functions: Iterable[CachedFunction[Any, Any]],
    *,
    clock: Callable[[], float] = time.monotonic,
    seconds: float = SECONDS,
    cpu: float = CPU_SECONDS,
) -> None:
    """Give each function a cache of its own, empty."""
    for function in functions:
        function.cache = FunctionCache(function, clock=clock, seconds=seconds, cpu=cpu)


def _look_at(task: asyncio.Task[Any]) -> None:
    """A result that nobody waits for any more is no fault of the loop's."""
    if not task.cancelled():
        task.exception()

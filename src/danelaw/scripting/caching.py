"""Where results of functions under `@cached` are kept: a cache of the gateway per function, which `danelaw cache` shows
and clears by its name.

A result is computed in a task of its own, under the guard and within a time limit, so that it reaches those who wait
even when the hook that asked first is stopped.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Iterable
from typing import Any, cast

from danelaw.caches import Cache, CacheError, Caches
from danelaw.policy import LibraryError
from danelaw.policy.cached import CachedFunction, is_empty
from danelaw.scripting.driving import Driven, in_task
from danelaw.scripting.errors import PolicyError
from danelaw.scripting.guard import GUARD, Overrun
from danelaw.scripting.library.call import Shielded

CPU_SECONDS = 0.1
SECONDS = 10.0


class FunctionCache:
    """`policy.cached.Cache` of one function."""

    def __init__(self, name: str, cache: Cache[Any], *, seconds: float = SECONDS, cpu: float = CPU_SECONDS) -> None:
        """`seconds` bound a computation in all, `cpu` its work between two waits."""
        self.name = name
        self.cache = cache
        self._seconds = seconds
        self._cpu = cpu

    async def get(self, key: Hashable, compute: Callable[[], Awaitable[Any]]) -> Any:
        """What is kept, else what the call under way gives, else what a new one does. Raises what that raises."""
        return await Shielded(self._get(key, compute))

    def forget(self, key: Hashable) -> None:
        """Keep it no longer; a call under way gives its result to those who wait, and it is not kept."""
        self.cache.forget(key)

    async def _get(self, key: Hashable, compute: Callable[[], Awaitable[Any]]) -> Any:
        if self.cache.peek(key) is None:
            await in_task()
        return await self.cache.get(key, lambda: self._compute(compute))

    async def _compute(self, compute: Callable[[], Awaitable[Any]]) -> Any:
        driven = Driven(cast("Coroutine[Any, Any, Any]", compute()), GUARD, self._cpu)
        try:
            async with asyncio.timeout(self._seconds):
                return driven.result if driven.begin() else await driven
        except Overrun:
            raise LibraryError(f"{self.name} worked for more than {self._cpu:g} s without waiting") from None
        except TimeoutError:
            raise LibraryError(f"{self.name} gave no result within {self._seconds:g} s") from None
        finally:
            driven.close()


def bind(
    functions: Iterable[CachedFunction[Any, Any]],
    caches: Caches | None = None,
    *,
    seconds: float = SECONDS,
    cpu: float = CPU_SECONDS,
) -> None:
    """Give each function a cache of its own, empty, among `caches`, where they are shown by its name and where their
    clock is; absent: among none. Raises `PolicyError` for a function whose name is none for a cache.
    """
    registry = caches or Caches()
    for function in functions:
        name = function.name.lower().lstrip("_")
        try:
            cache = registry.cache(
                name, ttl=function.ttl, negative_ttl=function.negative_ttl, entries=function.max_entries,
                negative=is_empty,
            )  # fmt: skip
        except CacheError as error:
            raise PolicyError(f"@cached {function.name}: {error.reason}", advice=error.advice) from None
        function.cache = FunctionCache(function.name, cache, seconds=seconds, cpu=cpu)

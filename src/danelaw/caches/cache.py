"""One cache: values are computed once, however many ask for them at the same time."""

from __future__ import annotations

import asyncio
import functools
import time
from collections.abc import Awaitable, Callable, Coroutine, Hashable
from typing import Any, Generic, ParamSpec, TypeVar

from danelaw.caches.contents import Age, Contents, Entry, Failure, octets_of
from danelaw.errors import DanelawError

V = TypeVar("V")
P = ParamSpec("P")


class CacheError(DanelawError):
    """A cache of such a name or with such limits cannot be."""


class Cache(Generic[V]):
    """Values by key, in this process. `hits`, `misses`, `stale`, `joined` and `failures` count calls of `get`: a call
    that found another at work is `joined`.
    """

    def __init__(
        self,
        name: str,
        *,
        ttl: float,
        negative_ttl: float | None = None,
        failure_ttl: float = 0.0,
        stale_for: float = 0.0,
        entries: int = 10_000,
        octets: int = 16 << 20,
        negative: Callable[[V], bool] = lambda value: value is None,
        size: Callable[[V], int] = octets_of,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Values live `ttl` seconds, those that are `negative` `negative_ttl` (as the others without), errors
        `failure_ttl`. For `stale_for` seconds more an old value is given at once while a new one is computed, and
        stays when that fails. Raises `CacheError`.
        """
        if ttl < 0 or stale_for < 0 or failure_ttl < 0 or entries < 0 or octets < 0:
            raise CacheError(f"cache {name} has a limit below zero")
        self.name = name
        self.ttl = ttl
        self.negative_ttl = ttl if negative_ttl is None else negative_ttl
        self.failure_ttl = failure_ttl
        self.stale_for = stale_for
        self.contents = Contents(entries, octets)
        self.hits = self.misses = self.stale = self.joined = self.failures = 0
        self._negative = negative
        self._size = size
        self._clock = clock
        self._flights: dict[Hashable, _Flight[V]] = {}

    @property
    def in_flight(self) -> int:
        """Computations under way."""
        return len(self._flights)

    async def get(self, key: Hashable, compute: Callable[[], Awaitable[V]]) -> V:
        """The value of a key, computed now if it is not known; whatever `compute` raises is raised to all who wait.
        The computation goes on as long as one of them waits.
        """
        entry = self.contents.get(key, self._clock())
        if entry is not None:
            return self._found(key, entry, compute)
        flight = self._flights.get(key)
        if flight is None:
            self.misses += 1
            flight = self._start(key, compute)
        else:
            self.joined += 1
        return await flight.wait()

    def wrap(self, function: Callable[P, Awaitable[V]]) -> Callable[P, Coroutine[Any, Any, V]]:
        """A function whose results are kept here, by its arguments, which must be hashable."""

        @functools.wraps(function)
        async def cached(*args: P.args, **kwargs: P.kwargs) -> V:
            return await self.get((args, tuple(sorted(kwargs.items()))), lambda: function(*args, **kwargs))

        return cached

    def peek(self, key: Hashable) -> V | None:
        """A value that is known and fresh; None otherwise."""
        entry = self.contents.get(key, self._clock())
        if entry is None or isinstance(entry.value, Failure) or entry.age(self._clock()) is not Age.FRESH:
            return None
        value: V = entry.value
        return value

    def put(self, key: Hashable, value: V) -> None:
        """Keep a value that came to be known otherwise."""
        self._forget_flight(key)
        self._keep(key, value)

    def forget(self, key: Hashable) -> bool:
        """Forget a value, and the computation under way for those to come; True when it was there."""
        self._forget_flight(key)
        return self.contents.drop(key)

    def clear(self) -> int:
        """Forget all; gives how many there were."""
        for key in tuple(self._flights):
            self._forget_flight(key)
        return self.contents.clear()

    # inside

    def _found(self, key: Hashable, entry: Entry, compute: Callable[[], Awaitable[V]]) -> V:
        if entry.age(self._clock()) is Age.FRESH:
            self.hits += 1
        else:
            self.stale += 1
            if key not in self._flights:
                self._start(key, compute).keep_going()
        if isinstance(entry.value, Failure):
            raise entry.value.error.with_traceback(None)
        value: V = entry.value
        return value

    def _start(self, key: Hashable, compute: Callable[[], Awaitable[V]]) -> _Flight[V]:
        flight: _Flight[V] = _Flight()
        self._flights[key] = flight
        flight.begin(self._compute(key, compute, flight), lambda: self._land(key, flight))
        return flight

    async def _compute(self, key: Hashable, compute: Callable[[], Awaitable[V]], flight: _Flight[V]) -> V:
        try:
            value = await compute()
        except Exception as error:
            self.failures += 1
            if self._flights.get(key) is flight:
                self._keep_failure(key, error)
            raise
        else:
            if self._flights.get(key) is flight:
                self._keep(key, value)
            return value
        finally:
            self._land(key, flight)

    def _land(self, key: Hashable, flight: _Flight[V]) -> None:
        if self._flights.get(key) is flight:
            del self._flights[key]

    def _keep_failure(self, key: Hashable, error: Exception) -> None:
        now = self._clock()
        known = self.contents.get(key, now)
        stale = known is not None and not isinstance(known.value, Failure)
        if self.failure_ttl and not stale:
            until = now + self.failure_ttl
            self.contents.put(key, Failure(error), octets_of(str(error)), until, until)

    def _keep(self, key: Hashable, value: V) -> None:
        ttl = self.negative_ttl if self._negative(value) else self.ttl
        if ttl > 0:
            fresh_until = self._clock() + ttl
            self.contents.put(key, value, self._size(value) + octets_of(key), fresh_until, fresh_until + self.stale_for)

    def _forget_flight(self, key: Hashable) -> None:
        """Who waits gets what is computed; it is not kept, and the next one computes anew."""
        self._flights.pop(key, None)


class _Flight(Generic[V]):
    """One computation and how many wait for it. The last one to give up ends it."""

    __slots__ = ("_abandon", "_task", "_waiting")

    def __init__(self) -> None:
        self._waiting = 0
        self._task: asyncio.Task[V]
        self._abandon: Callable[[], None]

    def begin(self, work: Coroutine[Any, Any, V], abandon: Callable[[], None]) -> None:
        self._abandon = abandon
        self._task = asyncio.get_running_loop().create_task(work)

    async def wait(self) -> V:
        self._waiting += 1
        try:
            return await asyncio.shield(self._task)
        except asyncio.CancelledError:
            if self._waiting == 1 and not self._task.done():
                self._abandon()  # who comes now must not wait for what is about to end
                self._task.cancel()
            raise
        finally:
            self._waiting -= 1

    def keep_going(self) -> None:
        """Nobody need wait for it; its failure is counted, and the value that was there stays."""
        self._waiting += 1
        self._task.add_done_callback(lambda task: task.cancelled() or task.exception())

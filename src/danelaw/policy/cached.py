"""`@cached`: remembering what a coroutine function gave, so that a hundred clients at once cost one look-up.

    from danelaw.policy import Library, cached

    @cached(ttl=600, negative_ttl=60)
    async def reputation(library: Library, address: str) -> int:
        return int((await library.http.get("https://reputation.example.org", query={"ip": address})).json()["score"])

    score = await reputation(ctx.library, ctx.client.address)

Calls with the same arguments while one is under way wait for its result. What raises is told to all who wait and not
remembered. A `Library` among the arguments is no part of the key; the others must be hashable: text, numbers, tuples.
Nothing is kept across versions of the policy or processes; for that there is `ctx.library.state`.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Awaitable, Callable, Coroutine, Hashable
from typing import Any, Generic, ParamSpec, Protocol, TypeVar

from danelaw.policy.answers import LibraryError
from danelaw.policy.declare import DeclarationError, loading
from danelaw.policy.library import Library

P = ParamSpec("P")
R = TypeVar("R")

MOST_ENTRIES = 100_000


class Cache(Protocol):
    """Where results are kept: a gateway has one per function, a test one with a clock of its own."""

    async def get(self, key: Hashable, compute: Callable[[], Awaitable[Any]]) -> Any:
        """What is kept for a key, else what `compute` gives, asked once however many wait."""

    def forget(self, key: Hashable) -> None:
        """Keep it no longer."""


class CachedFunction(Generic[P, R]):
    """A function whose results are remembered: for `ttl` seconds, or `negative_ttl` where the result is None or empty.

    It is bound to a cache by whoever runs the policy; unbound it asks every time.
    """

    def __init__(
        self, function: Callable[P, Coroutine[Any, Any, R]], ttl: float, negative_ttl: float, max_entries: int
    ) -> None:
        functools.update_wrapper(self, function)
        self.function = function
        self.name = function.__name__
        self.ttl = ttl
        self.negative_ttl = negative_ttl
        self.max_entries = max_entries
        self.cache: Cache | None = None

    async def __call__(self, *arguments: P.args, **named: P.kwargs) -> R:
        """The result, remembered or new. Raises what the function raises, `LibraryError` for arguments that are no
        key.
        """
        if self.cache is None:
            return await self.function(*arguments, **named)
        found: R = await self.cache.get(self.key(*arguments, **named), lambda: self.function(*arguments, **named))
        return found

    def key(self, *arguments: P.args, **named: P.kwargs) -> Hashable:
        """What tells calls apart. Raises `LibraryError` where an argument is not hashable."""
        plain = tuple(one for one in arguments if not isinstance(one, Library))
        more = tuple(sorted((name, value) for name, value in named.items() if not isinstance(value, Library)))
        try:
            hash((plain, more))
        except TypeError as error:
            raise LibraryError(
                f"{self.name} cannot be cached by its arguments: {error}",
                advice="pass what the result depends on (an address, a domain), not the context or a list",
            ) from None
        return plain, more

    def forget(self, *arguments: P.args, **named: P.kwargs) -> None:
        """The next call with these arguments asks anew."""
        if self.cache is not None:
            self.cache.forget(self.key(*arguments, **named))


def is_empty(result: object) -> bool:
    """Whether a result counts as negative: None, and whatever has nothing in it."""
    return result is None or (isinstance(result, str | bytes | tuple | list | dict | set | frozenset) and not result)


def cached(
    *, ttl: float, negative_ttl: float | None = None, max_entries: int = 10_000
) -> Callable[[Callable[P, Coroutine[Any, Any, R]]], CachedFunction[P, R]]:
    """Remember results for `ttl` seconds, None and empty ones for `negative_ttl` (absent: `ttl`), at most
    `max_entries` of them, the longest unused going first. Raises `DeclarationError`.
    """

    def decorated(function: Callable[P, Coroutine[Any, Any, R]]) -> CachedFunction[P, R]:
        if not inspect.iscoroutinefunction(function):
            raise DeclarationError(f"@cached stands above {function!r}, which is no coroutine function (async def)")
        if not ttl > 0 or (negative_ttl is not None and negative_ttl < 0):
            raise DeclarationError(f"ttl of {function.__name__} must be more than 0 seconds, negative_ttl not less")
        if not 0 < max_entries <= MOST_ENTRIES:
            raise DeclarationError(f"max_entries of {function.__name__} must be from 1 to {MOST_ENTRIES}")
        made = CachedFunction(function, ttl, ttl if negative_ttl is None else negative_ttl, max_entries)
        declarations = loading.get()
        if declarations is not None:
            declarations.caches.append(made)
        return made

    return decorated

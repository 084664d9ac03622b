"""A step within its time; a timer costs more than most steps that have their answers at hand."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Generator
from typing import Any, Generic, TypeVar

T = TypeVar("T")


async def within(seconds: float, work: Coroutine[Any, Any, T]) -> T:
    """What `work` returns or raises; `TimeoutError` when it takes longer. No timer is set where it never waits."""
    try:
        first = work.send(None)
    except StopIteration as stop:
        result: T = stop.value
        return result
    async with asyncio.timeout(seconds):
        return await Rest(work, first)


class Rest(Generic[T]):
    """A coroutine that was begun, and waits for `first`."""

    __slots__ = ("_first", "_work")

    def __init__(self, work: Coroutine[Any, Any, T], first: Any) -> None:
        self._work = work
        self._first = first

    def __await__(self) -> Generator[Any, Any, T]:
        waits = self._first
        try:
            while True:
                try:
                    said = yield waits
                except BaseException as error:
                    waits = self._work.throw(error)
                else:
                    waits = self._work.send(said)
        except StopIteration as stop:
            result: T = stop.value
            return result

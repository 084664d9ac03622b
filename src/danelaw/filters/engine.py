"""What every engine can do, and the one way to send a message and hear the answer."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import TYPE_CHECKING, ClassVar, TypeVar

from danelaw.filters.result import FilterError
from danelaw.filters.stream import ServerAddress, Stream

if TYPE_CHECKING:
    from danelaw.filters.result import FilterResult
    from danelaw.filters.specimen import Specimen

T = TypeVar("T")
_WRITE = 32 * 1024


class Engine(ABC):
    """A kind of filter. Methods connect, ask once, and give the answer or raise `FilterError`; they bound no time."""

    kind: ClassVar[str]

    @abstractmethod
    async def examine(self, server: ServerAddress, specimen: Specimen) -> FilterResult:
        """Show a message to a server. The result names neither filter nor server."""

    @abstractmethod
    async def ping(self, server: ServerAddress) -> str:
        """Whether a server works: what it calls itself, or a word."""


async def exchange(
    stream: Stream, sent: AsyncIterator[bytes], answer: Callable[[], Awaitable[T]], *, then_end: bool = False
) -> T:
    """Send everything and read the answer meanwhile: a server that has seen enough may answer early and hang up.

    `then_end` says behind it that nothing more will come.
    """
    reading = asyncio.ensure_future(answer())
    try:
        try:
            async for piece in _gathered(sent):
                if reading.done():
                    break
                await stream.send(piece)
            else:
                if then_end:
                    stream.end()
        except FilterError:
            # It hung up. What it said before counts; without that the fault of reading is the better reason.
            return await reading
        return await reading
    finally:
        if not reading.done():
            reading.cancel()
            with suppress(asyncio.CancelledError, FilterError):
                await reading


async def _gathered(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """Small pieces together: each write costs more than copying them."""
    waiting: list[bytes] = []
    size = 0
    async for piece in pieces:
        waiting.append(piece)
        size += len(piece)
        if size >= _WRITE:
            yield b"".join(waiting)
            waiting.clear()
            size = 0
    if waiting:
        yield b"".join(waiting)

"""The store in the same process as those who use it: asked directly, without frames or time limits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from typing import Any, Protocol

from danelaw.shared.carrier import Done
from danelaw.shared.errors import SharedStateError
from danelaw.shared.operations import LATER
from danelaw.shared.protocol import Request
from danelaw.shared.store import Store

HERE = ""
"""The holder of what this process holds."""


class Promise(Protocol):
    """What of a future is used here; `asyncio.Future` is one."""

    def done(self) -> bool:
        """Whether there is a result, or nobody waits any more."""

    def set_result(self, result: Any, /) -> None:
        """Here it is."""

    def __await__(self) -> Generator[Any, None, Any]:
        """Wait for it."""


class DirectCarrier:
    """Call `look` at times, at the latest at `store.due`. `promise` makes a future of the running loop."""

    def __init__(
        self, store: Store, ticks: Callable[[], float], promise: Callable[[], Promise], holder: str = HERE
    ) -> None:
        self.store = store
        self._ticks = ticks
        self._promise = promise
        self._holder = holder
        self._number = 0
        self._waiting: dict[int, tuple[Request, Promise]] = {}

    def ask(self, code: str, space: str, key: str, *args: Any, wait: float = 0.0) -> Awaitable[Any]:
        """Do it now; awaiting gives the result or raises `SharedStateError`."""
        request = self._request(code, space, key, args)
        result = self.store.perform(self._holder, request, self._ticks())
        if result is LATER:
            promise = self._promise()
            self._waiting[request.number] = (request, promise)
            self._tell()
            return promise
        self._tell()
        return _ready(result)

    def say(self, code: str, space: str, key: str, *args: Any, done: Done) -> None:
        """Do it now."""
        result = self.store.perform(self._holder, self._request(code, space, key, args), self._ticks())
        self._tell()
        done(result)

    def now(self) -> float:
        """Steady seconds."""
        return self._ticks()

    def look(self) -> None:
        """Let time work; who waited hears."""
        self.store.look(self._ticks())
        self._tell()

    def _request(self, code: str, space: str, key: str, args: tuple[Any, ...]) -> Request:
        self._number += 1
        return Request(self._number, code, space, key, args)

    def _tell(self) -> None:
        while news := self.store.news():
            for granted in news:
                request, promise = self._waiting.pop(granted.request)
                if not promise.done():
                    promise.set_result([granted.lease, 0.0])
                elif granted.lease:  # whoever waited was cancelled
                    self.store.perform(
                        self._holder, Request(0, "release", request.space, request.key, (granted.lease,)), self._ticks()
                    )


async def _ready(result: Any) -> Any:
    """A result that is there."""
    if isinstance(result, SharedStateError):
        raise result
    return result

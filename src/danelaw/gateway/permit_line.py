"""Permits across workers: how a worker reaches the broker that the supervisor keeps, and is woken by it.

All a worker wants in one turn of its loop goes in one frame, in order, and is answered in one. The broker is any object
with the operations of `OPERATIONS`; its first argument is always the holder, which the supervisor fills in from the
line the request came over. When a worker is reaped its permits come back (`forget`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

from danelaw.errors import DanelawError
from danelaw.gateway.switchboard import SUPERVISOR

if TYPE_CHECKING:
    from danelaw.gateway.line import Line
    from danelaw.gateway.switchboard import Switchboard

OPERATIONS = ("acquire", "release")
_MOST_AT_ONCE = 10_000


class Broker(Protocol):
    """Who gives permits; values must fit into JSON."""

    def acquire(self, holder: str, keys: Sequence[str], now: float) -> Any:
        """All keys or none."""

    def release(self, holder: str, keys: Sequence[str], now: float) -> Any:
        """Give them back; a list of holders to wake, or None."""

    def forget(self, holder: str, now: float) -> Any:
        """A holder is dead; a list of holders to wake, or None."""


class PermitService:
    """The supervisor's side. `attach` it to the switchboard; call `reaped` for every worker that is gone."""

    def __init__(self, broker: Broker, clock: Callable[[], float]) -> None:
        self._broker = broker
        self._clock = clock
        self._switchboard: Switchboard | None = None

    def attach(self, switchboard: Switchboard) -> None:
        """Answer what workers ask for from now on."""
        self._switchboard = switchboard
        switchboard.services["permits"] = self._serve

    def reaped(self, holder: str) -> None:
        """A worker is dead: what it held is free, and who waited for it is woken."""
        self._wake(self._broker.forget(holder, self._clock()))

    def _serve(self, holder: str, args: dict[str, Any]) -> list[Any]:
        batch = args.get("batch")
        if not isinstance(batch, list) or len(batch) > _MOST_AT_ONCE:
            raise DanelawError("permits are asked for in lists")
        now = self._clock()
        results = []
        for request in batch:
            operation, keys = request
            if operation not in OPERATIONS:
                raise DanelawError(f"the broker knows no operation {operation!r}")
            result = getattr(self._broker, operation)(holder, keys, now)
            if operation == "release":
                self._wake(result)
                result = None
            results.append(result)
        return results

    def _wake(self, holders: Sequence[str] | None) -> None:
        for holder in holders or ():
            if self._switchboard is not None:
                self._switchboard.tell(holder, "permits-free")


class PermitClient:
    """A worker's side. `woken` is called when permits it was refused may be free."""

    def __init__(self, line: Line, woken: Callable[[], None]) -> None:
        self._line = line
        self._woken = woken
        self._loop = asyncio.get_running_loop()
        self._wanted: list[tuple[list[Any], asyncio.Future[Any]]] = []
        self._tasks: set[asyncio.Task[None]] = set()
        line.handle("permits-free", self._free)

    def acquire(self, keys: Sequence[str]) -> asyncio.Future[Any]:
        """The broker's answer, with all others of this turn."""
        return self._want("acquire", keys)

    def release(self, keys: Sequence[str]) -> asyncio.Future[Any]:
        """Done once the broker knows."""
        return self._want("release", keys)

    def _want(self, operation: str, keys: Sequence[str]) -> asyncio.Future[Any]:
        future: asyncio.Future[Any] = self._loop.create_future()
        if not self._wanted:
            self._loop.call_soon(self._send)
        self._wanted.append(([operation, list(keys)], future))
        return future

    def _send(self) -> None:
        wanted, self._wanted = self._wanted, []
        task = self._loop.create_task(self._exchange(wanted))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _exchange(self, wanted: list[tuple[list[Any], asyncio.Future[Any]]]) -> None:
        try:
            answers = await self._line.ask(SUPERVISOR, "permits", {"batch": [request for request, _ in wanted]})
        except DanelawError as error:
            for _, future in wanted:
                if not future.done():
                    future.set_exception(error)
            return
        for (_, future), answer in zip(wanted, answers, strict=True):
            if not future.done():
                future.set_result(answer)

    def _free(self, sender: str, args: Mapping[str, Any]) -> None:
        self._woken()

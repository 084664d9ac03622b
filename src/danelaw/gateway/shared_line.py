"""Shared state across workers, a worker's side: requests of one turn of the loop leave in one frame, in order.

Every request has a time limit. What was not answered in time raises `StoreUnavailable`; an answer that comes later is
forgotten, and what it grants goes back.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from danelaw.gateway.switchboard import SUPERVISOR
from danelaw.shared import MOST_AT_ONCE, Request, SharedStateError, StoreUnavailable
from danelaw.shared.protocol import answer_from_row, checked, request_to_row

if TYPE_CHECKING:
    from danelaw.gateway.line import Line
    from danelaw.shared.carrier import Done

OPERATION = "shared"
"""The operation of the line, both ways."""
MOST_OPEN = 4096
"""Requests a worker has at the store at once; more wait in the worker, so that none floods the supervisor."""
_MOST_WAITING = 20_000
_SWEEP_SECONDS = 0.25


class _Open(NamedTuple):
    request: Request
    deadline: float
    done: Done


class LineCarrier:
    """`seconds` is the time limit of a request, beside what it may wait at the store by its own word."""

    def __init__(self, line: Line, ticks: Callable[[], float], seconds: float = 5.0) -> None:
        self._line = line
        self._ticks = ticks
        self._seconds = seconds
        self._loop = asyncio.get_running_loop()
        self._number = 0
        self._queue: deque[_Open] = deque()
        self._open: dict[int, _Open] = {}
        self._planned = False
        self._timer: asyncio.TimerHandle | None = None
        self._gone = False
        self.late = 0
        line.handle(OPERATION, self._hear)

    def ask(self, code: str, space: str, key: str, *args: Any, wait: float = 0.0) -> Awaitable[Any]:
        """Say it with all else of this turn of the loop; awaiting gives the result or raises `SharedStateError`. Raises
        `BadRequest` at once for arguments of another form.
        """
        future: asyncio.Future[Any] = self._loop.create_future()

        def done(result: Any) -> None:
            if future.done():
                if code == "acquire" and not isinstance(result, SharedStateError) and result[0]:
                    self.say("release", space, key, result[0], done=_nothing)
            elif isinstance(result, SharedStateError):
                future.set_exception(result)
            else:
                future.set_result(result)

        self._put(code, space, key, args, wait, done)
        return future

    def say(self, code: str, space: str, key: str, *args: Any, done: Done) -> None:
        """Say it with all else of this turn of the loop."""
        self._put(code, space, key, args, 0.0, done)

    def now(self) -> float:
        """Steady seconds, the same in all processes of this machine."""
        return self._ticks()

    @property
    def open(self) -> int:
        """Requests not yet answered."""
        return len(self._queue) + len(self._open)

    def cut_off(self) -> None:
        """The line is broken: no more answers will come."""
        self._gone = True
        self._fail([*self._open.values(), *self._queue], "the supervisor is gone")

    def close(self) -> None:
        """No more time limits are watched."""
        if self._timer is not None:
            self._timer.cancel()

    # inside

    def _put(self, code: str, space: str, key: str, args: tuple[Any, ...], wait: float, done: Done) -> None:
        if self._gone or len(self._queue) >= _MOST_WAITING:
            why = "the supervisor is gone" if self._gone else f"{_MOST_WAITING} requests wait for it in this worker"
            self._loop.call_soon(done, StoreUnavailable(f"shared state: {why}"))
            return
        # What the store would refuse must not get into a frame, where it could spoil the requests of others.
        request = checked(Request(self._number + 1, code, space, key, args))
        self._number += 1
        deadline = self._ticks() + self._seconds + wait
        self._queue.append(_Open(request, deadline, done))
        self._plan()
        if self._timer is None:
            self._timer = self._loop.call_later(_SWEEP_SECONDS, self._sweep)

    def _plan(self) -> None:
        if not self._planned and self._queue and len(self._open) < MOST_OPEN:
            self._planned = True
            self._loop.call_soon(self._send)

    def _send(self) -> None:
        self._planned = False
        while self._queue and len(self._open) < MOST_OPEN:
            rows: list[Any] = []
            while self._queue and len(rows) < MOST_AT_ONCE and len(self._open) < MOST_OPEN:
                one = self._queue.popleft()
                self._open[one.request.number] = one
                rows.append(request_to_row(one.request))
            self._line.tell(SUPERVISOR, OPERATION, rows=rows)

    def _hear(self, sender: str, args: Mapping[str, Any]) -> None:
        for row in args["rows"]:
            number, result = answer_from_row(row)
            one = self._open.pop(number, None)
            if one is not None:
                one.done(result)
        self._plan()

    def _sweep(self) -> None:
        """One timer for all limits: one per request would cost more than the request."""
        now = self._ticks()
        late = [one for one in (*self._open.values(), *self._queue) if one.deadline <= now]
        self._timer = None
        if late:
            self.late += len(late)
            self._fail(late, f"no answer within {self._seconds:g} s")
        if self._open or self._queue:
            self._timer = self._loop.call_later(_SWEEP_SECONDS, self._sweep)

    def _fail(self, some: list[_Open], why: str) -> None:
        for one in some:
            if one.request.number in self._open and one.request.code == "acquire" and not self._gone:
                self._open[one.request.number] = one._replace(deadline=float("inf"))
            else:
                self._open.pop(one.request.number, None)
            one.done(StoreUnavailable(f"shared state: {why}"))
        gone = {one.request.number for one in some}
        if self._queue:
            self._queue = deque(one for one in self._queue if one.request.number not in gone)


def _nothing(result: Any) -> None:
    """Nobody needs to know."""

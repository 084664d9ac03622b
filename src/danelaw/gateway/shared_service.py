"""Shared state across workers, the supervisor's side: requests wait in line here and are worked through in portions.

A portion is small, so that a flood of requests neither delays what the supervisor watches over nor the permits of
deliveries, and workers take turns. A worker that says more than the protocol allows is refused, not waited for.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from danelaw.errors import DanelawError
from danelaw.gateway.shared_line import MOST_OPEN, OPERATION
from danelaw.gateway.shared_operations import STATE
from danelaw.shared import (
    LATER,
    MOST_AT_ONCE,
    SharedStateError,
    Store,
    StoreUnavailable,
    everything,
    inspection,
    restore,
)
from danelaw.shared.protocol import answer_to_row, request_from_row

if TYPE_CHECKING:
    from danelaw.gateway.switchboard import Switchboard

_PORTION = 256
_PORTION_OCTETS = 1 << 20
_TURN_SECONDS = 0.005
_LAPSING_PER_TURN = 256
_MOST_UNREAD = 4 << 20
"""Octets of answers a worker has not read, above which nothing more is done for it."""


class SharedService:
    """`attach` it to the switchboard, call `work` in each turn and `reaped` for every worker that is gone. `ticks` is
    the monotonic clock.
    """

    def __init__(self, store: Store, ticks: Callable[[], float]) -> None:
        self.store = store
        self._ticks = ticks
        self._switchboard: Switchboard | None = None
        self._lines: dict[str, deque[Any]] = {}

    def attach(self, switchboard: Switchboard) -> None:
        """Hear what workers say from now on."""
        self._switchboard = switchboard
        switchboard.services[OPERATION] = self._hear
        switchboard.services[STATE] = self._for_operator

    @property
    def waiting(self) -> int:
        """Requests in line."""
        return sum(map(len, self._lines.values()))

    def next_work(self, latest: float) -> float:
        """When to `work` (monotonic seconds), at the latest `latest`."""
        return 0.0 if any(map(self._reads, self._lines)) else min(latest, self.store.due)

    def work(self) -> None:
        """Do some of what waits, for some milliseconds."""
        now = self._ticks()
        if self.store.due <= now:
            self.store.look(now, _LAPSING_PER_TURN)
        for holder in tuple(filter(self._reads, self._lines)):
            line = self._lines.pop(holder)
            over = self._portion(holder, line, now)
            if line:
                self._lines[holder] = line  # behind the others
            if over:
                break
        self._tell_news()

    def reaped(self, holder: str) -> None:
        """A worker is dead: its semaphores are free."""
        self._lines.pop(holder, None)
        self.store.forget(holder, self._ticks())
        self._tell_news()

    def state(self) -> dict[str, Any]:
        """Everything, for the program that follows in this process: requests in line too."""
        return everything(self.store) | {"lines": [[holder, list(line)] for holder, line in self._lines.items()]}

    def restore(self, state: dict[str, Any]) -> None:
        """What `state` gave; to be called on a new service. Raises `UnreadableSnapshot`."""
        restore(self.store, state["rows"], self._ticks())
        self.store.last_lease = state["lease"]
        self._lines = {holder: deque(rows) for holder, rows in state["lines"]}

    # inside

    def _hear(self, holder: str, args: dict[str, Any]) -> None:
        rows = args.get("rows")
        if not isinstance(rows, list) or len(rows) > MOST_AT_ONCE:
            raise DanelawError(f"shared state is asked in batches of at most {MOST_AT_ONCE}")
        line = self._lines.setdefault(holder, deque())
        room = MOST_OPEN - len(line)
        line.extend(rows[:room])
        refused = StoreUnavailable(f"this worker has {MOST_OPEN} requests at the store already")
        self._answer(holder, [answer_to_row(row[0], refused) for row in rows[room:] if isinstance(row, list) and row])
        if not line:
            del self._lines[holder]

    def _for_operator(self, sender: str, args: dict[str, Any]) -> dict[str, Any]:
        found = inspection.perform(self.store, str(args["name"]), args["arguments"], self._ticks(), time.time())
        self._tell_news()
        return found

    def _portion(self, holder: str, line: deque[Any], now: float) -> bool:
        """Do some of what one worker asked for; true when the time of this turn is over."""
        answers, octets, over = [], 0, False
        for _ in range(min(_PORTION, len(line))):
            answer = self._perform(holder, line.popleft(), now)
            if answer is not None:
                answers.append(answer)
                octets += _octets(answer[1])
            over = self._ticks() - now > _TURN_SECONDS
            if over or octets > _PORTION_OCTETS:
                break
        self._answer(holder, answers)
        return over

    def _perform(self, holder: str, row: Any, now: float) -> list[Any] | None:
        try:
            request = request_from_row(row)
        except SharedStateError:
            return None  # without a number there is nobody to answer; the asker's time limit tells him
        try:
            result = self.store.perform(holder, request, now)
        except Exception as error:  # what one process says must not end the one that watches over all
            result = SharedStateError(f"internal error: {type(error).__name__}: {error}")
        return None if result is LATER else answer_to_row(request.number, result)

    def _reads(self, holder: str) -> bool:
        """Whether a worker reads its answers; one that is gone will be reaped."""
        peer = self._switchboard.peers.get(holder) if self._switchboard is not None else None
        return peer is not None and not peer.broken and len(peer.out) < _MOST_UNREAD

    def _tell_news(self) -> None:
        for granted in self.store.news():
            self._answer(granted.holder, [answer_to_row(granted.request, [granted.lease, 0.0])])

    def _answer(self, holder: str, rows: list[Any]) -> None:
        if rows and self._switchboard is not None:
            self._switchboard.tell(holder, OPERATION, rows=rows)


def _octets(result: Any) -> int:
    """About how much of a frame an answer takes."""
    if isinstance(result, list):
        return sum(map(_octets, result), 16)
    return 2 * len(result) + 16 if isinstance(result, str) else 16

"""The shared memory of the processes: for every worker one row that it alone writes and everybody reads.

A row holds when its worker's event loop last turned, how many clients it serves, and the id of the message whose code
runs at this moment. So a supervisor that shares nothing else sees that a worker is stuck, and which message it died of.
Beside the rows lies the ledger of what clients have used of their ceilings (`danelaw.inbound.ledger`), which all
workers write. Eight octets that are aligned are written at once on every machine we run on; no lock is needed, and a
process that is killed in between leaves none behind.
"""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable, Generator
from typing import Any

from danelaw.inbound import ledger

SEATS = 192
"""Rows there are: workers wanted, workers retiring, and some to spare."""
_WORDS = 8  # a cache line per row, so that workers do not slow each other down
_BEAT, _LOAD, _MESSAGE, _ACCEPTING = range(4)
_NANO = 1_000_000_000


class Board:
    """All rows, in anonymous memory that forked processes share."""

    __slots__ = ("_ledger", "_memory", "_seats", "_secret", "_words")

    def __init__(self, seats: int = SEATS) -> None:
        self._seats = seats
        # Only what is written becomes real memory: some octets for each client that is known.
        self._ledger = memoryview(mmap.mmap(-1, ledger.octets_needed(seats)))
        self._secret = os.urandom(16)
        self._memory = mmap.mmap(-1, seats * _WORDS * 8)
        self._words = memoryview(self._memory).cast("Q")

    def seat(self, number: int) -> Seat:
        """The row of one worker, for that worker."""
        return Seat(self._words[number * _WORDS : (number + 1) * _WORDS], number)

    def ledger(self, number: int) -> ledger.Ledger:
        """The ledger of all clients, for the worker on this seat."""
        return ledger.Ledger(self._ledger, self._secret, column=number, columns=self._seats)

    def clear(self, number: int, now: float) -> None:
        """Prepare a row for a worker that is about to be forked; `now` is monotonic."""
        for word in range(_WORDS):
            self._words[number * _WORDS + word] = 0
        ledger.clear_column(self._ledger, number)
        self._words[number * _WORDS + _BEAT] = int(now * _NANO)

    def beat(self, number: int) -> float:
        """When this worker last gave a sign of life (monotonic seconds)."""
        return self._words[number * _WORDS + _BEAT] / _NANO

    def message(self, number: int) -> int:
        """The id of the message this worker has in hand, 0 for none."""
        return self._words[number * _WORDS + _MESSAGE]

    def load(self, number: int) -> int:
        """How many clients this worker serves."""
        return self._words[number * _WORDS + _LOAD]

    def least_load(self, now: float, silent: float = 1.0) -> int:
        """The clients of the least loaded worker that accepts and was alive `silent` seconds ago; 0 without one."""
        oldest = int((now - silent) * _NANO)
        words = self._words
        found = [
            words[row + _LOAD]
            for row in range(0, len(words), _WORDS)
            if words[row + _ACCEPTING] and words[row + _BEAT] >= oldest
        ]
        return min(found, default=0)

    def total_load(self) -> int:
        """The clients of all workers."""
        return sum(self._words[_LOAD::_WORDS])


class Seat:
    """One worker's own row."""

    __slots__ = ("_row", "number")

    def __init__(self, row: memoryview, number: int = 0) -> None:
        self._row = row
        self.number = number

    def beat(self, now: float) -> None:
        """The event loop turns; `now` is monotonic."""
        self._row[_BEAT] = int(now * _NANO)

    def load(self, clients: int) -> None:
        """So many clients are served now."""
        self._row[_LOAD] = clients

    def accepting(self, yes: bool) -> None:
        """Whether this worker takes new clients."""
        self._row[_ACCEPTING] = int(yes)

    def hold(self, message: int) -> None:
        """Code runs for this message from now on; 0 when it is let go."""
        self._row[_MESSAGE] = message


class InHand:
    """Runs a coroutine step by step and shows the message's id only while a step runs.

    Between steps other messages have their turn, and whatever ends the process then is not this one's fault.
    """

    __slots__ = ("_coroutine", "_message", "_show")

    def __init__(self, coroutine: Generator[Any, Any, Any] | Any, message: int, show: Callable[[int], None]) -> None:
        self._coroutine = coroutine
        self._message = message
        self._show = show

    def __await__(self) -> Generator[Any, Any, Any]:
        coroutine, message, show = self._coroutine, self._message, self._show
        value: Any = None
        error: BaseException | None = None
        while True:
            show(message)
            try:
                awaited = coroutine.send(value) if error is None else coroutine.throw(error)
            except StopIteration as end:
                return end.value
            finally:
                show(0)
            try:
                value, error = (yield awaited), None
            except BaseException as thrown:
                value, error = None, thrown

"""Reading much in turns, so that the write-ahead log can begin anew in between (`danelaw.spool.logsize`).

A read holds the state of one moment, and with it the log, until it ends. So whoever looks through the queue reads
slices of it. A slice that takes longer than `TERM_SECONDS` is interrupted and read again as a smaller one; how many
rows the next one has depends on how long the last took. Between two slices a log that asks for it gets time to begin
anew. Only a slice of `FEWEST` rows may take as long as it wants: a message with a hundred thousand recipients does.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

from danelaw.spool import logsize

T = TypeVar("T")

TERM_SECONDS = 0.1
AIM_SECONDS = 0.05
"""A slice is made smaller when it took longer, and larger when it took less than half of that."""
PAUSE_SECONDS = 0.1
MOST_PAUSES = 3
"""A log that did not get smaller in so many pauses has somebody else in the way, or nothing to write."""
LAST = 1 << 62
"""Above every id."""
FEWEST = 16
_OPCODES = 5000
"""Instructions of SQLite's machine between two looks at the clock: well below a millisecond."""


@contextmanager
def term(connection: sqlite3.Connection, seconds: float = TERM_SECONDS) -> Iterator[None]:
    """Interrupt the statements within that last longer: `sqlite3.OperationalError`, which `is_over` knows."""
    end = time.monotonic() + seconds
    connection.set_progress_handler(lambda: time.monotonic() > end, _OPCODES)
    try:
        yield
    finally:
        connection.set_progress_handler(None, 0)


def is_over(error: sqlite3.Error) -> bool:
    """Whether a statement failed since its term was over."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_INTERRUPT


class Turns:
    """Reads one table by id through a connection that belongs to this thread."""

    def __init__(
        self,
        connection: sqlite3.Connection,
        table: str = "message",
        most: int = 10_000,
        *,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        """`most` ids at a time. `pause` waits for so many seconds; it is not called in an event loop's thread."""
        self._connection = connection
        self._table = table
        self._most = most
        self._size = min(most, 1000)
        self._pause = pause
        self._pauses = MOST_PAUSES if _is_loop() else 0
        self._log = _log_of(connection, table)

    def read(self, read: Callable[[int, int], T], after: int = 0) -> Iterator[T]:
        """What `read` gives for the ids above the first of two numbers, up to and including the second: all above
        `after`, in ascending order. It must have read all it wants when it returns, and may be called again for a
        part of what it was called for, when its time is over. Raises `sqlite3.Error`.
        """
        while True:
            upto = end_of(self._connection, self._table, after, self._size)
            begun = time.monotonic()
            try:
                if self._size <= FEWEST:
                    found = read(after, upto)
                else:
                    with term(self._connection):
                        found = read(after, upto)
            except sqlite3.Error as error:
                if not is_over(error):
                    raise
                self._size = min(self._most, max(FEWEST, self._size // 4))
                continue
            took = time.monotonic() - begun
            yield found
            if upto == LAST:
                return
            after = upto
            if took > AIM_SECONDS:
                self._size = min(self._most, max(FEWEST, self._size // 2))
            elif took < AIM_SECONDS / 2:
                self._size = min(self._most, self._size * 2)
            self._let_go()

    def _let_go(self) -> None:
        """Give the log time to begin anew where it asks for that."""
        if self._pauses < MOST_PAUSES and _octets(self._log) > logsize.ASKING:
            self._pauses += 1
            self._pause(PAUSE_SECONDS)


def slices(
    connection: sqlite3.Connection, after: int, table: str = "message", most: int = 10_000
) -> Iterator[tuple[int, int]]:
    """Ranges (above, up to and including) of ids that hold at most so many each, for who writes in between."""
    while True:
        upto = end_of(connection, table, after, most)
        yield after, upto
        if upto == LAST:
            return
        after = upto


def end_of(connection: sqlite3.Connection, table: str, after: int, most: int) -> int:
    """The last of so many ids above `after`, or `LAST`."""
    row = connection.execute(
        f"SELECT id FROM {table} WHERE id > ? ORDER BY id LIMIT 1 OFFSET {most - 1}", (after,)
    ).fetchone()
    return LAST if row is None else int(row[0])


def _is_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _log_of(connection: sqlite3.Connection, table: str) -> str:
    schema, dot, _ = table.partition(".")
    files = {row[1]: row[2] for row in connection.execute("PRAGMA database_list")}
    return f"{files[schema if dot else 'main']}-wal"


def _octets(log: str) -> int:
    with suppress(OSError):
        return os.stat(log).st_size
    return 0

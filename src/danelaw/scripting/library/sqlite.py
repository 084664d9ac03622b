"""SQLite for scripts: a few connections, each in a thread of its own while it works."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from urllib.parse import quote

from danelaw.policy import LibraryError

if TYPE_CHECKING:
    from danelaw.config.library import PolicyDatabase

T = TypeVar("T")
_LARGEST_VALUE = 16 << 20
_PREFIX = "sqlite:///"


class SQLiteDatabase:
    """One file. Statements that take longer than the time-out are interrupted; a file that scripts may not write is
    opened read-only.
    """

    def __init__(self, name: str, section: PolicyDatabase) -> None:
        """Nothing is opened yet."""
        self._name = name
        self._path = Path(section.url.removeprefix(_PREFIX))
        self._writable = section.writable
        self._seconds = section.timeout.total_seconds()
        self._most = section.most
        self._closed = False
        self._idle: SimpleQueue[sqlite3.Connection] = SimpleQueue()
        self._threads = ThreadPoolExecutor(section.connections, thread_name_prefix=f"sqlite-{name}"[:15])

    async def query(self, statement: str, values: Sequence[Any]) -> list[dict[str, Any]]:
        """Rows by column name. Raises `LibraryError`."""
        return await self._within(lambda connection: self._rows(connection, statement, values))

    async def execute(self, statement: str, values: Sequence[Any]) -> int:
        """How many rows were touched. Raises `LibraryError`."""
        return await self._within(lambda connection: _touched(connection, statement, values))

    async def close(self) -> None:
        """Close what is idle; what is at work is interrupted by its time-out and closed by its thread's end."""
        self._closed = True
        self._threads.shutdown(wait=False, cancel_futures=True)
        while not self._idle.empty():
            with contextlib.suppress(Empty):
                self._idle.get_nowait().close()

    async def _within(self, work: Callable[[sqlite3.Connection], T]) -> T:
        job = _Job(work)
        future = asyncio.get_running_loop().run_in_executor(self._threads, self._do, job)
        try:
            async with asyncio.timeout(self._seconds):
                return await future
        except TimeoutError:
            raise LibraryError(f"the database {self._name} did not answer within {self._seconds:g} s") from None
        finally:
            job.stop()

    def _do(self, job: _Job[T]) -> T:
        """In a thread."""
        try:
            connection = self._idle.get_nowait()
        except Empty:
            connection = self._open()
        try:
            return job.run(connection)
        except sqlite3.Error as error:
            raise LibraryError(f"the database {self._name} says: {error}"[:300]) from None
        except (OverflowError, ValueError) as error:
            raise LibraryError(f"a value that the database {self._name} cannot take: {error}"[:300]) from None
        finally:
            if connection.in_transaction:
                connection.rollback()
            if self._closed:
                connection.close()
            else:
                self._idle.put(connection)

    def _open(self) -> sqlite3.Connection:
        mode = "rw" if self._writable else "ro"
        address = f"file:{quote(str(self._path))}?mode={mode}"
        try:
            connection = sqlite3.connect(
                address, uri=True, timeout=self._seconds, isolation_level=None, check_same_thread=False
            )
            connection.setlimit(sqlite3.SQLITE_LIMIT_LENGTH, _LARGEST_VALUE)
            connection.setlimit(sqlite3.SQLITE_LIMIT_ATTACHED, 0)
            connection.execute("PRAGMA trusted_schema = OFF")
            if self._writable:
                connection.execute("PRAGMA journal_mode = WAL")
            else:
                connection.execute("PRAGMA query_only = ON")
            return connection
        except sqlite3.Error as error:
            raise LibraryError(
                f"the database {self._path} cannot be opened: {error}", advice=f"correct [policy.database.{self._name}]"
            ) from None

    def _rows(self, connection: sqlite3.Connection, statement: str, values: Sequence[Any]) -> list[dict[str, Any]]:
        cursor = connection.execute(statement, tuple(values))
        found = cursor.fetchmany(self._most + 1)
        columns = [column[0] for column in cursor.description or ()]
        cursor.close()
        if len(found) > self._most:
            raise LibraryError(
                f"more than {self._most} rows", advice=f"add LIMIT, or raise most in [policy.database.{self._name}]"
            )
        return [dict(zip(columns, row, strict=True)) for row in found]


class _Job(Generic[T]):
    """What a thread does with a connection, and how the event loop stops it."""

    __slots__ = ("_connection", "_lock", "_stopped", "_work")

    def __init__(self, work: Callable[[sqlite3.Connection], T]) -> None:
        self._work = work
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._stopped = False

    def run(self, connection: sqlite3.Connection) -> T:
        """In a thread. Raises what the work does."""
        with self._lock:
            if self._stopped:
                raise LibraryError("nobody waits for it any more")
            self._connection = connection
        try:
            return self._work(connection)
        finally:
            with self._lock:
                self._connection = None

    def stop(self) -> None:
        """Nobody waits any more: interrupt the statement that runs, if one does."""
        with self._lock:
            self._stopped = True
            if self._connection is not None:
                self._connection.interrupt()


def _touched(connection: sqlite3.Connection, statement: str, values: Sequence[Any]) -> int:
    connection.execute("BEGIN IMMEDIATE")
    cursor = connection.execute(statement, tuple(values))
    cursor.fetchall()
    count = cursor.rowcount
    connection.execute("COMMIT")
    return max(0, count)

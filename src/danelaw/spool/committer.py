"""The threads behind group commit: COMMIT, the flush, the checkpoint, and bodies whose rows are durably gone."""

from __future__ import annotations

import asyncio
import os
import queue
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Protocol, TypeAlias

from danelaw.spool import logsize
from danelaw.spool.batch import Batch
from danelaw.spool.bodies import delete_bodies
from danelaw.spool.errors import SpoolError
from danelaw.spool.faults import typed
from danelaw.spool.flush import LogFlush
from danelaw.spool.logsize import LogSize
from danelaw.spool.writer import BatchWriter

_Given: TypeAlias = tuple[Batch, BatchWriter, Callable[[Batch], None] | None]


def commit_transaction(connection: sqlite3.Connection) -> None:
    """COMMIT: written to the log, and flushed unless `Committer` said otherwise. Tests and benchmarks put failures and
    delays in its place.
    """
    connection.execute("COMMIT")


class LoopSide(Protocol):
    """What is told of a batch, on the loop, in this order: `finished`, and `free` where the disk is still busy then;
    or, where the disk is slow, `took_off`, `free_early`, and `landed` at any time after `took_off`.
    """

    def unwritten(self, batch: Batch, error: Exception) -> None:
        """Its statements failed in the commit thread, and the transaction has ended."""

    def finished(self, batch: Batch, error: SpoolError | None, free: bool) -> None:
        """It is durable, or failed; `free`: the next one may begin."""

    def free(self) -> None:
        """The next one may begin."""

    def took_off(self) -> None:
        """It is written, and its flush goes on beside what follows."""

    def free_early(self) -> None:
        """The next one may begin while flushes are under way."""

    def landed(self, batch: Batch, error: SpoolError | None) -> None:
        """The flush of one that took off has ended."""


class Committer:
    """One shard's threads. Whoever writes holds `transaction`; the commit thread releases it for the loop.

    `flaw` is the first failure since the database was opened, set at once by the thread that met it. What another
    flush was told may hold for all that wait: the kernel need not repeat it. `checkpointing`: the thread has the
    transaction for a while, perhaps until readers let go.
    """

    def __init__(
        self,
        side: LoopSide,
        bodies: Path,
        log: Path,
        commit: Callable[[sqlite3.Connection], None] = commit_transaction,
        flush: Callable[[int], None] = os.fdatasync,
    ) -> None:
        """`log` is the write-ahead log of an open database."""
        self.transaction = threading.Lock()
        self.flaw: SpoolError | None = None
        self.flush = LogFlush(flush)
        self.flush.open(log)
        self.log = LogSize(self.flush.octets())
        self.checkpointing = False
        self._side = side
        self._bodies = bodies
        self._log_path = log
        self._commit = commit
        self._thread: threading.Thread | None = None
        self._flushes = True  # `database.open_writer` says synchronous = FULL
        self._inbox: queue.SimpleQueue[_Given | None] = queue.SimpleQueue()
        self._loop: asyncio.AbstractEventLoop | None = None

    def put(self, batch: Batch, writer: BatchWriter, write: Callable[[Batch], None] | None = None) -> None:
        """On the loop, with the transaction held: commit it in the thread. `write` runs its statements there first, and
        ends the transaction where it fails; None: they are done.
        """
        if self._thread is None:
            self._loop = asyncio.get_running_loop()
            self._thread = threading.Thread(target=self._work, name="spool-commit", daemon=True)
            self._thread.start()
        self._inbox.put((batch, writer, write))

    def begin_unflushed(self, writer: BatchWriter) -> None:
        """With the transaction held, before it begins: `here` will not flush it."""
        self._let_commit_flush(writer, False)

    def here(self, writer: BatchWriter, *, flush: bool = True) -> list[str]:
        """Commit and, unless it was begun otherwise, flush in this thread, with the transaction held; gives the bodies
        to delete once it is durable. Raises what SQLite and the disk do.
        """
        self._commit(writer.connection)
        if flush and not self._flushes:
            self.flush.now()
        return writer.committed()

    def reopened(self) -> None:
        """The database was opened anew. Raises `OSError`."""
        self.flush.open(self._log_path)
        self._flushes = True
        self.flaw = None
        self.log = LogSize(self.flush.octets())

    def restart_log(self, writer: BatchWriter) -> bool:
        """With the transaction held, restart the log if that is due. In the event loop's thread nobody is waited for:
        True when the commit thread should do that.
        """
        octets = self.flush.octets()
        self.log.checkpoint_if_large(writer.connection, octets, may_wait=self._thread is None)
        return self._thread is not None and self.log.patience(self.flush.octets()) > 0

    def stop(self) -> None:
        """End all threads, after what they have been given."""
        if self._thread is not None:
            self._inbox.put(None)
            self._thread.join()
            self._thread = None
        self.flush.close()

    # In the commit thread.

    def _work(self) -> None:
        while (given := self._inbox.get()) is not None:
            batch, writer, write = given
            error: SpoolError | None = None
            if write is not None:
                self._make_room(writer)
                try:
                    write(batch)
                except Exception as cause:
                    self._tell(self._side.unwritten, batch, cause)
                    continue
            try:
                slow = self.flush.slow  # once: a flushing thread may change its mind meanwhile
                if slow:
                    self._commit(writer.connection)
                    batch.doomed = writer.committed()
                    self._fly(batch, writer)
                    continue
                with self.flush.measured():
                    self._commit(writer.connection)
                    if not self._flushes:
                        self.flush.now()
                batch.doomed = writer.committed()
                self._let_commit_flush(writer, True)
                if self.flaw is not None:
                    raise self.flaw
            except Exception as cause:
                error = self.flaw = cause if isinstance(cause, SpoolError) else typed(cause)
            self._end(batch, writer, error)

    def _end(self, batch: Batch, writer: BatchWriter, error: SpoolError | None) -> None:
        octets = self.flush.octets()
        large = error is None and self.log.large(octets)
        if large:
            # Answer first: nobody waits for the checkpoint.
            self.checkpointing = True
            self._tell(self._side.finished, batch, None, False)
            self.log.checkpoint_if_large(writer.connection, octets)
            self.checkpointing = False
        if error is None:
            delete_bodies(self._bodies, batch.doomed)
        self.transaction.release()
        if large:
            self._tell(self._side.free)
        else:
            self._tell(self._side.finished, batch, error, True)

    def _fly(self, batch: Batch, writer: BatchWriter) -> None:
        """The flush goes on elsewhere, and the next batch may be written."""
        self._let_commit_flush(writer, False)
        self._tell(self._side.took_off)
        self.flush.later(batch, self._flushed)
        self.checkpointing = True
        self.log.checkpoint_if_large(writer.connection, self.flush.octets())
        self.checkpointing = False
        self.transaction.release()
        self._tell(self._side.free_early)

    def _make_room(self, writer: BatchWriter) -> None:
        """Before a transaction that may take half of what the log may have: thousands of recipients."""
        octets = self.flush.octets()
        if self.log.frames(octets) > logsize.WAL_FRAMES // 4:
            self.log.checkpoint(writer.connection, octets, logsize.WAIT_MS)

    def _let_commit_flush(self, writer: BatchWriter, flushes: bool) -> None:
        """On a quick disk COMMIT flushes by itself: one wait less for the interpreter. Between transactions only."""
        if self._flushes is not flushes:
            writer.connection.execute(f"PRAGMA synchronous = {'FULL' if flushes else 'NORMAL'}")
            self._flushes = flushes

    # In a flushing thread.

    def _flushed(self, batch: Batch, cause: Exception | None) -> None:
        error = None if cause is None else typed(cause)
        if error is not None:
            self.flaw = error
        elif self.flaw is None:
            delete_bodies(self._bodies, batch.doomed)
        self._tell(self._side.landed, batch, error or self.flaw)

    def _tell(self, what: Callable[..., None], *args: object) -> None:
        assert self._loop is not None
        self._loop.call_soon_threadsafe(what, *args)

"""Keeping SQLite's write-ahead log small.

The log can begin anew only once all of it is copied into the database and nobody reads from it. Who reads holds the
state of one moment until the read ends, so a reader in the way is met by these measures in turn, by the frames in
the log:

1. from `WAL_FRAMES` on (33 MB): copy what can be copied and begin anew if nobody is in the way, without waiting;
   again for every `STEP` frames.
2. A log that has outgrown `ASKING` octets asks readers to let go: who reads in slices (`danelaw.spool.turns`) pauses
   between two of them. No read lasts longer than `turns.TERM_SECONDS`: it is interrupted, and repeated with less.
3. from `LAST_FRAMES` on (50 MB): wait for readers, for as long as two of them in a row may take. A read that begins
   while nothing is written is no longer in the way, so this works against any number of readers, and the rest up to
   64 MB is room for the transaction that went before.

Only a program of somebody else's that keeps a transaction open for longer still defeats that. It then costs no more
than the growth of the log: the wait is not repeated before the log is half as long again.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from pathlib import Path

from danelaw.spool.database import BUSY_TIMEOUT_MS, PRIMED_OCTETS

WAL_FRAMES = 8000
FRAME_OCTETS = 4096 + 24
STEP = 250
LAST_FRAMES = 12_000
WAIT_MS = 400
"""For two reads, one after the other, and time to notice their end."""
_WAIT_MS = 10
ASKING = PRIMED_OCTETS + (1 << 20)
_PIECE = bytes(1 << 20)


def prime(log: Path, octets: int) -> None:
    """Give the log its later size at once, up to `PRIMED_OCTETS`, by writing zeros behind what is in it.

    A flush of a file that has grown must also flush the file system's journal: on a busy disk that doubles the time
    until a client gets its 250. SQLite reads a log up to the first frame whose checksum is wrong and ignores the rest.
    Without room nothing changes.
    """
    try:
        descriptor = os.open(log, os.O_WRONLY | os.O_CLOEXEC)
    except OSError:
        return
    try:
        size = position = os.fstat(descriptor).st_size
        wanted = min(octets, PRIMED_OCTETS)
        try:
            while position < wanted:
                position += os.pwrite(descriptor, _PIECE[: wanted - position], position)
            os.fsync(descriptor)
        except OSError:
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, size)
    finally:
        os.close(descriptor)


class LogSize:
    """Knows about how many frames are in the write-ahead log, and restarts it in time.

    SQLite tells the true number only when it checkpoints; rows changed and octets of bodies are counted instead and
    the ratio is learned from each restart. Where the file grows, every octet of it is in use, and that is exact.
    """

    __slots__ = ("_floor", "_next", "_ratio", "_stubborn", "_true", "_units")

    def __init__(self, octets: int = 0) -> None:
        """`octets` has the file now; all of it may be in use."""
        self._ratio = 1.5
        self._units = octets / FRAME_OCTETS / self._ratio
        self._floor = octets
        self._true = not octets
        self._next = 0
        self._stubborn = 0

    def grew(self, changes: int, octets: int) -> None:
        """A transaction changed so many rows, with so many octets of bodies."""
        self._units += changes + octets / 4096 + (1 if changes else 0)

    def frames(self, octets: int) -> int:
        """Frames in the log, whose file has so many octets."""
        counted = int(self._units * self._ratio)
        return max(counted, octets // FRAME_OCTETS) if octets > self._floor else counted

    def large(self, octets: int) -> bool:
        """True when the log should be restarted; `octets` is the size of its file."""
        return self.frames(octets) > max(WAL_FRAMES, self._next)

    def patience(self, octets: int) -> int:
        """For how many milliseconds readers may be waited for."""
        return WAIT_MS if self.frames(octets) > max(LAST_FRAMES, self._stubborn) else 0

    def checkpoint(self, connection: sqlite3.Connection, octets: int, patience: int) -> bool:
        """Copy the log into the database and start it anew; False with a reader in the way, who is waited for so
        many milliseconds.
        """
        busy, frames = _restart(connection, patience)
        if frames > 0 and self._true and self._units:
            self._ratio = min(8.0, max(0.1, frames / self._units))
        if not busy:
            # The file is cut to `PRIMED_OCTETS` with the next COMMIT.
            self._units, self._floor, self._true = 0.0, min(octets, PRIMED_OCTETS), True
            self._next = self._stubborn = 0
            return True
        if frames >= 0:
            self._units, self._true = frames / self._ratio, True
        else:
            frames = self.frames(octets)
        self._next = frames + STEP
        if patience:
            self._stubborn = frames * 3 // 2
        return False

    def checkpoint_if_large(self, connection: sqlite3.Connection, octets: int, *, may_wait: bool = True) -> None:
        """The measure that is due, if any."""
        if self.large(octets):
            self.checkpoint(connection, octets, self.patience(octets) if may_wait else 0)


def _restart(connection: sqlite3.Connection, patience: int) -> tuple[int, int]:
    """Whether somebody is in the way, and how many frames are in the log; -1 when that is not known.

    Many short waits: SQLite waits for the place of a reader, and would not see that the next one there is not in the
    way any more.
    """
    end = time.monotonic() + patience / 1000
    try:
        connection.execute(f"PRAGMA busy_timeout = {_WAIT_MS if patience else 0}")
        try:
            while True:
                busy, frames, _ = connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
                if not busy or time.monotonic() >= end:
                    return busy, frames
        finally:
            connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
    except sqlite3.Error:
        return 1, -1  # the next COMMIT will meet the fault and report it

"""Keeping SQLite's write-ahead log small."""

from __future__ import annotations

import contextlib
import os
import sqlite3
from pathlib import Path

WAL_FRAMES = 8000
PRIMED_OCTETS = 33 << 20  # WAL_FRAMES with their headers
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
    """Estimates the frames in the write-ahead log, and restarts it when there are more than `WAL_FRAMES`.

    SQLite tells the true number only when it checkpoints; rows changed and octets of bodies are counted instead and
    the ratio is learned from each checkpoint. Passive checkpoints alone do not bound the log under constant writing.
    """

    __slots__ = ("_ratio", "_units")

    def __init__(self) -> None:
        self._units = 0.0
        self._ratio = 1.5

    def grew(self, changes: int, octets: int) -> None:
        """A transaction changed so many rows, with so many octets of bodies."""
        self._units += changes + octets / 4096 + (1 if changes else 0)

    @property
    def large(self) -> bool:
        """True when the log should be restarted."""
        return self._units * self._ratio > WAL_FRAMES

    def checkpoint_if_large(self, connection: sqlite3.Connection) -> None:
        """Copy the log into the database and start it anew; with a reader in the way, try again a little later."""
        if not self.large:
            return
        try:
            busy, frames, _ = connection.execute("PRAGMA wal_checkpoint(RESTART)").fetchone()
        except sqlite3.Error:
            busy, frames = 1, -1  # the next COMMIT will meet the fault and report it
        if frames > 0:
            self._ratio = min(8.0, max(0.1, frames / self._units))
        self._units = 0.75 * WAL_FRAMES / self._ratio if busy else 0.0

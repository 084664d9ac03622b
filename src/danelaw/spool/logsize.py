"""Keeping SQLite's write-ahead log small."""

from __future__ import annotations

import sqlite3

WAL_FRAMES = 8000


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

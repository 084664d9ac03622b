"""`state.db`: the small things danelaw must remember across restarts, in one SQLite file."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

from danelaw.errors import DanelawError

FILE_NAME = "state.db"
_SCHEMA_VERSION = 1
_BUSY_MS = 2000
_WAL_TRIES = 100

SCHEMA = """
CREATE TABLE sts_policy (
    domain TEXT PRIMARY KEY,
    id TEXT NOT NULL,
    policy TEXT NOT NULL,
    fetched REAL NOT NULL,
    expires REAL NOT NULL
) WITHOUT ROWID;
CREATE INDEX sts_policy_expires ON sts_policy (expires);
CREATE TABLE sts_failure (
    domain TEXT PRIMARY KEY,
    at REAL NOT NULL,
    tlsrpt TEXT NOT NULL,
    reason TEXT NOT NULL,
    id TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX sts_failure_at ON sts_failure (at);
CREATE TABLE override (
    destination TEXT PRIMARY KEY,
    tls TEXT NOT NULL,
    fingerprints TEXT NOT NULL,
    because TEXT NOT NULL,
    expires REAL,
    added_at REAL NOT NULL
) WITHOUT ROWID;
"""


class StateError(DanelawError):
    """`state.db` cannot be read or written."""


class StateDatabase:
    """One connection, used from one thread, in autocommit mode with a write-ahead log.

    Statements here touch a few rows of an indexed table, so they may run on the event loop. The command line
    opens the same file beside a running server; `changed_elsewhere` notices that cheaply.
    """

    def __init__(
        self, path: Path | str, *, read_only: bool = False, schema: str = SCHEMA, durable: bool = True
    ) -> None:
        """Open or create. Raises `StateError` in words when the file cannot be used.

        A file of its own may have another `schema`, and need not be flushed to the disk with each change (`durable`).
        """
        self._schema = schema
        self._synchronous = "FULL" if durable else "NORMAL"
        self.path = str(path)
        is_new = not read_only and not Path(self.path).exists()
        try:
            self._connection = _connect(self.path, read_only)
            if not read_only:
                self._create()
            if is_new and self.path != ":memory:":
                _give_to_owner(Path(self.path))
            self._check_version()
            self._data_version = self._read_data_version()
        except sqlite3.Error as error:
            raise StateError(
                f"{self.path} cannot be opened: {error}", advice="look at its owner and permissions"
            ) from None

    def execute(self, statement: str, parameters: tuple[object, ...] = ()) -> list[tuple[object, ...]]:
        """Run one statement and give all rows. Raises `StateError`."""
        try:
            return self._connection.execute(statement, parameters).fetchall()
        except sqlite3.Error as error:
            raise StateError(f"{self.path}: {error}") from None

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """All statements within, or none of them."""
        self.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self.execute("ROLLBACK")
            raise
        self.execute("COMMIT")

    def changed_elsewhere(self) -> bool:
        """True once after another connection, such as the command line's, has committed."""
        version = self._read_data_version()
        changed = version != self._data_version
        self._data_version = version
        return changed

    def close(self) -> None:
        """Close the file."""
        self._connection.close()

    def _read_data_version(self) -> int:
        return int(self._connection.execute("PRAGMA data_version").fetchone()[0])

    def _turn_to_wal(self) -> None:
        """Workers that start together open a new file together: SQLite does not wait for the lock that this takes."""
        for _ in range(_WAL_TRIES):
            try:
                self._connection.execute("PRAGMA journal_mode=WAL")
                return
            except sqlite3.OperationalError as error:
                if "locked" not in str(error):
                    raise
                time.sleep(_BUSY_MS / 1000 / _WAL_TRIES)
        self._connection.execute("PRAGMA journal_mode=WAL")

    def _create(self) -> None:
        """Make the tables, unless another process did so at the same moment."""
        self._turn_to_wal()
        self._connection.execute(f"PRAGMA synchronous={self._synchronous}")
        self._connection.execute("BEGIN IMMEDIATE")
        try:
            if self._connection.execute("PRAGMA user_version").fetchone()[0] == 0:
                for statement in filter(str.strip, self._schema.split(";")):
                    self._connection.execute(statement)
                self._connection.execute(f"PRAGMA user_version={_SCHEMA_VERSION}")
            self._connection.execute("COMMIT")
        except sqlite3.Error:
            self._connection.execute("ROLLBACK")
            raise

    def _check_version(self) -> None:
        version = self._connection.execute("PRAGMA user_version").fetchone()[0]
        if version != _SCHEMA_VERSION:
            self._connection.close()
            raise StateError(
                f"{self.path} has form {version}, this danelaw knows form {_SCHEMA_VERSION}",
                advice="use the danelaw that wrote it, or a newer one",
            )


def _connect(path: str, read_only: bool) -> sqlite3.Connection:
    if read_only:
        target, uri = f"file:{quote(path)}?mode=ro", True
    else:
        target, uri = path, False
    connection = sqlite3.connect(target, uri=uri, isolation_level=None, timeout=_BUSY_MS / 1000)
    connection.execute(f"PRAGMA busy_timeout={_BUSY_MS}")
    return connection


def _give_to_owner(path: Path) -> None:
    """A file made by root's command line must stay usable by the gateway, who owns the directory."""
    if os.geteuid() == 0:
        owner = path.parent.stat()
        os.chown(path, owner.st_uid, owner.st_gid)
    path.chmod(0o640)

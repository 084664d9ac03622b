"""The book of a survey: what is to be asked, what was found out, whom we have met. One SQLite file.

Each domain's facts and each host's meeting are written as soon as they are known, in a transaction of their own, so a
survey that is killed goes on where it was and asks nothing twice but what was under way. The file is no evidence: it
may lose its last seconds when the machine itself goes down.
"""

from __future__ import annotations

import sqlite3
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from danelaw.errors import DanelawError

APPLICATION_ID = 0x44414E53  # "DANS"
_VERSION = 1
_SCHEMA = """
CREATE TABLE domain (
    number INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE, recipients INTEGER NOT NULL, facts TEXT) STRICT;
CREATE INDEX domain_open ON domain (recipients DESC, number) WHERE facts IS NULL;
CREATE TABLE meeting (
    host TEXT NOT NULL, address TEXT NOT NULL, port INTEGER NOT NULL, sni TEXT NOT NULL, said TEXT NOT NULL,
    chain BLOB NOT NULL, PRIMARY KEY (host, address, port, sni)) STRICT, WITHOUT ROWID;
CREATE TABLE note (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
"""


class BookError(DanelawError):
    """The file cannot be used as the state of a survey."""


class SurveyBook:
    """One survey's state. Used by one process at a time, from one thread."""

    def __init__(self, path: Path | str) -> None:
        """Open or create. Raises `BookError` when another survey has it, or it is something else."""
        try:
            self._connection = sqlite3.connect(path, isolation_level=None, timeout=1.0)
            for pragma in ("locking_mode = EXCLUSIVE", "cache_size = -4096", "mmap_size = 0"):
                self._connection.execute(f"PRAGMA {pragma}")
            self._prepare(str(path))
        except sqlite3.Error as error:
            if "locked" in str(error):
                raise BookError(
                    f"{path} is used by another survey", advice="wait for it, or name another file with --state"
                ) from None
            raise BookError(
                f"{path} cannot be used as the state of a survey: {error}", advice="name another file with --state"
            ) from None

    def _prepare(self, path: str) -> None:
        execute = self._connection.execute
        mine = execute("PRAGMA application_id").fetchone()[0]
        tables = execute("SELECT count(*) FROM sqlite_schema").fetchone()[0]
        version = execute("PRAGMA user_version").fetchone()[0]
        if tables and (mine != APPLICATION_ID or version != _VERSION):
            raise BookError(f"{path} is no state of a survey of this danelaw", advice="name another file with --state")
        execute("PRAGMA journal_mode = WAL").fetchall()
        execute("PRAGMA synchronous = NORMAL")
        if not tables:
            execute("BEGIN EXCLUSIVE")
            for statement in filter(str.strip, _SCHEMA.split(";")):
                execute(statement)
            execute(f"PRAGMA application_id = {APPLICATION_ID}")
            execute(f"PRAGMA user_version = {_VERSION}")
            execute("COMMIT")
        else:
            execute("BEGIN EXCLUSIVE")  # takes the lock now, and keeps it
            execute("COMMIT")

    def close(self) -> None:
        """Let go of the file."""
        self._connection.close()

    # What is to be asked

    @contextmanager
    def reading_in(self) -> Iterator[None]:
        """Around `count`: what is counted within takes the place of what was to be asked before, all or nothing.
        Facts about domains that are still wanted stay.
        """
        execute = self._connection.execute
        execute("BEGIN IMMEDIATE")
        try:
            execute("UPDATE domain SET recipients = -1")
            yield
            execute("DELETE FROM domain WHERE recipients = -1")
            execute("UPDATE domain SET recipients = 1 WHERE recipients = 0")  # seen only while it waited
            execute("COMMIT")
        except BaseException:
            execute("ROLLBACK")
            raise

    def count(self, domains: Mapping[str, int]) -> None:
        """Add recipients to domains; only within `reading_in`."""
        self._connection.executemany(
            "INSERT INTO domain (name, recipients) VALUES (?1, ?2) ON CONFLICT (name) DO UPDATE SET"
            " recipients = max(recipients, 0) + excluded.recipients",
            domains.items(),
        )

    def forget(self) -> None:
        """Forget what was found out, and keep what is to be asked."""
        self._connection.execute("BEGIN IMMEDIATE")
        for statement in ("UPDATE domain SET facts = NULL", "DELETE FROM meeting", "DELETE FROM note"):
            self._connection.execute(statement)
        self._connection.execute("COMMIT")

    def progress(self) -> tuple[int, int]:
        """How many domains are done, and how many there are."""
        row = self._connection.execute("SELECT count(facts), count(*) FROM domain").fetchone()
        return int(row[0]), int(row[1])

    def open_domains(self, limit: int, after: tuple[int, int] | None = None) -> list[tuple[int, str, int]]:
        """(number, name, recipients) of domains not done, those with most recipients first, behind (recipients,
        number).
        """
        recipients, number = after if after is not None else (1 << 62, 0)
        return self._connection.execute(
            "SELECT number, name, recipients FROM domain WHERE facts IS NULL AND (recipients < ?1 OR (recipients = ?1"
            " AND number > ?2)) ORDER BY recipients DESC, number LIMIT ?3",
            (recipients, number, limit),
        ).fetchall()

    # What was found out

    def done(self, number: int, facts: str) -> None:
        """A domain's facts, in their stored form."""
        self._connection.execute("UPDATE domain SET facts = ? WHERE number = ?", (facts, number))

    def found(self, *, by_recipients: bool = True) -> Iterator[tuple[str, int, str]]:
        """(name, recipients, facts) of the domains that are done, those with most recipients first, or by name."""
        order = "recipients DESC, name" if by_recipients else "name"
        yield from self._connection.execute(
            f"SELECT name, recipients, facts FROM domain WHERE facts IS NOT NULL ORDER BY {order}"
        )

    # Whom we have met

    def meeting(self, host: str, address: str, port: int, sni: str) -> tuple[str, tuple[bytes, ...]] | None:
        """What a server said, in its stored form, and the chain it showed; None when we have not met."""
        row = self._connection.execute(
            "SELECT said, chain FROM meeting WHERE host = ? AND address = ? AND port = ? AND sni = ?",
            (host, address, port, sni),
        ).fetchone()
        return None if row is None else (row[0], _chain(row[1]))

    def met(self, host: str, address: str, port: int, sni: str, said: str, chain: Iterable[bytes]) -> None:
        """Remember a meeting."""
        blob = zlib.compress(b"".join(len(one).to_bytes(4, "big") + one for one in chain), 1)
        self._connection.execute(
            "INSERT OR REPLACE INTO meeting VALUES (?,?,?,?,?,?)", (host, address, port, sni, said, blob)
        )

    def meetings(self) -> int:
        """How many servers' addresses we have met."""
        return int(self._connection.execute("SELECT count(*) FROM meeting").fetchone()[0])

    # What else is to be remembered

    def note(self, name: str) -> str:
        """A note, empty when there is none."""
        row = self._connection.execute("SELECT value FROM note WHERE name = ?", (name,)).fetchone()
        return "" if row is None else str(row[0])

    def write_note(self, name: str, value: str) -> None:
        """Write a note in place of what it was."""
        self._connection.execute("INSERT OR REPLACE INTO note VALUES (?,?)", (name, value))


def _chain(blob: bytes) -> tuple[bytes, ...]:
    data = zlib.decompress(blob)
    chain, place = [], 0
    while place < len(data):
        length = int.from_bytes(data[place : place + 4], "big")
        chain.append(data[place + 4 : place + 4 + length])
        place += 4 + length
    return tuple(chain)

"""The sheet on which groups are added up: a database of its own in a temporary file, with the spool beside it.

Rows go from the spool to the sheet within SQLite and are only appended; one sort at the end brings together what
belongs together. So half a million groups cost no object in Python and a few megabytes of memory.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

SPOOL = "spool"
"""The schema under which the tables of the spool are seen."""
_SUMS = "sum(messages) AS messages, sum(recipients), sum(size), min(oldest), min(next_try)"


class Group(NamedTuple):
    """`size` is the octets of its messages, `oldest` when the first one came, `next_try` None where nothing is due."""

    name: str
    messages: int
    recipients: int
    size: int
    oldest: float
    next_try: float | None

    def plus(self, other: Group) -> Group:
        """Both as one, under this one's name."""
        tries = [due for due in (self.next_try, other.next_try) if due is not None]
        return Group(
            self.name, self.messages + other.messages, self.recipients + other.recipients, self.size + other.size,
            min(self.oldest, other.oldest), min(tries, default=None),
        )  # fmt: skip


class Tally:
    """Groups by name, exact however many there are; `close` it."""

    def __init__(self, spool: Path | None = None) -> None:
        """With the database of a shard beside it, only to be read."""
        # An empty name is SQLite's for a private database in a file that is gone when it is closed.
        self.connection = sqlite3.connect("", isolation_level=None, uri=True)
        for pragma in ("cache_size = -8192", "journal_mode = MEMORY", "synchronous = OFF"):
            self.connection.execute(f"PRAGMA main.{pragma}")
        # `message` tells parts of one message from each other; without it none has another part.
        self.connection.execute(
            "CREATE TABLE part (name TEXT, messages INTEGER, recipients INTEGER, size INTEGER, oldest REAL,"
            " next_try REAL, message INTEGER)"
        )
        if spool is not None:
            self.connection.execute("PRAGMA busy_timeout = 2000")
            self.connection.execute(f"ATTACH ? AS {SPOOL}", (f"{spool.resolve().as_uri()}?mode=ro",))

    def take(self, select: str, values: Iterable[object]) -> int:
        """Append what a SELECT of the columns of `part` gives, all or nothing; gives how many rows. Raises
        `sqlite3.Error`.
        """
        return self.connection.execute(f"INSERT INTO part {select}", tuple(values)).rowcount

    def add(self, groups: Iterable[tuple[Group, int | None]]) -> None:
        """Append groups, or parts of the message with this number."""
        self.connection.execute("BEGIN")
        self.connection.executemany(
            "INSERT INTO part VALUES (?,?,?,?,?,?,?)", ((*group, message) for group, message in groups)
        )
        self.connection.execute("COMMIT")

    def largest(self, limit: int) -> tuple[list[Group], int]:
        """The groups with most messages, by name where they are equal; and how many groups there are."""
        rows = self.connection.execute(
            f"SELECT name, {_SUMS}, count(*) OVER () FROM part GROUP BY name ORDER BY messages DESC, name LIMIT ?",
            (limit,),
        ).fetchall()
        return [Group._make(row[:6]) for row in rows], rows[0][6] if rows else 0

    def total(self) -> Group | None:
        """All as one, each message counted once; None without any."""
        alone = f"SELECT '', {_SUMS} FROM part WHERE message IS NULL"
        several = (
            "SELECT '', count(*), sum(recipients), sum(size), min(oldest), min(next_try) FROM (SELECT sum(recipients)"
            " AS recipients, min(size) AS size, min(oldest) AS oldest, min(next_try) AS next_try FROM part"
            " WHERE message IS NOT NULL GROUP BY message)"
        )
        found = [Group(*row) for query in (alone, several) for row in self.connection.execute(query) if row[1]]
        if len(found) == 2:
            return found[0].plus(found[1])
        return found[0] if found else None

    def close(self) -> None:
        """Forget everything."""
        self.connection.close()

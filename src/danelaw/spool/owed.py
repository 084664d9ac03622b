"""Rows of what senders are yet to be told: stored with a recipient's end, gone with the notice that tells of it.

A message stays in the queue as long as it has such rows, for a notice returns its header. What is written here is
written inside a transaction of the caller and may be repeated.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable

from danelaw.queue import Owed, QueuedMessage
from danelaw.spool import rows
from danelaw.spool.faults import reading


def add(connection: sqlite3.Connection, message_id: int, owed: Iterable[Owed]) -> None:
    """These are to be told."""
    connection.executemany(
        "INSERT OR REPLACE INTO owed VALUES (?,?,?)", [(message_id, one.number, one.words) for one in owed]
    )


def told(connection: sqlite3.Connection, message_id: int, numbers: Iterable[int]) -> None:
    """A notice about these recipients is stored."""
    connection.executemany(
        "DELETE FROM owed WHERE message = ? AND number = ?", [(message_id, number) for number in numbers]
    )


def any_of(connection: sqlite3.Connection, message_id: int) -> bool:
    """Whether the sender of a message is yet to be told something."""
    row = connection.execute("SELECT 1 FROM owed WHERE message = ? LIMIT 1", (message_id,)).fetchone()
    return row is not None


def messages(connection: sqlite3.Connection) -> list[int]:
    """The ids of messages whose senders are yet to be told something, found by one step in the table for each. Raises
    `SpoolError`.
    """
    found: list[int] = []
    query = "SELECT message FROM owed WHERE message > ? ORDER BY message LIMIT 1"
    with reading():
        while row := connection.execute(query, (found[-1] if found else -1,)).fetchone():
            found.append(row[0])
    return found


def words_of(connection: sqlite3.Connection, message_id: int, after: int, limit: int) -> list[Owed]:
    """What is owed about recipients with numbers above `after`, in their order. Raises `SpoolError`."""
    query = "SELECT number, words FROM owed WHERE message = ? AND number > ? ORDER BY number LIMIT ?"
    with reading():
        return [Owed(*row) for row in connection.execute(query, (message_id, after, limit))]


def envelope(connection: sqlite3.Connection, message_id: int) -> QueuedMessage | None:
    """The message without its recipients; None when it is gone. Raises `SpoolError`."""
    with reading():
        return rows.load_envelope(connection, message_id)

"""The recorded tries of one day, counted by destination, server, protection and cause.

SQLite counts, in slices of messages, in a thread of whoever asks: nothing of it touches the way of a message.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator

from danelaw.spool.attempts import day_of_table, day_table, day_tables

SLICE = 5_000
_REST = 1.0
"""After each slice this many times as long as it took is left to others."""
# Places in the stored form of an attempt: `queue.Attempt.encode`.
_COUNT = (
    "SELECT destination, host, json_extract(record, '$[8]'), json_extract(record, '$[12]'),"
    " coalesce(json_extract(record, '$[20].cause'), ''), coalesce(json_extract(record, '$[20].demander'), ''),"
    " count(*), max(time), json_extract(record, '$[19]') FROM {table}"
    " WHERE message > ? AND message <= ? GROUP BY 1, 2, 3, 4, 5, 6"
)

Row = tuple[str, str, str, str, str, str, int, float, str]
"""destination, host, protection, outcome, cause, demander, tries, last (POSIX seconds), facts of the last."""


def days_recorded(connection: sqlite3.Connection) -> list[int]:
    """The days, counted from 1970-01-01 UTC, of which tries are kept, oldest first."""
    return [day_of_table(table) for table in day_tables(connection)]


def tallies(
    connection: sqlite3.Connection, day: int, *, pause: Callable[[float], None] = time.sleep
) -> Iterator[list[Row]]:
    """What was tried on a day, counted slice by slice. A table that is dropped meanwhile is at its end."""
    table = day_table(day * 86_400.0)
    query = _COUNT.format(table=table)
    after = 0
    while True:
        begun = time.monotonic()
        try:
            row = connection.execute(
                f"SELECT message FROM {table} WHERE message > ? ORDER BY message LIMIT 1 OFFSET {SLICE - 1}", (after,)
            ).fetchone()
            upto = 1 << 62 if row is None else int(row[0])
            found = connection.execute(query, (after, upto)).fetchall()
        except sqlite3.OperationalError:
            return
        yield found
        if row is None:
            return
        after = upto
        pause(_REST * (time.monotonic() - begun))

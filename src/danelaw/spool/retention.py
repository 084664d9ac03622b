"""What is forgotten when: history by age and size, tries by whole days, evidence by the day it was last used."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from danelaw.queue import floor_id
from danelaw.spool.attempts import DAY, day_table, day_tables
from danelaw.spool.writer import BatchWriter

STEP = 2000
VACUUM_PAGES = 500


@dataclass(frozen=True, slots=True)
class SpoolSettings:
    """Limits and retention; sizes in octets, times in seconds.

    Bodies above `inline_limit` go to files. Below `reserve` free octets new mail is refused with 452. History is kept
    for `history_age` and at most `history_size`, tries and evidence for `attempts_age`. `redact_addresses` keeps no
    local parts once a message is finished. `shortest_lifetime` is the shortest time after which any message may expire.
    """

    inline_limit: int = 65536
    reserve: int = 256 << 20
    history_age: float = 30 * DAY
    history_size: int = 1 << 30
    attempts_age: float = 30 * DAY
    redact_addresses: bool = False
    shortest_lifetime: float = 60.0


def forget(writer: BatchWriter, settings: SpoolSettings, now: float) -> int:
    """One short step of forgetting, inside the caller's transaction; returns rows and tables removed."""
    connection = writer.connection
    oldest = floor_id(now - settings.history_age)
    removed = connection.execute(
        "DELETE FROM history WHERE id IN (SELECT id FROM history WHERE id < ? AND finished_at < ? ORDER BY id LIMIT ?)",
        (oldest, now - settings.history_age, STEP),
    ).rowcount
    removed += _forget_by_size(connection, settings.history_size)
    last_day = day_table(now - settings.attempts_age)
    stale = [table for table in day_tables(connection) if table < last_day]
    for table in stale[:1]:
        connection.execute(f"DROP TABLE {table}")
        removed += 1
    removed += connection.execute(
        "DELETE FROM evidence WHERE digest IN (SELECT digest FROM evidence WHERE day < ? LIMIT ?)",
        (int((now - settings.attempts_age) // DAY), STEP),
    ).rowcount
    connection.execute("DELETE FROM acts WHERE at < ?", (now - max(settings.history_age, 365 * DAY),))
    return removed + writer.numbers.prune(connection, now)


def _forget_by_size(connection: sqlite3.Connection, limit: int) -> int:
    """Remove the oldest history when it is larger than allowed. The size is measured on the newest rows, which is
    near enough and does not read the whole table.
    """
    count = connection.execute("SELECT count(*) FROM history").fetchone()[0]
    if not count:
        return 0
    average = connection.execute(
        "SELECT avg(120 + length(recipients) + length(reverse_path) + length(message_id) + length(client_helo))"
        " FROM (SELECT * FROM history ORDER BY id DESC LIMIT 200)"
    ).fetchone()[0]
    excess = count - int(limit / average)
    if excess <= 0:
        return 0
    return connection.execute(
        "DELETE FROM history WHERE id IN (SELECT id FROM history ORDER BY id LIMIT ?)", (min(excess, STEP),)
    ).rowcount


def give_back_pages(connection: sqlite3.Connection) -> None:
    """Return free pages to the file system, a few at a time, when they are more than half of a large file."""
    free = connection.execute("PRAGMA freelist_count").fetchone()[0]
    total = connection.execute("PRAGMA page_count").fetchone()[0]
    if free > 4096 and free * 2 > total:
        connection.execute(f"PRAGMA incremental_vacuum({VACUUM_PAGES})").fetchall()

"""What is forgotten when: history by age and size, tries by whole days, evidence by the day it was last used."""

from __future__ import annotations

import sqlite3
from dataclasses import dataclass

from danelaw.queue import floor_id
from danelaw.spool import custody, links
from danelaw.spool.attempts import DAY, day_of_table, day_table, day_tables
from danelaw.spool.trouble import forget_trouble
from danelaw.spool.writer import BatchWriter

STEP = 2000
VACUUM_PAGES = 500
MEASURE_SECONDS = 600.0
PRUNE_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class SpoolSettings:
    """Limits and retention; sizes in octets, times in seconds.

    Bodies above `inline_limit` go to files. Below `reserve` free octets new mail is refused with 452. History is kept
    for `history_age` and at most `history_size`, tries and evidence for `attempts_age`. `redact_addresses` keeps no
    local parts once a message is finished. `shortest_lifetime` is the shortest time after which any message may expire.
    With `counts_traffic` tries are kept until their day is counted (`danelaw.spool.traffic`), whoever does that.
    `primed_log` is the size the log is given at once, for a server; a command that changes one row needs none.
    """

    inline_limit: int = 65536
    reserve: int = 256 << 20
    history_age: float = 30 * DAY
    history_size: int = 1 << 30
    attempts_age: float = 30 * DAY
    redact_addresses: bool = False
    shortest_lifetime: float = 60.0
    primed_log: int = 0
    counts_traffic: bool = False


class Retention:
    """Forgets in short steps, one every few seconds, each inside the caller's transaction."""

    def __init__(self, settings: SpoolSettings) -> None:
        self._settings = settings
        self._measured_at = float("-inf")
        self._unused_queues = _UnusedQueues()
        self._looked_at_hold = 0

    def step(self, writer: BatchWriter, now: float) -> int:
        """One step at `now` (POSIX seconds); returns rows and tables removed."""
        connection, settings = writer.connection, self._settings
        oldest = floor_id(now - settings.history_age)
        removed = connection.execute(
            "DELETE FROM history WHERE id IN"
            " (SELECT id FROM history WHERE id < ? AND finished_at < ? ORDER BY id LIMIT ?)",
            (oldest, now - settings.history_age, STEP),
        ).rowcount
        removed += self._by_size(connection, now)
        last_day = day_table(now - settings.attempts_age)
        stale = [table for table in day_tables(connection) if table < last_day]
        if settings.counts_traffic and stale:
            counted = {row[0] for row in connection.execute("SELECT day FROM traffic_day")}
            stale = [table for table in stale if day_of_table(table) in counted]
        for table in stale[:1]:
            connection.execute(f"DROP TABLE {table}")
            removed += 1
        last = int((now - settings.attempts_age) // DAY)
        if not stale:
            removed += links.forget(connection, last, STEP)
        # A day longer than tries: their evidence is written again only now and then (`EvidenceLedger`).
        removed += connection.execute(
            "DELETE FROM evidence WHERE digest IN (SELECT digest FROM evidence WHERE day < ? LIMIT ?)",
            (last - 1, STEP),
        ).rowcount
        removed += forget_trouble(connection, now - settings.attempts_age, STEP)
        connection.execute("DELETE FROM acts WHERE at < ?", (now - max(settings.history_age, 365 * DAY),))
        removed += custody.forget_findings(connection, STEP)
        self._looked_at_hold = custody.forget_holds(connection, self._looked_at_hold, STEP // 4)
        return removed + self._unused_queues.step(writer, now)

    def _by_size(self, connection: sqlite3.Connection, now: float) -> int:
        """Counting a long history reads all of it: only where the file is large enough, and not each time."""
        pages, size = (connection.execute(f"PRAGMA {what}").fetchone()[0] for what in ("page_count", "page_size"))
        if pages * size < self._settings.history_size or 0 <= now - self._measured_at < MEASURE_SECONDS:
            return 0
        removed = _forget_by_size(connection, self._settings.history_size)
        if removed < STEP:
            self._measured_at = now
        return removed


class _UnusedQueues:
    """Drops the rows of queues that no recipient refers to.

    There is no index from queues to recipients: it would cost every message. So all recipients are looked at, a few
    thousand in each step, and their queues marked, with those that get mail meanwhile; what is unmarked then goes.
    """

    def __init__(self) -> None:
        self._next_at = float("-inf")
        self._recipient: tuple[int, int] | None = None
        self._queue = -1

    def step(self, writer: BatchWriter, now: float) -> int:
        connection, numbers = writer.connection, writer.numbers
        if self._recipient is None and self._queue < 0:
            if 0 <= now - self._next_at < PRUNE_SECONDS:
                return 0
            self._next_at = now
            numbers.start_marking()
            self._recipient = (-1, -1)
        if self._recipient is not None:
            rows = connection.execute(
                "SELECT message, number, queue FROM recipient WHERE (message, number) > (?, ?)"
                " ORDER BY message, number LIMIT ?",
                (*self._recipient, STEP),
            ).fetchall()
            numbers.mark(row[2] for row in rows)
            self._recipient = rows[-1][:2] if len(rows) == STEP else None
            self._queue = 0 if self._recipient is None else -1
            return 0
        found = connection.execute(
            "SELECT id, suspended_until FROM queue WHERE id > ? ORDER BY id LIMIT ?", (self._queue, STEP)
        ).fetchall()
        removed = numbers.prune(connection, (number for number, until in found if until <= now))
        self._queue = found[-1][0] if len(found) == STEP else -1
        if self._queue < 0:
            numbers.stop_marking()
        return removed


def _forget_by_size(connection: sqlite3.Connection, limit: int) -> int:
    """Remove some of the oldest history when it is larger than allowed. The size of a row is that of the newest,
    which is near enough.
    """
    count = connection.execute("SELECT count(*) FROM history").fetchone()[0]
    if not count:
        return 0
    average = connection.execute(
        "SELECT avg(120 + length(recipients) + length(reverse_path) + length(message_id) + length(client_helo))"
        " FROM (SELECT * FROM history ORDER BY id DESC LIMIT 200)"
    ).fetchone()[0]
    findings = connection.execute(
        "SELECT coalesce(avg(length(data)), 0) FROM (SELECT data FROM finding ORDER BY id DESC LIMIT 200)"
    ).fetchone()[0]
    excess = count - int(limit / (average + findings))
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

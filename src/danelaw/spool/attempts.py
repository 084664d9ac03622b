"""The record of tries: one table per day, evidence stored once per digest, and how each host has been doing."""

from __future__ import annotations

import calendar
import hashlib
import sqlite3
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple, TypeAlias

from danelaw.hashchain import entry_of
from danelaw.queue import Attempt, Settlement
from danelaw.spool.links import LinkWriter
from danelaw.spool.trouble import TroubleWriter

DAY = 86400
_PREFIX = "attempt_"
_Row: TypeAlias = tuple[int, float, int, str, str, str, int]


def day_table(when: float) -> str:
    """The name of the table for tries recorded at `when` (POSIX seconds, UTC days)."""
    return _PREFIX + time.strftime("%Y%m%d", time.gmtime(when))


def day_of_table(table: str) -> int:
    """The day (UTC, counted from 1970-01-01) whose tries are in a table."""
    return calendar.timegm(time.strptime(table.removeprefix(_PREFIX), "%Y%m%d")) // DAY


def day_tables(connection: sqlite3.Connection) -> list[str]:
    """The tables that exist, oldest first."""
    rows = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name GLOB 'attempt_[0-9]*'")
    return sorted(row[0] for row in rows)


@dataclass(frozen=True, slots=True)
class HostRecord:
    """How a host has been doing: when it last took mail and how often since it last failed, or since when it fails."""

    name: str
    last_success: float | None
    successes: int
    failing_since: float | None
    failures: int
    reason: str


class AttemptWriter:
    """Adds attempts and evidence inside the caller's transaction. Remembers which evidence is stored already.

    `words` is applied to what servers said before it is kept, None where it is kept as it was said.
    """

    __slots__ = ("_links", "_seen", "_seen_day", "_table", "_trouble", "_words")

    def __init__(self, words: Callable[[str], str] | None = None) -> None:
        self._words = words
        self._links = LinkWriter()
        self._table = ""
        self._trouble = TroubleWriter()
        self._seen: set[bytes] = set()
        self._seen_day = -1

    def rolled_back(self) -> None:
        """The transaction is gone: nothing is known to be stored any more."""
        self._table = ""
        self._trouble.rolled_back()
        self._seen.clear()
        self._links.rolled_back()

    def evidence_purged(self) -> None:
        """Evidence may be gone: what is brought again is stored again."""
        self._seen.clear()

    def day_counted(self) -> None:
        """The sums of a day are made: a try that comes late for it must be noticed."""
        self._table = ""

    def write(self, connection: sqlite3.Connection, settlements: Sequence[Settlement]) -> None:
        """Store what the settlements bring, into the table of the day they were made, and add it to the chain."""
        rows: list[_Row] = []
        link = self._links.next(connection)
        hosts: dict[str, list[tuple[Attempt, bool]]] = {}
        at = 0.0
        for settlement in settlements:
            if settlement.evidence:
                self._evidence(connection, settlement.evidence, int(settlement.at // DAY))
            for number, said in enumerate(settlement.attempts):
                at = settlement.at
                attempt = said if self._words is None else _redacted(said, self._words)
                record = attempt.encode()
                rows.append(
                    (settlement.message.id, attempt.time, number, attempt.destination, attempt.host, record, link)
                )
                if attempt.host:
                    hosts.setdefault(attempt.host, []).append((attempt, attempt.outcome == "delivered"))
        if not rows:
            return
        self._trouble.write(connection, settlements)
        table = day_table(at)
        if table != self._table:
            connection.execute(
                f"CREATE TABLE IF NOT EXISTS {table} (message INTEGER NOT NULL, time REAL NOT NULL,"
                " number INTEGER NOT NULL,"
                " destination TEXT NOT NULL, host TEXT NOT NULL, record TEXT NOT NULL, link INTEGER,"
                " PRIMARY KEY (message, time, number)) STRICT, WITHOUT ROWID"
            )
            # Should the day be counted already (`danelaw.spool.traffic`), it will be counted anew.
            connection.execute("DELETE FROM traffic_day WHERE day = ?", (int(at // DAY),))
            self._table = table
        before = connection.total_changes
        connection.executemany(f"INSERT OR IGNORE INTO {table} VALUES (?,?,?,?,?,?,?)", rows)
        if connection.total_changes - before != len(rows):
            rows = _stored_now(connection, table, rows)
        if rows:
            self._links.add(connection, [entry_of(row[0], row[2], row[5]) for row in rows], at)
        connection.executemany(_UPSERT_HOST, [_host_row(name, tries) for name, tries in hosts.items()])

    def _evidence(self, connection: sqlite3.Connection, blobs: tuple[bytes, ...], day: int) -> None:
        if day != self._seen_day or len(self._seen) > 20000:
            self._seen.clear()
            self._seen_day = day
        for blob in blobs:
            digest = hashlib.sha256(blob).digest()
            if digest in self._seen:
                continue
            self._seen.add(digest)
            touched = connection.execute("UPDATE evidence SET day = ? WHERE digest = ?", (day, digest)).rowcount
            if not touched:
                connection.execute("INSERT INTO evidence VALUES (?,?,?)", (digest, day, zlib.compress(blob, 6)))


def _stored_now(connection: sqlite3.Connection, table: str, rows: list[_Row]) -> list[_Row]:
    """Without those that are on disk already: one whose COMMIT failed is written again, perhaps over itself."""
    return [
        row
        for row in dict.fromkeys(rows)
        if connection.execute(
            f"SELECT 1 FROM {table} WHERE message = ? AND time = ? AND number = ? AND link = ? AND record = ?",
            (row[0], row[1], row[2], row[6], row[5]),
        ).fetchone()
    ]


_UPSERT_HOST = (
    "INSERT INTO host VALUES (?1, ?2, ?3, ?4, ?5, ?6) ON CONFLICT (name) DO UPDATE SET"
    " last_success = coalesce(excluded.last_success, last_success),"
    " successes = CASE WHEN excluded.last_success IS NOT NULL AND failing_since IS NULL"
    "  THEN successes + excluded.successes WHEN excluded.successes > 0 THEN excluded.successes ELSE successes END,"
    " failing_since = CASE WHEN ?7 THEN NULL ELSE coalesce(failing_since, excluded.failing_since) END,"
    " failures = CASE WHEN ?7 THEN 0 ELSE failures + excluded.failures END,"
    " reason = CASE WHEN ?7 THEN '' ELSE excluded.reason END"
)


def _host_row(name: str, tries: list[tuple[Attempt, bool]]) -> tuple[object, ...]:
    """One batch's tries at a host as one update; the last try says how it stands."""
    good = [attempt for attempt, delivered in tries if delivered]
    bad = [attempt for attempt, delivered in tries if not delivered]
    last, recovered = tries[-1]
    return (
        name,
        good[-1].time if good else None,
        len(good),
        None if recovered or not bad else bad[0].time,
        0 if recovered else len(bad),
        "" if recovered else last.reason,
        recovered,
    )


def _redacted(attempt: Attempt, words: Callable[[str], str]) -> Attempt:
    """What servers say often repeats the recipient's address."""
    return replace(attempt, reply=words(attempt.reply), reason=words(attempt.reason), detail=words(attempt.detail))


class Recorded(NamedTuple):
    """A try as it is stored: `number` is its place among those stored together, `link` that of the log's chain, None
    for those recorded before there was one.
    """

    message: int
    number: int
    record: str
    link: int | None


def recorded_of(connection: sqlite3.Connection, message_id: int) -> list[Recorded]:
    """All recorded tries of a message as they are stored, oldest first."""
    found: list[tuple[float, int, str, int | None]] = []
    for table in day_tables(connection):
        found += connection.execute(f"SELECT time, number, record, link FROM {table} WHERE message = ?", (message_id,))
    return [Recorded(message_id, number, record, link) for _, number, record, link in sorted(found, key=_by_time)]


def _by_time(row: tuple[float, int, str, int | None]) -> tuple[float, int]:
    return row[0], row[1]


def recorded_in(connection: sqlite3.Connection, table: str) -> Iterator[Recorded]:
    """All tries of one day, read in slices."""
    after: tuple[int, float, int] = (-1, 0.0, -1)
    while True:
        rows = connection.execute(
            f"SELECT message, time, number, record, link FROM {table} WHERE (message, time, number) > (?, ?, ?)"
            " ORDER BY message, time, number LIMIT 1000",
            after,
        ).fetchall()
        for message, _, number, record, link in rows:
            yield Recorded(message, number, record, link)
        if len(rows) < 1000:
            return
        after = rows[-1][:3]


def attempts_of(connection: sqlite3.Connection, message_id: int) -> list[Attempt]:
    """All recorded tries of a message, oldest first."""
    found: list[tuple[float, int, str]] = []
    for table in day_tables(connection):
        found += connection.execute(f"SELECT time, number, record FROM {table} WHERE message = ?", (message_id,))
    return [Attempt.decode(record) for _, _, record in sorted(found)]


def attempts_at(
    connection: sqlite3.Connection, domain: str, since: float = 0.0, limit: int = 100
) -> list[tuple[int, Attempt]]:
    """The latest tries for a next hop or at a host, newest first, each with its message's id."""
    found: list[tuple[int, Attempt]] = []
    for table in reversed(day_tables(connection)):
        if table < day_table(since) or len(found) >= limit:
            break
        rows = connection.execute(
            f"SELECT message, record FROM {table} WHERE (destination = ?1 OR host = ?1) AND time >= ?2"
            " ORDER BY time DESC LIMIT ?3",
            (domain, since, limit - len(found)),
        )
        found += [(message, Attempt.decode(record)) for message, record in rows]
    return found


def latest_at(connection: sqlite3.Connection, destination: str, since: float, rows: int = 20_000) -> dict[str, Attempt]:
    """The last try for a next hop by host, among the last `rows` tries of each of the last two days since `since`
    (POSIX seconds): nothing here is indexed by destination, and a busy day must not be read whole.
    """
    found: dict[str, Attempt] = {}
    for table in reversed(day_tables(connection)[-2:]):
        if table < day_table(since):
            break
        newest = connection.execute(
            f"SELECT host, record FROM (SELECT * FROM {table} ORDER BY message DESC LIMIT ?1)"
            " WHERE destination = ?2 AND time >= ?3 ORDER BY time DESC LIMIT 200",
            (rows, destination, since),
        )
        for host, record in newest:
            if host and host not in found:
                found[host] = Attempt.decode(record)
    return found


def failing_hosts(connection: sqlite3.Connection, failures: int, limit: int) -> list[HostRecord]:
    """Hosts that failed at least so often since they last took mail, the worst first."""
    rows = connection.execute(
        "SELECT * FROM host WHERE failing_since IS NOT NULL AND failures >= ? ORDER BY failures DESC LIMIT ?",
        (failures, limit),
    )
    return [HostRecord(*row) for row in rows]


def host_record(connection: sqlite3.Connection, name: str) -> HostRecord | None:
    """How a host has been doing, None when it was never tried."""
    row = connection.execute("SELECT * FROM host WHERE name = ?", (name,)).fetchone()
    return None if row is None else HostRecord(*row)

"""Daily sums of mail by protection, kept for more than a year: made from the record of tries when a day is over.

The record of tries (`danelaw.spool.attempts`) has each try once, whatever crashed, and a day of it is written no more
when the day is over. So the sums are made from it then, in a thread, and written in one transaction that also notes the
day as counted: exactly once, and no delivery pays for it. Should a try be recorded for a counted day all the same (the
disk was broken for an hour, the clock was put back), the note goes, and the day is counted anew. Days that are not
counted yet are summed from their tries by who asks.
"""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterable

from danelaw.adoption.traffic import DAY, TrafficRow, bounded, day_of
from danelaw.queue import floor_id
from danelaw.routing import mx_site
from danelaw.spool.attempts import day_of_table, day_table, day_tables

KEPT_DAYS = 400
MOST_DOMAINS = 500
MOST_SITES = 100
GRACE_SECONDS = 3600.0
"""So long after its end a day is counted."""
_AT_ONCE = 5_000
_PAUSE_SECONDS = 0.005

# Places in the stored form of an attempt (`danelaw.queue.attempt`): 3 recipients, 8 protection, 9 TLS version,
# 12 outcome, 20 the rest by name: `refused`, recipients of the try that were not taken.
_SUMS = (
    "SELECT destination, host, json_extract(record, '$[12]'), json_extract(record, '$[8]'),"
    " json_extract(record, '$[9]'),"
    " sum(json_array_length(record, '$[3]') - coalesce(json_array_length(record, '$[20].refused'), 0)), count(*)"
    " FROM {table} WHERE message > ? AND message <= ? AND json_valid(record) GROUP BY 1, 2, 3, 4, 5"
)


def due_days(connection: sqlite3.Connection, now: float) -> list[int]:
    """Days that are over and not counted yet, the oldest first; `now` in POSIX seconds."""
    counted = {row[0] for row in connection.execute("SELECT day FROM traffic_day")}
    days = {*recorded_days(connection), day_of(now) - 1}
    return sorted(day for day in days - counted if (day + 1) * DAY + GRACE_SECONDS <= now)


def recorded_days(connection: sqlite3.Connection) -> list[int]:
    """Days with a record of tries."""
    return [day_of_table(table) for table in day_tables(connection)]


def sums_of_day(
    connection: sqlite3.Connection, day: int, *, site_of: Callable[[str], str] = mx_site, pause: float = 0.0
) -> list[TrafficRow]:
    """Add up one day from its tries and messages; waits `pause` seconds between slices, for a thread beside others.
    `site_of` names who runs a host.
    """
    found: dict[TrafficRow, tuple[int, int]] = {}
    _outgoing(connection, day, found, site_of, pause)
    _incoming(connection, day, found, pause)
    return bounded(found, MOST_DOMAINS, MOST_SITES)


def _outgoing(
    connection: sqlite3.Connection,
    day: int,
    found: dict[TrafficRow, tuple[int, int]],
    site_of: Callable[[str], str],
    pause: float,
) -> None:
    table = day_table(day * DAY)
    if table not in day_tables(connection):
        return
    after = 0
    while True:
        row = connection.execute(
            f"SELECT message FROM {table} WHERE message > ? ORDER BY message LIMIT 1 OFFSET {_AT_ONCE - 1}", (after,)
        ).fetchone()
        upto = row[0] if row is not None else 1 << 62
        for destination, host, outcome, protection, tls, recipients, tries in connection.execute(
            _SUMS.format(table=table), (after, upto)
        ):
            site = site_of(host) if host else ""
            _add(found, TrafficRow(day, "out", outcome, protection, tls, site, destination, 0, 0), recipients, tries)
        if row is None:
            return
        after = upto
        time.sleep(pause)


def _incoming(connection: sqlite3.Connection, day: int, found: dict[TrafficRow, tuple[int, int]], pause: float) -> None:
    """Messages received that day, wherever they are now; those of our own making have no client."""
    first, last = floor_id(day * DAY), floor_id((day + 1) * DAY) - 1
    for table, recipients in (("history", "json_array_length(recipients)"), ("message", "recipients")):
        after = first - 1
        while after < last:
            row = connection.execute(
                f"SELECT id FROM {table} WHERE id > ? AND id <= ? ORDER BY id LIMIT 1 OFFSET {_AT_ONCE - 1}",
                (after, last),
            ).fetchone()
            upto = row[0] if row is not None else last
            for tls, number, messages in connection.execute(
                f"SELECT client_tls, sum({recipients}), count(*) FROM {table}"
                " WHERE id > ? AND id <= ? AND client_address != '' GROUP BY client_tls",
                (after, upto),
            ):
                version = str(tls).split(" ")[0]
                protection = "encrypted only" if version else "clear text"
                _add(found, TrafficRow(day, "in", "received", protection, version, "", "", 0, 0), number, messages)
            after = upto
            time.sleep(pause)


def _add(found: dict[TrafficRow, tuple[int, int]], key: TrafficRow, recipients: int, tries: int) -> None:
    before = found.get(key, (0, 0))
    found[key] = (before[0] + recipients, before[1] + tries)


def write_day(connection: sqlite3.Connection, day: int, rows: Iterable[TrafficRow], now: float) -> None:
    """Put the sums of a day in the place of what was there, note it as counted, and forget sums that are too old (the
    notes stay). Inside the caller's transaction.
    """
    connection.execute("DELETE FROM traffic WHERE day = ?", (day,))
    connection.executemany("INSERT INTO traffic VALUES (?,?,?,?,?,?,?,?,?)", rows)
    connection.execute("INSERT OR REPLACE INTO traffic_day VALUES (?, ?)", (day, now))
    connection.execute("DELETE FROM traffic WHERE day < ?", (day_of(now) - KEPT_DAYS,))


def traffic_since(
    connection: sqlite3.Connection, first: int, now: float, site_of: Callable[[str], str] = mx_site
) -> list[TrafficRow]:
    """The sums of all days from `first` on: counted ones as they are kept, the others summed now."""
    rows = [TrafficRow(*row) for row in connection.execute("SELECT * FROM traffic WHERE day >= ?", (first,))]
    counted = {row[0] for row in connection.execute("SELECT day FROM traffic_day WHERE day >= ?", (first,))}
    open_days = {*recorded_days(connection), day_of(now), day_of(now) - 1}
    kept = [row for row in rows if row.day in counted]
    for day in sorted(day for day in open_days - counted if day >= first):
        kept += sums_of_day(connection, day, site_of=site_of)
    return kept

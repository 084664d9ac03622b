"""The numbers of queues: each routing key has a small id, made by us, so that recipient rows stay short."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass

from danelaw.queue import RoutingKey

KEY = "next_hop, demand, tenant, job, priority"
"""The columns of table `queue` that make a `RoutingKey`, in its order."""
Q_KEY = ", ".join(f"q.{name}" for name in KEY.split(", "))
"""The same of the alias `q`."""
KEY_FIELDS = len(RoutingKey._fields)
OF_KEY = " AND ".join(f"{name} = ?" for name in KEY.split(", "))
"""The condition that names one queue."""
_COLUMNS = f"queue (id, {KEY}, suspended_until, failures, reason)"
UPSERT_QUEUE = (
    f"INSERT INTO {_COLUMNS} VALUES (?,?,?,?,?,?,?,?,?) ON CONFLICT (id) DO UPDATE SET"
    " suspended_until = excluded.suspended_until, failures = excluded.failures, reason = excluded.reason"
)


@dataclass(frozen=True, slots=True)
class QueueRow:
    """One queue on disk: `due` is the earliest due time of what waits unclaimed, None when nothing does."""

    key: RoutingKey
    waiting: int
    due: float | None
    suspended_until: float
    failures: int
    reason: str


class QueueNumbers:
    """Key to id, and new keys with the next transaction. After a rollback call `rolled_back`: the rows are gone.

    The keys used last are remembered, the others looked up: there may be half a million.
    """

    __slots__ = ("_connection", "_fresh", "_gone", "_ids", "_last", "_marked", "_most", "_unsaved")

    def __init__(self, connection: sqlite3.Connection, most: int = 20_000) -> None:
        """`most` are remembered."""
        self._connection = connection
        self._most = most
        self._ids: dict[RoutingKey, int] = {}
        self._unsaved: list[tuple[int, RoutingKey]] = []
        self._fresh: list[RoutingKey] = []
        self._marked: bytearray | None = None
        self._gone: set[int] = set()
        self._last: int = connection.execute("SELECT coalesce(max(id), 0) FROM queue").fetchone()[0]

    def number(self, key: RoutingKey) -> int:
        """The id of a key, which `write` will make a row for when it is new; inside the caller's transaction."""
        number = self._ids.get(key)
        if number is None:
            number = self._stored(key, self._connection)
            if number is None:
                self._last = number = self._last + 1
                self._unsaved.append((number, key))
            self._ids[key] = number
        if self._marked is not None:
            self._mark(number)
        return number

    def known(self, key: RoutingKey, reader: sqlite3.Connection) -> int | None:
        """The id of a key that has been used before."""
        number = self._ids.get(key)
        return self._stored(key, reader) if number is None else number

    def _stored(self, key: RoutingKey, connection: sqlite3.Connection) -> int | None:
        row = connection.execute(f"SELECT id FROM queue WHERE {OF_KEY}", key).fetchone()
        return None if row is None else int(row[0])

    def write(self, connection: sqlite3.Connection) -> None:
        """Insert the rows of new keys; inside the caller's transaction."""
        if self._unsaved:
            rows = [(number, *key, 0.0, 0, "") for number, key in self._unsaved]
            connection.executemany(f"INSERT OR IGNORE INTO {_COLUMNS} VALUES (?,?,?,?,?,?,?,?,?)", rows)
            self._fresh += [key for _, key in self._unsaved]
            self._unsaved.clear()

    def committed(self) -> None:
        """The transaction is durable."""
        self._fresh.clear()
        if self._gone:
            self._ids = {key: number for key, number in self._ids.items() if number not in self._gone}
            self._gone.clear()
        elif len(self._ids) > self._most and not self._unsaved:
            self._ids = dict(list(self._ids.items())[self._most // 2 :])

    def rolled_back(self) -> None:
        """The transaction is gone: its new rows will be written again."""
        self._unsaved = [(self._ids[key], key) for key in self._fresh] + self._unsaved
        self._fresh.clear()
        self._gone.clear()

    def start_marking(self) -> None:
        """From now on whatever `number` gives is in use; `mark` adds what lies on disk, `prune` drops the rest."""
        self._marked = bytearray(1 + self._last // 8)  # a bit for each: they may be many
        for number, _ in self._unsaved:
            self._mark(number)

    def mark(self, numbers: Iterable[int]) -> None:
        """These ids are in use."""
        if self._marked is not None:
            for number in numbers:
                self._mark(number)

    def _mark(self, number: int) -> None:
        assert self._marked is not None
        place = number >> 3
        if place >= len(self._marked):
            self._marked.extend(bytes(place + 1024 - len(self._marked)))
        self._marked[place] |= 1 << (number & 7)

    def _is_marked(self, number: int) -> bool:
        assert self._marked is not None
        place = number >> 3
        return place < len(self._marked) and bool(self._marked[place] & 1 << (number & 7))

    def stop_marking(self) -> None:
        """All rows were looked at."""
        self._marked = None

    def prune(self, connection: sqlite3.Connection, numbers: Iterable[int]) -> int:
        """Drop those of these rows that were not marked; inside the caller's transaction. Returns how many."""
        if self._marked is None:
            return 0
        gone = {number for number in numbers if not self._is_marked(number)}
        connection.executemany("DELETE FROM queue WHERE id = ?", [(number,) for number in gone])
        self._gone |= gone
        return len(gone)


def queue_rows(connection: sqlite3.Connection) -> list[QueueRow]:
    """Every queue with something waiting, or suspended: one pass over the covering index."""
    rows = connection.execute(
        f"SELECT {Q_KEY}, coalesce(r.waiting, 0), r.due, q.suspended_until, q.failures, q.reason"
        " FROM queue q LEFT JOIN (SELECT queue, count(*) AS waiting, min(due) AS due FROM recipient"
        " INDEXED BY recipient_due WHERE state = 0 GROUP BY queue) r ON r.queue = q.id"
        " WHERE r.waiting > 0 OR q.suspended_until > 0"
    )
    return [QueueRow(RoutingKey(*row[:KEY_FIELDS]), *row[KEY_FIELDS:]) for row in rows]

"""The chain of hashes over recorded tries, as a shard keeps it: adding, forgetting the beginning, reading."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from danelaw.hashchain import NOTHING, Link, jump_of, root_of

SIZE = 32
_DAY_MS = 86_400_000
_SLICE = 500


class LinkWriter:
    """Adds links inside the caller's transaction, and remembers the last one."""

    __slots__ = ("_digest", "_number")

    def __init__(self) -> None:
        self._number = -1
        self._digest = NOTHING

    def rolled_back(self) -> None:
        """The transaction is gone: what the last link is must be looked up."""
        self._number = -1

    def next(self, connection: sqlite3.Connection) -> int:
        """The number of the link that comes next."""
        if self._number < 0:
            self._number, self._digest = last_link(connection) or (0, NOTHING)
        return self._number + 1

    def add(self, connection: sqlite3.Connection, entries: Sequence[bytes], at: float) -> None:
        """Add the link over the hashes of entries, stored at `at` (POSIX seconds)."""
        number = self.next(connection)
        back = jump_of(number)
        jump = self._digest if back == number - 1 else digest_at(connection, back)
        link = Link(number, int(at * 1000), root_of(entries), self._digest, jump)
        connection.execute(
            "INSERT INTO link (number, at, entries, previous, jump, digest) VALUES (?,?,?,?,?,?)",
            (number, link.at, b"".join(entries), link.previous, link.jump, digest := link.digest),
        )
        self._number, self._digest = number, digest


@dataclass(frozen=True, slots=True)
class KeptLink:
    """A link with the hashes of its entries, of which `forgotten` were purged; `digest` as it was stored."""

    link: Link
    entries: tuple[bytes, ...]
    digest: bytes
    forgotten: int


def last_link(connection: sqlite3.Connection) -> tuple[int, bytes] | None:
    """Number and digest of the last link, None before the first. Links forgotten by age count too."""
    for table in ("link", "head"):
        row = connection.execute(f"SELECT number, digest FROM {table} ORDER BY number DESC LIMIT 1").fetchone()
        if row is not None:
            return int(row[0]), bytes(row[1])
    return None


def digest_at(connection: sqlite3.Connection, number: int) -> bytes:
    """The digest of a link that is kept, `NOTHING` for others."""
    row = connection.execute("SELECT digest FROM link WHERE number = ?", (number,)).fetchone()
    return NOTHING if row is None else bytes(row[0])


def link_at(connection: sqlite3.Connection, number: int) -> KeptLink | None:
    """A link that is kept, None when it is not."""
    return next(links_from(connection, number, number), None)


def links_from(connection: sqlite3.Connection, first: int = 0, last: int | None = None) -> Iterator[KeptLink]:
    """Kept links in order, read in slices."""
    while True:
        rows = connection.execute(
            "SELECT number, at, entries, previous, jump, digest, forgotten FROM link"
            " WHERE number >= ? AND number <= ? ORDER BY number LIMIT ?",
            (first, (1 << 62) if last is None else last, _SLICE),
        ).fetchall()
        for number, at, joined, previous, jump, digest, forgotten in rows:
            entries = tuple(joined[i : i + SIZE] for i in range(0, len(joined), SIZE))
            root = root_of(entries)
            yield KeptLink(Link(number, at, root, previous, jump), entries, digest, forgotten)
        if len(rows) < _SLICE:
            return
        first = rows[-1][0] + 1


@dataclass(frozen=True, slots=True)
class Head:
    """The last link of a day (UTC, as `2026-11-26`)."""

    day: str
    number: int
    digest: bytes


def heads(connection: sqlite3.Connection) -> list[Head]:
    """The last link of every day, oldest first; of days whose links are forgotten too."""
    found = {int(day): (int(number), bytes(digest)) for day, number, digest in connection.execute("SELECT * FROM head")}
    rows = connection.execute("SELECT at, number, digest FROM link ORDER BY number")
    for at, number, digest in rows:
        found[at // _DAY_MS] = (number, digest)
    return [Head(day_text(day), *found[day]) for day in sorted(found)]


def end_of_day(connection: sqlite3.Connection, number: int) -> int:
    """The number of the last link stored on the day of link `number`; that is what is made known of a day."""
    row = connection.execute("SELECT at FROM link WHERE number = ?", (number,)).fetchone()
    until = (row[0] // _DAY_MS + 1) * _DAY_MS
    low, high = number, (last_link(connection) or (number, NOTHING))[0]
    while low < high:
        middle = (low + high + 1) // 2
        at = connection.execute("SELECT at FROM link WHERE number = ?", (middle,)).fetchone()
        low, high = (middle, high) if at is not None and at[0] < until else (low, middle - 1)
    return low


def day_text(day: int) -> str:
    """A day since 1970 as `2026-11-26`."""
    return time.strftime("%Y-%m-%d", time.gmtime(day * 86400))


def forget(connection: sqlite3.Connection, before_day: int, most: int) -> int:
    """Forget up to `most` links from the beginning, all of days before `before_day` (days since 1970); the last of
    each day stays known as its head. Returns how many.
    """
    rows = connection.execute("SELECT number, at, digest FROM link ORDER BY number LIMIT ?", (most,)).fetchall()
    old: list[tuple[int, int, bytes]] = []
    for row in rows:
        if row[1] // _DAY_MS >= before_day:
            break
        old.append(row)
    if not old:
        return 0
    ends = {at // _DAY_MS: (number, digest) for number, at, digest in old}
    connection.executemany("INSERT OR REPLACE INTO head VALUES (?,?,?)", [(day, *end) for day, end in ends.items()])
    return connection.execute("DELETE FROM link WHERE number <= ?", (old[-1][0],)).rowcount

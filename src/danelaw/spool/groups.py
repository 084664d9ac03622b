"""Adding the queue up: by next hop, domain, sender, reason, state, demand, job or priority; and the longest queues.

Like lists, sums go by id in slices, each its own short read transaction. Groups are kept in memory up to a bound and
beyond it in a temporary database on disk, so that a million messages from a million senders cost no more than few.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from typing import Any, NamedTuple

from danelaw.queue import Filter, QueuedMessage, QueuedRecipient, RoutingKey
from danelaw.queue.values import priority_word
from danelaw.spool.errors import SpoolError
from danelaw.spool.queues import KEY
from danelaw.spool.view import finished_slices, slices

SCHEMA = "danelaw/queue-groups/1"
MOST_IN_MEMORY = 20_000
SLICE = 4000
"""Messages, or waiting recipients, in one read transaction: joining and adding up takes some 5 µs for each."""
_NEVER = 1e300
_ASLEEP = "iif(q.suspended_until > :now, q.suspended_until, 0)"
# What follows the last @: all other characters are taken off the end until one comes.
_DOMAIN = (
    "iif(instr(r.forward_path, '@'),"
    " lower(substr(r.forward_path, length(rtrim(r.forward_path, replace(r.forward_path, '@', ''))) + 1)), '')"
)
_NAMES = {
    "next-hop": "q.next_hop",
    "domain": _DOMAIN,
    "sender": "m.reverse_path",
    "reason": "coalesce(nullif(r.reason, ''),"
    " iif(q.suspended_until > :now, nullif(q.reason, ''), NULL), nullif(r.reply, ''), '')",
    "state": "iif(r.state < 2, 'waiting', 'held')",
    "demand": "q.demand",
    "job": "q.job",
    "priority": "CASE q.priority WHEN 1 THEN 'high' WHEN 0 THEN 'normal' ELSE 'low' END",
}
KINDS = tuple(_NAMES)
"""What can be grouped by."""


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

    def __init__(self, most_in_memory: int = MOST_IN_MEMORY) -> None:
        self._most = most_in_memory
        self._groups: dict[str, Group] = {}
        self._disk: sqlite3.Connection | None = None

    def add(self, group: Group) -> None:
        """Count these too."""
        known = self._groups.get(group.name)
        self._groups[group.name] = group if known is None else known.plus(group)
        if len(self._groups) > self._most:
            self._spill()

    def largest(self, limit: int) -> tuple[list[Group], int]:
        """The groups with most messages, by name where they are equal; and how many groups there are."""
        if self._disk is None:
            ordered = sorted(self._groups.values(), key=lambda group: (-group.messages, group.name))
            return ordered[:limit], len(ordered)
        self._spill()
        rows = self._disk.execute("SELECT * FROM tally ORDER BY messages DESC, name LIMIT ?", (limit,)).fetchall()
        count = self._disk.execute("SELECT count(*) FROM tally").fetchone()[0]
        return [Group._make((*row[:5], None if row[5] >= _NEVER else row[5])) for row in rows], count

    def close(self) -> None:
        """Forget everything."""
        if self._disk is not None:
            self._disk.close()

    def _spill(self) -> None:
        if self._disk is None:
            # An empty name is SQLite's for a private database in a file that is gone when it is closed.
            self._disk = sqlite3.connect("", isolation_level=None)
            self._disk.execute("PRAGMA cache_size = -4096")
            self._disk.execute(
                "CREATE TABLE tally (name TEXT PRIMARY KEY, messages INTEGER, recipients INTEGER, size INTEGER,"
                " oldest REAL, next_try REAL) WITHOUT ROWID"
            )
        self._disk.execute("BEGIN")
        self._disk.executemany(
            "INSERT INTO tally VALUES (?,?,?,?,?,?) ON CONFLICT (name) DO UPDATE SET"
            " messages = messages + excluded.messages, recipients = recipients + excluded.recipients,"
            " size = size + excluded.size, oldest = min(oldest, excluded.oldest),"
            " next_try = min(next_try, excluded.next_try)",
            ((*group[:5], _NEVER if group.next_try is None else group.next_try) for group in self._groups.values()),
        )
        self._disk.execute("COMMIT")
        self._groups.clear()


def grouped(
    connection: sqlite3.Connection, chosen: Filter, now: float, by: str, limit: int, *, finished: bool = False
) -> dict[str, Any]:
    """`queue list --group-by`, as docs/schemas/queue-groups.md has it; `by` is one of `KINDS`.

    A message counts once in each group that one of its matching recipients belongs to. Raises `SpoolError`.
    """
    if by not in KINDS:
        raise SpoolError(f"messages cannot be grouped by '{by}'", advice=f"one of {', '.join(KINDS)}")
    whole = finished or chosen.finished
    found = (_finished if whole else _waiting)(connection, chosen, now, by)
    with closing(Tally()) as tally:
        total: Group | None = None
        for group, alone in found:
            if alone:
                total = group if total is None else total.plus(group)
            else:
                tally.add(group)
        largest, count = tally.largest(limit)
    return {
        "schema": SCHEMA,
        "filter": chosen.text,
        "finished": whole,
        "by": by,
        "now": now,
        "groups": [group._asdict() for group in largest],
        "group_count": count,
        "total": _total(total),
    }


def together(results: Sequence[dict[str, Any]], limit: int) -> dict[str, Any]:
    """What several shards found, as one; each gave all its groups, or at least many more than `limit`."""
    with closing(Tally()) as tally:
        total: Group | None = None
        for result in results:
            for group in result["groups"]:
                tally.add(Group(**group))
            if result["total"]["messages"]:
                one = Group("", **result["total"])
                total = one if total is None else total.plus(one)
        largest, count = tally.largest(limit)
    return results[0] | {
        "groups": [group._asdict() for group in largest],
        "group_count": max(count, *(result["group_count"] for result in results)),
        "total": _total(total),
    }


def _total(total: Group | None) -> dict[str, Any]:
    found = Group("", 0, 0, 0, 0.0, None) if total is None else total
    return {key: value for key, value in found._asdict().items() if key != "name"} | {
        "oldest": None if total is None else total.oldest
    }


def _waiting(connection: sqlite3.Connection, chosen: Filter, now: float, by: str) -> Iterator[tuple[Group, bool]]:
    """The groups of each slice, and the sum of the slice (True), which counts no message twice."""
    condition, values = chosen.to_sql(now)
    # The filter numbers its parameters by position, so ours are written as they are: a number, and names of columns.
    name = _NAMES[by].replace(":now", repr(float(now)))
    asleep = _ASLEEP.replace(":now", repr(float(now)))
    due = f"iif(r.state < 2, max(r.due, {asleep}), NULL)"
    tables = (
        "FROM message m CROSS JOIN recipient r ON r.message = m.id CROSS JOIN queue q ON q.id = r.queue"
        f" WHERE m.id > ? AND m.id <= ? AND ({condition})"
    )
    # Most messages have one recipient: they need not be told apart, and their groups add up to the sum.
    single = (
        f"SELECT {name} AS name, count(*), count(*), sum(m.size), min(m.received_at), min({due})"
        f" {tables} AND m.recipients = 1 GROUP BY name"
    )
    part = (
        f"SELECT {name} AS name, m.id AS id, m.size AS size, m.received_at AS received_at, count(*) AS recipients,"
        f" min({due}) AS due {tables} AND m.recipients > 1 GROUP BY m.id, name"
    )
    sums = "sum(recipients), sum(size), min(received_at), min(due)"
    several = (
        f"WITH part AS MATERIALIZED ({part}) SELECT name, count(*), {sums}, 0 FROM part GROUP BY name"
        f" UNION ALL SELECT '', count(*), {sums}, 1 FROM (SELECT sum(recipients) AS recipients,"
        " min(size) AS size, min(received_at) AS received_at, min(due) AS due FROM part GROUP BY id)"
    )
    for above, upto in slices(connection, 0, most=SLICE):
        found = [Group(*row) for row in connection.execute(single, (above, upto, *values))]
        yield from ((group, False) for group in found)
        if found:
            yield _sum(found), True
        rows = connection.execute(several, (above, upto, *values)).fetchall()
        yield from ((Group(*row[:6]), bool(row[6])) for row in rows if row[1])


def _sum(groups: Sequence[Group]) -> Group:
    """Groups that have no message in common, as one."""
    _, messages, recipients, sizes, oldest, due = zip(*groups, strict=True)
    tries = [one for one in due if one is not None]
    return Group("", sum(messages), sum(recipients), sum(sizes), min(oldest), min(tries, default=None))


def _finished(connection: sqlite3.Connection, chosen: Filter, now: float, by: str) -> Iterator[tuple[Group, bool]]:
    for message in finished_slices(connection):
        matching = [recipient for recipient in message.recipients if chosen.matches(message, recipient, now)]
        names: dict[str, int] = {}
        for recipient in matching:
            name = _name(message, recipient, by)
            names[name] = names.get(name, 0) + 1
        for name, count in names.items():
            yield Group(name, 1, count, message.size, message.received_at, None), False
        if matching:
            yield Group("", 1, len(matching), message.size, message.received_at, None), True


def _name(message: QueuedMessage, recipient: QueuedRecipient, by: str) -> str:
    path = recipient.forward_path
    names = {
        "next-hop": recipient.key.next_hop,
        "domain": path.rpartition("@")[2].lower() if "@" in path else "",
        "sender": message.reverse_path,
        "reason": recipient.reason or recipient.reply,
        "state": recipient.state.words,
        "demand": recipient.key.demand,
        "job": recipient.key.job,
        "priority": priority_word(recipient.key.priority),
    }
    return names[by]


class Longest(NamedTuple):
    """A queue by what waits in it unclaimed: `waiting` recipients, `due` next, the oldest one received at `since`;
    `reason` is that of the one due first, empty before its first try.
    """

    key: RoutingKey
    waiting: int
    due: float
    since: float | None
    reason: str


def longest_queues(connection: sqlite3.Connection, limit: int, match: str = "") -> list[Longest]:
    """The queues with most recipients waiting unclaimed, of those whose next hop has `match` in its name.

    Reads the index of what is due and nothing else, in slices of a few thousand entries.
    """
    found: list[tuple[int, int, float, int]] = []
    wanted = "AND queue IN (SELECT id FROM queue WHERE instr(lower(next_hop), ?))" if match else ""
    names = (match.lower(),) if match else ()
    for above, upto in _queue_slices(connection):
        found += connection.execute(
            "SELECT queue, count(*), min(due), min(message) FROM recipient INDEXED BY recipient_due"
            f" WHERE state = 0 AND queue > ? AND queue <= ? {wanted} GROUP BY queue ORDER BY count(*) DESC LIMIT ?",
            (above, upto, *names, limit),
        ).fetchall()
        found.sort(key=lambda row: -row[1])
        del found[limit:]
    return [one for one in (_longest(connection, *row) for row in found) if one is not None]


def _longest(connection: sqlite3.Connection, queue: int, waiting: int, due: float, oldest: int) -> Longest | None:
    key = connection.execute(f"SELECT {KEY} FROM queue WHERE id = ?", (queue,)).fetchone()
    since = connection.execute("SELECT received_at FROM message WHERE id = ?", (oldest,)).fetchone()
    said = connection.execute(
        "SELECT reason, reply FROM recipient INDEXED BY recipient_due WHERE state = 0 AND queue = ?"
        " ORDER BY due LIMIT 1",
        (queue,),
    ).fetchone()
    if key is None or said is None:
        return None  # it went between two looks
    return Longest(RoutingKey(*key), waiting, due, since[0] if since else None, said[0] or said[1])


def _queue_slices(connection: sqlite3.Connection) -> Iterable[tuple[int, int]]:
    """Ranges of queue numbers that hold about `SLICE` waiting recipients each."""
    above = 0
    while True:
        row = connection.execute(
            "SELECT queue FROM recipient INDEXED BY recipient_due WHERE state = 0 AND queue > ? ORDER BY queue"
            f" LIMIT 1 OFFSET {SLICE - 1}",
            (above,),
        ).fetchone()
        yield above, (1 << 62) if row is None else row[0]
        if row is None:
            return
        above = row[0]

"""Adding the queue up: by next hop, domain, sender, reason, state, demand, job or priority; and the longest queues.

Like lists, sums go by id in slices, each its own short read transaction (`danelaw.spool.turns`), and what a slice gives
is added up outside of Python (`danelaw.spool.tally`).
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

from danelaw.queue import Filter, QueuedMessage, QueuedRecipient, RoutingKey
from danelaw.queue.values import priority_word
from danelaw.spool.errors import SpoolError
from danelaw.spool.queues import KEY
from danelaw.spool.tally import SPOOL, Group, Tally
from danelaw.spool.turns import Turns
from danelaw.spool.view import finished_slices

SCHEMA = "danelaw/queue-groups/1"
SLICE = 4000
"""Messages, or waiting recipients, in one read transaction: joining and adding up takes some 5 µs for each."""
_ASLEEP = "iif(q.suspended_until > :now, q.suspended_until, 0)"
# What follows the last @: all other characters are taken off the end until one comes.
_AFTER_LAST = "substr(r.forward_path, length(rtrim(r.forward_path, replace(r.forward_path, '@', ''))) + 1)"
# Which takes long; nearly all addresses have one.
_AFTER_FIRST = "substr(r.forward_path, instr(r.forward_path, '@') + 1)"
_DOMAIN = f"iif(instr(r.forward_path, '@'), lower(iif(instr({_AFTER_FIRST}, '@'), {_AFTER_LAST}, {_AFTER_FIRST})), '')"
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


def grouped(
    connection: sqlite3.Connection, chosen: Filter, now: float, by: str, limit: int, *, finished: bool = False
) -> dict[str, Any]:
    """`queue list --group-by`, as docs/schemas/queue-groups.md has it; `by` is one of `KINDS`.

    A message counts once in each group that one of its matching recipients belongs to. Raises `SpoolError`.
    """
    if by not in KINDS:
        raise SpoolError(f"messages cannot be grouped by '{by}'", advice=f"one of {', '.join(KINDS)}")
    whole = finished or chosen.finished
    with closing(Tally(None if whole else _database(connection))) as tally:
        if whole:
            tally.add(_finished(connection, chosen, now, by))
        else:
            _waiting(tally, chosen, now, by)
        largest, count = tally.largest(limit)
        total = tally.total()
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
    total: Group | None = None
    for result in results:
        if result["total"]["messages"]:
            one = Group("", **result["total"])
            total = one if total is None else total.plus(one)
    with closing(Tally()) as tally:
        tally.add((Group(**group), None) for result in results for group in result["groups"])
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


def _database(connection: sqlite3.Connection) -> Path:
    return Path(connection.execute("PRAGMA database_list").fetchone()[2])


def _waiting(tally: Tally, chosen: Filter, now: float, by: str) -> None:
    """Everything that waits and is meant, slice by slice."""
    condition, values = chosen.to_sql(now)
    # The filter numbers its parameters by position, so ours are written as they are: a number, and names of columns.
    name = _NAMES[by].replace(":now", repr(float(now)))
    asleep = _ASLEEP.replace(":now", repr(float(now)))
    due = f"iif(r.state < 2, max(r.due, {asleep}), NULL)"
    tables = (
        f"FROM {SPOOL}.message m CROSS JOIN {SPOOL}.recipient r ON r.message = m.id"
        f" CROSS JOIN {SPOOL}.queue q ON q.id = r.queue WHERE m.id > ? AND m.id <= ? AND ({condition})"
    )
    # Most messages have one recipient: they need not be told apart. Where nearly each has a name of its own it is not
    # worth while to look for those that share one.
    single = f"{tables} AND m.recipients = 1"
    each = f"SELECT {name}, 1, 1, m.size, m.received_at, {due}, NULL {single}"
    by_name = (
        f"SELECT {name} AS name, count(*), count(*), sum(m.size), min(m.received_at), min({due}), NULL {single}"
        " GROUP BY name"
    )
    several = (
        f"SELECT {name} AS name, 1, count(*), m.size, m.received_at, min({due}), m.id {tables}"
        " AND m.recipients > 1 GROUP BY m.id, name"
    )
    many = False

    def read(above: int, upto: int) -> int:
        tally.connection.execute("BEGIN")  # both or none: what is interrupted is read again
        try:
            found = tally.take(each if many else by_name, (above, upto, *values))
            tally.take(several, (above, upto, *values))
        except BaseException:
            if tally.connection.in_transaction:
                tally.connection.execute("ROLLBACK")
            raise
        tally.connection.execute("COMMIT")
        return found

    for found in Turns(tally.connection, f"{SPOOL}.message", SLICE).read(read):
        many = many or found > SLICE // 4


def _finished(
    connection: sqlite3.Connection, chosen: Filter, now: float, by: str
) -> Iterator[tuple[Group, int | None]]:
    for message in finished_slices(connection):
        names: dict[str, int] = {}
        for recipient in message.recipients:
            if chosen.matches(message, recipient, now):
                name = _name(message, recipient, by)
                names[name] = names.get(name, 0) + 1
        for name, count in names.items():
            yield Group(name, 1, count, message.size, message.received_at, None), message.id


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

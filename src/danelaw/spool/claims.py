"""Reading work from disk: what is due, what is too old, and in which queue it waits."""

from __future__ import annotations

import sqlite3
from collections.abc import Container

from danelaw.queue import DELIVERY, OPERATOR, QueuedMessage, RecipientState, floor_id
from danelaw.spool import rows
from danelaw.spool.rows import load_messages

_OPEN = int(RecipientState.DELIVERED)
_HELD = int(RecipientState.HELD)


def due_messages(
    connection: sqlite3.Connection, queue: int, count: int, now: float, taken: Container[tuple[int, int]], skip: int
) -> tuple[list[QueuedMessage], float | None]:
    """Up to `count` recipients of a queue that are due, as messages, earliest first; and when the next one is due.

    `taken` are (message, number) claimed already but not yet marked on disk; `skip` is how many those may be.
    """
    chosen: dict[int, list[int]] = {}
    free = count
    next_due: float | None = None
    found = connection.execute(
        "SELECT message, number, due FROM recipient INDEXED BY recipient_due WHERE queue = ? AND state = 0"
        " ORDER BY due, message, number LIMIT ?",
        (queue, count + skip + 1),
    )
    for message, number, due in found.fetchall():
        if (message, number) in taken:
            continue
        if due > now or not free:
            next_due = due
            break
        chosen.setdefault(message, []).append(number)
        free -= 1
    return load_messages(connection, chosen), next_due


def expired_messages(
    connection: sqlite3.Connection, now: float, shortest_lifetime: float, limit: int
) -> list[QueuedMessage]:
    """Messages whose lifetime is over, oldest first, with their open recipients that no operator holds.

    The primary key is the time of receipt, so no index on `expires` is needed: only messages older than the shortest
    lifetime are looked at.
    """
    found = connection.execute(
        "SELECT id FROM message WHERE id < ?1 AND expires <= ?2 AND EXISTS"
        " (SELECT 1 FROM recipient WHERE message = id AND state < ?3) ORDER BY id LIMIT ?4",
        (floor_id(now - shortest_lifetime), now, _HELD, limit),
    ).fetchall()
    messages = load_messages(connection, {row[0]: None for row in found})
    for message in messages:
        message.recipients = tuple(recipient for recipient in message.recipients if recipient.state < _HELD)
    return messages


def late_messages(connection: sqlite3.Connection, after: int, before: int, limit: int) -> list[QueuedMessage]:
    """Messages with ids in `after` < id < `before` whose sender was not told of the delay, with open recipients.

    Of what a step holds nobody is told: its sender may be forged, or may be who must not learn of our doubts.
    """
    found = connection.execute(
        f"SELECT id FROM message WHERE id > ? AND id < ? AND flags & {rows.NOTIFIED} = 0 ORDER BY id LIMIT ?",
        (after, before, limit),
    ).fetchall()
    messages = load_messages(connection, {row[0]: None for row in found})
    for message in messages:
        told = _OPEN if message.custody is None or message.custody.step in (OPERATOR, DELIVERY) else _HELD
        message.recipients = tuple(recipient for recipient in message.recipients if recipient.state < told)
    return messages


def bring_forward(connection: sqlite3.Connection, latest: float, now: float) -> int:
    """Make due `now` what is due after `latest`, inside the caller's transaction; returns how many recipients."""
    return connection.execute(
        "UPDATE recipient SET due = ?1 WHERE state < ?3 AND due > ?2", (now, latest, _HELD)
    ).rowcount


def requeue_claimed(connection: sqlite3.Connection) -> int:
    """After a crash: every claim of the process that died becomes due again. Returns how many deliveries that may
    repeat; what was on the wire then was perhaps delivered.
    """
    connection.execute("BEGIN IMMEDIATE")
    count = connection.execute("UPDATE recipient SET state = 0 WHERE state = 1").rowcount
    connection.execute("COMMIT")
    return count

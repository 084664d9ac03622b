"""Reading work from disk: what is due, what is too old, and in which queue it waits."""

from __future__ import annotations

import sqlite3
from collections.abc import Container

from danelaw.queue import DELIVERY, OPERATOR, QueuedMessage, RecipientState
from danelaw.spool import rows
from danelaw.spool.rows import load_messages

MOST_RECIPIENTS = 100
"""Recipients claimed at once: a transaction with more holds up everybody else, and RFC 5321 §4.5.3.1.8 lets hosts
refuse more than 100."""
LOOKED_AT = 20_000
"""Messages looked at in one search for those whose lifetime is over: about two milliseconds."""
MOST_AT_ONCE = 500
"""Recipients of one message that time alone changes in one look."""
_LEFT = "left in order"
_OPEN = int(RecipientState.DELIVERED)
_CLAIMED = int(RecipientState.DELIVERING)
_HELD = int(RecipientState.HELD)


def due_messages(
    connection: sqlite3.Connection, queue: int, count: int, now: float, taken: Container[tuple[int, int]]
) -> tuple[list[QueuedMessage], float | None]:
    """Up to `count` messages with due recipients of a queue, earliest first, `MOST_RECIPIENTS` of each and in all; and
    when the next one is due. `taken` are (message, number) claimed already but not yet marked on disk.
    """
    chosen: dict[int, list[int]] = {}
    most = max(count, MOST_RECIPIENTS)
    next_due: float | None = None
    found = connection.execute(
        "SELECT message, number, due FROM recipient INDEXED BY recipient_due WHERE queue = ? AND state = 0"
        " ORDER BY due",  # then by message and number, as the index has them: asked for, they would be sorted again
        (queue,),
    )
    for message, number, due in found:
        if (message, number) in taken:
            continue
        if due > now or not most or (len(chosen) >= count and message not in chosen):
            next_due = due
            break
        chosen.setdefault(message, []).append(number)
        most -= 1
    found.close()
    return load_messages(connection, chosen), next_due


def expired_messages(
    connection: sqlite3.Connection, now: float, after: int, before: int, limit: int
) -> tuple[list[QueuedMessage], int]:
    """Messages whose lifetime is over, oldest first, with their open recipients that no operator holds, up to
    `MOST_AT_ONCE` of each; and the id after which to look next time, 0 once all were looked at.

    There is no index on `expires`, which would cost every message that is delivered at once: the messages with ids in
    `after` < id < `before` are looked at, `LOOKED_AT` at most.
    """
    row = connection.execute(
        f"SELECT id FROM message WHERE id > ? AND id < ? ORDER BY id LIMIT 1 OFFSET {LOOKED_AT - 1}", (after, before)
    ).fetchone()
    upto = before if row is None else row[0] + 1
    found = connection.execute(
        "SELECT id FROM message WHERE id > ?1 AND id < ?2 AND expires <= ?3 AND EXISTS"
        " (SELECT 1 FROM recipient WHERE message = id AND state < ?4) ORDER BY id LIMIT ?5",
        (after, upto, now, _HELD, limit),
    ).fetchall()
    messages = load_messages(connection, {row[0]: _first(connection, row[0], _HELD) for row in found})
    if len(found) == limit:
        return messages, found[-1][0]
    return messages, 0 if row is None else row[0]


def late_messages(connection: sqlite3.Connection, after: int, before: int, limit: int) -> list[QueuedMessage]:
    """Messages with ids in `after` < id < `before` whose sender was not told of the delay, with open recipients.

    Of what a step holds nobody is told: its sender may be forged, or may be who must not learn of our doubts.
    """
    found = connection.execute(
        f"SELECT id FROM message WHERE id > ? AND id < ? AND flags & {rows.NOTIFIED} = 0 ORDER BY id LIMIT ?",
        (after, before, limit),
    ).fetchall()
    messages = load_messages(connection, {row[0]: _first(connection, row[0], _OPEN) for row in found})
    for message in messages:
        told = _OPEN if message.custody is None or message.custody.step in (OPERATOR, DELIVERY) else _HELD
        message.recipients = tuple(recipient for recipient in message.recipients if recipient.state < told)
    return messages


def _first(connection: sqlite3.Connection, message_id: int, below: int) -> list[int]:
    """The numbers of the first recipients in a state below this one."""
    query = "SELECT number FROM recipient WHERE message = ? AND state < ? ORDER BY number LIMIT ?"
    return [row[0] for row in connection.execute(query, (message_id, below, MOST_AT_ONCE))]


def bring_forward(connection: sqlite3.Connection, latest: float, now: float, *, claimed: bool = True) -> int:
    """Make due `now` what is due after `latest`, inside the caller's transaction; returns how many recipients. Without
    `claimed` only what waits on disk, which an index finds.
    """
    count = connection.execute(
        "UPDATE recipient INDEXED BY recipient_when SET due = ? WHERE state = 0 AND due > ?", (now, latest)
    ).rowcount
    if claimed:
        count += connection.execute(
            "UPDATE recipient SET due = ? WHERE state = ? AND due > ?", (now, _CLAIMED, latest)
        ).rowcount
    return count


def requeue_claimed(connection: sqlite3.Connection) -> int:
    """After a crash: every claim of the process that died becomes due again. Returns how many deliveries that may
    repeat; what was on the wire then was perhaps delivered. A process that left in order has given its claims back and
    said so, which saves looking at every recipient; that word is taken back, durably, before anything is claimed.
    """
    connection.execute("BEGIN IMMEDIATE")
    count = 0
    if not connection.execute(f"DELETE FROM setting WHERE name = '{_LEFT}'").rowcount:
        count = connection.execute("UPDATE recipient SET state = 0 WHERE state = 1").rowcount
    connection.execute("COMMIT")
    return count


def leave(connection: sqlite3.Connection) -> None:
    """Give every claim back, and say so; inside the caller's transaction, the last of this process."""
    connection.execute("UPDATE recipient SET state = 0 WHERE state = 1")
    connection.execute(f"INSERT OR REPLACE INTO setting VALUES ('{_LEFT}', x'01')")

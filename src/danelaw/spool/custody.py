"""Rows of held mail, of findings and of contexts: written with their message, changed by acts, gone with it.

Everything here runs inside a transaction of the caller and may be repeated.
"""

from __future__ import annotations

import json
import sqlite3

from danelaw.queue import Custody, HeldBy, QueuedMessage, RecipientState
from danelaw.queue.values import MOST_CONTEXT
from danelaw.spool import rows

_HELD = int(RecipientState.HELD)


def note(connection: sqlite3.Connection, message: QueuedMessage, custody: Custody) -> None:
    """A new message came with a custody."""
    connection.execute(rows.INSERT_HOLD, rows.hold_row(message.id, custody, message.expires))


def note_context(connection: sqlite3.Connection, message_id: int, context: str) -> None:
    """What scripts know about a message in the queue or in history is now this. Raises `ValueError`."""
    if context:
        write_context(connection, message_id, context)
    else:
        connection.execute("DELETE FROM context WHERE id = ?", (message_id,))
    change = "flags | ?" if context else "flags & ~?"
    for table in ("message", "history"):
        connection.execute(f"UPDATE {table} SET flags = {change} WHERE id = ?", (rows.NOTED, message_id))


def write_context(connection: sqlite3.Connection, message_id: int, context: str) -> None:
    """A new message came with a context. Raises `ValueError`."""
    if len(context.encode("utf-8")) > MOST_CONTEXT:
        raise ValueError(f"the context of a message is larger than {MOST_CONTEXT} octets")
    connection.execute(rows.INSERT_CONTEXT, (message_id, context))


def take(
    connection: sqlite3.Connection, message_id: int, by: HeldBy, now: float, until: float | None = None
) -> Custody:
    """Recipients of a message in the queue are now held, by one more or for the first time; gives its custody."""
    before = rows.custody_of(connection, message_id)
    if before is not None:
        custody = before.also(by)
        connection.execute("UPDATE hold SET holds = ? WHERE id = ?", (custody.holds_text(), message_id))
        return custody
    custody = Custody((by,), now, until)
    expires = connection.execute("SELECT expires FROM message WHERE id = ?", (message_id,)).fetchone()[0]
    connection.execute(rows.INSERT_HOLD, rows.hold_row(message_id, custody, expires))
    connection.execute("UPDATE message SET flags = flags | ? WHERE id = ?", (rows.CUSTODY, message_id))
    return custody


def prolong(connection: sqlite3.Connection, message_id: int, until: float | None) -> None:
    """A message stays held until a later moment, or without an end."""
    connection.execute("UPDATE hold SET until = ? WHERE id = ?", (until, message_id))


def leave(connection: sqlite3.Connection, message_id: int, now: float) -> None:
    """Recipients of a message are held no more: its lifetime runs on from where it stood, and with the last of them
    its custody ends.
    """
    connection.execute(
        "UPDATE message SET expires = max(expires, ?1 + (SELECT lifetime FROM hold WHERE id = ?2))"
        " WHERE id = ?2 AND EXISTS (SELECT 1 FROM hold WHERE id = ?2)",
        (now, message_id),
    )
    held = connection.execute(
        "SELECT 1 FROM recipient WHERE message = ? AND state = ? LIMIT 1", (message_id, _HELD)
    ).fetchone()
    if held is None:
        connection.execute("DELETE FROM hold WHERE id = ?", (message_id,))
        connection.execute("UPDATE message SET flags = flags & ~? WHERE id = ?", (rows.CUSTODY, message_id))


def found(connection: sqlite3.Connection, message_id: int, step: str, result: str, reason: str) -> None:
    """Add to what is known about a message, waiting or finished."""
    findings = json.loads(rows.findings_of(connection, message_id) or "[]")
    findings.append([step, result, reason])
    connection.execute(rows.INSERT_FINDING, (message_id, json.dumps(findings, ensure_ascii=False)))
    for table in ("message", "history"):
        connection.execute(f"UPDATE {table} SET flags = flags | ? WHERE id = ?", (rows.FOUND, message_id))


def finished(connection: sqlite3.Connection, message: QueuedMessage, redaction: rows.Redaction) -> None:
    """A message with a custody, findings or a context goes to history: what was found and noted stays, as history keeps
    words.
    """
    if message.custody is not None:
        connection.execute("DELETE FROM hold WHERE id = ?", (message.id,))
    if redaction.redact and message.findings:
        kept = [[redaction.words(word) for word in one] for one in json.loads(rows.findings_of(connection, message.id))]
        connection.execute(rows.INSERT_FINDING, (message.id, json.dumps(kept, ensure_ascii=False)))
    if redaction.redact and message.context:
        kept_context = redaction.context(rows.context_of(connection, message.id))
        connection.execute(rows.INSERT_CONTEXT, (message.id, kept_context))


def forget_findings(connection: sqlite3.Connection, limit: int) -> int:
    """Remove some findings and contexts of messages that history has forgotten, the oldest first; returns how many."""
    return sum(
        connection.execute(
            f"DELETE FROM {table} WHERE id IN (SELECT f.id FROM {table} f"
            " WHERE f.id < coalesce((SELECT min(id) FROM history), ?1)"
            " AND NOT EXISTS (SELECT 1 FROM message m WHERE m.id = f.id) ORDER BY f.id LIMIT ?2)",
            (1 << 62, limit),
        ).rowcount
        for table in ("finding", "context")
    )


def forget_holds(connection: sqlite3.Connection, after: int, limit: int) -> int:
    """Of so many holds with ids above `after`, remove those that hold nobody: their messages were being delivered when
    an operator held them. Returns the id to go on after, 0 at the end.
    """
    ids = [row[0] for row in connection.execute("SELECT id FROM hold WHERE id > ? ORDER BY id LIMIT ?", (after, limit))]
    if not ids:
        return 0
    connection.execute(
        "DELETE FROM hold WHERE id > ? AND id <= ? AND NOT EXISTS"
        " (SELECT 1 FROM recipient WHERE message = hold.id AND state = ?)",
        (after, ids[-1], _HELD),
    )
    return ids[-1] if len(ids) == limit else 0

"""The statements of one batch: appended messages and settled deliveries, a few `executemany` in all.

Everything here runs inside a transaction of the caller and must be repeatable: a settlement whose COMMIT failed is
written again after recovery, perhaps over its own earlier success.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

from danelaw.queue import (
    DELIVERY,
    HeldBy,
    QueuedMessage,
    QueuedRecipient,
    RecipientResult,
    RecipientState,
    RoutingKey,
    Settlement,
)
from danelaw.spool import custody, owed, rows
from danelaw.spool.attempts import AttemptWriter
from danelaw.spool.queues import OF_KEY, UPSERT_QUEUE, QueueNumbers

_HELD = int(RecipientState.HELD)
_DELIVERED = int(RecipientState.DELIVERED)
# An operator's hold set while the message was on the wire outlives the deferral that follows.
_UPDATE_RECIPIENT = (
    f"UPDATE recipient SET state = CASE WHEN state = {_HELD} AND ?1 < {_DELIVERED} THEN state ELSE ?1 END,"
    " due = ?2, tries = ?3, reply = ?4, reason = ?5, changed_at = ?6 WHERE message = ?7 AND number = ?8"
)
_MOVE_RECIPIENT = "UPDATE recipient SET queue = ? WHERE message = ? AND number = ?"


class Appended(NamedTuple):
    """One message to store: `body` is None when it lies in a file; `claimed` keeps it for this process."""

    message: QueuedMessage
    body: bytes | None
    claimed: bool


class BatchWriter:
    """Writes batches through one connection. `doomed` collects the files of bodies whose rows were deleted."""

    __slots__ = ("attempts", "connection", "doomed", "numbers", "redaction")

    def __init__(self, connection: sqlite3.Connection, redaction: rows.Redaction) -> None:
        self.connection = connection
        self.numbers = QueueNumbers(connection)
        self.attempts = AttemptWriter(redaction.words if redaction.redact else None)
        self.redaction = redaction
        self.doomed: list[str] = []

    def committed(self) -> list[str]:
        """The transaction is durable: returns the body files that may go now."""
        self.numbers.committed()
        doomed, self.doomed = self.doomed, []
        return doomed

    def rolled_back(self) -> None:
        """The transaction is gone."""
        self.numbers.rolled_back()
        self.attempts.rolled_back()
        self.doomed.clear()

    def append(self, batch: Sequence[Appended]) -> None:
        """Store new messages."""
        number = self.numbers.number
        messages: list[tuple[Any, ...]] = []
        bodies: list[tuple[int, bytes]] = []
        recipients: list[tuple[Any, ...]] = []
        findings: list[tuple[int, str]] = []
        for message, body, claimed in batch:
            messages.append(rows.message_row(message))
            if message.custody is not None:
                custody.note(self.connection, message, message.custody)
            if message.findings:
                findings.append((message.id, message.findings))
            if message.context:
                custody.write_context(self.connection, message.id, message.context)
            if body is not None:
                bodies.append((message.id, body))
            for recipient in message.recipients:
                state = 1 if claimed and recipient.state == 0 else int(recipient.state)
                recipients.append(rows.recipient_row(message.id, recipient, number(recipient.key), state))
        self.numbers.write(self.connection)
        executemany = self.connection.executemany
        executemany(rows.INSERT_MESSAGE, messages)
        executemany(rows.INSERT_BODY, bodies)
        executemany(rows.INSERT_RECIPIENT, recipients)
        if findings:
            executemany(rows.INSERT_FINDING, findings)

    def settle(self, settlements: Sequence[Settlement], *, finishing: bool = True) -> None:
        """Store outcomes, the DSNs they call for, and the record; remove messages all of whose recipients are final.
        Without `finishing` the caller knows that there are others.
        """
        finished: list[tuple[Any, ...]] = []
        updates: list[tuple[Any, ...]] = []
        moves: list[tuple[int, int, int]] = []
        partly: dict[int, float] = {}
        notices: list[Appended] = []
        for settlement in settlements:
            message = settlement.message
            if settlement.context is not None:
                message.context = settlement.context
                custody.note_context(self.connection, message.id, settlement.context)
            if _finishes(settlement):
                recipient = _applied(message.recipients[0], settlement)
                finished.append(self._history_row(message, (recipient,), settlement.at))
            elif settlement.results:
                updates += [_update(settlement, result) for result in settlement.results]
                partly[message.id] = settlement.at
                held = next((result for result in settlement.results if result.state == _HELD), None)
                if held is not None:
                    custody.take(self.connection, message.id, HeldBy(DELIVERY, held.reason), settlement.at)
            if settlement.moves:
                moves += [(self.numbers.number(move.key), message.id, move.number) for move in settlement.moves]
            if settlement.owed:
                owed.add(self.connection, message.id, settlement.owed)
            if settlement.told:
                owed.told(self.connection, message.id, settlement.told)
                partly[message.id] = settlement.at
            if settlement.notified:
                self.connection.execute(
                    "UPDATE message SET flags = flags | ? WHERE id = ?", (rows.NOTIFIED, message.id)
                )
            notices += [Appended(notice, body, False) for notice, body in settlement.notices]
        self.connection.executemany(_UPDATE_RECIPIENT, updates)
        if moves:
            self.numbers.write(self.connection)
            self.connection.executemany(_MOVE_RECIPIENT, moves)
        self._finish([*finished, *self._finished_by_parts(partly if finishing else {})])
        self._append_notices(notices)
        self.attempts.write(self.connection, settlements)

    def _append_notices(self, notices: list[Appended]) -> None:
        """DSNs; one that is on disk already (a repeated settlement) is not stored twice."""
        if notices:
            here = self.connection.execute
            self.append([n for n in notices if not here("SELECT 1 FROM message WHERE id = ?", (n[0].id,)).fetchone()])

    def _finished_by_parts(self, touched: dict[int, float]) -> list[tuple[Any, ...]]:
        """Of messages just updated, the history rows of those with no open recipient and no notice owed."""
        done = []
        for message_id, at in touched.items():
            # From the end: parts of a long list are delivered in its order.
            is_open = self.connection.execute(
                "SELECT 1 FROM recipient WHERE message = ? AND state < ? ORDER BY number DESC LIMIT 1",
                (message_id, _DELIVERED),
            ).fetchone()
            if is_open is None and not owed.any_of(self.connection, message_id):
                message = rows.load_envelope(self.connection, message_id)
                if message is not None:
                    recipients = rows.each_recipient(self.connection, message_id)
                    done.append(self._history_row(message, recipients, at))
        return done

    def _history_row(self, message: QueuedMessage, recipients: Iterable[QueuedRecipient], at: float) -> tuple[Any, ...]:
        if message.body_file is not None:
            self.doomed.append(message.body_file)
        if message.custody is not None or message.findings or message.context:
            custody.finished(self.connection, message, self.redaction)
        return rows.history_row(message, recipients, at, self.redaction)

    def finish(self, messages: Iterable[QueuedMessage], at: float) -> None:
        """Move messages with all their recipients, as they stand, to history; but where the sender is yet to be told of
        a failure, the notice does.
        """
        ending = [message for message in messages if not owed.any_of(self.connection, message.id)]
        self._finish([self._history_row(message, message.recipients, at) for message in ending])

    def _finish(self, history: list[tuple[Any, ...]]) -> None:
        ids = [(row[0],) for row in history]
        if not ids:
            return
        executemany = self.connection.executemany
        executemany(rows.INSERT_HISTORY, history)
        executemany("DELETE FROM message WHERE id = ?", ids)
        executemany("DELETE FROM body WHERE id = ?", ids)
        executemany("DELETE FROM recipient WHERE message = ?", ids)

    def unappend(self, message_ids: Iterable[int]) -> None:
        """Remove messages the client was told are not stored, should the failed COMMIT have stored them after all."""
        ids = [(message_id,) for message_id in message_ids]
        for table in ("message", "body", "recipient", "hold", "finding", "context"):
            column = "message" if table == "recipient" else "id"
            self.connection.executemany(f"DELETE FROM {table} WHERE {column} = ?", ids)

    def set_claimed(self, pairs: Iterable[tuple[int, int]], claimed: bool) -> None:
        """Mark recipients (message, number) as claimed by this process, or give them back."""
        before, after = (0, 1) if claimed else (1, 0)
        self.connection.executemany(
            f"UPDATE recipient SET state = {after} WHERE message = ? AND number = ? AND state = {before}", pairs
        )

    def save_queue(self, key: RoutingKey, suspended_until: float, failures: int, reason: str) -> None:
        """Remember a queue's back-off or suspension."""
        number = self.numbers.number(key)
        self.numbers.write(self.connection)
        self.connection.execute(UPSERT_QUEUE, (number, *key, suspended_until, failures, reason))

    def save_site(self, key: RoutingKey, site: str) -> None:
        """Remember which MX site serves a queue."""
        self.connection.execute(f"UPDATE queue SET site = ? WHERE {OF_KEY}", (site, *key))

    def save_setting(self, name: str, value: bytes) -> None:
        """Remember something of the shard's by name."""
        self.connection.execute("INSERT OR REPLACE INTO setting VALUES (?, ?)", (name, value))


def _finishes(settlement: Settlement) -> bool:
    """True for the common case: the message has one recipient and its outcome is final. No query needed."""
    return (
        settlement.message.recipient_count == 1
        and len(settlement.results) == 1
        and settlement.results[0].state >= _DELIVERED
        and len(settlement.message.recipients) == 1
    )


def _applied(recipient: QueuedRecipient, settlement: Settlement) -> QueuedRecipient:
    result = settlement.results[0]
    recipient.state = result.state
    recipient.tries = result.tries or recipient.tries
    recipient.reply = result.reply
    recipient.reason = result.reason
    recipient.changed_at = settlement.at
    return recipient


def _update(settlement: Settlement, result: RecipientResult) -> tuple[Any, ...]:
    return (
        int(result.state),
        result.due,
        result.tries,
        result.reply,
        result.reason,
        settlement.at,
        settlement.message.id,
        result.number,
    )

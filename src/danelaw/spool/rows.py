"""Between values and rows: the only place that knows the columns' order."""

from __future__ import annotations

import hashlib
import hmac
import json
import re
import sqlite3
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from danelaw.queue import Custody, QueuedMessage, QueuedRecipient, RecipientState, RoutingKey
from danelaw.spool.queues import Q_KEY

SMTPUTF8, REQUIRETLS, TLS_REQUIRED_NO, NOTIFIED, EIGHT_BIT, CUSTODY, FOUND, NOTED = 1, 2, 4, 8, 16, 32, 64, 128

INSERT_MESSAGE = "INSERT INTO message VALUES (?,?,?,?,?,?,?,?,?,?,?,?,?,?,?)"
INSERT_BODY = "INSERT INTO body VALUES (?,?)"
INSERT_HOLD = "INSERT OR REPLACE INTO hold VALUES (?,?,?,?,?,?)"
INSERT_FINDING = "INSERT OR REPLACE INTO finding VALUES (?,?)"
INSERT_CONTEXT = "INSERT OR REPLACE INTO context VALUES (?,?)"
INSERT_RECIPIENT = "INSERT INTO recipient VALUES (?,?,?,?,?,?,?,?,?,?,?,?)"
INSERT_HISTORY = "INSERT OR REPLACE INTO history VALUES (?,?,?,?,?,?,?,?,?,?,?,?)"
SELECT_MESSAGE = (
    "SELECT id, received_at, expires, reverse_path, size, recipients, flags, ret, envid,"
    " client_address, client_helo, client_tls, message_id, body_file, client_user FROM message"
)
SELECT_RECIPIENT = (
    "SELECT r.message, r.number, r.state, r.due, r.tries, r.changed_at, r.forward_path, r.notify, r.orcpt,"
    f" r.reply, r.reason, {Q_KEY}, q.site FROM recipient r JOIN queue q ON q.id = r.queue"
)
_BESIDE = CUSTODY | FOUND | NOTED
# By hand: setting up a JSON encoder for every record costs more than storing it.
_quoted = json.encoder.encode_basestring
_LOCAL_PART = re.compile(r"""([^\s<>"'(),:;@])[^\s<>"'(),:;@]*@""")


def flags(message: QueuedMessage) -> int:
    """The yes-or-no fields in one number."""
    return (
        (SMTPUTF8 if message.smtputf8 else 0)
        | (REQUIRETLS if message.requiretls else 0)
        | (TLS_REQUIRED_NO if message.tls_required_no else 0)
        | (NOTIFIED if message.notified else 0)
        | (EIGHT_BIT if message.body_kind == "8BITMIME" else 0)
        | (CUSTODY if message.custody is not None else 0)
        | (FOUND if message.findings else 0)
        | (NOTED if message.context else 0)
    )


def message_row(message: QueuedMessage) -> tuple[Any, ...]:
    """For `INSERT_MESSAGE`."""
    return (
        message.id,
        message.received_at,
        message.expires,
        message.reverse_path,
        message.size,
        len(message.recipients),
        flags(message),
        message.ret,
        message.envid,
        message.client_address,
        message.client_helo,
        message.client_tls,
        message.message_id,
        message.body_file,
        message.client_user,
    )


def recipient_row(message_id: int, recipient: QueuedRecipient, queue: int, state: int) -> tuple[Any, ...]:
    """For `INSERT_RECIPIENT`."""
    return (
        message_id,
        recipient.number,
        queue,
        state,
        recipient.due,
        recipient.tries,
        recipient.changed_at,
        recipient.forward_path,
        recipient.notify,
        recipient.orcpt,
        recipient.reply,
        recipient.reason,
    )


def message_value(row: Sequence[Any], recipients: Iterable[QueuedRecipient]) -> QueuedMessage:
    """From `SELECT_MESSAGE`."""
    bits = row[6]
    return QueuedMessage(
        id=row[0],
        received_at=row[1],
        expires=row[2],
        reverse_path=row[3],
        recipients=tuple(recipients),
        size=row[4],
        recipient_count=row[5],
        body_kind="8BITMIME" if bits & EIGHT_BIT else "7BIT",
        smtputf8=bool(bits & SMTPUTF8),
        ret=row[7],
        envid=row[8],
        requiretls=bool(bits & REQUIRETLS),
        tls_required_no=bool(bits & TLS_REQUIRED_NO),
        client_address=row[9],
        client_helo=row[10],
        client_tls=row[11],
        message_id=row[12],
        body_file=row[13],
        notified=bool(bits & NOTIFIED),
        client_user=row[14],
    )


def recipient_value(row: Sequence[Any]) -> QueuedRecipient:
    """From `SELECT_RECIPIENT`."""
    return QueuedRecipient(
        number=row[1],
        forward_path=row[6],
        key=RoutingKey(row[11], row[12], row[13], row[14], row[15]),
        notify=row[7],
        orcpt=row[8],
        due=row[3],
        tries=row[4],
        state=RecipientState(row[2]),
        reply=row[9],
        reason=row[10],
        changed_at=row[5],
        site=row[16],
    )


def load_envelope(connection: sqlite3.Connection, message_id: int) -> QueuedMessage | None:
    """A message without its recipients; None when it is not in the queue."""
    row = connection.execute(SELECT_MESSAGE + " WHERE id = ?", (message_id,)).fetchone()
    if row is None:
        return None
    message = message_value(row, ())
    if row[6] & _BESIDE:
        _beside(connection, message)
    return message


def _beside(connection: sqlite3.Connection, message: QueuedMessage) -> None:
    """What lies beside a message whose flags say so."""
    message.custody, message.findings = custody_of(connection, message.id), findings_of(connection, message.id)
    message.context = context_of(connection, message.id)


def each_recipient(connection: sqlite3.Connection, message_id: int) -> Iterator[QueuedRecipient]:
    """All recipients of a message, one after the other: there may be too many to hold at once."""
    for row in connection.execute(SELECT_RECIPIENT + " WHERE r.message = ? ORDER BY r.number", (message_id,)):
        yield recipient_value(row)


def load_messages(connection: sqlite3.Connection, wanted: Mapping[int, Iterable[int] | None]) -> list[QueuedMessage]:
    """Messages by id, each with the recipients of the given numbers (None: all), in the order of `wanted`."""
    loaded = []
    for message_id, numbers in wanted.items():
        row = connection.execute(SELECT_MESSAGE + " WHERE id = ?", (message_id,)).fetchone()
        if row is None:
            continue
        chosen = None if numbers is None else set(numbers)
        between = (0, 1 << 62) if chosen is None else (min(chosen, default=1), max(chosen, default=0))
        rows = connection.execute(
            SELECT_RECIPIENT + " WHERE r.message = ? AND r.number BETWEEN ? AND ? ORDER BY r.number",
            (message_id, *between),
        )
        recipients = [recipient_value(found) for found in rows if chosen is None or found[1] in chosen]
        message = message_value(row, recipients)
        if row[6] & _BESIDE:
            _beside(connection, message)
        loaded.append(message)
    return loaded


def hold_row(message_id: int, custody: Custody, expires: float) -> tuple[Any, ...]:
    """For `INSERT_HOLD`; `expires` as it was when the message came to be held."""
    lifetime = max(0.0, expires - custody.since)
    return message_id, custody.since, custody.until, lifetime, custody.step, custody.holds_text()


def custody_of(connection: sqlite3.Connection, message_id: int) -> Custody | None:
    """Why a message is held; None when it is not."""
    row = connection.execute("SELECT holds, since, until FROM hold WHERE id = ?", (message_id,)).fetchone()
    return None if row is None else Custody.from_stored(*row)


def findings_of(connection: sqlite3.Connection, message_id: int) -> str:
    """What steps found out about a message, waiting or finished, as JSON text; empty when nothing."""
    row = connection.execute("SELECT data FROM finding WHERE id = ?", (message_id,)).fetchone()
    return "" if row is None else str(row[0])


def context_of(connection: sqlite3.Connection, message_id: int) -> str:
    """What scripts noted about a message, waiting or finished, as JSON text; empty when nothing."""
    row = connection.execute("SELECT data FROM context WHERE id = ?", (message_id,)).fetchone()
    return "" if row is None else str(row[0])


class Redaction:
    """How addresses are kept in history. `redact` leaves `a…@example.org` and a keyed digest, by which the traces of
    one person can still be found and purged, but not read.
    """

    __slots__ = ("_salt", "redact")

    def __init__(self, redact: bool, salt: bytes) -> None:
        self.redact = redact
        self._salt = salt

    def digest(self, address: str) -> str:
        """16 hexadecimal digits that stand for an address in this shard only."""
        return hmac.new(self._salt, address.lower().encode("utf-8", "replace"), hashlib.sha256).hexdigest()[:16]

    def shown(self, address: str) -> str:
        """The address as history keeps it."""
        if not self.redact or "@" not in address:
            return address
        local, _, domain = address.rpartition("@")
        return f"{local[:1]}…@{domain} {self.digest(address)}"

    def words(self, text: str) -> str:
        """A reply or reason as history keeps it: servers like to repeat addresses in them."""
        return _LOCAL_PART.sub(r"\1…@", text) if self.redact else text

    def context(self, text: str) -> str:
        """JSON text as history keeps it, still JSON: the addresses in its strings and names are treated as in words."""
        try:
            return json.dumps(self._within(json.loads(text)), ensure_ascii=False, separators=(",", ":"))
        except (ValueError, RecursionError):  # nobody can read it, so nobody misses it
            return "null"

    def _within(self, value: Any) -> Any:
        if isinstance(value, str):
            return self.words(value)
        if isinstance(value, list):
            return [self._within(one) for one in value]
        if isinstance(value, dict):
            return {self.words(name): self._within(one) for name, one in value.items()}
        return value


def history_row(
    message: QueuedMessage, recipients: Iterable[QueuedRecipient], at: float, redaction: Redaction
) -> tuple[Any, ...]:
    """For `INSERT_HISTORY`: one compact record of a finished message."""
    kept = ",".join([_finished_recipient(recipient, redaction) for recipient in recipients])
    return (
        message.id,
        message.received_at,
        at,
        redaction.shown(message.reverse_path),
        message.size,
        flags(message),
        message.client_address,
        message.client_helo,
        message.client_tls,
        message.message_id,
        f"[{kept}]",
        redaction.shown(message.client_user),
    )


def _finished_recipient(recipient: QueuedRecipient, redaction: Redaction) -> str:
    """One recipient in history, a JSON array: number, address, next hop, state, when, tries, reply, reason."""
    path, reply, reason = recipient.forward_path, recipient.reply, recipient.reason
    if redaction.redact:
        reply, reason = redaction.words(reply), redaction.words(reason)
        path = redaction.shown(path)
    return (
        f"[{recipient.number},{_quoted(path)},{_quoted(recipient.key[0])},{int(recipient.state)},"
        f"{recipient.changed_at:.3f},{recipient.tries},{_quoted(reply)},{_quoted(reason)}]"
    )

"""Looking at the queue and its history, from a reading connection: beside a running server or without one.

Lists go by id in turns (`danelaw.spool.turns`), so that the write-ahead log stays small while somebody pages through a
million messages.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from danelaw.queue import Attempt, Filter, QueuedMessage, QueuedRecipient, RecipientState, RoutingKey
from danelaw.queue.values import priority_word
from danelaw.spool import rows
from danelaw.spool.attempts import attempts_of, day_tables, host_record
from danelaw.spool.errors import NoSuchMessage
from danelaw.spool.evidence import evidence_of
from danelaw.spool.queues import OF_KEY
from danelaw.spool.turns import Turns

SLICE = 10_000
_HISTORY = (
    "SELECT id, received_at, finished_at, reverse_path, size, flags, client_address, client_helo, client_tls,"
    " message_id, recipients, client_user FROM history"
)
_HISTORY_CUT = _HISTORY.replace(
    "recipients, client_user FROM",
    "(SELECT json_group_array(json(value)) FROM"
    " (SELECT value FROM json_each(history.recipients) ORDER BY json_extract(value, '$[3]') = 3, key LIMIT ?)),"
    " client_user FROM",
)
MOST_SHOWN = 1000
"""Recipients that `queue show` lists of one message; all are counted."""


@dataclass(frozen=True, slots=True)
class Page:
    """Messages of one page, each with its matching recipients only; `after` continues the list, None at its end."""

    messages: list[QueuedMessage]
    after: int | None


@dataclass(frozen=True, slots=True)
class Alone:
    """Is this message alone with its trouble? `messages` to `domains` wait (on disk, not just being tried) for
    next hops served by the same hosts, the oldest since `since`; `last_success` is when one of the hosts last
    took mail, after `successes` in a row.
    """

    messages: int
    domains: tuple[str, ...]
    since: float | None
    last_success: float | None
    successes: int


def is_known(connection: sqlite3.Connection, number: int) -> bool:
    """Whether a message with this id was ever stored, as far as history reaches back."""
    return any(
        connection.execute(f"SELECT 1 FROM {table} WHERE id = ?", (number,)).fetchone() is not None
        for table in ("message", "history")
    )


def tables(condition: str, also: str = "") -> tuple[str, str]:
    """The tables a filter's condition needs, and the column of the message's id: none is joined for nothing, which
    is what makes a search through a million messages quick. `also` names aliases needed in any case.

    CROSS JOIN fixes the order: by message id. Left alone the planner may begin with the queues, and sort.
    """
    used = {alias for alias in "mrq" if f"{alias}." in condition or alias in also}
    if used <= {"m"}:
        return "message m", "m.id"
    if "q" in used:
        used.add("r")
    parts = ["message m CROSS JOIN recipient r ON r.message = m.id" if "m" in used else "recipient r"]
    if "q" in used:
        parts.append("CROSS JOIN queue q ON q.id = r.queue")
    return " ".join(parts), "m.id" if "m" in used else "r.message"


def waiting_page(connection: sqlite3.Connection, chosen: Filter, now: float, after: int, limit: int) -> Page:
    """Messages in the queue that meet the filter, oldest first, with ids above `after`."""
    condition, parameters = chosen.to_sql(now)
    source, key = tables(condition)
    found: list[QueuedMessage] = []

    def read(above: int, upto: int) -> list[QueuedMessage]:
        ids = connection.execute(
            f"SELECT {key} FROM {source} WHERE {key} > ? AND {key} <= ? AND ({condition})"
            f" GROUP BY {key} ORDER BY {key} LIMIT ?",
            (above, upto, *parameters, limit + 1 - len(found)),
        ).fetchall()
        return rows.load_messages(connection, {row[0]: None for row in ids})

    for messages in Turns(connection, most=SLICE).read(read, after):
        for message in messages:
            matching = (r for r in message.recipients if chosen.matches(message, r, now))
            message.recipients = tuple(matching) or message.recipients
            found.append(message)
        if len(found) > limit:
            return Page(found[:limit], found[limit - 1].id)
    return Page(found, None)


def finished_page(connection: sqlite3.Connection, chosen: Filter, now: float, after: int, limit: int) -> Page:
    """Finished messages that meet the filter, oldest first, with ids above `after`."""
    found: list[QueuedMessage] = []
    for message in finished_slices(connection, after):
        matching = tuple(r for r in message.recipients if chosen.matches(message, r, now))
        if matching:
            message.recipients = matching
            found.append(message)
            if len(found) > limit:
                return Page(found[:limit], found[limit - 1].id)
    return Page(found, None)


def finished_slices(connection: sqlite3.Connection, after: int = 0) -> Iterator[QueuedMessage]:
    """Finished messages with ids above `after`, oldest first, read in slices."""

    def read(above: int, upto: int) -> list[tuple[Any, ...]]:
        return connection.execute(_HISTORY + " WHERE id > ? AND id <= ? ORDER BY id", (above, upto)).fetchall()

    for found in Turns(connection, "history", SLICE).read(read, after):
        yield from map(finished_message, found)


def finished_message(row: Sequence[object]) -> QueuedMessage:
    """A history row as a message; what was not kept (ORCPT, ENVID, NOTIFY) is empty. `expires` is when it finished."""
    recipients = [
        QueuedRecipient(number, path, RoutingKey(hop), state=RecipientState(state), changed_at=changed, tries=tries,
                        reply=reply, reason=reason)
        for number, path, hop, state, changed, tries, reply, reason in json.loads(str(row[10]))
    ]  # fmt: skip
    full = (
        row[0],
        row[1],
        row[2],
        row[3],
        row[4],
        len(recipients),
        row[5],
        "",
        "",
        row[6],
        row[7],
        row[8],
        row[9],
        None,
        row[11],
    )
    return rows.message_value(full, recipients)


def find_message(connection: sqlite3.Connection, message_id: int) -> tuple[QueuedMessage, bool]:
    """A message with all its recipients, and whether it is finished. Raises `NoSuchMessage`."""
    waiting = rows.load_messages(connection, {message_id: None})
    if waiting:
        return waiting[0], False
    row = connection.execute(_HISTORY + " WHERE id = ?", (message_id,)).fetchone()
    if row is None:
        raise NoSuchMessage(
            "no message with this id waits, and none is in history",
            advice="danelaw queue list, or with --finished for delivered and returned mail",
        )
    return finished_message(row), True


def _to_be_shown(connection: sqlite3.Connection, message_id: int) -> tuple[QueuedMessage, bool]:
    """`find_message`, of a very long list of recipients only `MOST_SHOWN`, first those that were not reached."""
    query = "SELECT number FROM recipient WHERE message = ? ORDER BY state = 3, number LIMIT ?"
    numbers = [row[0] for row in connection.execute(query, (message_id, MOST_SHOWN))]
    if numbers:
        waiting = rows.load_messages(connection, {message_id: numbers})
        if waiting:
            return waiting[0], False
    query = "SELECT json_array_length(recipients) FROM history WHERE id = ?"
    count = connection.execute(query, (message_id,)).fetchone()
    if count is None or count[0] <= MOST_SHOWN:
        return find_message(connection, message_id)
    # Cut by SQLite: to read them all in Python would hold up every other thread.
    row = connection.execute(_HISTORY_CUT + " WHERE id = ?", (MOST_SHOWN, message_id)).fetchone()
    message = finished_message(row)
    message.recipient_count = count[0]
    return message, True


def messages_by_message_id(connection: sqlite3.Connection, text: str, limit: int = 20) -> list[tuple[int, bool]]:
    """Queue ids for a Message-ID (RFC 5322 §3.6.4), with or without brackets, and whether each is finished."""
    bare = text.strip("<>")
    found: list[tuple[int, bool]] = []
    for table, finished in (("message", False), ("history", True)):
        ids = connection.execute(
            f"SELECT id FROM {table} WHERE message_id IN (?, ?) ORDER BY id DESC LIMIT ?", (bare, f"<{bare}>", limit)
        )
        found += [(row[0], finished) for row in ids]
    return found


def alone(connection: sqlite3.Connection, next_hop: str, hosts: Sequence[str]) -> Alone:
    """What else waits for the same hosts, found through the tries of the last two recorded days."""
    domains = {next_hop}
    marks = ",".join("?" * len(hosts))
    for table in day_tables(connection)[-2:] if hosts else []:
        found = connection.execute(f"SELECT DISTINCT destination FROM {table} WHERE host IN ({marks})", tuple(hosts))
        domains.update(row[0] for row in found)
    count, oldest = 0, None
    waiting = set()
    for domain in domains:
        number, first = connection.execute(
            "SELECT count(DISTINCT message), min(message) FROM recipient INDEXED BY recipient_due"
            " WHERE state = 0 AND queue IN (SELECT id FROM queue WHERE next_hop = ?)",
            (domain,),
        ).fetchone()
        if number:
            count += number
            waiting.add(domain)
            oldest = first if oldest is None else min(oldest, first)
    since = None
    if oldest is not None:
        since = connection.execute("SELECT received_at FROM message WHERE id = ?", (oldest,)).fetchone()[0]
    records = [record for record in (host_record(connection, host) for host in hosts) if record is not None]
    successes = [record for record in records if record.last_success is not None]
    best = max(successes, key=lambda record: record.last_success or 0.0, default=None)
    return Alone(
        count, tuple(sorted(waiting)), since, best.last_success if best else None, best.successes if best else 0
    )


def described(message: QueuedMessage, now: float, *, finished: bool) -> dict[str, Any]:
    """One message of `queue list --json`, as docs/schemas/queue-list.md has it."""
    states = {recipient.state.words for recipient in message.recipients}
    # The worst first: what a postmaster looks for.
    state = next((w for w in ("held", "waiting", "returned", "dropped", "delivered") if w in states), "waiting")
    waiting = [r.due for r in message.recipients if r.state < RecipientState.HELD]
    return {
        "id": message.id_text,
        "state": state,
        "from": message.reverse_path,
        "size": message.size,
        "received_at": message.received_at,
        "age": round(now - message.received_at, 3),
        "expires_at": None if finished else message.expires,
        "finished_at": message.expires if finished else None,
        "next_try": min(waiting) if waiting else None,
        "message_id": message.message_id,
        "recipient_count": message.recipient_count,
        "recipients": [_recipient(recipient, message) for recipient in message.recipients],
    }


def _recipient(recipient: QueuedRecipient, message: QueuedMessage) -> dict[str, Any]:
    custody = message.custody if recipient.state is RecipientState.HELD else None
    return {
        "number": recipient.number,
        "to": recipient.forward_path,
        "state": recipient.state.words,
        "claimed": recipient.state is RecipientState.DELIVERING,
        "host": recipient.key.next_hop,
        "demand": recipient.key.demand,
        "tenant": recipient.key.tenant,
        "job": recipient.key.job,
        "priority": priority_word(recipient.key.priority),
        "tries": recipient.tries,
        "next_try": recipient.due if recipient.state < RecipientState.HELD else None,
        "changed_at": recipient.changed_at or None,
        "reply": recipient.reply,
        "reason": recipient.reason or (custody.reason if custody is not None else ""),
    }


def shown(connection: sqlite3.Connection, message_id: int, now: float) -> dict[str, object]:
    """Everything known about one message: `queue show --json`. Raises `NoSuchMessage`."""
    message, finished = _to_be_shown(connection, message_id)
    tries = attempts_of(connection, message_id)
    result = described(message, now, finished=finished)
    result |= {
        "finished": finished,
        "client": {
            "address": message.client_address,
            "helo": message.client_helo,
            "tls": message.client_tls,
            "user": message.client_user,
        },
        "requiretls": message.requiretls,
        "tls_required_no": message.tls_required_no,
        "smtputf8": message.smtputf8,
        "body_kind": message.body_kind,
        "held": _held(message),
        "findings": findings(connection, message_id),
        "context": context(connection, message_id),
        "ret": message.ret,
        "envid": message.envid,
        "sender_told_of_delay": message.notified,
        "attempts": list(_shown_tries(connection, tries)),
        "queues": [sleeping(connection, key) for key in message.keys] if not finished else [],
    }
    return result


def _shown_tries(connection: sqlite3.Connection, tries: Iterable[Attempt]) -> Iterator[dict[str, object]]:
    """Tries with all evidence they rest on, whoever names it. Many tries rest on the same."""
    known: dict[tuple[bytes, bytes, tuple[bytes, ...]], list[str]] = {}
    for attempt in tries:
        by = (attempt.basis, attempt.session, attempt.evidence)
        if by not in known:
            known[by] = [digest.hex() for digest in evidence_of(connection, attempt)]
        yield attempt.to_json() | {"evidence": known[by]}


def _held(message: QueuedMessage) -> dict[str, object] | None:
    custody = message.custody
    if custody is None:
        return None
    holds = [{"step": hold.step, "reason": hold.reason} for hold in custody.holds]
    return {"since": custody.since, "until": custody.until, "holds": holds}


def findings(connection: sqlite3.Connection, message_id: int) -> list[dict[str, str]]:
    """What steps found out about a message, in their order, and who released it."""
    found = json.loads(rows.findings_of(connection, message_id) or "[]")
    return [{"step": step, "result": result, "reason": reason} for step, result, reason in found]


def context(connection: sqlite3.Connection, message_id: int) -> Any:
    """What scripts noted about a message, as the JSON value it is; None when nothing."""
    text = rows.context_of(connection, message_id)
    try:
        return json.loads(text) if text else None
    except (ValueError, RecursionError):
        return text


def sleeping(connection: sqlite3.Connection, key: RoutingKey) -> dict[str, object]:
    """How a queue sleeps: until when (None when awake), after how many failures in a row, and why."""
    row = connection.execute(f"SELECT suspended_until, failures, reason FROM queue WHERE {OF_KEY}", key).fetchone()
    until, failures, reason = row if row else (0.0, 0, "")
    return {"key": key.to_text(), "asleep_until": until or None, "failures": failures, "reason": reason}

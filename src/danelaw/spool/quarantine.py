"""The quarantine as it lies on disk: what is held, by whom, and what it looks like; and the acts on it.

`look` reads through any reading connection, `change` acts on one shard. Both speak of held recipients only: a message
of which some recipients are free already is shown, released and deleted for the others.
"""

from __future__ import annotations

import base64
import sqlite3
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from danelaw.quarantine import HEAD_OCTETS, Held, Summary, anatomy
from danelaw.quarantine.anatomy import MOST_OCTETS
from danelaw.queue import Custody, Filter, QueuedMessage, RecipientState, Scheduler, id_from_text, id_to_text
from danelaw.queue.filter_terms import All, AnyOf, IdTerm, RecipientTerm, StateTerm
from danelaw.spool import rows
from danelaw.spool.acts import Act, Bounce, perform
from danelaw.spool.bodies import read_chunks
from danelaw.spool.errors import BodyMissing, NoSuchMessage, SpoolError
from danelaw.spool.spool import Spool
from danelaw.spool.turns import Turns
from danelaw.spool.view import shown

SCHEMA = "danelaw/quarantine-list/1"
READING = ("list", "show", "raw")
CHANGING = ("release", "delete", "return")
MAX_LIMIT = 1000
PIECE = 1 << 20
SLICE = 2000
_OPERATIONS = {"release": "release", "delete": "delete", "return": "fail"}
_SOURCE = (
    "hold h CROSS JOIN message m ON m.id = h.id CROSS JOIN recipient r ON r.message = m.id"
    " CROSS JOIN queue q ON q.id = r.queue"
)


def look(connection: sqlite3.Connection, operation: str, arguments: Mapping[str, Any], now: float) -> dict[str, Any]:
    """`list`: filter, step, limit (≤ 1000), after (id). `show`: id. `raw`: id, offset; a piece of at most 1 MiB.

    Raises `DanelawError`.
    """
    if operation == "show":
        return _shown(connection, id_from_text(_text(arguments, "id")), now)
    if operation == "raw":
        return _piece(connection, id_from_text(_text(arguments, "id")), arguments.get("offset", 0))
    chosen = Filter.from_text(_text(arguments, "filter"))
    limit = arguments.get("limit", 100)
    if not isinstance(limit, int) or not 1 <= limit <= MAX_LIMIT:
        raise SpoolError(f"the limit is a number from 1 to {MAX_LIMIT}")
    after = id_from_text(_text(arguments, "after")) if arguments.get("after") else 0
    found = held_page(connection, chosen, now, after, limit + 1, _text(arguments, "step"))
    rows_shown = [row(connection, message, now) for message in found[:limit]]
    return {
        "schema": SCHEMA,
        "filter": chosen.text,
        "now": now,
        "messages": rows_shown,
        "after": rows_shown[-1]["id"] if len(found) > limit else None,
    }


def held_page(
    connection: sqlite3.Connection, chosen: Filter, now: float, after: int, limit: int, step: str = ""
) -> list[QueuedMessage]:
    """Held messages with ids above `after`, oldest first, each with its held recipients that meet the filter; with a
    `step` those that it held first.
    """
    condition, parameters = chosen.to_sql(now)
    found: list[QueuedMessage] = []

    def read(above: int, upto: int) -> list[QueuedMessage]:
        ids = connection.execute(
            f"SELECT m.id FROM {_SOURCE} WHERE h.id > ? AND h.id <= ? AND r.state = {int(RecipientState.HELD)}"
            f" AND (? = '' OR h.step = ?) AND ({condition}) GROUP BY m.id ORDER BY m.id LIMIT ?",
            (above, upto, step, step, *parameters, limit - len(found)),
        ).fetchall()
        return rows.load_messages(connection, {one[0]: None for one in ids})

    for messages in Turns(connection, "hold", SLICE).read(read, after):
        for message in messages:
            message.recipients = tuple(one for one in _held(message) if chosen.matches(message, one, now))
            if message.recipients:
                found.append(message)
        if len(found) >= limit:
            break
    return found


def row(connection: sqlite3.Connection, message: QueuedMessage, now: float) -> dict[str, Any]:
    """One message of `quarantine list --json`, as docs/schemas/quarantine-list.md has it."""
    custody = message.custody
    summary = Summary.of(head(connection, message))
    return {
        "id": message.id_text,
        "from": message.reverse_path,
        "author": summary.author,
        "subject": summary.subject,
        "size": message.size,
        "received_at": message.received_at,
        "since": message.received_at if custody is None else custody.since,
        "until": None if custody is None else custody.until,
        "holds": [] if custody is None else [hold._asdict() for hold in custody.holds],
        "recipients": [{"number": one.number, "to": one.forward_path} for one in message.recipients],
    }


def head(connection: sqlite3.Connection, message: QueuedMessage) -> bytes:
    """The beginning of a message: enough for its header. Empty when its body is gone."""
    return beginning(connection, message, HEAD_OCTETS)


def beginning(connection: sqlite3.Connection, message: QueuedMessage, octets: int, offset: int = 0) -> bytes:
    """At most so many octets of a message as stored, from `offset` on; empty when its body is gone."""
    if message.body_file is None:
        found = connection.execute(
            "SELECT substr(data, ?, ?) FROM body WHERE id = ?", (offset + 1, octets, message.id)
        ).fetchone()
        return b"" if found is None else bytes(found[0])
    try:
        with (_bodies(connection) / message.body_file).open("rb") as file:
            file.seek(offset)
            return file.read(octets)
    except OSError:
        return b""


def held_sizes(connection: sqlite3.Connection) -> list[Held]:
    """Everything held, for limits and numbers, in short read transactions."""

    def read(above: int, upto: int) -> list[Held]:
        found = connection.execute(
            "SELECT h.id, h.since, m.size FROM hold h JOIN message m ON m.id = h.id WHERE h.id > ? AND h.id <= ?",
            (above, upto),
        )
        return [Held(*one) for one in found]

    return [one for found in Turns(connection, "hold", 4 * SLICE).read(read) for one in found]


def without_end(connection: sqlite3.Connection, after: int, limit: int) -> list[tuple[int, Custody]]:
    """Of messages with ids above `after`, those held without an end, and why."""
    found = connection.execute(
        "SELECT id, holds, since FROM hold WHERE id > ? AND until IS NULL ORDER BY id LIMIT ?", (after, limit)
    ).fetchall()
    return [(number, Custody.from_stored(holds, since, None)) for number, holds, since in found]


def at_their_end(connection: sqlite3.Connection, now: float, limit: int) -> list[tuple[int, str]]:
    """Messages whose time in the quarantine is over, and by which step each was held; the longest due first."""
    return connection.execute(
        "SELECT id, step FROM hold WHERE until IS NOT NULL AND until <= ? AND EXISTS"
        " (SELECT 1 FROM recipient WHERE message = hold.id AND state = ?) ORDER BY until LIMIT ?",
        (now, int(RecipientState.HELD), limit),
    ).fetchall()


def change(
    spool: Spool,
    operation: str,
    arguments: Mapping[str, Any],
    now: float,
    scheduler: Scheduler | None = None,
    bounce: Bounce | None = None,
) -> Iterator[dict[str, Any]]:
    """One of `CHANGING` on the held recipients that meet a filter, as the running total after each step.

    Arguments: filter, all (true to mean everything held), who, why, only (ids that are meant and no others),
    recipient (the number of the one that is meant). Raises `DanelawError`.
    """
    if operation not in CHANGING:
        raise SpoolError(f"there is no operation 'quarantine.{operation}'")
    meant = chosen(arguments, operation)
    who, why = _text(arguments, "who") or "unknown", _text(arguments, "why")
    act = Act(_OPERATIONS[operation], meant, who, why, bounce=bounce if operation == "return" else None)
    total = {"messages": 0, "recipients": 0, "skipped": 0}
    for step in perform(spool, act, now, scheduler):
        total["messages"] += step.count
        total["recipients"] += step.recipients
        total["skipped"] += step.skipped
        yield dict(total)
    yield dict(total)


def chosen(arguments: Mapping[str, Any], operation: str) -> Filter:
    """The filter of an act on held mail (see `change`). Raises `DanelawError`."""
    given = Filter.from_text(_text(arguments, "filter"))
    if given.everything and not arguments.get("all"):
        raise SpoolError(
            f"{operation} without a filter means all held mail", advice="give a filter, or say so with --all"
        )
    only = [AnyOf([IdTerm(int(one)) for one in arguments["only"]])] if "only" in arguments else []
    one = [RecipientTerm(int(arguments["recipient"]))] if "recipient" in arguments else []
    return Filter(given.text, All((given.term, StateTerm("held"), *only, *one)))


def _shown(connection: sqlite3.Connection, message_id: int, now: float) -> dict[str, Any]:
    message = _held_message(connection, message_id)
    content = beginning(connection, message, MOST_OCTETS + 1)
    summary = Summary.of(content)
    end = content.find(b"\r\n\r\n", 0, HEAD_OCTETS)
    header = content[: end + 2] if end >= 0 else content[:HEAD_OCTETS]
    parts, whole = anatomy(content)
    return {
        "schema": "danelaw/quarantine-show/1",
        "message": shown(connection, message_id, now),
        "subject": summary.subject,
        "author": summary.author,
        "header": header.decode("utf-8", "replace"),
        "parts": [{"depth": part.depth, "type": part.kind, "name": part.name, "octets": part.octets} for part in parts],
        "whole": whole,
    }


def _piece(connection: sqlite3.Connection, message_id: int, offset: object) -> dict[str, Any]:
    if not isinstance(offset, int) or not 0 <= offset < 1 << 40:
        raise SpoolError("the offset is a number of octets")
    message = _held_message(connection, message_id)
    if message.body_file is not None:
        next(read_chunks(_bodies(connection), message.body_file, 1), b"")  # raises when the file is gone
    data = beginning(connection, message, PIECE, offset)
    if not data and offset < message.size:
        raise BodyMissing(f"message {message.id_text} has no body in the spool")
    return {"id": message.id_text, "size": message.size, "offset": offset, "data": base64.b64encode(data).decode()}


def _held_message(connection: sqlite3.Connection, message_id: int) -> QueuedMessage:
    for message in rows.load_messages(connection, {message_id: None}):
        if _held(message):
            return message
    raise NoSuchMessage(
        f"no message {id_to_text(message_id)} is held", advice="danelaw quarantine list, or danelaw explain ID"
    )


def _held(message: QueuedMessage) -> tuple[Any, ...]:
    return tuple(one for one in message.recipients if one.state is RecipientState.HELD)


def _bodies(connection: sqlite3.Connection) -> Path:
    return Path(connection.execute("PRAGMA database_list").fetchone()[2]).parent / "bodies"


def _text(arguments: Mapping[str, Any], name: str) -> str:
    value = arguments.get(name) or ""
    if not isinstance(value, str):
        raise SpoolError(f"the argument '{name}' must be text")
    return value

"""What an operator does to mail in the queue. Each act is logged with who, when and why before it touches anything, and
its count with every step. A message leaves the queue only delivered, with a bounce, or by such an act.

Large acts go in steps of a few hundred recipients, each a short transaction, so that mail keeps flowing in between.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from danelaw.queue import DELIVERY, OPERATOR, Filter, HeldBy, QueuedMessage, RecipientState, RoutingKey, Scheduler
from danelaw.spool import custody, rows
from danelaw.spool.errors import SpoolError
from danelaw.spool.queues import Q_KEY
from danelaw.spool.spool import Spool
from danelaw.spool.turns import slices
from danelaw.spool.view import tables
from danelaw.spool.writer import Appended, BatchWriter

STEP = 500
# For each act the states it applies to.
APPLIES: dict[str, tuple[int, ...]] = {
    "hold": (0, 1),
    "release": (2,),
    "delete": (2,),
    "retry": (0, 1),
    "fail": (0, 1, 2),
    "drop": (0, 1, 2),
    "reroute": (0, 1, 2),
}

_ENDED = {"fail": "returned", "drop": "dropped", "delete": "deleted"}
_EVERYTHING = tables("", also="mrq")[0]
Bounce = Callable[[QueuedMessage], "tuple[QueuedMessage, bytes] | None"]


@dataclass(frozen=True, slots=True)
class Act:
    """An operator's wish. `who` is the account, `why` a ticket or a sentence; `next_hop` is for reroute; `bounce`
    makes the DSN for fail, given the message with the recipients concerned (None where none may be sent, RFC 5321
    §4.5.5).
    """

    operation: str
    filter: Filter
    who: str
    why: str
    next_hop: str = ""
    bounce: Bounce | None = None


@dataclass(slots=True)
class Step:
    """What one transaction changed: recipients in all, messages, their queues. `skipped` were on the wire."""

    messages: set[int] = field(default_factory=set)
    keys: set[RoutingKey] = field(default_factory=set)
    recipients: int = 0
    skipped: int = 0


def perform(spool: Spool, act: Act, now: float, scheduler: Scheduler | None = None) -> Iterator[Step]:
    """Do it, step by step; a server awaits something in between. With a `scheduler` its pages follow at once.

    Raises `SpoolError` when the spool cannot be written or the act lacks what it needs.
    """
    _check(act)
    after = 0
    condition, parameters = act.filter.to_sql(now)
    states = ",".join(str(state) for state in APPLIES[act.operation])
    with spool.transaction() as writer:
        what = f"{act.operation} via {act.next_hop}" if act.next_hop else act.operation
        log_id = log(writer, what, act.filter.text, act.who, act.why, now)
    total = 0
    for _, upto in slices(spool.reader, 0):
        while True:
            found = spool.reader.execute(
                f"SELECT m.id, r.number, {Q_KEY} FROM {_EVERYTHING}"
                f" WHERE m.id > ? AND m.id <= ? AND r.state IN ({states}) AND ({condition}) ORDER BY m.id LIMIT ?",
                (after, upto, *parameters, STEP),
            ).fetchall()
            if not found:
                break
            chosen = _whole_messages(spool.reader, found, condition, parameters, states)
            after = found[-1][0]
            step = _transact(spool, act, chosen, now, scheduler, log_id, total)
            total += len(step.messages)
            yield step


def _check(act: Act) -> None:
    if act.operation not in APPLIES:
        raise SpoolError(f"there is no act '{act.operation}'", advice=f"one of {', '.join(APPLIES)}")
    if act.operation == "reroute" and not act.next_hop:
        raise SpoolError("reroute needs a next hop", advice="danelaw queue reroute FILTER --via '[relay.example]:25'")
    if act.operation == "fail" and act.bounce is None:
        raise SpoolError(
            "returning mail writes a notice to its sender, which the server does",
            advice="start the server first; or drop the mail: danelaw queue drop FILTER --because TICKET",
        )
    if act.operation in ("drop", "delete", "fail", "reroute") and not act.why:
        raise SpoolError(f"{act.operation} needs a reason for the log", advice="add --because TICKET")


def _whole_messages(
    connection: sqlite3.Connection,
    found: list[tuple[int, int, str, str, str, str, int]],
    condition: str,
    parameters: list[object],
    states: str,
) -> dict[int, dict[int, RoutingKey]]:
    """The rows by message; the last message may have been cut by the limit and is read in full."""
    last = found[-1][0]
    rest = connection.execute(
        f"SELECT m.id, r.number, {Q_KEY} FROM {_EVERYTHING} WHERE m.id = ? AND r.state IN ({states}) AND ({condition})",
        (last, *parameters),
    ).fetchall()
    chosen: dict[int, dict[int, RoutingKey]] = {}
    for message, number, *key in [*found, *rest]:
        chosen.setdefault(message, {})[number] = RoutingKey(*key)
    return chosen


def _transact(
    spool: Spool,
    act: Act,
    chosen: dict[int, dict[int, RoutingKey]],
    now: float,
    scheduler: Scheduler | None,
    log_id: int,
    total: int,
) -> Step:
    step = Step()
    if scheduler is not None and act.operation != "hold":
        for message in scheduler.on_the_wire(chosen):
            step.skipped += len(chosen.pop(message))
    with spool.transaction() as writer:
        # What was on its way to the disk when the rows were looked up is stored now, and may have ended some of them.
        chosen = _still(writer.connection, chosen, APPLIES[act.operation])
        pairs = [(message, number) for message, numbers in chosen.items() for number in numbers]
        if act.operation in ("fail", "drop", "delete"):
            _end(writer, act, chosen, now)
        else:
            _change(writer, act, chosen, pairs, now)
        step.messages = set(chosen)
        step.recipients = len(pairs)
        writer.connection.execute("UPDATE acts SET messages = ? WHERE id = ?", (total + len(chosen), log_id))
    if act.operation == "reroute":
        step.keys = {_rerouted(key, act) for numbers in chosen.values() for key in numbers.values()}
    else:
        step.keys = {key for numbers in chosen.values() for key in numbers.values()}
    if scheduler is not None:
        _tell(scheduler, act, step, now)
    return step


def _still(
    connection: sqlite3.Connection, chosen: dict[int, dict[int, RoutingKey]], states: tuple[int, ...]
) -> dict[int, dict[int, RoutingKey]]:
    """Those of the chosen recipients that exist and are in one of these states."""
    kept: dict[int, dict[int, RoutingKey]] = {}
    for message, numbers in chosen.items():
        rows_now = connection.execute("SELECT number, state FROM recipient WHERE message = ?", (message,))
        left = {number for number, state in rows_now if state in states} & numbers.keys()
        if left:
            kept[message] = {number: numbers[number] for number in sorted(left)}
    return kept


def _tell(scheduler: Scheduler, act: Act, step: Step, now: float) -> None:
    scheduler.forget(step.messages)
    if act.operation in ("release", "retry", "reroute"):
        for key in step.keys:
            scheduler.deferred(key, now, now)
            scheduler.resume(key, now)


def _change(
    writer: BatchWriter, act: Act, chosen: dict[int, dict[int, RoutingKey]], pairs: list[tuple[int, int]], now: float
) -> None:
    connection = writer.connection
    if act.operation == "hold":
        values = [(f"held by {act.who}: {act.why}" if act.why else f"held by {act.who}", now, *pair) for pair in pairs]
        connection.executemany(
            "UPDATE recipient SET state = 2, reason = ?, changed_at = ? WHERE message = ? AND number = ?", values
        )
        for message in chosen:
            custody.take(connection, message, HeldBy(OPERATOR, values[0][0]), now)
        return
    if act.operation == "reroute":
        moves = [
            (writer.numbers.number(_rerouted(key, act)), message, number)
            for message, numbers in chosen.items()
            for number, key in numbers.items()
        ]
        writer.numbers.write(connection)
        connection.executemany("UPDATE recipient SET queue = ? WHERE message = ? AND number = ?", moves)
        # What is held stays held, on its new way.
        pairs = [pair for pair in pairs if _state(connection, pair) != RecipientState.HELD]
    if act.operation == "release":
        _release(connection, act, chosen, now)
    connection.executemany(
        "UPDATE recipient SET state = 0, due = ? WHERE message = ? AND number = ?", [(now, *pair) for pair in pairs]
    )
    for key in {key for numbers in chosen.values() for key in numbers.values()}:
        writer.save_queue(key, 0.0, 0, "")


def _release(connection: sqlite3.Connection, act: Act, chosen: dict[int, dict[int, RoutingKey]], now: float) -> None:
    """Held no more, and who let a step's catch go is kept with what the step had found."""
    for message, numbers in chosen.items():
        connection.executemany(
            "UPDATE recipient SET state = 0, reason = '', changed_at = ? WHERE message = ? AND number = ?",
            [(now, message, number) for number in numbers],
        )
        held = rows.custody_of(connection, message)
        if held is not None and held.step not in (OPERATOR, DELIVERY):
            words = f"by {act.who}{f': {act.why}' if act.why else ''}; {held.step} held it: {held.reason}"
            custody.found(connection, message, "quarantine", "released", words)
        custody.leave(connection, message, now)


def _state(connection: sqlite3.Connection, pair: tuple[int, int]) -> int:
    row = connection.execute("SELECT state FROM recipient WHERE message = ? AND number = ?", pair).fetchone()
    return int(row[0])


def _rerouted(key: RoutingKey, act: Act) -> RoutingKey:
    return key._replace(next_hop=act.next_hop)


def _end(writer: BatchWriter, act: Act, chosen: dict[int, dict[int, RoutingKey]], now: float) -> None:
    """Final states by an operator; for fail with the bounce in the same transaction."""
    state = RecipientState.FAILED if act.operation == "fail" else RecipientState.DROPPED
    reason = f"{_ENDED[act.operation]} by {act.who}: {act.why}"
    messages = rows.load_messages(writer.connection, dict.fromkeys(chosen))
    finished = []
    for message in messages:
        concerned = []
        for recipient in message.recipients:
            if recipient.number in chosen[message.id] and not recipient.state.final:
                recipient.state, recipient.reason, recipient.changed_at = state, reason, now
                concerned.append(recipient)
        writer.connection.executemany(
            "UPDATE recipient SET state = ?, reason = ?, changed_at = ? WHERE message = ? AND number = ?",
            [(int(state), reason, now, message.id, recipient.number) for recipient in concerned],
        )
        if act.bounce is not None and concerned:
            everyone, message.recipients = message.recipients, tuple(concerned)
            notice = act.bounce(message)
            message.recipients = everyone
            if notice is not None:
                writer.append([Appended(*notice, False)])
        if all(recipient.state.final for recipient in message.recipients):
            finished.append(message)
        elif message.custody is not None:
            custody.leave(writer.connection, message.id, now)
    writer.finish(finished, now)


def log(writer: BatchWriter, operation: str, text: str, who: str, why: str, now: float, messages: int = 0) -> int:
    """Write an act down, within the transaction that does it or before it; gives the number of its row."""
    cursor = writer.connection.execute(
        "INSERT INTO acts (at, who, operation, filter, why, messages) VALUES (?,?,?,?,?,?)",
        (now, who, operation, text or "all", why, messages),
    )
    assert cursor.lastrowid is not None
    return cursor.lastrowid

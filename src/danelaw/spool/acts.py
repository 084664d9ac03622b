"""What an operator does to mail in the queue. Each act is logged with who, when and why before it touches anything, and
its count with every step. A message leaves the queue only delivered, with a bounce, or by such an act.

Large acts go in steps of some hundred recipients, each a short transaction, so that mail keeps flowing in between: a
message with very many recipients is changed in several. Each step is complete in itself, with the log of the act and
what senders are told. After a crash, or where parts of a message were on the wire, the same act does what is left.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Protocol

from danelaw.queue import (
    DELIVERY,
    OPERATOR,
    Filter,
    HeldBy,
    QueuedMessage,
    RecipientResult,
    RecipientState,
    RoutingKey,
    Scheduler,
    Settlement,
)
from danelaw.spool import custody, rows
from danelaw.spool.batch import HEAVY
from danelaw.spool.errors import SpoolError
from danelaw.spool.queues import Q_KEY
from danelaw.spool.spool import Spool
from danelaw.spool.turns import LAST, slices
from danelaw.spool.view import tables
from danelaw.spool.writer import BatchWriter

STEP = 100
"""Recipients in one transaction: two or three milliseconds, with what is written for their senders."""
_SLICE = 1000
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


class Bounce(Protocol):
    """What is told to the senders of mail that is returned."""

    def __call__(self, message: QueuedMessage, now: float) -> Settlement:
        """Given the recipients concerned: their settlement, with the notice or what is owed and no results yet. Without
        either nobody may be told (RFC 5321 §4.5.5).
        """

    def stored(self, settlement: Settlement) -> None:
        """That is durable now."""


@dataclass(frozen=True, slots=True)
class Act:
    """An operator's wish. `who` is the account, `why` a ticket or a sentence; `next_hop` is for reroute; `bounce`
    says for fail what senders are told.
    """

    operation: str
    filter: Filter
    who: str
    why: str
    next_hop: str = ""
    bounce: Bounce | None = None


@dataclass(slots=True)
class Step:
    """What one transaction changed: recipients in all, messages, their queues. `count` are the messages of which no
    step before changed anything; `skipped` recipients were on the wire.
    """

    messages: set[int] = field(default_factory=set)
    count: int = 0
    keys: set[RoutingKey] = field(default_factory=set)
    recipients: int = 0
    skipped: int = 0


def perform(spool: Spool, act: Act, now: float, scheduler: Scheduler | None = None) -> Iterator[Step]:
    """Do it, step by step; a server awaits something in between. With a `scheduler` its pages follow at once, and the
    event loop does not wait for the disk: the steps are done for good when `patience.durable` says so.

    Raises `SpoolError` when the spool cannot be written or the act lacks what it needs.
    """
    _check(act)
    condition, parameters = act.filter.to_sql(now)
    states = ",".join(str(state) for state in APPLIES[act.operation])
    with spool.transaction(flush=scheduler is None) as writer:
        what = f"{act.operation} via {act.next_hop}" if act.next_hop else act.operation
        log_id = log(writer, what, act.filter.text, act.who, act.why, now)
    total, before = 0, frozenset[int]()
    for chosen in _pieces(spool.reader, condition, parameters, states):
        last = next(reversed(chosen))
        step = _transact(spool, act, chosen, now, scheduler, log_id, total, before)
        total += step.count
        before = frozenset((last,)) & (step.messages | before)
        yield step


def _pieces(
    connection: sqlite3.Connection, condition: str, parameters: list[object], states: str
) -> Iterator[dict[int, dict[int, RoutingKey]]]:
    """The recipients that are meant, by message and number, `STEP` of them at a time."""
    select = f"SELECT m.id, r.number, {Q_KEY} FROM {_EVERYTHING} WHERE r.state IN ({states})"
    rest = f"{select} AND m.id = ? AND r.number > ? AND ({condition}) ORDER BY r.number LIMIT ?"
    following = f"{select} AND m.id > ? AND m.id <= ? AND ({condition}) ORDER BY m.id, r.number LIMIT ?"
    for after, upto in slices(connection, 0, most=_SLICE):
        message, number = after, LAST
        while True:
            found = connection.execute(rest, (message, number, *parameters, STEP)).fetchall() if number < LAST else []
            if len(found) < STEP:
                found += connection.execute(following, (message, upto, *parameters, STEP - len(found))).fetchall()
            if not found:
                break
            chosen: dict[int, dict[int, RoutingKey]] = {}
            for message, number, *key in found:
                chosen.setdefault(message, {})[number] = RoutingKey(*key)
            yield chosen


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


def _transact(
    spool: Spool,
    act: Act,
    chosen: dict[int, dict[int, RoutingKey]],
    now: float,
    scheduler: Scheduler | None,
    log_id: int,
    total: int,
    before: frozenset[int],
) -> Step:
    step = Step()
    if scheduler is not None and act.operation != "hold":
        for message, numbers in scheduler.on_the_wire(chosen).items():
            step.skipped += len(numbers & chosen[message].keys())
            chosen[message] = {number: key for number, key in chosen[message].items() if number not in numbers}
    ended: list[Settlement] = []
    last: list[Settlement] = []
    with spool.transaction(flush=scheduler is None) as writer:
        # What was on its way to the disk when the rows were looked up is stored now, and may have ended some of them.
        chosen = _still(writer.connection, chosen, APPLIES[act.operation])
        pairs = [(message, number) for message, numbers in chosen.items() for number in numbers]
        if act.operation in ("fail", "drop", "delete"):
            ended, last = _end(writer, act, chosen, now)
        else:
            _change(writer, act, chosen, pairs, now, before)
        step.messages = set(chosen)
        step.count = len(step.messages - before)
        step.recipients = len(pairs)
        writer.connection.execute("UPDATE acts SET messages = ? WHERE id = ?", (total + step.count, log_id))
    _tell_senders(spool, act, ended, last)
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
        rows_now = connection.execute(
            "SELECT number, state FROM recipient WHERE message = ? AND number BETWEEN ? AND ?",
            (message, min(numbers, default=0), max(numbers, default=-1)),
        )
        left = {number for number, state in rows_now if state in states} & numbers.keys()
        if left:
            kept[message] = {number: numbers[number] for number in sorted(left)}
    return kept


def _tell_senders(spool: Spool, act: Act, ended: list[Settlement], last: list[Settlement]) -> None:
    """Notices of what was stored go their way; the last parts of long lists are stored in the commit thread."""
    heard = act.bounce.stored if act.bounce is not None else lambda settlement: None
    for settlement in ended:
        heard(settlement)
    for settlement in last:

        def stored(error: SpoolError | None, settlement: Settlement = settlement) -> None:
            if error is None:
                heard(settlement)

        spool.settle_soon(settlement, stored)


def _tell(scheduler: Scheduler, act: Act, step: Step, now: float) -> None:
    scheduler.forget(step.messages)
    if act.operation in ("release", "retry", "reroute"):
        for key in step.keys:
            scheduler.deferred(key, now, now)
            scheduler.resume(key, now)


def _change(
    writer: BatchWriter,
    act: Act,
    chosen: dict[int, dict[int, RoutingKey]],
    pairs: list[tuple[int, int]],
    now: float,
    before: frozenset[int],
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
        _release(connection, act, chosen, now, before)
    connection.executemany(
        "UPDATE recipient SET state = 0, due = ? WHERE message = ? AND number = ?", [(now, *pair) for pair in pairs]
    )
    for key in {key for numbers in chosen.values() for key in numbers.values()}:
        writer.save_queue(key, 0.0, 0, "")


def _release(
    connection: sqlite3.Connection,
    act: Act,
    chosen: dict[int, dict[int, RoutingKey]],
    now: float,
    before: frozenset[int],
) -> None:
    """Held no more, and who let a step's catch go is kept with what the step had found."""
    for message, numbers in chosen.items():
        connection.executemany(
            "UPDATE recipient SET state = 0, reason = '', changed_at = ? WHERE message = ? AND number = ?",
            [(now, message, number) for number in numbers],
        )
        held = rows.custody_of(connection, message) if message not in before else None
        if held is not None and held.step not in (OPERATOR, DELIVERY):
            words = f"by {act.who}{f': {act.why}' if act.why else ''}; {held.step} held it: {held.reason}"
            custody.found(connection, message, "quarantine", "released", words)
        custody.leave(connection, message, now)


def _state(connection: sqlite3.Connection, pair: tuple[int, int]) -> int:
    row = connection.execute("SELECT state FROM recipient WHERE message = ? AND number = ?", pair).fetchone()
    return int(row[0])


def _rerouted(key: RoutingKey, act: Act) -> RoutingKey:
    return key._replace(next_hop=act.next_hop)


def _end(
    writer: BatchWriter, act: Act, chosen: dict[int, dict[int, RoutingKey]], now: float
) -> tuple[list[Settlement], list[Settlement]]:
    """Final states by an operator; for fail with what senders are told in the same transaction. Gives what is stored,
    and of messages with very many recipients the parts that end them and are yet to be.
    """
    state = RecipientState.FAILED if act.operation == "fail" else RecipientState.DROPPED
    reason = f"{_ENDED[act.operation]} by {act.who}: {act.why}"
    ended: list[Settlement] = []
    last: list[Settlement] = []
    for message in rows.load_messages(writer.connection, chosen):
        settlement = Settlement(message, now) if act.bounce is None else act.bounce(message, now)
        settlement.results = tuple(
            RecipientResult(one.number, state, one.due, one.tries, one.reply, reason) for one in message.recipients
        )
        many = message.recipient_count > HEAVY
        if many and not _others_open(writer.connection, message):
            writer.set_claimed([(message.id, one.number) for one in message.recipients], True)  # nobody else's now
            last.append(settlement)
            continue
        writer.settle([settlement], finishing=not many)
        ended.append(settlement)
        if message.custody is not None:
            custody.leave(writer.connection, message.id, now)
    return ended, last


def _others_open(connection: sqlite3.Connection, message: QueuedMessage) -> bool:
    """Whether a message has open recipients besides these, which follow each other."""
    first, last = message.recipients[0].number, message.recipients[-1].number
    query = (
        "SELECT 1 FROM recipient WHERE message = ? AND state < ? AND (number > ? OR number < ?"
        " OR number BETWEEN ? AND ? AND number NOT IN (SELECT value FROM json_each(?))) ORDER BY number DESC LIMIT 1"
    )
    numbers = json.dumps([one.number for one in message.recipients])
    values = (message.id, int(RecipientState.DELIVERED), last, first, first, last, numbers)
    return connection.execute(query, values).fetchone() is not None


def log(writer: BatchWriter, operation: str, text: str, who: str, why: str, now: float, messages: int = 0) -> int:
    """Write an act down, within the transaction that does it or before it; gives the number of its row."""
    cursor = writer.connection.execute(
        "INSERT INTO acts (at, who, operation, filter, why, messages) VALUES (?,?,?,?,?,?)",
        (now, who, operation, text or "all", why, messages),
    )
    assert cursor.lastrowid is not None
    return cursor.lastrowid

"""The operations of the control socket, `queue.list` and so on: plain arguments in, plain results out.

The same functions serve a running server (through its socket) and a command that opened the spool itself.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

from danelaw.queue import Filter, RecipientState, RoutingKey, Scheduler, id_from_text
from danelaw.spool.acts import APPLIES, Act, Bounce, perform
from danelaw.spool.errors import SpoolError
from danelaw.spool.groups import grouped
from danelaw.spool.purge import purge
from danelaw.spool.spool import Spool
from danelaw.spool.view import Page, described, finished_page, shown, sleeping, waiting_page

SCHEMA = "danelaw/queue-list/1"
READING = ("list", "show", "group")
CHANGING = (*(name for name in APPLIES if name != "delete"), "purge")
MAX_LIMIT = 1000
MAX_GROUPS = 10_000


def look(connection: sqlite3.Connection, operation: str, arguments: Mapping[str, Any], now: float) -> dict[str, Any]:
    """`list`, `group` and `show`, through any reading connection (a server may give one to a thread).

    `list`: filter, limit (≤ 1000), after (id), finished. `group`: filter, by (`groups.KINDS`), limit, finished.
    `show`: id. Raises `DanelawError`.
    """
    if operation == "show":
        return shown(connection, id_from_text(_text(arguments, "id")), now)
    if operation not in READING:
        raise SpoolError(f"there is no operation 'queue.{operation}'", advice=f"one of {', '.join(READING + CHANGING)}")
    chosen = Filter.from_text(_text(arguments, "filter"))
    limit = arguments.get("limit", 100)
    most = MAX_LIMIT if operation == "list" else MAX_GROUPS
    if not isinstance(limit, int) or not 1 <= limit <= most:
        raise SpoolError(f"the limit is a number from 1 to {most}")
    if operation == "group":
        finished = bool(arguments.get("finished"))
        return grouped(connection, chosen, now, _text(arguments, "by"), limit, finished=finished)
    after = id_from_text(_text(arguments, "after")) if arguments.get("after") else 0
    finished = bool(arguments.get("finished")) or chosen.finished
    page = (finished_page if finished else waiting_page)(connection, chosen, now, after, limit)
    following = described(page.messages[-1], now, finished=finished)["id"] if page.after is not None else None
    return {
        "schema": SCHEMA,
        "filter": chosen.text,
        "finished": finished,
        "now": now,
        "messages": _rows(connection, page, now, finished),
        "after": following,
    }


def _rows(connection: sqlite3.Connection, page: Page, now: float, finished: bool) -> list[dict[str, Any]]:
    """The page's messages. A message in a queue that sleeps waits for the queue: its reason and its end of sleep."""
    asleep: dict[RoutingKey, dict[str, object]] = {}
    rows = []
    for message in page.messages:
        row = described(message, now, finished=finished)
        for recipient, told in zip(message.recipients, row["recipients"], strict=True):
            if finished or recipient.state >= RecipientState.HELD:
                continue
            queue = asleep.get(recipient.key)
            if queue is None:
                queue = asleep[recipient.key] = sleeping(connection, recipient.key)
            until = queue["asleep_until"]
            if isinstance(until, float) and until > now:
                told["reason"] = told["reason"] or queue["reason"]
                told["next_try"] = max(told["next_try"], until)
                row["next_try"] = max(row["next_try"] or 0.0, until)
        rows.append(row)
    return rows


def change(
    spool: Spool,
    operation: str,
    arguments: Mapping[str, Any],
    now: float,
    scheduler: Scheduler | None = None,
    bounce: Bounce | None = None,
) -> Iterator[dict[str, Any]]:
    """An act, as the running total after each step; the last one is the result. A server awaits between steps.

    `hold release retry fail drop reroute`: filter, who, why, next_hop (reroute), all (true to mean every message).
    `purge`: address, who, why. Raises `DanelawError`.
    """
    who, why = _text(arguments, "who") or "unknown", _text(arguments, "why")
    if operation == "purge":
        yield asdict(purge(spool, _text(arguments, "address"), who, why, now))
        return
    chosen = Filter.from_text(_text(arguments, "filter"))
    if chosen.everything and not arguments.get("all"):
        raise SpoolError(f"{operation} without a filter means all mail", advice="give a filter, or say so with --all")
    act = Act(operation, chosen, who, why, _text(arguments, "next_hop"), bounce if operation == "fail" else None)
    total = {"messages": 0, "recipients": 0, "skipped": 0}
    for step in perform(spool, act, now, scheduler):
        total["messages"] += step.count
        total["recipients"] += step.recipients
        total["skipped"] += step.skipped
        yield dict(total)
    yield dict(total)


def operate(
    spool: Spool,
    operation: str,
    arguments: Mapping[str, Any],
    now: float,
    scheduler: Scheduler | None = None,
    bounce: Bounce | None = None,
) -> dict[str, Any]:
    """Any operation in one go, the way a command without a server does it. Raises `DanelawError`."""
    if operation not in CHANGING:
        return look(spool.reader, operation, arguments, now)
    result: dict[str, Any] = {}
    for total in change(spool, operation, arguments, now, scheduler, bounce):
        result = total
    return result


def _text(arguments: Mapping[str, Any], name: str) -> str:
    value = arguments.get(name, "")
    if value is None:
        return ""
    if not isinstance(value, str):
        raise SpoolError(f"the argument '{name}' must be text")
    return value

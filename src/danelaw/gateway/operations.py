"""What the control socket can be asked, by name: the queue's operations, the state of the gateway, its reload."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from danelaw import __version__
from danelaw.errors import DanelawError
from danelaw.gateway.health import findings
from danelaw.outbound.explanation import explanation, proofs
from danelaw.spool import database
from danelaw.spool import operations as queue_operations

if TYPE_CHECKING:
    from danelaw.gateway.control import Operation
    from danelaw.gateway.gateway import Gateway
    from danelaw.outbound.suspending import Suspending


def operations(gateway: Gateway) -> dict[str, Operation]:
    """All operations of one gateway."""

    def status(_: Mapping[str, Any], __: str) -> dict[str, Any]:
        return _status(gateway)

    def reload(_: Mapping[str, Any], __: str) -> dict[str, Any]:
        gateway.reload()
        return {}

    async def explain(arguments: Mapping[str, Any], _: str) -> dict[str, Any]:
        what, with_proofs = str(arguments.get("what", "")), bool(arguments.get("proofs"))

        def look(reader: sqlite3.Connection) -> dict[str, Any]:
            found = explanation(reader, what, gateway.clock())
            return found | {"proofs": proofs(reader, found)} if with_proofs else found

        found = await _reading(gateway, look)
        if "recipients" in (message := found.get("message") or {}):
            _with_limits(gateway, message)
        return found

    async def health(_: Mapping[str, Any], __: str) -> list[dict[str, str]]:
        return [finding.to_json() for finding in await findings(gateway)]

    found: dict[str, Operation] = {
        "gateway.status": status,
        "gateway.health": health,
        "gateway.reload": reload,
        "explain": explain,
    }
    found |= _suspending(gateway)
    for name in (*queue_operations.READING, *queue_operations.CHANGING):
        found[f"queue.{name}"] = _queue_operation(gateway, name)
    return found


def _status(gateway: Gateway) -> dict[str, Any]:
    report = gateway.resolver_report
    return {
        "version": __version__,
        "pid": os.getpid(),
        "listening": gateway.addresses,
        "sessions": len(gateway.parts.intake.sessions),
        "deliveries": gateway.parts.engine.busy,
        "not_ready": gateway.not_ready(),
        "resolver": None if report is None else [finding.what for finding in report.findings],
        "time": gateway.clock(),
    }


async def _reading(gateway: Gateway, look: Callable[[sqlite3.Connection], dict[str, Any]]) -> dict[str, Any]:
    """Look in a thread, through a connection of its own: searching a long history must not hold mail up."""
    path = gateway.parts.spool.directory / database.DATABASE_NAME

    def work() -> dict[str, Any]:
        connection = database.open_reader(path)
        try:
            return look(connection)
        finally:
            connection.close()

    return await asyncio.to_thread(work)


def _suspending(gateway: Gateway) -> dict[str, Operation]:
    """Suspensions, which live in the running gateway."""

    def suspending() -> Suspending:
        found = gateway.parts.engine.suspending
        assert found is not None
        return found

    def suspend(arguments: Mapping[str, Any], caller: str) -> dict[str, Any]:
        seconds = arguments.get("seconds")
        if not isinstance(seconds, int | float) or isinstance(seconds, bool):
            raise DanelawError("seconds must be a number")
        text, why = str(arguments.get("filter", "")), str(arguments.get("why", ""))
        return suspending().suspend(text, float(seconds), why, caller)

    def resume(arguments: Mapping[str, Any], caller: str) -> dict[str, Any]:
        return {"ended": suspending().resume(str(arguments.get("filter", "")), caller)}

    def suspensions(_: Mapping[str, Any], __: str) -> dict[str, Any]:
        gate = gateway.parts.engine.scheduler.gate
        waiting = [{"queue": one.key.to_text(), "reason": one.reason} for one in gate.waiting()] if gate else []
        return {"schema": "danelaw/suspensions/1", "suspensions": suspending().listed(), "waiting": waiting}

    return {"queue.suspend": suspend, "queue.resume": resume, "queue.suspensions": suspensions}


def _with_limits(gateway: Gateway, found: dict[str, Any]) -> dict[str, Any]:
    """What `list` and `show` read, with the limits and suspensions that keep queues waiting at this moment."""
    gate = gateway.parts.engine.scheduler.gate
    reasons = {(one.key.next_hop, one.key.demand, one.key.tenant): one.reason for one in gate.waiting()} if gate else {}
    for row in found.get("messages", (found,)) if reasons else ():
        for told in row["recipients"]:
            reason = reasons.get((told["host"], told["demand"], told["tenant"]))
            if reason is not None and told["state"] == "waiting":
                told["limit"] = reason
    return found


def _queue_operation(gateway: Gateway, name: str) -> Operation:
    if name in queue_operations.READING:

        async def look(arguments: Mapping[str, Any], _: str) -> dict[str, Any]:
            found = await _reading(
                gateway, lambda reader: queue_operations.look(reader, name, arguments, gateway.clock())
            )
            return _with_limits(gateway, found)

        return look

    async def change(arguments: Mapping[str, Any], caller: str) -> dict[str, Any]:
        """An act in steps, with a turn of the loop between them, so that mail goes on meanwhile."""
        engine, spool = gateway.parts.engine, gateway.parts.spool
        # Who did it is what the kernel says; a claim in the arguments would be worth nothing in the log.
        checked = {**arguments, "who": caller}
        result: dict[str, Any] = {}
        try:
            for total in queue_operations.change(
                spool, name, checked, gateway.clock(), engine.scheduler, engine.bounce_by_operator
            ):
                result = total
                engine.pump()
                await asyncio.sleep(0)
        except DanelawError as error:
            gateway.log.warning("act-refused", operation=name, who=caller, reason=error.reason)
            raise
        fields = {key: arguments.get(key) or None for key in ("filter", "why", "address", "next_hop")}
        gateway.log.event("act", operation=name, who=caller, **fields, **result)
        return result

    return change

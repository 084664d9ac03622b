"""What the control socket can be asked, by name: the queue's operations, the state of the gateway, its reload."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from danelaw import __version__
from danelaw.errors import DanelawError
from danelaw.gateway import snapshot
from danelaw.outbound.explanation import explanation, proofs
from danelaw.spool import database
from danelaw.spool import operations as queue_operations

if TYPE_CHECKING:
    from danelaw.gateway.control import Operation
    from danelaw.gateway.gateway import Gateway


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
            found = explanation(reader, what, time.time())
            return found | {"proofs": proofs(reader, found)} if with_proofs else found

        return await _reading(gateway, look)

    found: dict[str, Operation] = {"gateway.status": status, "gateway.reload": reload, "explain": explain}
    found["top"] = snapshot.operation(gateway)
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
        "time": time.time(),
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


def _queue_operation(gateway: Gateway, name: str) -> Operation:
    if name in queue_operations.READING:

        async def look(arguments: Mapping[str, Any], _: str) -> dict[str, Any]:
            return await _reading(gateway, lambda reader: queue_operations.look(reader, name, arguments, time.time()))

        return look

    async def change(arguments: Mapping[str, Any], caller: str) -> dict[str, Any]:
        """An act in steps, with a turn of the loop between them, so that mail goes on meanwhile."""
        engine, spool = gateway.parts.engine, gateway.parts.spool
        # Who did it is what the kernel says; a claim in the arguments would be worth nothing in the log.
        checked = {**arguments, "who": caller}
        result: dict[str, Any] = {}
        try:
            for total in queue_operations.change(
                spool, name, checked, time.time(), engine.scheduler, engine.bounce_by_operator
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

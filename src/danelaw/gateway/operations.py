"""What the control socket can be asked, by name: the queue's operations, the state of the gateway, its reload."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping
from typing import TYPE_CHECKING, Any

from danelaw import __version__
from danelaw.errors import DanelawError
from danelaw.gateway import limiting, policies, quarantine, shared_operations, snapshot
from danelaw.gateway.health import findings
from danelaw.outbound.explanation import explained
from danelaw.spool import operations as queue_operations
from danelaw.spool import patience, shards
from danelaw.spool import quarantine as held

if TYPE_CHECKING:
    from pathlib import Path

    from danelaw.gateway.control import Operation
    from danelaw.gateway.gateway import Gateway
    from danelaw.gateway.shards import Shard


def operations(gateway: Gateway) -> dict[str, Operation]:
    """All operations of one gateway that is alone in its process."""

    def status(_: Mapping[str, Any], __: str) -> dict[str, Any]:
        return status_of(gateway) | {"workers": []}

    def reload(_: Mapping[str, Any], __: str) -> dict[str, Any]:
        gateway.reload()
        return {}

    async def health(_: Mapping[str, Any], __: str) -> list[dict[str, str]]:
        return [finding.to_json() for finding in await findings(gateway)]

    def acting(name: str) -> Operation:
        async def act(arguments: Mapping[str, Any], caller: str) -> dict[str, Any]:
            return shards.together(list((await perform(gateway, name, arguments, caller)).values()), arguments)

        return act

    found: dict[str, Operation] = {"gateway.status": status, "gateway.health": health, "gateway.reload": reload}
    found |= limiting.operations(gateway) | shared_operations.here(gateway)
    found |= policies.operations(gateway)
    found["top"] = snapshot.operation(gateway)

    async def waiting() -> list[list[str]]:
        return limiting.reasons(gateway)

    found |= reading_operations(gateway.config.spool.directory, gateway.clock, waiting)
    found |= {f"queue.{name}": acting(name) for name in queue_operations.CHANGING}
    return found | {name: acting(name) for name in map(quarantine.PREFIX.__add__, quarantine.CHANGING)}


def reading_operations(
    directory: Path, clock: Callable[[], float], waiting: Callable[[], Awaitable[list[list[str]]]]
) -> dict[str, Operation]:
    """What only reads the spool, all shards of it. In a thread, through connections of its own: searching a long
    history must not hold mail up. `clock` gives POSIX seconds, `waiting` the queues that limits keep waiting.
    """

    def looking(name: str) -> Operation:
        async def look(arguments: Mapping[str, Any], _: str) -> dict[str, Any]:
            found = await asyncio.to_thread(shards.look, directory, name, arguments, clock())
            return limiting.with_reasons(found, await waiting())

        return look

    async def explain(arguments: Mapping[str, Any], _: str) -> dict[str, Any]:
        what, with_proofs = str(arguments.get("what", "")), bool(arguments.get("proofs"))
        found = await asyncio.to_thread(explained, directory, what, clock(), with_proofs=with_proofs)
        return limiting.with_reasons(found, await waiting())

    def holding(name: str) -> Operation:
        async def look(arguments: Mapping[str, Any], _: str) -> dict[str, Any]:
            return await asyncio.to_thread(shards.look_at_held, directory, name, arguments, clock())

        return look

    found: dict[str, Operation] = {"explain": explain}
    found |= {f"queue.{name}": looking(name) for name in queue_operations.READING}
    return found | {f"{quarantine.PREFIX}{name}": holding(name) for name in held.READING}


def status_of(gateway: Gateway) -> dict[str, Any]:
    """How a gateway, or one worker of it, is."""
    report = gateway.resolver_report
    return {
        "version": __version__,
        "pid": os.getpid(),
        "listening": gateway.addresses,
        "sessions": len(gateway.parts.intake.sessions),
        "deliveries": gateway.deliveries,
        "not_ready": gateway.not_ready(),
        "resolver": None if report is None else [finding.what for finding in report.findings],
        "time": gateway.clock(),
    }


async def perform(
    gateway: Gateway, name: str, arguments: Mapping[str, Any], caller: str, only: Collection[int] | None = None
) -> dict[int, dict[str, Any]]:
    """An act on the mail of every shard of this process, or `only` some, in steps, with a turn of the loop between
    them, so that mail goes on meanwhile. Gives the result by shard. Raises `DanelawError`.
    """
    # Who did it is what the kernel says; a claim in the arguments would be worth nothing in the log.
    checked = {**arguments, "who": caller}
    results: dict[int, dict[str, Any]] = {}
    try:
        for shard in tuple(gateway.parts.shards.open.values()):
            if only is not None and shard.number not in only:
                continue
            async for total in _steps(gateway, shard, name, checked):
                results[shard.number] = total
                shard.engine.pump()
                await patience.unoccupied(shard.spool.commits)
            await patience.durable(shard.spool.commits)
    except DanelawError as error:
        gateway.log.warning("act-refused", operation=name, who=caller, reason=error.reason)
        raise
    if results:
        fields = {key: arguments.get(key) or None for key in ("filter", "why", "address", "next_hop")}
        total = shards.together(list(results.values()), arguments)
        gateway.log.event("act", operation=name, who=caller, **fields, **total)
    return results


async def _steps(
    gateway: Gateway, shard: Shard, name: str, arguments: Mapping[str, Any]
) -> AsyncIterator[dict[str, Any]]:
    if name.startswith(quarantine.PREFIX):
        async for total in quarantine.act(gateway, shard, name.removeprefix(quarantine.PREFIX), arguments):
            yield total
        return
    engine = shard.engine
    for total in queue_operations.change(
        shard.spool, name, arguments, gateway.clock(), engine.scheduler, engine.returning
    ):
        engine.pump()  # parts of messages that the act did not mean go back to the disk
        if name == "purge":
            engine.evidence_purged()
        yield total

"""Limits and suspensions as operations: what only the running processes know, since it is in force in them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from danelaw.errors import DanelawError
from danelaw.queue import RoutingKey
from danelaw.queue.values import PRIORITIES

if TYPE_CHECKING:
    from danelaw.gateway.control import Operation
    from danelaw.gateway.gateway import Gateway
    from danelaw.gateway.shards import Shard
    from danelaw.outbound.local_addresses import LocalAddresses

SUSPENDING = ("suspend", "resume", "suspensions")
SCHEMA = "danelaw/suspensions/1"


def perform(gateway: Gateway, name: str, arguments: Mapping[str, Any], caller: str) -> dict[str, Any]:
    """One of `SUSPENDING` on every shard of this process. Raises `DanelawError`."""
    shards = tuple(gateway.parts.shards.open.values())
    return together(name, [_on_shard(shard, name, arguments, caller, gateway.parts.door.addresses) for shard in shards])


def together(name: str, results: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    """The answers of several shards or workers as one: they all hold the same suspensions."""
    found = list(results)
    if name == "suspend":
        return dict(found[0]) | {"queues": sum(result["queues"] for result in found)}
    if name == "resume":
        return {"ended": max(result["ended"] for result in found)}
    suspensions = {one["filter"]: one for result in found for one in result["suspensions"]}
    waiting = {(one["queue"], one["reason"]): one for result in found for one in result["waiting"]}
    slowed: dict[str, dict[str, Any]] = {}
    for one in (one for result in found for one in result["slow_downs"]):
        if one["filter"] not in slowed or one["share"] < slowed[one["filter"]]["share"]:
            slowed[one["filter"]] = one
    moves = {(one["address"], one["of"], one["name"]): one for result in found for one in result["moves"]}
    return {
        "schema": SCHEMA,
        "suspensions": list(suspensions.values()),
        "slow_downs": list(slowed.values()),
        "moves": list(moves.values()),
        "waiting": list(waiting.values()),
    }


def operations(gateway: Gateway) -> dict[str, Operation]:
    """`SUSPENDING` for the control socket of a gateway in one process."""

    def operation(name: str) -> Operation:
        return lambda arguments, caller: perform(gateway, name, arguments, caller)

    return {f"queue.{name}": operation(name) for name in SUSPENDING}


def reasons(gateway: Gateway) -> list[list[Any]]:
    """Queues that a limit or suspension keeps waiting in this process: the fields of its key, and why in words."""
    found = []
    for shard in gateway.parts.shards.open.values():
        gate = shard.engine.scheduler.gate
        found += [[*one.key, one.reason] for one in gate.waiting()] if gate is not None else []
        found += [[*one.key, one.reason] for one in shard.engine.slowing.waiting()]
    return found


def with_reasons(found: dict[str, Any], waiting: Iterable[list[Any]]) -> dict[str, Any]:
    """What `list`, `show` and `explain` read, with what keeps queues waiting at this moment."""
    by_key = {RoutingKey(*key): reason for *key, reason in waiting}
    if found.get("by") == "next-hop":
        by_hop = {key.next_hop: reason for key, reason in by_key.items()}
        for group in found["groups"]:
            if group["name"] in by_hop:
                group["limit"] = by_hop[group["name"]]
        return found
    message = found.get("message")
    rows = found.get("messages") or ([message] if isinstance(message, dict) else [found])
    for row in rows if by_key else ():
        for told in row.get("recipients", ()):
            priority = PRIORITIES[told["priority"]]
            key = RoutingKey(told["host"], told["demand"], told["tenant"], told["job"], priority)
            if told["state"] == "waiting" and key in by_key:
                told["limit"] = by_key[key]
    return found


def _on_shard(
    shard: Shard, name: str, arguments: Mapping[str, Any], caller: str, addresses: LocalAddresses
) -> dict[str, Any]:
    suspending, gate = shard.engine.suspending, shard.engine.scheduler.gate
    if suspending is None or gate is None:
        raise DanelawError("this gateway knows no limits")
    text = str(arguments.get("filter", ""))
    if name == "suspend":
        seconds = arguments.get("seconds")
        if not isinstance(seconds, int | float) or isinstance(seconds, bool):
            raise DanelawError("seconds must be a number")
        return suspending.suspend(text, float(seconds), str(arguments.get("why", "")), caller)
    if name == "resume":
        return {"ended": suspending.resume(text, caller) + shard.engine.slowing.resume(text, caller)}
    waiting = [{"queue": one.key.to_text(), "reason": one.reason} for one in gate.waiting()]
    waiting += [{"queue": one.key.to_text(), "reason": one.reason} for one in shard.engine.slowing.waiting()]
    return {
        "suspensions": suspending.listed(),
        "slow_downs": shard.engine.slowing.listed(),
        "moves": [move._asdict() for move in addresses.moves()],
        "waiting": waiting,
    }

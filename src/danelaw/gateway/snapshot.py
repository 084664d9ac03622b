"""`top`: one picture of the running gateway, cheap enough to be asked for every second.

Each process gives a `report` whose numbers can be added; `together` makes one picture of the reports of all, and of
one. Nothing here counts mail on disk: the size of the queue is what the watch counted last, and destinations are looked
through as `danelaw.gateway.destinations` says.
"""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from danelaw import __version__
from danelaw.errors import DanelawError
from danelaw.gateway import policies
from danelaw.gateway.destinations import MOST_ROWS, Destinations
from danelaw.gateway.history import RATE_SECONDS, TIMING_SECONDS
from danelaw.outbound.engine import MOST_UNSETTLED
from danelaw.queue import RoutingKey

if TYPE_CHECKING:
    from danelaw.gateway.control import Operation
    from danelaw.gateway.gateway import Gateway

SCHEMA = "danelaw/top/1"
_MOST_WATCHERS = 4
_MOST_CEILINGS = 5
_PAGE_SIZE = os.sysconf("SC_PAGE_SIZE")


class Watch:
    """What one process tells of itself to those who look every second, each perhaps at other destinations."""

    def __init__(self, gateway: Gateway) -> None:
        self._gateway = gateway
        self._watched: dict[str, Destinations] = {}

    async def report(self, arguments: Mapping[str, Any]) -> dict[str, Any]:
        """`match` (optional) is a part of the names of the destinations that are wanted. Raises `DanelawError`."""
        match, watched = arguments.get("match") or "", self._watched
        if not isinstance(match, str) or len(match) > 255:
            raise DanelawError("'match' is a part of a destination's name")
        found = watched.pop(match, None) or Destinations(match)
        watched[match] = found  # the last asked for is the last in the row
        while len(watched) > _MOST_WATCHERS:
            watched.pop(next(iter(watched))).close()
        return await report(self._gateway, found)


def operation(gateway: Gateway) -> Operation:
    """The operation `top` of a gateway in one process."""
    watch = Watch(gateway)

    async def top(arguments: Mapping[str, Any], _: str) -> dict[str, Any]:
        return together([await watch.report(arguments)])

    return top


async def report(gateway: Gateway, destinations: Destinations) -> dict[str, Any]:
    """What one process tells of itself."""
    parts, metrics = gateway.parts, gateway.metrics
    shards = tuple(parts.shards.open.values())
    schedulers = tuple(shard.engine.scheduler for shard in shards)
    seen = await destinations.report(schedulers, tuple(shard.spool.directory for shard in shards))
    sizes = dict(metrics.queue_messages.samples())
    found = gateway.resolver_report
    history = gateway.history.report(asyncio.get_running_loop().time())
    return {
        "hostname": str(gateway.config.hostname),
        "listening": gateway.addresses,
        "started": metrics.start_time.cell().value,
        "not_ready": gateway.not_ready(),
        "queue": {
            "waiting": int(sizes.get(("waiting",), 0)),
            "held": int(sizes.get(("held",), 0)),
            "oldest_seconds": metrics.queue_oldest.cell().value,
            "under_way": gateway.deliveries,
        },
        "history": history,
        "inbound": {
            "sessions": len(parts.intake.sessions),
            "window": int(parts.intake.admission.window),
            "under_way": parts.intake.admission.under_way,
        },
        "outbound": {
            "connections": len(parts.door.sweep),
            "slots": sum(scheduler.settings.slots for scheduler in schedulers),
        },
        "disk": {name: int(dict(gauge.samples())[()]) for name, gauge in _disk(gateway).items()},
        "resolver": None if found is None else [finding.what for finding in found.findings],
        "resolver_usable": found is None or found.usable,
        "limits": _limits(gateway),
        "policy": policies.brief(gateway),
        "worker": _worker(gateway, history["rates"]["cpu"]),
        "destinations": seen,
    }


def _disk(gateway: Gateway) -> dict[str, Any]:
    return {"free_octets": gateway.metrics.spool_free, "log_octets": gateway.metrics.spool_log}


def _limits(gateway: Gateway) -> list[dict[str, Any]]:
    """The ceilings that hold something back at this moment, in words and numbers."""
    intake, config = gateway.parts.intake, gateway.config
    ceilings = [
        ("client connections", len(intake.sessions), config.limits.connections),
        ("inbound window", intake.admission.under_way, int(intake.admission.window)),
        ("TLS handshakes at once", intake.handshakes.under_way, intake.handshakes.most),
    ]
    if intake.lobby:
        ceilings.append(("greetings a second", len(intake.lobby), int(intake.lobby.pace)))
    ceilings += [
        (f"{one.ceiling} of {one.client or 'all clients'}", one.of, one.of)
        for one in intake.ceilings.lately()[:_MOST_CEILINGS]
    ]
    for shard in gateway.parts.shards.open.values():
        scheduler = shard.engine.scheduler
        ceilings += [
            ("deliveries at once", scheduler.in_flight, scheduler.settings.slots),
            ("octets of waiting mail in memory", scheduler.memory_used, scheduler.settings.memory),
            ("outcomes waiting for the disk", shard.engine.unsettled, MOST_UNSETTLED),
        ]
    return [{"what": what, "used": used, "of": of} for what, used, of in ceilings if used >= of > 0]


def _worker(gateway: Gateway, cpu: float) -> dict[str, Any]:
    intake = gateway.parts.intake
    return {
        "pid": os.getpid(),
        "sessions": len(intake.sessions),
        "under_way": gateway.deliveries,
        "loop_lag": round(intake.pulse.lag, 6),
        "cpu": round(cpu, 3),
        "memory_octets": _resident(),
    }


def _resident() -> int:
    with open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[1]) * _PAGE_SIZE


# one picture


def together(reports: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """The reports of all processes as one picture, as docs/schemas/top.md has it."""
    first = reports[0]
    histories = [one["history"] for one in reports]
    rates = _added([one["rates"] for one in histories])
    totals = _added([one["totals"] for one in histories])
    series = {name: _series([one["history"][name] for one in histories]) for name in ("received", "sent")}
    return {
        "schema": SCHEMA,
        "version": __version__,
        "time": time.time(),
        "hostname": first["hostname"],
        "listening": list(dict.fromkeys(address for one in reports for address in one["listening"])),
        "started": min(one["started"] for one in reports),
        "not_ready": next((one["not_ready"] for one in reports if one["not_ready"]), None),
        "queue": _queue([one["queue"] for one in reports]),
        "in": _way("received", rates, totals, series) | {"refused_per_second": rates["refused"]},
        "out": _way("sent", rates, totals, series),
        "rate_seconds": RATE_SECONDS,
        "outcomes": _outcomes([one["ends"] for one in histories]),
        "timing": {"seconds": TIMING_SECONDS}
        | {name: _timing([one["timings"][name] for one in histories]) for name in histories[0]["timings"]},
        "inbound": _added([one["inbound"] for one in reports]),
        "outbound": _added([one["outbound"] for one in reports]),
        "disk": {
            "free_octets": min(one["disk"]["free_octets"] for one in reports),
            "log_octets": sum(one["disk"]["log_octets"] for one in reports),
        },
        "resolver": _resolver(reports, rates),
        "limits": [limit for one in reports for limit in one["limits"]],
        "policy": policies.briefly_together([one["policy"] for one in reports]),
        "workers": [one["worker"] for one in reports],
        "destinations": _destinations([one["destinations"] for one in reports]),
    }


def _added(numbers: Sequence[Mapping[str, float]]) -> dict[str, Any]:
    return {name: sum(one[name] for one in numbers) for name in numbers[0]}


def _queue(queues: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    found = _added(queues)
    return found | {
        "oldest_seconds": round(max(one["oldest_seconds"] for one in queues), 1) if found["waiting"] else None
    }


def _series(series: Sequence[Sequence[float]]) -> list[float]:
    """Added from the newest second back: processes begin at different times."""
    length = max(len(one) for one in series)
    padded = [[0.0] * (length - len(one)) + list(one) for one in series]
    return [round(sum(column), 2) for column in zip(*padded, strict=True)]


def _way(
    name: str, rates: Mapping[str, float], totals: Mapping[str, float], series: Mapping[str, list[float]]
) -> dict[str, Any]:
    return {
        "per_second": round(rates[name], 2),
        "octets_per_second": round(rates[f"{name}_octets"]),
        "total": int(totals[name]),
        "history": series[name],
    }


def _outcomes(ends: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    counts: dict[str, dict[str, int]] = {}
    for one in ends:
        for outcome, by_protection in one["counts"].items():
            into = counts.setdefault(outcome, {})
            for protection, number in by_protection.items():
                into[protection] = into.get(protection, 0) + number
    return {"seconds": round(max(one["seconds"] for one in ends))} | counts


def _timing(timings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """How many there were, and the bounds below which half and 99 % of them were; None for none at all, and above
    the last bound.
    """
    bounds = timings[0]["bounds"]
    counts = [sum(column) for column in zip(*(one["counts"] for one in timings), strict=True)]
    count = sum(counts)
    return {"count": count, "half_below": _below(bounds, counts, 0.5), "most_below": _below(bounds, counts, 0.99)}


def _below(bounds: Sequence[float], counts: Sequence[int], share: float) -> float | None:
    wanted, reached = share * sum(counts), 0
    if not wanted:
        return None
    for bound, count in zip(bounds, counts, strict=False):
        reached += count
        if reached >= wanted:
            return bound
    return None


def _resolver(reports: Sequence[Mapping[str, Any]], rates: Mapping[str, float]) -> dict[str, Any]:
    probed = [one["resolver"] for one in reports if one["resolver"] is not None]
    return {
        "probed": bool(probed),
        "usable": all(one["resolver_usable"] for one in reports),
        "findings": list(dict.fromkeys(what for findings in probed for what in findings)),
        "questions_per_second": round(rates["questions"], 2),
        "from_cache": round(rates["cached"] / rates["questions"], 3) if rates["questions"] else None,
    }


def _destinations(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    rows: dict[tuple[str, ...], dict[str, Any]] = {}
    for one in found:
        for row in one["rows"]:
            key = tuple(row[name] for name in RoutingKey._fields)
            rows[key] = row if key not in rows else _both(rows[key], row)
    ordered = sorted(rows.values(), key=lambda row: (-row["under_way"], -row["waiting"], row["next_hop"]))
    return {
        "known": sum(one["known"] for one in found),
        "waiting": sum(one["waiting"] for one in found),
        "rows": ordered[: 2 * MOST_ROWS],
    }


def _both(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    """A destination in two processes: numbers added, the earlier time, the first reason there is."""
    added = ("under_way", "limit", "waiting")
    earlier = ("oldest", "next_try")
    rates = [row["per_second"] for row in (one, other) if row["per_second"] is not None]
    return (
        one
        | {name: one[name] + other[name] for name in added}
        | {name: min((row[name] for row in (one, other) if row[name] is not None), default=None) for name in earlier}
        | {"per_second": round(sum(rates), 2) if rates else None, "failures": max(one["failures"], other["failures"])}
        | {name: one[name] or other[name] for name in ("limited", "asleep_until", "reason")}
    )

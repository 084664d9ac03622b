"""What a gateway tells about its policy: which versions its processes run, and what each hook does."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Mapping, Sequence
from ipaddress import ip_network
from typing import TYPE_CHECKING, Any

from danelaw.errors import DanelawError
from danelaw.filters.breaker import BreakerState
from danelaw.scripting.shadowing import differences
from danelaw.scripting.tracing import Wanted, merged
from danelaw.spool import database
from danelaw.spool.judged import judged_by

if TYPE_CHECKING:
    from pathlib import Path

    from danelaw.gateway.control import Operation
    from danelaw.gateway.gateway import Gateway
    from danelaw.policy import Hook
    from danelaw.scripting.loading import LoadedPolicy
    from danelaw.scripting.running import Runner

_QUEUE_SECONDS = 600.0
_QUEUE_AGAIN_SECONDS = 5.0
MOST_HOOKS = 500
_ADDED = ("calls", "failures", "running", "pending", "seconds")


def operations(gateway: Gateway) -> dict[str, Operation]:
    """The operations of a gateway in one process."""

    def status(_: Mapping[str, Any], __: str) -> dict[str, Any]:
        return together([report(gateway)])

    def shadow(_: Mapping[str, Any], __: str) -> dict[str, Any]:
        return shadows_together([shadow_report(gateway)])

    def trace(arguments: Mapping[str, Any], _: str) -> dict[str, Any]:
        return traces_together([on_traces(gateway, arguments)])

    return {"policy.status": status, "policy.shadow": shadow, "policy.trace": trace}


def on_traces(gateway: Gateway, arguments: Mapping[str, Any]) -> dict[str, Any] | None:
    """Start, stop or show the trace of one process; None without a policy and rules. Raises `DanelawError` for what
    cannot be traced.
    """
    scripts = gateway.parts.scripts
    if scripts is None:
        return None
    act = arguments.get("act", "show")
    if act == "start":
        scripts.traces.start(_wanted(arguments))
    elif act == "stop":
        scripts.traces.stop()
    return scripts.traces.report()


def _wanted(arguments: Mapping[str, Any]) -> Wanted:
    try:
        client = ip_network(str(arguments["client"]), strict=False) if arguments.get("client") else None
        until = float(arguments["until"])
    except (KeyError, ValueError) as error:
        raise DanelawError(f"this cannot be traced: {error}") from None
    return Wanted(until, str(arguments.get("address", "")), client, str(arguments.get("message", "")))


def traces_together(reports: Iterable[Mapping[str, Any] | None]) -> dict[str, Any]:
    """The traces of all processes as one. Raises `DanelawError` where no process has anything to trace."""
    known = [one for one in reports if one is not None]
    if not known:
        raise DanelawError(
            "this gateway has neither a policy nor rules", advice='[policy] directory = "policy", and restart'
        )
    return merged(known)


def shadow_report(gateway: Gateway) -> dict[str, Any] | None:
    """What the shadow of one process has found, the one that runs or ran last; None where none has run."""
    scripts = gateway.parts.scripts
    if scripts is None:
        return None
    scripts.look()
    shadow = scripts.shadow
    if shadow is None:
        return None
    runs = scripts.versions.shadow is not None and scripts.versions.shadow.policy.version == shadow.version
    return {
        "version": shadow.version,
        "part": shadow.candidate.portion.to_text(),
        "runs": runs,
        "found": shadow.differences.to_object(),
    }


def shadows_together(reports: Iterable[Mapping[str, Any] | None]) -> dict[str, Any]:
    """The reports of all processes about the same shadow as one. Raises `DanelawError` where none has run."""
    known = [one for one in reports if one is not None]
    if not known:
        raise DanelawError(
            "no shadow has run since the gateway was started", advice="danelaw policy shadow start --for 10%"
        )
    newest = next((one for one in known if one["runs"]), known[0])
    same = [one["found"] for one in known if one["version"] == newest["version"]]
    return {**newest, "workers": len(same), "found": differences.together(same)}


async def keep_for_queue(gateway: Gateway) -> None:
    """Let versions stay at hand that mail in the queue was judged by, and copies go that nobody needs; until cancelled.
    What is in the queue is looked through in a thread.
    """
    scripts = gateway.parts.scripts
    while scripts is not None and scripts.following is not None:
        try:
            needed = await asyncio.to_thread(_judged_in, gateway.config.spool.directory)
            scripts.keep_for(needed)
            removed = scripts.following.remove_old(needed, gateway.clock())
            if removed:
                gateway.log.event("policy-removed", policies=" ".join(removed))
        except Exception as error:  # what is kept too long harms nobody; a shard may be new or changing hands
            gateway.log.event("policy-kept", reason=f"{type(error).__name__}: {error}")
            await asyncio.sleep(_QUEUE_AGAIN_SECONDS)
        else:
            await asyncio.sleep(_QUEUE_SECONDS)


def _judged_in(spool: Path) -> frozenset[str]:
    shards = (database.shard_directory(spool, number) for number in database.shards(spool))
    return frozenset(version for shard in shards for version in judged_by(shard))


def report(gateway: Gateway) -> dict[str, Any] | None:
    """What one process runs, after it has taken up what was changed last; None without a policy."""
    scripts = gateway.parts.scripts
    if scripts is None:
        return None
    scripts.look()
    versions, following = scripts.versions, scripts.following
    troubles = {} if following is None else following.troubles
    return {
        "pid": os.getpid(),
        "serial": 0 if following is None or following.standing is None else following.standing.serial,
        "active": versions.active.version,
        "usable": versions.active.is_usable,
        "staged": None if versions.candidate is None else versions.candidate.policy.version,
        "shadow": None if versions.shadow is None else versions.shadow.policy.version,
        "troubles": [[version, reason] for version, reason in troubles.items()],
        "hooks": hooks(gateway),
    }


def brief(gateway: Gateway) -> dict[str, Any]:
    """What `top` shows of the policy of one process."""
    scripts = gateway.parts.scripts
    if scripts is None:
        return {"active": None, "staged": None, "shadow": None, "hooks": []}
    versions = scripts.versions
    return {
        "active": versions.active.version,
        "staged": None if versions.candidate is None else versions.candidate.policy.version,
        "shadow": None if versions.shadow is None else versions.shadow.policy.version,
        "hooks": hooks(gateway),
    }


def briefly_together(found: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What `top` shows of all processes."""
    return {**found[0], "hooks": hooks_together([one["hooks"] for one in found])}


def hooks(gateway: Gateway) -> list[dict[str, Any]]:
    """Numbers of every hook of the versions in use since this process began, in the order of asking."""
    scripts = gateway.parts.scripts
    if scripts is None:
        return []
    versions, shadow = scripts.versions, scripts.shadow
    used = [(versions.active, scripts.runner)]
    if versions.candidate is not None:
        used.append((versions.candidate.policy, scripts.runner))
    if versions.shadow is not None and shadow is not None:
        used.append((versions.shadow.policy, shadow.runner))
    found = [_numbers(policy, hook, runner) for policy, runner in used for hook in policy.hooks]
    return found[:MOST_HOOKS]


def _numbers(policy: LoadedPolicy, hook: Hook, runner: Runner) -> dict[str, Any]:
    tally = runner.tallies.get((policy.version, hook.name))
    return {
        "version": policy.version,
        "step": hook.point,
        "hook": hook.name,
        "place": hook.place,
        "calls": tally.calls if tally else 0,
        "failures": tally.failures if tally else 0,
        "running": tally.running if tally else 0,
        "pending": tally.pending if tally else 0,
        "seconds": round(tally.seconds, 6) if tally else 0.0,
        "longest": round(tally.longest, 6) if tally else 0.0,
        "resting": tally is not None and tally.breaker.state(runner.clock()) is not BreakerState.CLOSED,
        "outcomes": dict(tally.outcomes) if tally else {},
        "last_failure": tally.last_failure if tally else "",
    }


def together(reports: Sequence[Mapping[str, Any] | None]) -> dict[str, Any]:
    """The reports of all processes as one; `silent` counts those that gave none. Raises `DanelawError` where no process
    has a policy.
    """
    known = [one for one in reports if one is not None]
    if not known:
        raise DanelawError(
            "this gateway runs without a policy",
            advice='name its folder in the configuration: [policy] directory = "policy", and restart',
        )
    return {
        "workers": [{name: value for name, value in one.items() if name != "hooks"} for one in known],
        "silent": len(reports) - len(known),
        "hooks": hooks_together([one["hooks"] for one in known]),
    }


def hooks_together(found: Iterable[Iterable[Mapping[str, Any]]]) -> list[dict[str, Any]]:
    """Numbers of the same hook in several processes, added."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for hooks_of_one in found:
        for one in hooks_of_one:
            key = (one["version"], one["hook"])
            row = rows.get(key)
            rows[key] = dict(one) if row is None else _added(row, one)
    return list(rows.values())


def _added(row: Mapping[str, Any], one: Mapping[str, Any]) -> dict[str, Any]:
    outcomes = dict(row["outcomes"])
    for outcome, count in one["outcomes"].items():
        outcomes[outcome] = outcomes.get(outcome, 0) + count
    return {
        **row,
        **{name: row[name] + one[name] for name in _ADDED},
        "longest": max(row["longest"], one["longest"]),
        "resting": row["resting"] or one["resting"],
        "outcomes": outcomes,
        "last_failure": row["last_failure"] or one["last_failure"],
    }

"""What a gateway tells about its policy: which versions its processes run, and what each hook does."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from danelaw.errors import DanelawError
from danelaw.filters.breaker import BreakerState

if TYPE_CHECKING:
    from danelaw.gateway.control import Operation
    from danelaw.gateway.gateway import Gateway

MOST_HOOKS = 500
_ADDED = ("calls", "failures", "running", "pending", "seconds")


def operations(gateway: Gateway) -> dict[str, Operation]:
    """The operations of a gateway in one process."""

    def status(_: Mapping[str, Any], __: str) -> dict[str, Any]:
        return together([report(gateway)])

    return {"policy.status": status}


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


def hooks(gateway: Gateway) -> list[dict[str, Any]]:
    """Numbers of every hook of the versions in use since this process began, in the order of asking."""
    scripts = gateway.parts.scripts
    if scripts is None:
        return []
    versions = scripts.versions
    used = [versions.active, *(one.policy for one in (versions.candidate,) if one is not None)]
    found = []
    for policy in used:
        for hook in policy.hooks:
            tally = scripts.runner.tallies.get((policy.version, hook.name))
            found.append(
                {
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
                    "resting": tally is not None
                    and tally.breaker.state(scripts.runner.clock()) is not BreakerState.CLOSED,
                    "outcomes": dict(tally.outcomes) if tally else {},
                    "last_failure": tally.last_failure if tally else "",
                }
            )
    return found[:MOST_HOOKS]


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

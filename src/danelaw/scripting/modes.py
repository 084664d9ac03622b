"""Where hooks run, as `[policy] run` says: in this process, or isolated."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from danelaw.scripting.guard import GUARD, Guard
from danelaw.scripting.isolated import landlock
from danelaw.scripting.isolated.confinement import Confinement
from danelaw.scripting.loading import EMPTY, LoadedPolicy, in_order, load
from danelaw.scripting.running import Budget, Called, Runner

if TYPE_CHECKING:
    from danelaw.config.scripting import Policy
    from danelaw.policy import Context, Hook
    from danelaw.telemetry import Log


def policy_of(section: Policy, directory: Path | None, beside: Iterable[Hook] = ()) -> LoadedPolicy:
    """The policy in a folder, loaded here, or told by a worker, with hooks that are not in its files among its own.

    Raises `PolicyError`.
    """
    if directory is None:
        return replace(EMPTY, hooks=in_order(beside))
    if section.run == "here":
        return load(directory, beside)
    from danelaw.scripting.isolated.describing import describe

    return describe(directory, confinement_of(section), beside)


def runner_of(
    section: Policy,
    failed: Callable[[Called, Context], None],
    ended: Callable[[str], None],
    guard: Guard = GUARD,
) -> Runner:
    """Who asks the hooks. `failed` is told of calls that failed, `ended` of why an isolated worker was ended."""
    budget = budget_of(section)
    if section.run == "here":
        return Runner(budget, failed, guard=guard)
    from danelaw.scripting.isolated.runner import IsolatedRunner

    return IsolatedRunner(
        budget,
        failed,
        guard=guard,
        bounds=confinement_of(section),
        workers=section.isolated_workers,
        recycle_after=section.isolated_calls,
        ended=ended,
    )


def say_what_holds(log: Log) -> None:
    """Tell operators of a kernel that cannot confine workers to folders."""
    if not landlock.version():
        log.warning(
            "policy-isolated",
            reason="this kernel has no Landlock: while a policy loads it can read what the gateway can read",
            advice="use Linux 5.13 or later with landlock among its lsm=, or see docs/policy-isolation.md",
        )


def confinement_of(section: Policy) -> Confinement:
    """What `[policy]` lets an isolated worker use."""
    return Confinement(memory=section.isolated_memory, files=tuple(str(one) for one in section.files))


def budget_of(section: Policy) -> Budget:
    """What `[policy]` lets a hook use."""
    return Budget(
        section.time.total_seconds(),
        section.cpu.total_seconds(),
        section.failures,
        section.rest.total_seconds(),
        section.at_once,
    )

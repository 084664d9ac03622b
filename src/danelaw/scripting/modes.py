"""Where hooks run, as `[policy] run` says: in this process, or isolated."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from danelaw.scripting.isolated.confinement import Confinement
from danelaw.scripting.loading import EMPTY, LoadedPolicy, load
from danelaw.scripting.running import Budget, Called, Runner

if TYPE_CHECKING:
    from danelaw.config.scripting import Policy
    from danelaw.policy import Context, Hook


def policy_of(section: Policy, directory: Path | None, beside: Iterable[Hook] = ()) -> LoadedPolicy:
    """The policy in a folder, loaded here, or told by a worker, with hooks that are not in its files among its own.

    Raises `PolicyError`.
    """
    policy = EMPTY if directory is None else _loaded(section, directory)
    more = tuple(beside)
    if not more:
        return policy
    return replace(policy, hooks=tuple(sorted((*policy.hooks, *more), key=lambda one: one.order)))


def _loaded(section: Policy, directory: Path) -> LoadedPolicy:
    if section.run == "here":
        return load(directory)
    from danelaw.scripting.isolated.describing import describe

    return describe(directory, confinement_of(section))


def runner_of(section: Policy, failed: Callable[[Called, Context], None], ended: Callable[[str], None]) -> Runner:
    """Who asks the hooks. `failed` is told of calls that failed, `ended` of why an isolated worker was ended."""
    budget = budget_of(section)
    if section.run == "here":
        return Runner(budget, failed)
    from danelaw.scripting.isolated.runner import IsolatedRunner

    return IsolatedRunner(
        budget,
        failed,
        bounds=confinement_of(section),
        workers=section.isolated_workers,
        recycle_after=section.isolated_calls,
        ended=ended,
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

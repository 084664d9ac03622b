"""Everything of a gateway's policy in one place: versions, who asks them, and what runs beside the mail."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from danelaw.scripting.guard import GUARD
from danelaw.scripting.modes import policy_of, runner_of
from danelaw.scripting.running import Called
from danelaw.scripting.step import ScriptStep
from danelaw.scripting.versions import Versions

if TYPE_CHECKING:
    from danelaw.config.scripting import Policy
    from danelaw.policy import Context, Hook, Library
    from danelaw.scripting.loading import LoadedPolicy
    from danelaw.telemetry import Log, Metrics


class Scripts:
    """The policy of one process. `clock` gives POSIX seconds."""

    def __init__(
        self, section: Policy, library: Library, log: Log, metrics: Metrics, clock: Callable[[], float]
    ) -> None:
        """Load the policy. Raises `PolicyError`."""
        assert section.directory is not None
        self._log = log
        self._metrics = metrics
        self.library = library
        self.versions = Versions(policy_of(section))
        self.runner = runner_of(section, self._called, self._worker_ended)
        self.step = ScriptStep(self.versions, self.runner, library, clock, self.background)
        self._tasks: set[asyncio.Task[None]] = set()
        if not GUARD.is_installed:
            GUARD.install()

    def background(self, policy: LoadedPolicy, hooks: tuple[Hook, ...], context: Context) -> None:
        """Ask hooks that nobody waits for."""

        async def ask() -> None:
            await self.runner.ask(policy, hooks, context)

        task = asyncio.get_running_loop().create_task(ask())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def close(self) -> None:
        """The gateway ends: so does what runs beside the mail."""
        for task in self._tasks:
            task.cancel()
        self.runner.close()

    def _worker_ended(self, fault: str) -> None:
        self._log.warning("policy-worker-ended", reason=fault)

    def _called(self, called: Called, context: Context) -> None:
        self._metrics.policy_calls.add(called.hook, called.outcome)
        self._metrics.policy_seconds.add(called.hook, by=called.seconds)
        if called.outcome == "failed":
            self._log.error(
                "hook-failed", hook=called.hook, step=called.point, policy=called.version, reason=called.reason
            )

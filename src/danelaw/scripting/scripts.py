"""Everything of a gateway's policy in one place: versions, who asks them, and what runs beside the mail."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from danelaw.scripting.delivery import AfterDelivery, BeforeDelivery, Carries
from danelaw.scripting.guard import GUARD
from danelaw.scripting.http_hooks import HTTPHooks
from danelaw.scripting.modes import policy_of, runner_of
from danelaw.scripting.rulebook import Rulebook
from danelaw.scripting.step import ScriptStep
from danelaw.scripting.versions import Versions

if TYPE_CHECKING:
    from danelaw.config.scripting import Policy
    from danelaw.outbound.steps import DeliveryStep
    from danelaw.policy import Context, Hook, Library
    from danelaw.rules import Rule
    from danelaw.scripting.loading import LoadedPolicy
    from danelaw.scripting.running import Called
    from danelaw.telemetry import Log, Metrics


class Scripts:
    """The policy of one process. `clock` gives POSIX seconds."""

    def __init__(
        self,
        section: Policy,
        rules: Iterable[Rule],
        library: Library,
        log: Log,
        metrics: Metrics,
        clock: Callable[[], float],
        carry: Carries,
    ) -> None:
        """Load the policy, if there is one, behind the rules; `carry` delivers by carriers. Raises `PolicyError`."""
        self._log = log
        self._metrics = metrics
        self.library = library
        self.http_hooks = HTTPHooks(section.http_hook)
        self.versions = Versions(policy_of(section, section.directory, self.http_hooks.hooks))
        self.rulebook = Rulebook(rules, lambda rule, context: metrics.rule_matches.add(rule.name))
        self.runner = runner_of(section, self._failed, self._worker_ended)
        self.step = ScriptStep(self.versions, self.rulebook, self.runner, library, clock, self.background)
        self._carry = carry
        self._tasks: set[asyncio.Task[None]] = set()
        if not GUARD.is_installed:
            GUARD.install()

    @property
    def delivery_steps(self) -> tuple[DeliveryStep, ...]:
        """The steps beside a delivery that any version in use has hooks for."""
        points = self.versions.points
        parts = (self.versions, self.runner, self.library, self._carry)
        before = (BeforeDelivery(*parts),) if "pre_delivery" in points else ()
        after = (AfterDelivery(*parts),) if "post_delivery" in points else ()
        return (*before, *after)

    def background(self, policy: LoadedPolicy, hooks: tuple[Hook, ...], context: Context) -> None:
        """Ask hooks that nobody waits for."""

        async def ask() -> None:
            await self.runner.ask(policy, hooks, context)

        task = asyncio.get_running_loop().create_task(ask())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """The gateway ends: so does what runs beside the mail."""
        for task in self._tasks:
            task.cancel()
        self.runner.close()
        await self.http_hooks.close()

    def _worker_ended(self, fault: str) -> None:
        self._log.warning("policy-worker-ended", reason=fault)

    def _failed(self, called: Called, context: Context) -> None:
        self._log.error("hook-failed", hook=called.hook, step=called.point, policy=called.version, reason=called.reason)

    def show_numbers(self) -> None:
        """Bring the metrics up to date: what hooks did is counted with each of them, not with every call here."""
        calls: Counter[tuple[str, str]] = Counter()
        seconds: dict[str, float] = {}
        for (_, name), tally in self.runner.tallies.items():
            seconds[name] = seconds.get(name, 0.0) + tally.seconds
            for outcome, count in tally.outcomes.items():
                calls[name, outcome] += count
        for (name, outcome), count in calls.items():
            self._metrics.policy_calls.cell(name, outcome).value = count
        for name, took in seconds.items():
            self._metrics.policy_seconds.cell(name).value = took

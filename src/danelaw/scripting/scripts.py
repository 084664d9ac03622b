"""Everything of a gateway's policy in one place: versions, who asks them, and what runs beside the mail."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from danelaw.policy import Discard, ReportContext
from danelaw.scripting.caching import bind
from danelaw.scripting.delivery import AfterDelivery, BeforeDelivery, Carriers
from danelaw.scripting.guard import GUARD, Meter
from danelaw.scripting.http_hooks import HTTPHooks
from danelaw.scripting.modes import policy_of, runner_of, say_what_holds
from danelaw.scripting.numbers import HookNumbers
from danelaw.scripting.rulebook import Rulebook
from danelaw.scripting.shadowing.shadow import Shadow
from danelaw.scripting.step import ScriptStep
from danelaw.scripting.tracing import Traces
from danelaw.scripting.versioning.following import Following
from danelaw.scripting.versioning.versions import Versions
from danelaw.scripting.versioning.withdrawing import fails_too_often

if TYPE_CHECKING:
    from pathlib import Path

    from danelaw.caches import Caches
    from danelaw.config.scripting import Policy
    from danelaw.outbound.steps import DeliveryStep
    from danelaw.policy import Context, Hook, Library, MailContext
    from danelaw.rules import Rule
    from danelaw.scripting.loading import LoadedPolicy
    from danelaw.scripting.running import Called
    from danelaw.scripting.versioning.versions import Candidate
    from danelaw.telemetry import Log, Metrics


LOOK_SECONDS = 0.5
"""How often it is looked whether an operator has staged, promoted or rolled back."""


class Scripts:
    """The policy of one process. `clock` gives POSIX seconds, `spool` is the directory with versions and `state.db`.

    `step` asks about connections that begin now; `changed` is called when another one has taken its place. `shadow` is
    the one that runs, or ran last.
    """

    def __init__(
        self,
        section: Policy,
        rules: Iterable[Rule],
        spool: Path,
        library: Library,
        log: Log,
        metrics: Metrics,
        clock: Callable[[], float],
        carriers: Carriers,
        caches: Caches | None = None,
    ) -> None:
        """Load the policy, if there is one, behind the rules; `carriers` deliver, cached functions have their
        places among `caches`. Raises `PolicyError`, `StateError`.
        """
        self._caches = caches
        self._bound: set[str] = set()
        self._section = section
        self._log = log
        self._metrics = metrics
        self._clock = clock
        self.library = library
        self.http_hooks = HTTPHooks(section.http_hook)
        self.runner = runner_of(section, self._failed, self._worker_ended)
        if section.run == "isolated":
            say_what_holds(log)
        self._carriers = carriers
        self._numbers = HookNumbers(metrics)
        self.shadow: Shadow | None = None
        self.rulebook = Rulebook(rules, self._matched)
        self.traces = Traces(self.runner, clock, self._hooks_at, lambda: self.rulebook.rules)
        self.known_name: Callable[[str], str | None] | None = None
        self.changed: Callable[[], None] = lambda: None
        self._tasks: set[asyncio.Task[None]] = set()
        directory = section.directory
        with contextlib.ExitStack() as guarded:
            guarded.enter_context(GUARD.installed())
            self.following = None if directory is None else Following(spool, directory, log, clock, self._load)
            self._no_policy = Versions(self._load(None), waiting=())
            self.step = self._step()
            self._guarded = guarded.pop_all()

    @property
    def versions(self) -> Versions:
        """The versions for connections that begin now."""
        return self._no_policy if self.following is None else self.following.versions

    def _hooks_at(self, version: str, point: str) -> tuple[Hook, ...]:
        """The hooks of a version that is in use."""
        found = next((one for one in self.versions.judging if one.version == version), None)
        return () if found is None else found.at(point)

    def look(self) -> None:
        """Take up what operators have changed since. Connections that are open stay with their version."""
        before = self.versions
        if self.following is not None:
            self.following.look()
        if self.versions is not before:
            self._renew()

    def keep_for(self, needed: Iterable[str]) -> None:
        """Mail in the queue was judged by these versions: what they say beside deliveries is asked."""
        if self.following is not None and self.following.keep_for(needed):
            self._renew()

    async def keep_looking(self) -> None:
        """Look twice a second, until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                self.look()
            except Exception as error:  # what is only followed must not end the following
                self._log.error("policy-unreadable", reason=f"{type(error).__name__}: {error}")

    def _renew(self) -> None:
        self.step = self._step()
        self._numbers.retire(self.runner.tallies, {one.version for one in self.versions.judging})
        self.changed()

    def know_names(self, known_name: Callable[[str], str | None] | None) -> None:
        """Tell scripts the host names of clients as this gives them for an address, where a step has looked."""
        self.known_name = known_name
        self._renew()

    def use_rules(self, rules: Iterable[Rule]) -> None:
        """Other rules from now on. Connections that are open stay with theirs."""
        self.rulebook = Rulebook(rules, self._matched)
        self._renew()

    def _load(self, directory: Path | None) -> LoadedPolicy:
        return policy_of(self._section, directory, self.http_hooks.hooks)

    def _matched(self, rule: Rule, context: MailContext) -> None:
        self._metrics.rule_matches.add(rule.name)

    def _step(self) -> ScriptStep:
        for policy in self.versions.all:
            if policy.package not in self._bound:
                self._bound.add(policy.package)
                time, cpu = self._section.time.total_seconds(), self._section.cpu.total_seconds()
                bind(policy.caches, self._caches, seconds=time, cpu=cpu)
        candidate, shadow = self.versions.shadow, self.shadow
        if candidate is not None and (shadow is None or shadow.candidate is not candidate):
            if shadow is not None:
                shadow.close()
                self._numbers.retire_shadow(shadow.differences)
            self.shadow = self._new_shadow(candidate)
        runs = self.shadow if candidate is not None else None
        return ScriptStep(
            self.versions, self.rulebook, self.runner, self.library, self._clock, self.background, runs, self.known_name
        )

    def _new_shadow(self, candidate: Candidate) -> Shadow:
        meter = Meter(GUARD)
        runner = runner_of(self._section, lambda called, context: None, self._worker_ended, meter)
        asked_elsewhere = frozenset(hook.point for hook in self.http_hooks.hooks)
        share = self._section.shadow_percent / 100
        return Shadow(candidate, runner, meter, self.library, share, asked_elsewhere)

    @property
    def delivery_steps(self) -> tuple[DeliveryStep, ...]:
        """The steps beside a delivery that any version in use has hooks for."""
        points = self.versions.delivery_points
        parts = (self.versions.of, self.runner, self.library, self._carriers.carry)
        before = (BeforeDelivery(*parts),) if "pre_delivery" in points else ()
        after = (AfterDelivery(*parts),) if "post_delivery" in points else ()
        return (*before, *after)

    async def reported(self, kind: str, reporter: str, facts: dict[str, object]) -> bool:
        """Ask the report hooks of the active version; False where they discard a report."""
        policy = self.versions.active
        hooks = policy.at("report")
        if not hooks:
            return True
        context = ReportContext(
            now=self._clock(),
            policy=policy.version,
            library=self.library,
            kind=kind,
            reporter=reporter,
            facts=facts,
        )
        said = await self.runner.ask(policy, hooks, context)
        return said is None or not isinstance(said.verdict, Discard)

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
        if self.shadow is not None:
            self.shadow.close()
        if self.following is not None:
            self.following.close()
        self.runner.close()
        self.release()
        await self._carriers.close()
        await self.http_hooks.close()

    def release(self) -> None:
        """Nothing of the policy will run again, so nothing need be watched."""
        self._guarded.close()

    def _worker_ended(self, fault: str) -> None:
        self._log.warning("policy-worker-ended", reason=fault)

    def _failed(self, called: Called, context: Context) -> None:
        self._log.error("hook-failed", hook=called.hook, step=called.point, policy=called.version, reason=called.reason)
        candidate = self.versions.candidate
        if (
            self.following is None
            or candidate is None
            or candidate.policy.version != called.version
            or not candidate.is_open
        ):
            return
        # Servers of HTTP hooks and rules are asked beside every version: their failures are no fault of this one.
        own = {hook.name for hook in candidate.policy.hooks} - {hook.name for hook in self.http_hooks.hooks}
        tallies = [
            one for (version, name), one in self.runner.tallies.items() if version == called.version and name in own
        ]
        calls, failures = sum(one.calls for one in tallies), sum(one.failures for one in tallies)
        if called.hook in own and fails_too_often(calls, failures, self._section.withdraw_after):
            words = f"{failures} of {calls} calls of its hooks failed, the last one {called.hook}: {called.reason}"
            self._metrics.policy_withdrawn.add()
            self.following.withdraw(called.version, words)
            self._renew()

    def show_numbers(self) -> None:
        """Bring the metrics up to date: what hooks did is counted with each of them, not with every call here."""
        self._numbers.show(self.runner.tallies.items(), None if self.shadow is None else self.shadow.differences)
        self._metrics.policy_unusable.set(0.0 if self.versions.active.is_usable else 1.0)

"""Asking the hooks of one step, in order, each within its budget, until one has something to say.

A hook that raises, overruns its time, or gives what is no verdict of its step has failed: what it changed is taken
back, and its failure policy says what follows. `defer` keeps the mail where it is, at the client or in the queue;
nothing is ever accepted because a script broke. One that fails again and again is left alone for a while, as long as
its breaker is open; its failure policy then applies without asking.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from danelaw.errors import DanelawError
from danelaw.filters.breaker import Breaker
from danelaw.policy import POINTS, Context, Defer, FailurePolicy, Hook, NoteError, Verdict
from danelaw.scripting.calling import CALLING, Calling, LibraryCall
from danelaw.scripting.checking import check
from danelaw.scripting.driving import Driven, in_task
from danelaw.scripting.errors import HookFailed
from danelaw.scripting.guard import GUARD, Guard, Overrun
from danelaw.scripting.loading import LoadedPolicy, place_in
from danelaw.scripting.rollback import State, back_to, state_of

NOT_ASKED = "this gateway could not examine your mail; try again later"


@dataclass(frozen=True, slots=True)
class Budget:
    """What a hook may use: `seconds` in all, waiting included, and `cpu` seconds of work between two waits. After
    `failures` in a row it is left alone for `rest` seconds. At most `at_once` calls of one hook wait at the same time.
    """

    seconds: float = 10.0
    cpu: float = 0.1
    failures: int = 10
    rest: float = 30.0
    at_once: int = 500


class Called(NamedTuple):
    """One call of a hook, for logs, metrics and traces. `outcome` is a verdict's name in lower case, `none`, `failed`
    or `resting`; `reason` says why it failed, or what the verdict's words are.
    `calls` are those of the library, where `Runner.traces` wants them.
    """

    point: str
    hook: str
    version: str
    outcome: str
    seconds: float
    reason: str
    verdict: Verdict | None
    calls: tuple[LibraryCall, ...] = ()


class Said(NamedTuple):
    """What a step's hooks have said in the end: whose verdict it is, and whether it stands for a failure."""

    verdict: Verdict
    hook: Hook
    failed: bool = False


@dataclass(slots=True)
class Tally:
    """What is known of one hook since the start: calls, failures, seconds in all and at most, and how many calls wait
    for something (`running`) or for a turn (`pending`) right now.
    """

    point: str
    hook: str
    breaker: Breaker
    turn: asyncio.Semaphore
    calls: int = 0
    failures: int = 0
    outcomes: dict[str, int] = field(default_factory=dict)
    seconds: float = 0.0
    longest: float = 0.0
    running: int = 0
    pending: int = 0
    last_failure: str = ""

    def took(self, outcome: str, seconds: float) -> float:
        """One more call has ended; gives how long it took."""
        self.calls += 1
        self.seconds += seconds
        if seconds > self.longest:
            self.longest = seconds
        self.outcomes[outcome] = self.outcomes.get(outcome, 0) + 1
        return seconds


@dataclass(slots=True)
class Runner:
    """Asks hooks. `failed` is told about calls that failed, `observe`, where it is set, about every call; `clock` is a
    monotonic clock in seconds. `traces` says whether the calls of the library about a context are to be kept, `taken`
    gives what was traced about its message, to be stored with it. Numbers of each hook are in
    `tallies`, by version and name.
    """

    budget: Budget = field(default_factory=Budget)
    failed: Callable[[Called, Context], None] = lambda called, context: None
    observe: Callable[[Called, Context], None] | None = None
    traces: Callable[[Context], bool] = lambda context: False
    taken: Callable[[Context], list[dict[str, Any]]] = lambda context: []
    clock: Callable[[], float] = time.perf_counter
    guard: Guard = GUARD
    tallies: dict[tuple[str, str], Tally] = field(default_factory=dict)

    async def ask(self, policy: LoadedPolicy, hooks: Iterable[Hook], context: Context) -> Said | None:
        """The first verdict, None when all have let it pass. May be begun outside a task; never raises for what a
        script does.
        """
        for hook in hooks:
            # A plain function never waits: what a coroutine for it would cost is a good part of what most hooks do.
            said = await self._waiting(policy, hook, context) if hook.is_coroutine else self._now(policy, hook, context)
            if said is not None:
                return said
        return None

    def _now(self, policy: LoadedPolicy, hook: Hook, context: Context) -> Said | None:
        tally, started = self._begin(policy, hook, context)
        if not tally.breaker.allows(started):
            return self._without(policy, hook, context, tally, "resting", started, tally.last_failure)
        before = state_of(context)
        try:
            verdict = self.guard.step(hook.cpu or self.budget.cpu, hook.function, context)
            check(hook, verdict, context)
        except (Exception, Overrun) as error:
            return self._broke(policy, hook, context, tally, started, before, error)
        return self._spoke(policy, hook, context, tally, started, verdict)

    async def _waiting(self, policy: LoadedPolicy, hook: Hook, context: Context) -> Said | None:
        tally, started = self._begin(policy, hook, context)
        if not tally.breaker.allows(started):
            return self._without(policy, hook, context, tally, "resting", started, tally.last_failure)
        before = state_of(context)
        try:
            verdict = await self._call(policy, hook, context, tally)
            check(hook, verdict, context)
        except asyncio.CancelledError:
            tally.breaker.given_up()
            raise
        except (Exception, Overrun) as error:
            return self._broke(policy, hook, context, tally, started, before, error)
        return self._spoke(policy, hook, context, tally, started, verdict)

    def _begin(self, policy: LoadedPolicy, hook: Hook, context: Context) -> tuple[Tally, float]:
        CALLING.set(Calling(hook.name, getattr(context, "id", ""), [] if self.traces(context) else None))
        return self.tallies.get((policy.version, hook.name)) or self.tally(policy, hook), self.clock()

    def _broke(
        self, policy: LoadedPolicy, hook: Hook, context: Context, tally: Tally, started: float, before: State,
        error: BaseException,
    ) -> Said | None:  # fmt: skip
        back_to(context, before)
        reason = self._in_words(policy, hook, error)
        tally.failures += 1
        tally.last_failure = reason
        tally.breaker.failed(self.clock())
        return self._without(policy, hook, context, tally, "failed", started, reason)

    def _spoke(
        self, policy: LoadedPolicy, hook: Hook, context: Context, tally: Tally, started: float, verdict: Verdict | None
    ) -> Said | None:
        tally.breaker.succeeded()
        seconds = tally.took(_WORDS[type(verdict)], self.clock() - started)
        if self.observe is not None:
            self.observe(_called(policy, hook, verdict, seconds), context)
        return None if verdict is None else Said(verdict, hook)

    def close(self) -> None:
        """Nothing more will be asked."""

    def tally(self, policy: LoadedPolicy, hook: Hook) -> Tally:
        """What is known of a hook of one version."""
        key = (policy.version, hook.name)
        tally = self.tallies.get(key)
        if tally is None:
            budget = self.budget
            tally = self.tallies[key] = Tally(
                hook.point, hook.name, Breaker(budget.failures, budget.rest), asyncio.Semaphore(budget.at_once)
            )
        return tally

    async def _call(self, policy: LoadedPolicy, hook: Hook, context: Context, tally: Tally) -> Verdict | None:
        cpu = hook.cpu or self.budget.cpu
        if hook.module in policy.in_task:
            await in_task()
        driven = Driven(hook.function(context), self.guard, cpu)
        if driven.begin():
            return driven.result  # type: ignore[no-any-return]
        return await self._wait(driven, hook, tally)

    async def _wait(self, driven: Driven, hook: Hook, tally: Tally) -> Verdict | None:
        await in_task()
        try:
            async with asyncio.timeout(hook.seconds or self.budget.seconds):
                if tally.turn.locked():
                    tally.pending += 1
                    try:
                        await tally.turn.acquire()
                    finally:
                        tally.pending -= 1
                else:
                    await tally.turn.acquire()
                tally.running += 1
                try:
                    return await driven  # type: ignore[no-any-return]
                finally:
                    tally.running -= 1
                    tally.turn.release()
        finally:
            driven.close()

    def _without(
        self, policy: LoadedPolicy, hook: Hook, context: Context, tally: Tally, outcome: str, started: float,
        reason: str,
    ) -> Said | None:  # fmt: skip
        """What follows where a hook has given no verdict, by its failure policy."""
        seconds = tally.took(outcome, self.clock() - started)
        called = Called(hook.point, hook.name, policy.version, outcome, seconds, reason, None, _library_calls())
        if outcome == "failed":
            self.failed(called, context)
        if self.observe is not None:
            self.observe(called, context)
        if hook.on_failure is FailurePolicy.IGNORE:
            return None
        return Said(Defer(NOT_ASKED, 451, "4.3.0"), hook, failed=True)

    def _in_words(self, policy: LoadedPolicy, hook: Hook, error: BaseException) -> str:
        if isinstance(error, Overrun):
            return f"it worked for more than {hook.cpu or self.budget.cpu:g} s without waiting"
        if isinstance(error, TimeoutError):
            return f"no verdict within {hook.seconds or self.budget.seconds:g} s"
        place = place_in(error, Path(policy.directory)) or hook.place
        words = error.reason if isinstance(error, DanelawError) else str(error)
        kind = "" if isinstance(error, HookFailed | NoteError) else f"{type(error).__name__}: "
        return f"{place}: {kind}{words}"[:500]


def _called(policy: LoadedPolicy, hook: Hook, verdict: Any, seconds: float) -> Called:
    word = _WORDS[type(verdict)]
    return Called(hook.point, hook.name, policy.version, word, seconds, words_of(verdict), verdict, _library_calls())


def _library_calls() -> tuple[LibraryCall, ...]:
    """What the hook at work has asked of the library, where that is kept."""
    calling = CALLING.get()
    return tuple(calling.calls) if calling is not None and calling.calls else ()


def words_of(verdict: Any) -> str:
    """What a verdict says in words: its text, its reason, or whom it names."""
    for name in ("text", "reason"):
        words = getattr(verdict, name, "")
        if words:
            return str(words)
    return ", ".join(getattr(verdict, "to", ()))


_WORDS = {type(None): "none", **{kind: kind.__name__.lower() for point in POINTS.values() for kind in point.verdicts}}

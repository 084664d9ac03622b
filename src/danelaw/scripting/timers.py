"""Hooks that are asked by time: each timer runs in one process of the gateway at a time, and when it is due.

When a timer has run last is shared state and kept over restarts (the space `timers`, by the name of the hook), so
that any worker can run it and none runs it early; a semaphore (`running-timers`) sees that no two run it at once. It
is written down before the hook is asked: a run that a crash cuts off is not repeated before it is due again. Runs that
were missed while the gateway was down are made up for by one.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from danelaw.policy import TimerContext
from danelaw.shared import Mode, SharedStateError

if TYPE_CHECKING:
    from danelaw.policy import Hook, Library
    from danelaw.scripting.loading import LoadedPolicy
    from danelaw.scripting.running import Runner
    from danelaw.shared import SharedStore
    from danelaw.telemetry import Log

SPACE = "timers"
RUNNING = "running-timers"
LOOK_SECONDS = 1.0
"""How often it is looked what is due, and so the shortest sensible `every`."""
_SPARE_SECONDS = 30.0


class Timers:
    """The timers of the active policy, as one process sees them. `clock` gives POSIX seconds, `active` the policy."""

    def __init__(
        self,
        active: Callable[[], LoadedPolicy],
        runner: Runner,
        library: Library,
        shared: SharedStore,
        clock: Callable[[], float],
        log: Log,
    ) -> None:
        self._active = active
        self._runner = runner
        self._library = library
        self._clock = clock
        self._log = log
        self._last = shared.value(SPACE, mode=Mode.EXACT, kept=True)
        self._turn = shared.semaphore(RUNNING, limit=1)
        self._next: dict[tuple[str, str], float] = {}
        self._here: set[str] = set()

    async def keep(self) -> None:
        """Run what is due, until cancelled; runs under way are cancelled too."""
        async with asyncio.TaskGroup() as runs:
            while True:
                for policy, hook in self.due():
                    runs.create_task(self.run(policy, hook))
                await asyncio.sleep(LOOK_SECONDS)

    def due(self) -> list[tuple[LoadedPolicy, Hook]]:
        """What may be due as far as this process knows, and does not run here; each is then under way."""
        policy, now = self._active(), self._clock()
        found = []
        for hook in policy.at("timer"):
            if hook.name not in self._here and now >= self._next.get((policy.version, hook.name), 0.0):
                self._here.add(hook.name)
                found.append((policy, hook))
        return found

    async def run(self, policy: LoadedPolicy, hook: Hook) -> None:
        """Run a timer if it is due and no other process runs it. What goes wrong is logged and tried again."""
        try:
            self._next[policy.version, hook.name] = await self._in_turn(policy, hook)
        except SharedStateError as error:
            self._log.warning("timer-not-run", hook=hook.name, policy=policy.version, reason=error.reason)
            self._next[policy.version, hook.name] = self._clock() + 10 * LOOK_SECONDS
        except Exception as error:  # one timer must not end the others
            self._log.error("timer-not-run", hook=hook.name, reason=f"{type(error).__name__}: {error}")
            self._next[policy.version, hook.name] = self._clock() + 60 * LOOK_SECONDS
        finally:
            self._here.discard(hook.name)

    async def _in_turn(self, policy: LoadedPolicy, hook: Hook) -> float:
        """When to look at it again."""
        # A hook ends within its budget, and so before others take its place for dead.
        lease = (hook.seconds or self._runner.budget.seconds) + _SPARE_SECONDS
        held = await self._turn.acquire(hook.name, lease=lease)
        if held is None:
            return self._clock() + LOOK_SECONDS
        try:
            every = hook.every or LOOK_SECONDS
            now, last = self._clock(), _seconds(await self._last.get(hook.name))
            if last > now:
                last = 0.0  # a clock that was wrong
            due = last + every if last else now
            if now < due:
                return due
            await self._last.put(hook.name, now)
            context = TimerContext(
                now=now, policy=policy.version, library=self._library, name=hook.name, due=due, last=last
            )
            await self._runner.ask(policy, (hook,), context)
            return now + every
        finally:
            await held.release()


def _seconds(value: object) -> float:
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0.0

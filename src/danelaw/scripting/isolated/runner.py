"""Asking hooks in isolated workers: the same order, budgets, breakers and failure policies, in other processes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from danelaw.policy import Context, Hook, Verdict, wire
from danelaw.scripting.driving import in_task
from danelaw.scripting.isolated.confinement import Confinement
from danelaw.scripting.isolated.pool import Pool
from danelaw.scripting.isolated.process import FailedThere
from danelaw.scripting.loading import LoadedPolicy
from danelaw.scripting.running import Runner, Tally

_UNUSED = 300.0
"""Seconds after which the workers of a version that nobody asks for are ended."""


@dataclass(slots=True)
class IsolatedRunner(Runner):
    """A `Runner` whose hooks run in `workers` processes per version of the policy.

    `ended` is told of each worker that had to be killed, or died.
    """

    bounds: Confinement = field(default_factory=Confinement)
    workers: int = 4
    recycle_after: int = 10_000
    ended: Callable[[str], None] = lambda fault: None
    pools: dict[str, Pool] = field(default_factory=dict)

    async def _call(self, policy: LoadedPolicy, hook: Hook, context: Context, tally: Tally) -> Verdict | None:
        if hook.function is not runs_elsewhere:
            return await Runner._call(self, policy, hook, context, tally)
        await in_task()
        pool = self._pool(policy)
        async with asyncio.timeout(hook.seconds or self.budget.seconds):
            tally.pending += 1
            try:
                worker = await pool.take(hook.name)
            finally:
                tally.pending -= 1
            tally.running += 1
            try:
                answer = await worker.ask(hook, context, hook.cpu or self.budget.cpu)
            finally:
                tally.running -= 1
                pool.give_back(worker, hook.name)
        wire.carry_out(answer, context)
        return answer.verdict

    def _pool(self, policy: LoadedPolicy) -> Pool:
        pool = self.pools.get(policy.version)
        if pool is None:
            now = time.monotonic()
            for version in [version for version, one in self.pools.items() if now - one.used > _UNUSED]:
                self.pools.pop(version).close()
            pool = self.pools[policy.version] = Pool(
                policy.directory, policy.version, self.bounds, self.workers, self.recycle_after, self.ended
            )
        return pool

    def _in_words(self, policy: LoadedPolicy, hook: Hook, error: BaseException) -> str:
        if isinstance(error, FailedThere):
            return error.reason
        return Runner._in_words(self, policy, hook, error)

    def close(self) -> None:
        """End all workers."""
        while self.pools:
            self.pools.popitem()[1].close()


def runs_elsewhere(context: Context) -> Verdict | None:
    """Stands for the function of a hook whose code is not in this process."""
    raise RuntimeError("an isolated hook is asked by an IsolatedRunner")

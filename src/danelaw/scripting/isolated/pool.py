"""The workers of one version of a policy: so many processes, each with one hook at a time, replaced when they end."""

from __future__ import annotations

import asyncio
import socket
import subprocess
import time
from collections import Counter, deque
from collections.abc import Callable
from pathlib import Path

from danelaw.scripting.errors import HookFailed
from danelaw.scripting.isolated.confinement import Confinement
from danelaw.scripting.isolated.process import Worker, spawn
from danelaw.scripting.loading import LOAD_SECONDS

TICK = 0.02
"""Seconds between two looks at the clocks of workers that work: one is stopped at most two of them late."""
_PAUSE = 1.0
"""Seconds until it is tried again after a worker that could not begin."""
_REST = 0.5
"""Seconds between two starts while at least half of the workers are there."""
_LOOK_AT_MEMORY = 50
_REMEMBERED = 100
"""Calls that a hook must live through before it is forgotten that it has cost a worker."""


class Pool:
    """Workers for one policy. `recycle_after` calls a worker is replaced, and when it has grown to half its memory or
    used half its processor time. `ended` is told why one was killed that was not to end.
    """

    def __init__(
        self, directory: Path, version: str, bounds: Confinement, size: int, recycle_after: int,
        ended: Callable[[str], None] = lambda fault: None,
    ) -> None:  # fmt: skip
        self.used = time.monotonic()
        self.starts = 0
        self._where = (directory, version)
        self._bounds = bounds
        self._size = size
        self._recycle_after = recycle_after
        self._ended = ended
        self._workers: set[Worker] = set()
        self._idle: deque[Worker] = deque()
        self._turns: deque[tuple[asyncio.Future[Worker], str]] = deque()
        self._busy: Counter[str] = Counter()
        self._blame: Counter[str] = Counter()
        self._starting: Worker | None = None
        self._opening: dict[asyncio.Task[None], socket.socket] = {}
        self._dying: list[subprocess.Popen[bytes]] = []
        self._is_pausing = False
        self._not_before = 0.0
        self._refusal = ""
        self._seen: dict[Worker, tuple[int, float]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._is_closed = False

    @property
    def workers(self) -> int:
        """How many processes there are."""
        return len(self._workers)

    @property
    def pids(self) -> list[int]:
        """Their numbers."""
        return [one.process.pid for one in self._workers]

    async def take(self, hook: str) -> Worker:
        """A worker for one call of a hook. One hook never has more than half of them, so that others
        go on when it hangs.

        Raises `HookFailed` when none can be started.
        """
        self.used = time.monotonic()
        self._fill()
        if self._idle and self._may_have(hook):
            return self._idle_for(hook)
        if self._is_pausing and not any(one.is_ready for one in self._workers):
            raise HookFailed(self._refusal)
        turn: asyncio.Future[Worker] = asyncio.get_running_loop().create_future()
        self._turns.append((turn, hook))
        try:
            return await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                self.give_back(turn.result(), hook)
            raise

    def give_back(self, worker: Worker, hook: str) -> None:
        """A call has ended."""
        self._busy[hook] -= 1
        if worker.fault:
            self._blame[hook] = _REMEMBERED
        elif self._blame[hook]:
            self._blame[hook] -= 1
        if not worker.fault and self._is_worn(worker):
            self._retire(worker)
        elif worker.fault:
            self._discard(worker)
        else:
            self._idle.append(worker)
        self._fill()
        self._hand_out()

    def close(self) -> None:
        """End all workers now."""
        self._is_closed = True
        if self._timer is not None:
            self._timer.cancel()
        for task, line in self._opening.items():
            task.cancel()
            line.close()  # a task that has not begun would not
        for worker in tuple(self._workers):
            worker.kill("the gateway ends")
            self._dying.append(worker.process)
        self._workers.clear()
        self._idle.clear()
        for process in self._dying:
            process.wait()
        for turn, _ in self._turns:
            if not turn.done():
                turn.set_exception(HookFailed("the gateway ends"))
        self._turns.clear()

    # workers come and go

    def _fill(self) -> None:
        """Start what is missing, one at a time and not in a hurry: a start costs as much as hundreds of hooks."""
        if self._is_closed or self._starting is not None or len(self._workers) >= self._size or self._is_pausing:
            return
        now = time.monotonic()
        if now < self._not_before and 2 * len(self._workers) >= self._size:
            self._watch()
            return
        self._not_before = now + _REST
        try:
            process, line = spawn(*self._where, self._bounds)
        except OSError as error:
            self._could_not_begin(f"no process can be started: {error.strerror}")
            return
        self.starts += 1
        worker = self._starting = Worker(process, self._changed)
        self._workers.add(worker)
        task = asyncio.get_running_loop().create_task(self._open(worker, line))
        self._opening[task] = line
        task.add_done_callback(self._opening.pop)
        self._watch()

    async def _open(self, worker: Worker, line: socket.socket) -> None:
        line.setblocking(False)
        try:
            await asyncio.get_running_loop().create_unix_connection(lambda: worker, sock=line)
        except BaseException:
            line.close()
            raise

    def _changed(self, worker: Worker) -> None:
        if worker not in self._workers:
            return
        if worker is self._starting:
            self._starting = None
            if worker.fault:
                self._could_not_begin(worker.fault)
            else:
                self._refusal = ""
        if worker.fault:
            self._discard(worker)
        else:
            self._idle.append(worker)
        self._fill()
        self._hand_out()

    def _could_not_begin(self, fault: str) -> None:
        self._refusal = fault
        self._is_pausing = True
        asyncio.get_running_loop().call_later(_PAUSE, self._try_again)
        if not any(one.is_ready for one in self._workers):
            while self._turns:
                turn, _ = self._turns.popleft()
                if not turn.done():
                    turn.set_exception(HookFailed(fault))

    def _try_again(self) -> None:
        self._is_pausing = False
        if not self._is_closed and self._turns:
            self._fill()

    def _discard(self, worker: Worker) -> None:
        if worker in self._workers:
            self._workers.discard(worker)
            self._dying.append(worker.process)
            self._ended(worker.fault)
        if worker in self._idle:
            self._idle.remove(worker)
        self._seen.pop(worker, None)
        self._watch()

    def _retire(self, worker: Worker) -> None:
        self._workers.discard(worker)
        worker.kill("it has served its time")
        self._dying.append(worker.process)
        self._watch()

    def _is_worn(self, worker: Worker) -> bool:
        if worker.asked >= self._recycle_after:
            return True
        return worker.asked % _LOOK_AT_MEMORY == 0 and (
            worker.memory() > self._bounds.memory // 2 or worker.cpu_spent() > self._bounds.cpu / 2
        )

    def _may_have(self, hook: str) -> bool:
        """Whether a hook may take one more of the workers that idle.

        No hook has more than half of them. One that has cost workers lately has one at a time, and only while half of
        them are left for hooks that have not: what it breaks, and what replaces that, then costs the others little.
        """
        if self._size == 1:
            return True
        if not self._blame[hook]:
            return self._busy[hook] < self._size // 2
        blamed = sum(count for name, count in self._busy.items() if self._blame[name])
        ready = sum(worker.is_ready for worker in self._workers)
        return not self._busy[hook] and ready - blamed > max(1, self._size // 2)

    def _idle_for(self, hook: str) -> Worker:
        """One of the workers that idle; those that have given way are for hooks that cost workers, where it can be."""
        self._busy[hook] += 1
        wants_demoted = bool(self._blame[hook])
        worker = next((one for one in self._idle if one.is_demoted is wants_demoted), self._idle[0])
        self._idle.remove(worker)
        if wants_demoted:
            worker.demote()
        return worker

    def _hand_out(self) -> None:
        left: deque[tuple[asyncio.Future[Worker], str]] = deque()
        while self._turns and self._idle:
            turn, hook = self._turns.popleft()
            if turn.done():
                continue
            if self._may_have(hook):
                turn.set_result(self._idle_for(hook))
            else:
                left.append((turn, hook))
        self._turns.extendleft(reversed(left))

    # clocks

    def _watch(self) -> None:
        if self._timer is None and not self._is_closed:
            self._timer = asyncio.get_running_loop().call_later(TICK, self._look)

    def _look(self) -> None:
        """Stop who works too long, and bury the dead. Goes on while there is somebody to look at."""
        self._timer = None
        self._dying = [one for one in self._dying if one.poll() is None]
        for worker in tuple(self._workers):
            self._look_at(worker)
        self._fill()
        if self._dying or self._starting is not None or self._busy.total() > 0 or len(self._workers) < self._size:
            self._watch()

    def _look_at(self, worker: Worker) -> None:
        if not worker.is_ready:
            if time.monotonic() - worker.started > 3 * LOAD_SECONDS:
                worker.kill(f"the policy did not load within {3 * LOAD_SECONDS:.0f} seconds")
            return
        if not worker.works:
            return
        spent = worker.cpu_spent()
        spell, before = self._seen.get(worker, (0, 0.0))
        if spell != worker.works:
            self._seen[worker] = (worker.works, spent)
        elif spent - before >= worker.cpu:
            worker.kill(f"it worked for more than {worker.cpu:g} s without waiting")

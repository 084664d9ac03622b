"""Workers and their supervisor's part of shared state: real processes with real lines, and nothing else of a gateway.

The parent does what `danelaw.gateway.supervisor` does with shared state: it passes frames on, works through requests in
portions, and reaps. Each worker runs one coroutine with a `SharedStore` and tells what that gives.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import uvloop

from danelaw.gateway.children import Nursery
from danelaw.gateway.line import Line
from danelaw.gateway.shared_here import keep_flushing
from danelaw.gateway.shared_line import LineCarrier
from danelaw.gateway.shared_service import SharedService
from danelaw.gateway.switchboard import SUPERVISOR, Switchboard
from danelaw.shared import SharedStore, Store

Work: TypeAlias = Callable[[SharedStore, int], Awaitable[Any]]
"""What a worker does: its store and its number in, JSON out."""
_LONGEST_SECONDS = 120.0
_TICK_SECONDS = 0.25


@dataclass
class World:
    """What came of it: results by worker, the store afterwards, processor seconds of the parent, the longest time in
    which it did not get round to anything else.
    """

    store: Store
    results: dict[int, Any] = field(default_factory=dict)
    statuses: dict[int, int] = field(default_factory=dict)
    seconds: float = 0.0
    parent_seconds: float = 0.0
    longest_turn: float = 0.0


def run(workers: int, work: Work, *, kill: Callable[[World], int | None] = lambda world: None) -> World:
    """Run `work` in so many workers to its end. `kill` is asked in each turn which worker to kill now, if any."""
    switchboard = Switchboard({})
    nursery = Nursery(switchboard)
    world = World(Store())
    service = SharedService(world.store, time.monotonic)
    service.attach(switchboard)

    def told(sender: str, args: dict[str, Any]) -> None:
        world.results[int(sender.removeprefix("worker-"))] = args["result"]

    switchboard.services["result"] = told
    begun, cpu = time.monotonic(), time.process_time()
    for number in range(1, workers + 1):
        nursery.fork(f"worker-{number}", number, _worker(work, number))
    while nursery.children:
        due = time.monotonic() + _TICK_SECONDS
        nursery.wait(max(0.0, service.next_work(due) - time.monotonic()))
        turn = time.monotonic()
        service.work()
        for child, status in nursery.reap():
            world.statuses[child.serial] = status
            service.reaped(child.name)
        world.longest_turn = max(world.longest_turn, time.monotonic() - turn)
        victim = kill(world)
        if victim is not None or time.monotonic() - begun > _LONGEST_SECONDS:
            for child in nursery.children.values():
                if victim in (None, child.serial):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(child.pid, signal.SIGKILL)
    world.seconds = time.monotonic() - begun
    world.parent_seconds = time.process_time() - cpu
    return world


def _worker(work: Work, number: int) -> Callable[[Any], int]:
    async def main(end: Any) -> int:
        line = await Line.open(end, {}, lambda: None)
        shared = SharedStore(LineCarrier(line, time.monotonic))
        flushing = asyncio.get_running_loop().create_task(keep_flushing(shared))
        result = await work(shared, number)
        while not shared.settled:
            shared.flush()
            await asyncio.sleep(0.01)
        flushing.cancel()
        line.tell(SUPERVISOR, "result", result=result)
        await asyncio.sleep(0)
        line.close()
        await asyncio.sleep(0.05)
        return 0

    return lambda end: uvloop.run(main(end))

"""Shared state: operations per second, exact and leased, with one and three workers, and what they cost the supervisor.

    python bench/shared.py [--seconds 2] [--tasks 100] [--json FILE]

Each worker has so many tasks that call one after the other without a pause. Exactness is checked in every run: the sum
in the store must be what the workers counted, and a rate must not have allowed more than its limit. The supervisor is
the store's part of one (`shared_world`); `turn` is the longest time in which it did not get round to anything else.
Then what saving costs: the pause of the fork, and the child's time. Exit status 1 when a promise is broken.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from shared_world import World, run

from danelaw.gateway import shared_file
from danelaw.shared import Kind, Mode, Request, SharedStore, Space, Store, lines

LIMIT = 1_000_000_000
TIGHT = 20_000
Call = Callable[[], Awaitable[bool]]


def counters(mode: Mode, keys: int) -> Callable[[SharedStore, int], Callable[[int], Call]]:
    """Adds to a counter, its keys in turn."""

    def of(shared: SharedStore, number: int) -> Callable[[int], Call]:
        counter = shared.counter("c", mode=mode, keys=100_000)

        def task(place: int) -> Call:
            key = f"client-{place % keys}"

            async def call() -> bool:
                await counter.add(key, 1, expires=3600)
                return True

            return call

        return task

    return of


def rates(mode: Mode, limit: int) -> Callable[[SharedStore, int], Callable[[int], Call]]:
    """Takes from one key of a rate."""

    def of(shared: SharedStore, number: int) -> Callable[[int], Call]:
        rate = shared.rate("r", mode=mode, limit=limit, span=3600.0)

        async def call() -> bool:
            return bool(await rate.take("everybody"))

        return lambda place: call

    return of


def measure(name: str, workers: int, made: Any, seconds: float, tasks: int, limit: int | None = None) -> dict[str, Any]:
    """One run; gives its figures, `broken` among them."""

    async def work(shared: SharedStore, number: int) -> Any:
        task = made(shared, number)
        done = allowed = 0
        cpu, until = time.process_time(), time.monotonic() + seconds
        longest = 0.0

        async def keep_calling(call: Call) -> None:
            nonlocal done, allowed, longest
            before = time.monotonic()
            while before < until:
                allowed += await call()
                done += 1
                if done % 64 == 0:
                    await asyncio.sleep(0)  # leased calls never wait, and others want their turn
                now = time.monotonic()
                longest = max(longest, now - before)
                before = now

        await asyncio.gather(*(keep_calling(task(place)) for place in range(tasks)))
        return [done, allowed, time.process_time() - cpu, longest, shared.lost]

    world = run(workers, work)
    done, allowed, cpu, lost = (sum(one[place] for one in world.results.values()) for place in (0, 1, 2, 4))
    longest = max(one[3] for one in world.results.values())
    broken = allowed > limit if limit is not None else _sum(world) != done
    return {
        "run": name, "workers": workers, "per_second": round(done / seconds), "allowed": allowed,
        "worker_us": round(cpu / done * 1e6, 2), "supervisor_us": round(world.parent_seconds / done * 1e6, 2),
        "supervisor_share": round(world.parent_seconds / world.seconds, 3), "longest_call_ms": round(longest * 1e3, 1),
        "turn_ms": round(world.longest_turn * 1e3, 1), "lost": lost, "broken": broken or len(world.results) < workers,
    }  # fmt: skip


def _sum(world: World) -> int:
    shelf = world.store.shelves["c"]
    rows = [row for row in (shelf.peek(key) for key in shelf.names()) if row is not None]
    return sum(getattr(row, "total", 0) for row in rows)


def saving(keys: int) -> dict[str, Any]:
    """What it takes to save so many counters."""
    store = Store()
    store.declare(Space("c", Kind.COUNTER, keys=1_000_000), 0.0)
    for number in range(keys):
        store.perform("", Request(1, "add", "c", f"client-{number}", (number, 3600, False)), 0.0)
    with tempfile.TemporaryDirectory() as directory:
        began = time.perf_counter()
        shared_file.save(Path(directory), lines(store, 0.0, 1e9))
        seconds = time.perf_counter() - began
        octets = (Path(directory) / shared_file.FILE_NAME).stat().st_size
        began = time.perf_counter()
        loaded = shared_file.read(Path(directory), lambda: 1e9)
        loading = time.perf_counter() - began
    return {
        "keys": keys, "accounted": store.budget.used, "file": octets, "save_seconds": round(seconds, 3),
        "load_seconds": round(loading, 3), "broken": len(loaded.shelves["c"]) != keys,
    }  # fmt: skip


def main() -> int:
    """Run and print all."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--tasks", type=int, default=100)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    found = []
    for workers in (1, 3):
        for name, made, limit in (
            ("counter exact, 1 key", counters(Mode.EXACT, 1), None),
            ("counter leased, 1 key", counters(Mode.LEASED, 1), None),
            ("counter leased, 50 keys", counters(Mode.LEASED, 50), None),
            ("rate exact", rates(Mode.EXACT, LIMIT), LIMIT),
            ("rate leased", rates(Mode.LEASED, LIMIT), LIMIT),
            (f"rate leased, {TIGHT} allowed", rates(Mode.LEASED, TIGHT), TIGHT),
        ):
            figures = measure(name, workers, made, options.seconds, options.tasks, limit)
            found.append(figures)
            print(
                f"{name:28} {workers} workers  {figures['per_second']:>9,}/s  worker {figures['worker_us']:6.2f} µs  "
                f"supervisor {figures['supervisor_us']:6.3f} µs a call, {figures['supervisor_share']:4.0%} of a core  "
                f"longest call {figures['longest_call_ms']:6.1f} ms, turn {figures['turn_ms']:4.1f} ms"
                + ("  BROKEN" if figures["broken"] else ""),
                flush=True,
            )
    for keys in (1_000, 100_000):
        figures = saving(keys)
        found.append(figures)
        print(
            f"{keys} keys: {figures['accounted'] / keys:.0f} octets each, {figures['file'] / keys:.0f} in the file; "
            f"saved in {figures['save_seconds']} s, loaded in {figures['load_seconds']} s",
            flush=True,
        )
    if options.json:
        options.json.write_text(json.dumps(found, indent=1))
    return 1 if any(one["broken"] for one in found) else 0


if __name__ == "__main__":
    sys.exit(main())

"""Timers: one process runs each, when it is due, and a restart does not forget when that is."""

from __future__ import annotations

import asyncio
import dataclasses
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from tests.ends import gateway, run, until

from danelaw.policy import Library
from danelaw.scripting import GUARD, Budget, LoadedPolicy, Runner, load
from danelaw.scripting.timers import Timers
from danelaw.shared import SharedStore, StoreUnavailable
from danelaw.telemetry import Log
from danelaw.testing import FakeClock, FakeSharedStore

NOW = 1_800_000_000.0


@pytest.fixture(autouse=True)
def _guarded() -> Iterator[None]:
    with GUARD.installed():
        yield


class World:
    """Some workers over one store, all with one clock that tests move."""

    def __init__(self, tmp_path: Path, text: str) -> None:
        folder = tmp_path / "policy"
        folder.mkdir()
        (folder / "timed.py").write_text("from danelaw.policy import TimerContext, hook\n" + textwrap.dedent(text))
        self.policy = load(folder)
        self.now = NOW
        self.store: SharedStore = FakeSharedStore(lambda: self.now)
        self.log, self.sink = Log.in_memory()
        # The only part of a library that these scripts use is the log.
        library = {one.name: None for one in dataclasses.fields(Library)} | {"log": self}
        self.library = Library(**cast("dict[str, Any]", library))
        self.events: list[tuple[str, dict[str, Any]]] = []

    def event(self, text: str, **facts: Any) -> None:
        self.events.append((text, facts))

    def worker(self, policy: LoadedPolicy | None = None) -> Timers:
        runner = Runner(Budget(seconds=5, cpu=0.1), lambda called, context: self.log.error("failed", why=called.reason))
        return Timers(lambda: policy or self.policy, runner, self.library, self.store, lambda: self.now, self.log)

    async def pass_by(self, seconds: float, *workers: Timers) -> None:
        self.now += seconds
        cast("FakeSharedStore", self.store).look()
        await asyncio.gather(*(one.run(*due) for one in workers for due in one.due()))


HOURLY = """
    @hook.timer(every=3600)
    async def hourly(ctx: TimerContext) -> None:
        ctx.library.log.event(ctx.name, due=ctx.due, last=ctx.last, now=ctx.now)
"""


def test_of_many_workers_one_runs_a_timer_each_time_it_is_due(tmp_path: Path) -> None:
    async def play() -> None:
        world = World(tmp_path, HOURLY)
        workers = [world.worker() for _ in range(5)]
        await world.pass_by(0, *workers)
        assert world.events == [("hourly", {"due": NOW, "last": 0.0, "now": NOW})]
        await world.pass_by(3599, *workers)
        assert len(world.events) == 1
        await world.pass_by(2, *workers)
        assert world.events[1:] == [("hourly", {"due": NOW + 3600, "last": NOW, "now": NOW + 3601})]

    run(play())


def test_runs_that_were_missed_are_made_up_for_by_one_and_a_new_process_knows_the_last(tmp_path: Path) -> None:
    async def play() -> None:
        world = World(tmp_path, HOURLY)
        await world.pass_by(0, world.worker())
        await world.pass_by(600, world.worker())
        assert len(world.events) == 1
        later = world.worker()
        await world.pass_by(7 * 3600, later)
        await world.pass_by(1, later)
        assert [facts["now"] - NOW for _, facts in world.events] == [0, 600 + 7 * 3600]

    run(play())


def test_a_timer_never_overlaps_itself(tmp_path: Path) -> None:
    async def play() -> None:
        world = World(
            tmp_path,
            """
            import asyncio
            GO = asyncio.Event()

            @hook.timer(every=1)
            async def slow(ctx: TimerContext) -> None:
                ctx.library.log.event("began")
                await GO.wait()
                ctx.library.log.event("ended")
            """,
        )
        one, other = world.worker(), world.worker()
        ((policy, hook),) = one.due()
        running = asyncio.ensure_future(one.run(policy, hook))
        await until(lambda: world.events, "the first run")
        assert one.due() == []
        await world.pass_by(2, other)
        assert [text for text, _ in world.events] == ["began"]
        hook.function.__globals__["GO"].set()
        await running
        await world.pass_by(2, other)
        assert [text for text, _ in world.events] == ["began", "ended", "began", "ended"]

    run(play())


def test_one_that_fails_is_told_and_due_again_and_others_run(tmp_path: Path) -> None:
    async def play() -> None:
        world = World(
            tmp_path,
            """
            @hook.timer(every=60)
            def broken(ctx: TimerContext) -> None:
                raise ValueError("no such list")

            @hook.timer(every=60)
            def whole(ctx: TimerContext) -> None:
                ctx.library.log.event("whole")
            """,
        )
        worker = world.worker()
        await world.pass_by(0, worker)
        await world.pass_by(61, worker)
        assert [text for text, _ in world.events] == ["whole", "whole"]
        world.log.flush()
        assert len([line for line in world.sink.lines if "ValueError: no such list" in line]) == 2

    run(play())


def test_a_clock_that_was_years_ahead_does_not_stop_timers(tmp_path: Path) -> None:
    async def play() -> None:
        world = World(tmp_path, HOURLY)
        await world.store.value("timers", kept=True).put("hourly", NOW + 1e9)
        await world.pass_by(0, world.worker())
        assert len(world.events) == 1

    run(play())


def test_a_store_that_does_not_answer_is_logged_and_asked_again(tmp_path: Path) -> None:
    class Away:
        async def acquire(self, key: str, **more: Any) -> None:
            raise StoreUnavailable("shared state did not answer")

    async def play() -> None:
        world = World(tmp_path, HOURLY)
        worker = world.worker()
        present, worker._turn = worker._turn, cast("Any", Away())
        await world.pass_by(0, worker)
        world.log.flush()
        assert "timer-not-run" in world.sink.lines[0]
        worker._turn = present
        await world.pass_by(20, worker)
        assert len(world.events) == 1

    run(play())


def test_a_gateway_runs_timers_and_remembers_them_over_a_restart(tmp_path: Path) -> None:
    folder = tmp_path / "policy"
    folder.mkdir()
    (folder / "timed.py").write_text(
        "from danelaw.policy import TimerContext, hook\n\n\n@hook.timer(every=3600)\n"
        "def hourly(ctx: TimerContext) -> None:\n    ctx.library.log.event('went-off', last=ctx.last)\n"
    )
    clock = FakeClock(NOW)

    async def play() -> None:
        config = f'[policy]\ndirectory = "{folder}"\n'
        for hours, last in ((0, 0.0), (2, NOW)):
            clock.now = NOW + hours * 3600
            async with gateway(tmp_path, config, lambda: clock.now) as running:
                lines = await until(lambda: running.lines("policy"), "the timer")
                assert len(lines) == 1
                assert f"last={last:g}" in lines[0] or f"last={last}" in lines[0]
        async with gateway(tmp_path, config, lambda: clock.now) as running:
            timers = running.gateway.parts.workshop.shared.value("timers", kept=True)
            assert await timers.get("hourly") == NOW + 7200
            assert not running.lines("policy")

    run(play())

"""Shared state between the processes: lines, time limits, floods, portions, deaths, and the file."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from tests.ends import run

from danelaw.errors import DanelawError
from danelaw.gateway import shared_file, shared_line, shared_service
from danelaw.gateway.line import Line
from danelaw.gateway.shared_line import MOST_OPEN, LineCarrier
from danelaw.gateway.shared_operations import of_workers
from danelaw.gateway.shared_service import SharedService
from danelaw.gateway.switchboard import Switchboard
from danelaw.shared import BadRequest, Request, SharedStore, Store, StoreUnavailable, UnreadableSnapshot, lines
from danelaw.telemetry import Log
from danelaw.testing import FakeClock


class Hall:
    """A supervisor's side that does something only when told to, and the lines of workers to it."""

    def __init__(self) -> None:
        self.clock = FakeClock(1000.0)
        self.switchboard = Switchboard({})
        self.service = SharedService(Store(), self.clock)
        self.service.attach(self.switchboard)
        self.lines: list[Line] = []

    async def worker(self, name: str, seconds: float = 5.0) -> LineCarrier:
        """One more worker's end."""
        ours, theirs = socket.socketpair()
        self.switchboard.connect(name, ours)
        line = await Line.open(theirs, {}, lambda: None)
        self.lines.append(line)
        return LineCarrier(line, self.clock, seconds)

    async def hear(self) -> None:
        """Take in what workers said, without doing it."""
        for _ in range(5):
            await asyncio.sleep(0)
        for peer in tuple(self.switchboard.peers.values()):
            before = -1
            while peer.received != before:
                before = peer.received
                self.switchboard.receive(peer)

    async def turn(self) -> None:
        """One turn of the supervisor's loop; what it says arrives."""
        await self.hear()
        self.service.work()
        for peer in self.switchboard.peers.values():
            peer.flush()
        for _ in range(5):
            await asyncio.sleep(0)

    def close(self) -> None:
        for line in self.lines:
            line.close()
        for name in tuple(self.switchboard.peers):
            self.switchboard.disconnect(name)


@contextlib.asynccontextmanager
async def hall() -> AsyncIterator[Hall]:
    one = Hall()
    try:
        yield one
    finally:
        one.close()
        await asyncio.sleep(0)


async def finished(one: Hall, *tasks: asyncio.Task[Any]) -> None:
    async with asyncio.timeout(60):
        while not all(task.done() for task in tasks):
            await one.turn()


def test_twelve_thousand_adds_at_once_of_three_workers_give_each_its_own_number() -> None:
    async def play() -> None:
        async with hall() as one:
            carriers = [await one.worker(f"worker-{number}") for number in range(3)]
            counters = [SharedStore(carrier).counter("hits") for carrier in carriers]
            tasks = [asyncio.create_task(counter.add("k")) for counter in counters for _ in range(4000)]
            await finished(one, *tasks)
            assert sorted(task.result() for task in tasks) == list(range(1, 12_001))
            assert all(carrier.open == 0 for carrier in carriers)

    run(play())


def test_requests_of_one_turn_leave_in_one_frame_and_are_done_in_order() -> None:
    async def play() -> None:
        async with hall() as one:
            carrier = await one.worker("worker-1")
            shared = SharedStore(carrier)
            told: list[Any] = []
            first = asyncio.create_task(shared.value("v").put("k", 1))
            second = asyncio.create_task(shared.value("v").get("k"))
            service = one.switchboard.services["shared"]
            one.switchboard.services["shared"] = lambda sender, args: (told.append(args["rows"]), service(sender, args))
            await finished(one, first, second)
            assert [[row[1] for row in rows] for rows in told] == [["declare", "put", "read"]]
            assert second.result() == 1

    run(play())


def test_an_argument_of_another_form_is_refused_at_once_and_spoils_nothing_for_others() -> None:
    async def play() -> None:
        async with hall() as one:
            hits = SharedStore(await one.worker("worker-1")).counter("hits")
            good = asyncio.create_task(hits.add("k"))
            await asyncio.sleep(0)
            for key, by in ((b"octets", 1), ("k", 1.5), ("k", object()), ("x" * 300, 1)):
                with pytest.raises(BadRequest):
                    await hits.add(key, by)  # type: ignore[arg-type]
            await finished(one, good)
            assert good.result() == 1

    run(play())


def test_no_answer_in_time_is_an_error_and_a_lease_granted_late_goes_back() -> None:
    async def play() -> None:
        async with hall() as one:
            carrier = await one.worker("worker-1")
            shared = SharedStore(carrier)
            adding = asyncio.create_task(shared.counter("hits").add("k"))
            acquiring = asyncio.create_task(shared.semaphore("slots", limit=1).acquire("k"))
            async with asyncio.timeout(60):
                while one.service.waiting < 4:
                    await one.hear()
            one.clock.advance(5)
            carrier._sweep()
            for task in (adding, acquiring):
                with pytest.raises(StoreUnavailable, match="no answer within 5 s"):
                    await task
            assert carrier.late == 4  # the declarations are two more
            async with asyncio.timeout(60):
                while carrier.open or one.service.waiting:
                    await one.turn()
            assert one.service.store.perform("", Request(1, "held", "slots", "k"), one.clock()) == 0
            assert one.service.store.perform("", Request(1, "count", "hits", "k"), one.clock()) == 1

    run(play())


def test_who_waits_for_a_semaphore_may_wait_longer_than_the_time_limit() -> None:
    async def play() -> None:
        async with hall() as one:
            carrier, other = await one.worker("worker-1"), await one.worker("worker-2")
            mine = SharedStore(carrier).semaphore("slots", limit=1)
            theirs = SharedStore(other).semaphore("slots", limit=1)
            first = asyncio.create_task(mine.acquire("k", lease=300))
            await finished(one, first)
            octets = one.service.store.shelves["slots"].octets
            second = asyncio.create_task(theirs.acquire("k", wait=60))
            async with asyncio.timeout(60):
                while not one.service.store.shelves["slots"].octets > octets:
                    await one.turn()
            one.clock.advance(50)
            other._sweep()
            assert not second.done()
            one.service.reaped("worker-1")
            await finished(one, second)
            assert second.result() is not None

    run(play())


def test_a_worker_without_its_supervisor_hears_so_at_once() -> None:
    async def play() -> None:
        async with hall() as one:
            carrier = await one.worker("worker-1")
            hits = SharedStore(carrier).counter("hits")
            open_ = asyncio.create_task(hits.add("k"))
            await asyncio.sleep(0)
            carrier.cut_off()
            for task in (open_, asyncio.create_task(hits.add("k"))):
                with pytest.raises(StoreUnavailable, match="supervisor is gone"):
                    await task

    run(play())


def test_a_flood_waits_in_the_worker_and_is_done_in_portions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_line, "_MOST_WAITING", 6000)

    async def play() -> None:
        async with hall() as one:
            flooding, other = await one.worker("worker-1"), await one.worker("worker-2")
            hits = SharedStore(flooding).counter("hits")
            flood = [asyncio.create_task(hits.add("k")) for _ in range(20_000)]
            async with asyncio.timeout(60):
                while one.service.waiting < MOST_OPEN:
                    await one.hear()
            refused = [task for task in flood if task.done()]
            assert len(refused) == 20_000 + 1 - 6000  # the declaration is one more
            assert all(isinstance(task.exception(), StoreUnavailable) for task in refused)
            assert one.service.waiting == MOST_OPEN
            late = asyncio.create_task(SharedStore(other).counter("hits").add("k"))
            before = one.service.store.shelves["hits"].operations if one.service.store.shelves else 0
            await finished(one, late)
            assert one.service.store.shelves["hits"].operations - before < MOST_OPEN
            await finished(one, *flood)

    run(play())


def test_a_worker_that_says_more_than_allowed_is_refused_and_not_waited_for() -> None:
    service = SharedService(Store(), FakeClock())
    switchboard = Switchboard({})
    service.attach(switchboard)
    hear = switchboard.services["shared"]
    ours, theirs = socket.socketpair()
    with ours, theirs:
        switchboard.connect("worker-1", ours)
        for start in range(0, 2 * MOST_OPEN, 512):
            hear("worker-1", {"rows": [[start + number, "count", "x", "k"] for number in range(1, 513)]})
        assert service.waiting == MOST_OPEN
        with pytest.raises(DanelawError):
            hear("worker-1", {"rows": [[1, "count", "x", "k"]] * 513})
        with pytest.raises(DanelawError):
            hear("worker-1", {"rows": "count"})
        service.reaped("worker-1")
        assert service.waiting == 0


def test_a_turn_is_over_after_some_milliseconds(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock here moves with every look at it, as if each operation took two milliseconds."""
    clock = FakeClock()
    service = SharedService(Store(), lambda: clock.advance(0.001))
    switchboard = Switchboard({})
    service.attach(switchboard)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        switchboard.connect("worker-1", ours)
        switchboard.services["shared"]("worker-1", {"rows": [[number, "count", "x", "k"] for number in range(1, 500)]})
        before = service.waiting
        service.work()
        assert before - 10 < service.waiting < before
        assert service.next_work(1e12) == 0.0


def test_a_worker_that_does_not_read_is_not_worked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared_service, "_MOST_UNREAD", 10_000)
    service = SharedService(Store(), FakeClock())
    switchboard = Switchboard({})
    service.attach(switchboard)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4096)
        peer = switchboard.connect("worker-1", ours)
        for start in range(0, 3000, 500):
            rows = [[start + number, "count", "x" * 40, "k"] for number in range(1, 501)]
            switchboard.services["shared"]("worker-1", {"rows": rows})
        for _ in range(100):
            service.work()
        assert service.waiting > 0
        assert len(peer.out) < 100_000
        assert service.next_work(7.0) == 7.0


def test_what_makes_no_sense_and_what_breaks_ends_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    service = SharedService(Store(), FakeClock())
    switchboard = Switchboard({})
    service.attach(switchboard)
    ours, theirs = socket.socketpair()
    with ours, theirs:
        switchboard.connect("worker-1", ours)

        def broken(*args: Any) -> Any:
            raise RuntimeError("a defect")

        monkeypatch.setattr(service.store, "perform", broken)
        switchboard.services["shared"]("worker-1", {"rows": [None, ["x"], [1, 2, 3, 4], [7, "count", "x", "k"]]})
        service.work()
        assert b"internal error: RuntimeError: a defect" in theirs.recv(65536)


def test_all_is_handed_on_with_what_waits_in_line() -> None:
    clock = FakeClock()
    service = SharedService(Store(), clock)
    service.attach(Switchboard({}))
    switchboard = service._switchboard
    assert switchboard is not None
    switchboard.services["shared"]("worker-1", {"rows": [[1, "declare", "c", "", {"name": "c", "kind": "counter"}]]})
    state = service.state()
    following = SharedService(Store(), clock)
    following.attach(Switchboard({}))
    following.restore(state)
    assert following.waiting == 1


# the file


def test_the_file_is_whole_before_it_has_its_name_and_private(tmp_path: Path) -> None:
    log, sink = Log.in_memory()
    store = Store()
    store.perform("", Request(1, "declare", "c", "", ({"name": "c", "kind": "counter"},)), 0.0)
    store.perform("", Request(1, "add", "c", "k", (3, None, False)), 0.0)

    def torn() -> Any:
        yield b"half of it"
        raise OSError(28, "No space left on device")

    shared_file.save(tmp_path, lines(store, 0.0, 1e9))
    with pytest.raises(OSError, match="No space"):
        shared_file.save(tmp_path, torn())
    assert [path.name for path in tmp_path.iterdir()] == ["shared-state"]
    assert os.stat(tmp_path / "shared-state").st_mode & 0o777 == 0o600
    (tmp_path / "shared-state.new-1").touch()
    shared_file.sweep(tmp_path)
    loaded = shared_file.load(tmp_path, 1 << 20, log)
    assert loaded.perform("", Request(1, "count", "c", "k"), 0.0) == 3
    log.flush()
    assert [line for line in sink.lines if "shared-state" in line and "keys=1" in line]
    assert [path.name for path in tmp_path.iterdir()] == ["shared-state"]


@pytest.mark.parametrize("octets", [b"", b"\n", b"garbage", b"{}", b"x" * (9 << 20)])
def test_a_file_that_is_none_is_set_aside_and_said(tmp_path: Path, octets: bytes) -> None:
    log, sink = Log.in_memory()
    (tmp_path / "shared-state").write_bytes(octets)
    store = shared_file.load(tmp_path, 1 << 20, log)
    assert not store.shelves
    log.flush()
    assert [line for line in sink.lines if "shared-state-damaged" in line]
    (aside,) = tmp_path.iterdir()
    assert aside.name.startswith("shared-state.damaged-")
    aside.rename(tmp_path / "shared-state")
    with pytest.raises(UnreadableSnapshot):
        shared_file.read(tmp_path, lambda: 1e9)


# answers of several workers


def test_a_cache_need_not_be_in_every_worker() -> None:
    absent = DanelawError("there is no cache lists")
    assert of_workers("clear", [absent, {"name": "lists", "cleared": 2}, {"name": "lists", "cleared": 1}]) == {
        "name": "lists",
        "cleared": 3,
    }
    with pytest.raises(DanelawError, match="no cache lists"):
        of_workers("show", [absent, absent])
    with pytest.raises(DanelawError, match="no worker"):
        of_workers("list", [])

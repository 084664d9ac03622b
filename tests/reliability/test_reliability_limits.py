"""Limits over two real workers, as a next hop sees them: never exceeded, used to the full, whatever dies."""

from __future__ import annotations

import asyncio
import os
import signal
from collections import Counter
from pathlib import Path

import pytest
from tests.ends import Client, Sink, patience, run, until
from workers_running import Served, served, settings

pytestmark = pytest.mark.timeout(120)
BODY = b"Subject: x\r\n\r\nx\r\n"


def hosts(sink: Sink, count: int) -> str:
    """So many domains, each with a queue and an address of its own, all of them the sink in truth."""
    routes = "".join(f'[[route]]\ndomain = "d{n}.test"\nnext_hop = "[127.1.0.{n}]"\n' for n in range(1, count + 1))
    dial = "".join(f'"127.1.0.{n}:25" = "127.0.0.1:{sink.port}"\n' for n in range(1, count + 1))
    return f"{routes}[lab.routes]\n{dial}"


def connections(count: int) -> str:
    """A limit for all of them together."""
    return f'[[limit]]\nname = "near"\nremote = ["127.1.0.0/16"]\nconnections = {count}\nadaptive = false\n'


class Busy:
    """Counts transactions at the sink; each lasts until `gate` is open, or a moment."""

    def __init__(self, seconds: float = 0.02) -> None:
        self.now: Counter[int] = Counter()
        self.most = 0
        self.begun: list[float] = []
        self.seconds = seconds
        self.gate = asyncio.Event()
        self.gate.set()

    async def answer(self, verb: str, line: str, connection: int) -> str | None:
        if verb == "MAIL":
            self.now[connection] = 1
            self.most = max(self.most, sum(self.now.values()))
            self.begun.append(asyncio.get_running_loop().time())
        if verb == "DOT":
            await asyncio.sleep(self.seconds)
            await self.gate.wait()
            self.now[connection] = 0
        return None


async def feed(one: Served, clients: int, each: int, domains: int = 4) -> None:
    """Mail over so many connections at once."""

    async def client(place: int) -> None:
        async with await Client.connect(one.address) as made:
            await made.greeted()
            for number in range(each):
                await made.message(BODY, f"u{place}-{number}@d{number % domains + 1}.test")

    await asyncio.gather(*(client(place) for place in range(clients)))


def test_three_connections_are_never_four_and_serve_whichever_worker_has_the_mail(tmp_path: Path) -> None:
    async def play() -> None:
        busy = Busy()
        async with Sink(busy.answer) as sink, served(settings(tmp_path, connections(3) + hosts(sink, 4))) as one:
            busy.gate.clear()
            await feed(one, 1, 60)  # one client: one worker has all of it
            await until(lambda: sum(busy.now.values()) == 3, "three transactions")
            busy.gate.set()
            await sink.messages(60)
            assert busy.most == 3
            await feed(one, 8, 15)
            await sink.messages(180)
            assert busy.most == 3
            assert len(await one.workers()) == 2
            # A connection that was closed a moment ago may still be on its way out.
            await until(lambda: len(sink.open) <= 3, "idle connections within the limit")
            await one.stop()
        assert len(sink.taken) == 180

    run(play())


def test_one_connection_is_enough_for_two_workers(tmp_path: Path) -> None:
    async def play() -> None:
        busy = Busy(0.005)
        async with Sink(busy.answer) as sink, served(settings(tmp_path, connections(1) + hosts(sink, 4))) as one:
            await feed(one, 6, 10)
            await sink.messages(60)
            assert busy.most == 1
            await one.stop()

    run(play())


def test_a_rate_holds_over_two_workers_and_is_used(tmp_path: Path) -> None:
    async def play() -> None:
        busy = Busy(0.0)
        limit = '[[limit]]\nname = "slow"\ndomain = ["*"]\nrate = "10/5s"\n'
        async with Sink(busy.answer) as sink, served(settings(tmp_path, limit + hosts(sink, 4))) as one:
            await feed(one, 4, 6)
            await sink.messages(24)
            await one.stop()
        # A second is what the way to the sink may differ by on a busy machine; tests/simulation has it to the tick.
        assert all(late - early >= 4.0 for early, late in zip(busy.begun, busy.begun[10:], strict=False))
        assert 23 / (busy.begun[-1] - busy.begun[0]) >= 0.5 * 10 / 5

    run(play())


def test_a_worker_that_is_killed_leaves_its_permits_to_the_others(tmp_path: Path) -> None:
    async def play() -> None:
        busy = Busy()
        async with Sink(busy.answer) as sink, served(settings(tmp_path, connections(2) + hosts(sink, 4))) as one:
            busy.gate.clear()
            await feed(one, 4, 4)
            await until(lambda: sum(busy.now.values()) == 2, "two transactions")
            for worker in await one.workers():
                os.kill(worker["pid"], signal.SIGKILL)
            busy.gate.set()
            await until(lambda: one.counted("worker-died") == 2, "both deaths")
            # With the permits of the dead lost, nothing more would go.
            await until(lambda: len({item.recipients[0] for item in sink.taken}) == 16, "all mail", 40)
            await one.stop()

    run(play())


def test_a_new_supervisor_waits_for_the_workers_of_a_killed_one(tmp_path: Path) -> None:
    async def play() -> None:
        busy = Busy()
        async with Sink(busy.answer) as sink:
            config = settings(tmp_path, connections(1) + hosts(sink, 4))
            async with served(config) as one:
                busy.gate.clear()
                await feed(one, 1, 1)
                await until(lambda: sum(busy.now.values()) == 1, "the transaction")
                one.process.send_signal(signal.SIGKILL)
                await one.process.wait()
                async with served(config) as two:
                    await two.send("second@d2.test")
                    await until(lambda: two.counted("received") == 2, "the second message")
                    async with asyncio.timeout(patience()):  # it is on disk a moment before its queue is looked at
                        while not (found := await two.ask("queue.suspensions"))["waiting"]:
                            await asyncio.sleep(0.05)
                    assert [item["queue"] for item in found["waiting"]] == ["[127.1.0.2]"]
                    assert len(busy.begun) == 1
                    busy.gate.set()
                    await sink.messages(2)
                    assert busy.most == 1
                    await two.stop()

    run(play())


def test_other_code_in_the_same_process_knows_the_permits(tmp_path: Path) -> None:
    async def play() -> None:
        busy = Busy()
        async with Sink(busy.answer) as sink, served(settings(tmp_path, connections(1) + hosts(sink, 4))) as one:
            busy.gate.clear()
            await feed(one, 1, 1)
            await until(lambda: sum(busy.now.values()) == 1, "the transaction")
            await one.signalled(signal.SIGUSR2, "replaced")
            await one.send("second@d2.test")
            await until(lambda: one.counted("received") == 2, "the second message")
            assert len(busy.begun) == 1
            busy.gate.set()
            await sink.messages(2)
            assert busy.most == 1
            await one.stop()

    run(play())


def test_other_limits_after_a_reload_count_what_is_under_way(tmp_path: Path) -> None:
    async def play() -> None:
        busy = Busy()
        async with Sink(busy.answer) as sink:
            config = settings(tmp_path, connections(3) + hosts(sink, 4))
            async with served(config) as one:
                busy.gate.clear()
                await feed(one, 1, 8)
                await until(lambda: sum(busy.now.values()) == 3, "three transactions")
                config.write_text(config.read_text().replace("connections = 3", "connections = 1"))
                before = {worker["pid"] for worker in await one.workers()}
                reloaded = asyncio.ensure_future(one.signalled(signal.SIGHUP, "reloaded"))
                while not {worker["pid"] for worker in await one.workers()} - before:
                    await asyncio.sleep(0.05)
                await feed(one, 4, 4)
                assert len(busy.begun) == 3, "the three of the old workers are more than the one that is allowed now"
                busy.gate.set()
                await until(lambda: sum(busy.now.values()) <= 1, "the end of the three")
                busy.most = 0
                await reloaded
                await until(lambda: len({item.recipients[0] for item in sink.taken}) >= 16, "all mail", 40)
                assert busy.most == 1
                await one.stop()

    run(play())

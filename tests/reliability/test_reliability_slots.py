"""`[delivery] connections` over real workers, as next hops see them: never exceeded, and used wherever the mail is."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest
from test_reliability_limits import BODY, Busy, feed, hosts
from tests.ends import Client, Sink, run, until
from workers_running import Served, served, settings

pytestmark = pytest.mark.timeout(120)
SLOTS = 20
DOMAINS = 24


def delivery(sink: Sink, slots: int = SLOTS) -> str:
    """So many deliveries at once, to any of the domains."""
    return f"[delivery]\nconnections = {slots}\nconnections_per_destination = {slots}\n{hosts(sink, DOMAINS)}"


async def one_has_it_all(one: Served, busy: Busy, sink: Sink, messages: int) -> None:
    """One client, so one worker and one shard, with mail for everywhere; until nearly all slots are taken by it."""
    busy.most = 0
    before = len(sink.taken)
    busy.gate.clear()
    async with await Client.connect(one.address) as client:
        await client.greeted()
        for number in range(messages):
            await client.message(BODY, f"u{number}@d{number % DOMAINS + 1}.test")
    await until(lambda: sum(busy.now.values()) >= 0.95 * SLOTS, "nearly all slots in use", 40)
    busy.gate.set()
    await sink.messages(before + messages)
    assert busy.most <= SLOTS


@pytest.mark.parametrize("workers", [2, 3])
def test_whichever_worker_has_the_mail_has_the_slots_and_they_are_never_more(tmp_path: Path, workers: int) -> None:
    async def play() -> None:
        busy = Busy()
        async with (
            Sink(busy.answer) as sink,
            served(settings(tmp_path, delivery(sink), workers=workers)) as one,
        ):
            for _ in range(3):  # the kernel gives the next client to any worker
                await one_has_it_all(one, busy, sink, 40)
            await feed(one, 6, 15, DOMAINS)
            await sink.messages(120 + 90)
            assert busy.most <= SLOTS
            await one.stop()

    run(play())


@pytest.mark.parametrize("most", [1, 8])
def test_one_destination_is_given_what_it_may_have_and_no_more_by_all_workers_together(
    tmp_path: Path, most: int
) -> None:
    async def play() -> None:
        busy = Busy(0.005)
        async with Sink(busy.answer) as sink:
            each = delivery(sink, 100).replace("per_destination = 100", f"per_destination = {most}")
            async with served(settings(tmp_path, each)) as one:
                busy.gate.clear()
                await feed(one, 1, 40, domains=1)
                await until(lambda: sum(busy.now.values()) >= min(most, 4), "deliveries to it")
                busy.gate.set()
                await sink.messages(40)
                assert busy.most <= most
                await feed(one, 6, 10, domains=1)
                await sink.messages(100)
                assert busy.most <= most
                await one.stop()

    run(play())


def test_two_slots_serve_three_workers_in_turns(tmp_path: Path) -> None:
    async def play() -> None:
        busy = Busy(0.005)
        async with Sink(busy.answer) as sink, served(settings(tmp_path, delivery(sink, 2), workers=3)) as one:
            busy.gate.clear()
            await feed(one, 9, 1, DOMAINS)
            await until(lambda: sum(busy.now.values()) == 2, "two transactions")
            busy.gate.set()
            await feed(one, 9, 9, DOMAINS)
            await sink.messages(90)
            assert busy.most == 2
            await one.stop()

    run(play())


def test_slots_of_a_killed_worker_return_and_other_numbers_hold_after_a_reload(tmp_path: Path) -> None:
    async def play() -> None:
        busy = Busy()
        async with Sink(busy.answer) as sink:
            config = settings(tmp_path, delivery(sink))
            async with served(config) as one:
                busy.gate.clear()
                await feed(one, 4, 15, DOMAINS)
                await until(lambda: sum(busy.now.values()) == SLOTS, "all slots")
                for worker in await one.workers():
                    os.kill(worker["pid"], signal.SIGKILL)
                await until(lambda: one.counted("worker-died") == 2, "both deaths")
                busy.gate.set()
                await until(lambda: len({item.recipients[0] for item in sink.taken}) == 60, "all mail", 40)
                config.write_text(config.read_text().replace(f"connections = {SLOTS}\n", "connections = 3\n"))
                await one.signalled(signal.SIGHUP, "reloaded")
                await until(lambda: not sum(busy.now.values()), "the end of what was under way")
                busy.most = 0
                busy.gate.clear()
                await feed(one, 4, 5, DOMAINS)
                await until(lambda: sum(busy.now.values()) >= 3, "all slots again")
                busy.gate.set()
                await until(lambda: len(sink.taken) >= 80, "the mail after the reload", 40)
                assert busy.most == 3
                await one.stop()

    run(play())


def test_other_code_in_the_same_process_knows_who_has_slots(tmp_path: Path) -> None:
    async def play() -> None:
        busy = Busy()
        async with Sink(busy.answer) as sink, served(settings(tmp_path, delivery(sink, 2))) as one:
            busy.gate.clear()
            await feed(one, 4, 2, DOMAINS)
            await until(lambda: sum(busy.now.values()) == 2, "two transactions")
            await one.signalled(signal.SIGUSR2, "replaced")
            await feed(one, 2, 2, DOMAINS)
            assert sum(busy.now.values()) == 2
            busy.gate.set()
            await until(lambda: len(sink.taken) >= 12, "all mail", 40)
            assert busy.most == 2
            await one.stop()

    run(play())

"""Slots over the shards of one process, and over lines to a supervisor."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from test_gateway_lines import PLAIN, exchange
from tests.ends import run, until

from danelaw.errors import DanelawError
from danelaw.gateway.line import LineError
from danelaw.gateway.slots import DirectSlots, LineSlots, Most, SlotHolder, SlotService, Use, Word, decoded
from danelaw.gateway.switchboard import SUPERVISOR
from danelaw.queue import HostVerdict, QueuedMessage, QueuedRecipient, RoutingKey, Scheduler, SchedulerSettings, Work
from fuzz.gateway_slots import test_one_input as fuzz_slots

TOTAL = 20
MOST = Most(TOTAL, 8)


class Shard:
    """A scheduler with mail for many domains, and what of it is under way."""

    def __init__(self, number: int) -> None:
        self.scheduler = Scheduler(SchedulerSettings(slots=0, total=TOTAL, share=1.0, first_window=20))
        self.holder = SlotHolder(number, self.scheduler, MOST, self.pump, lambda: 1.0)
        self.under_way: list[Work] = []

    def mail(self, count: int, domains: int = 50) -> None:
        for number in range(count):
            key = RoutingKey(f"d{number % domains}.example")
            recipient = QueuedRecipient(0, f"u@{key.next_hop}", key, due=0.0)
            message = QueuedMessage(number, 0.0, 1e6, "a@b.example", (recipient,), 100)
            assert self.scheduler.admit(message, 100)
            self.scheduler.arrived(message, b"x", 100, 0.0, claimed=True)

    def pump(self) -> None:
        self.under_way += self.scheduler.next_work(1.0)

    def finish(self) -> None:
        for work in self.under_way:
            self.scheduler.finished(work, HostVerdict.GOOD, 1.0)
        self.under_way = []


def test_one_shard_of_one_process_has_all_slots_at_once() -> None:
    slots, shard = DirectSlots(MOST, lambda: 1.0), Shard(0)
    slots.join(shard.holder)
    assert shard.scheduler.settings.slots == TOTAL


def test_shards_of_one_process_have_slots_by_their_mail_and_one_that_is_let_go_leaves_them() -> None:
    slots, one, two = DirectSlots(MOST, lambda: 1.0), Shard(0), Shard(1)
    slots.join(one.holder)
    slots.join(two.holder)
    one.mail(100)
    slots.look()
    assert len(one.under_way) >= 19
    two.mail(100)
    for _ in range(3):
        slots.look()
    assert len(two.under_way) + len(one.under_way) <= TOTAL  # nothing of the first has ended
    one.finish()
    slots.look()
    one.pump()
    assert (len(one.under_way), len(two.under_way)) == (10, 10)
    one.holder.end()
    one.finish()
    one.pump()
    slots.look()
    assert (len(one.under_way), len(two.under_way)) == (0, 20)
    slots.leave(0)
    assert two.scheduler.settings.slots == TOTAL


def test_deliveries_to_one_destination_are_divided_too_and_nobody_is_left_without_one() -> None:
    slots, one, two = DirectSlots(MOST, lambda: 1.0), Shard(0), Shard(1)
    slots.join(one.holder)
    slots.join(two.holder)
    one.mail(60, domains=1)
    for _ in range(2):
        slots.look()
    assert len(one.under_way) == 7  # of eight, with one for whoever begins
    two.mail(60, domains=1)
    two.pump()
    for _ in range(3):
        slots.look()
    assert len(two.under_way) == 1  # nothing of the seven has ended
    one.finish()
    slots.look()
    one.pump()
    assert (len(one.under_way), len(two.under_way)) == (4, 4)
    one.holder.end()
    one.finish()
    for _ in range(2):
        slots.look()
    assert len(two.under_way) == 7
    slots.leave(0)
    assert len(two.under_way) == 8


def test_fewer_deliveries_to_one_destination_than_shards_go_by_turns() -> None:
    now = [1.0]
    slots, shards = DirectSlots(Most(TOTAL, 1), lambda: now[0]), [Shard(number) for number in range(3)]
    for shard in shards:
        slots.join(shard.holder)
        shard.mail(10, domains=1)
    done = [0, 0, 0]
    for _ in range(60):
        now[0] += 0.1
        slots.look()
        assert sum(len(shard.under_way) for shard in shards) <= 1
        for number, shard in enumerate(shards):
            done[number] += len(shard.under_way)
            shard.finish()
        for shard in shards:
            shard.pump()
    assert done == [10, 10, 10]


def test_slots_go_from_worker_to_worker_and_those_of_a_dead_one_come_back() -> None:
    async def play() -> None:
        async with exchange() as made:
            service = SlotService(MOST, lambda: 1.0)
            service.attach(made.board)
            one, two = Shard(0), Shard(1)
            first, second = [LineSlots(await made.line(f"worker-{number}")) for number in (1, 2)]
            first.join(one.holder)
            second.join(two.holder)
            await until(lambda: two.scheduler.settings.slots and one.scheduler.settings.slots, "shares")
            one.mail(100)
            first.look()
            await until(lambda: len(one.under_way) >= 19, "nearly all")
            two.mail(100)
            second.look()
            await until(lambda: one.scheduler.settings.slots == 10, "the smaller share")
            assert len(one.under_way) + len(two.under_way) <= TOTAL
            one.finish()
            first.look()
            await until(lambda: len(two.under_way) == 10, "half of them")
            second.leave(1)  # let go
            await until(lambda: one.scheduler.settings.slots == TOTAL, "all of them")
            second.join(Shard(2).holder)
            await until(lambda: len(service.ledger.parties()) == 2, "another shard of the same worker")
            made.board.disconnect("worker-1")  # a broken line frees nothing
            assert len(service.ledger.parties()) == 2
            service.reaped("worker-1")
            assert [party.worker for party in service.ledger.parties()] == ["worker-2"]

    run(play())


def test_nothing_is_said_while_demand_stays_as_it_is() -> None:
    async def play() -> None:
        async with exchange() as made:
            heard: list[Any] = []
            made.board.services["slots"] = lambda sender, args: heard.append(args)
            slots, shard = LineSlots(await made.line("worker-1")), Shard(0)
            slots.join(shard.holder)
            for _ in range(5):
                slots.look()
            shard.mail(3)
            for _ in range(5):
                slots.look()
            await until(lambda: len(heard) == 2, "two frames")
            await asyncio.sleep(0)
            assert [one["uses"] for one in heard] == [
                [[0, [0, 0, 0], [0, 0, 0], False]],
                [[0, [0, 0, 0], [0, 8, 0], False]],
            ]

    run(play())


WORDS = st.builds(Word, *[st.integers(0, 99)] * 3)


@given(st.lists(st.builds(Use, st.integers(0, 99), WORDS, WORDS, st.booleans()), max_size=5))
def test_what_workers_say_comes_out_as_it_went_in(uses: list[Use]) -> None:
    assert decoded(json.loads(json.dumps(uses))) == uses


@given(PLAIN | st.lists(st.lists(PLAIN | st.just([1, 2, 3]), min_size=4, max_size=4), max_size=2))
def test_anything_else_is_refused(value: Any) -> None:
    fuzz_slots(json.dumps(value).encode())


@pytest.mark.parametrize(
    "uses",
    [None, [1], [[]], [[0, [0, 0, 0], [0, 0, 0]]], [[0, [0, 0, -1], [0, 0, 0], False]],
     [[0, [0, 0, 0], [0, 1 << 50, 0], False]], [[True, [0, 0, 0], [0, 0, 0], False]], [[0, [0, 0], [0, 0, 0], False]],
     [[0, [0, 0, 0], [0, 0, 0], 0]], [[0, [0, 0, 0], [0, 0, 0], False]] * 1001],
)  # fmt: skip
def test_nonsense_is_refused_and_changes_nothing(uses: Any) -> None:
    async def play() -> None:
        async with exchange() as made:
            service = SlotService(MOST, lambda: 1.0)
            service.attach(made.board)
            with pytest.raises(DanelawError):
                decoded(uses)
            line = await made.line("worker-1")
            with pytest.raises(LineError):
                await line.ask(SUPERVISOR, "slots", {"uses": uses})
            assert service.ledger.parties() == ()

    run(play())

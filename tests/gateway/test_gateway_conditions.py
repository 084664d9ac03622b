"""What one shard learned about a destination, told to all: sense in, sense out, and everybody keeps to the same."""

from __future__ import annotations

import asyncio
import json
import socket
from collections.abc import Callable
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danelaw.errors import DanelawError
from danelaw.gateway.conditions import (
    MOST,
    SLOWED,
    SUSPENDED,
    Condition,
    Conditions,
    ConditionService,
    SharedConditions,
    decoded,
)
from danelaw.gateway.frames import FrameReader
from danelaw.gateway.shards import Shard
from danelaw.gateway.switchboard import Switchboard
from danelaw.outbound.slowing import Slowing
from danelaw.outbound.suspending import Suspending
from danelaw.queue import RoutingKey, Scheduler
from danelaw.queue.gate import Gate
from danelaw.queue.limits import Limits
from danelaw.queue.suspensions import decode
from danelaw.replies import Action, Response
from danelaw.spool import Spool
from danelaw.telemetry import Log
from fuzz.gateway_conditions import test_one_input as fuzz_one

NOW = 1_795_000_000.0
KEY = RoutingKey("d1.test")
TEXTS = st.text(max_size=20)
TIMES = st.floats(0, 1e11)
CONDITIONS = st.builds(Condition, st.sampled_from((SUSPENDED, SLOWED)), TEXTS, TIMES, TEXTS, TEXTS, TIMES, TIMES)


@given(st.lists(CONDITIONS, max_size=5))
def test_conditions_come_out_as_they_went_in(told: list[Condition]) -> None:
    assert decoded(json.loads(json.dumps(told))) == told


@given(st.binary(max_size=80))
def test_whatever_is_said_is_sense_or_an_error(data: bytes) -> None:
    fuzz_one(data)


@pytest.mark.parametrize(
    "value",
    [None, {}, [1], [["suspended"]], [["x", "a", 1, "", "", 0, 0]], [["slowed", "a", "1", "", "", 0, 0]],
     [["slowed", "a" * 3000, 1, "", "", 0, 0]], [["slowed", "a", True, "", "", 0, 0]],
     [["slowed", "a", 1e300, "", "", 0, 0]]],
)  # fmt: skip
def test_nonsense_is_refused(value: Any) -> None:
    with pytest.raises(DanelawError):
        decoded(value)
    fuzz_one(json.dumps(value).encode())


def test_of_too_many_those_that_end_first_are_forgotten() -> None:
    known = Conditions()
    for number in range(MOST + 10):
        known.learn(Condition(SUSPENDED, f"host:h{number}", NOW + 1 + number), NOW)
    assert [one.until for one in known.in_force(NOW)] == [NOW + 1 + number for number in range(10, MOST + 10)]


class Desk:
    """The supervisor and its workers' ends of the lines."""

    def __init__(self) -> None:
        self.board = Switchboard({})
        self.service = ConditionService(self.board, lambda: NOW)
        self.ends: dict[str, socket.socket] = {}
        for name in ("worker-1", "worker-2", "control"):
            ours, theirs = socket.socketpair()
            theirs.setblocking(False)
            self.board.connect(name, ours)
            self.ends[name] = theirs

    def heard(self, name: str) -> list[Any]:
        try:
            data = self.ends[name].recv(1 << 16)
        except BlockingIOError:
            return []
        return [message["args"]["told"] for message in FrameReader().receive(data)]

    def close(self) -> None:
        for name, end in self.ends.items():
            self.board.disconnect(name)
            end.close()


def test_the_supervisor_passes_on_to_other_workers_and_remembers_for_later_ones() -> None:
    desk = Desk()
    serve = desk.board.services["conditions"]
    one = Condition(SUSPENDED, "host:a", NOW + 60, "421", "rule 1")
    serve("worker-1", {"told": [one, Condition(SLOWED, "host:b", NOW - 1)]})
    assert [len(told) for told in desk.heard("worker-2")] == [2]
    assert desk.heard("worker-1") == desk.heard("control") == []
    assert serve("worker-3", {}) == [one]
    serve("worker-2", {"told": [one._replace(until=0.0)]})
    [ended] = serve("worker-3", {})
    assert ended == one._replace(until=-NOW), "who starts with an older word of it must learn that it was ended"
    with pytest.raises(DanelawError):
        serve("worker-1", {"told": "x"})
    desk.close()


class Memory:
    """The settings of a shard."""

    def __init__(self) -> None:
        self.settings: dict[str, bytes] = {}

    def setting(self, name: str) -> bytes | None:
        return self.settings.get(name)

    def save_setting(self, name: str, value: bytes) -> None:
        self.settings[name] = value


class Engine:
    """The part of an engine that conditions meet, made of the real things."""

    def __init__(self, clock: Callable[[], float], under_way: int) -> None:
        self.memory, self.woken = Memory(), 0
        gate = Gate(Limits(), clock, clock, lambda host: "")
        self.scheduler = Scheduler(gate=gate)
        spool, log = cast("Spool", self.memory), Log.in_memory()[0]

        def wake() -> None:
            self.woken += 1

        self.suspending = Suspending(gate, spool, log, clock=clock, woken=wake)
        self.slowing = Slowing(self.scheduler, spool, log, clock=clock, under_way=lambda: [KEY] * under_way, woken=wake)


def shards(count: int, clock: Callable[[], float], tell: Any) -> tuple[SharedConditions, list[Shard]]:
    shared = SharedConditions(clock, tell)
    made = [Shard(n, cast("Spool", None), cast("Any", Engine(clock, 4 * n)), cast("Any", None)) for n in range(count)]
    for shard in made:
        shared.attach(shard)
    return shared, made


def suspending(shard: Shard) -> Suspending:
    found = shard.engine.suspending
    assert found is not None
    return found


SLOWER = Response("rule 1", (), Action.SLOW_DOWN, of="domain", time=600.0, factor=0.5, floor=0.1)


def test_what_one_shard_suspends_all_do_and_so_does_one_that_comes_later() -> None:
    now, told = [NOW], cast("list[Condition]", [])
    shared, (one, other) = shards(2, lambda: now[0], told.extend)
    suspending(one).suspend_by_reply('host:"d1.test"', 60, "421", "rule 1")
    assert told == [Condition(SUSPENDED, 'host:"d1.test"', NOW + 60, "421", "rule 1")]
    third = Shard(2, cast("Spool", None), cast("Any", Engine(lambda: now[0], 0)), cast("Any", None))
    shared.attach(third)
    for shard in (other, third):
        [found] = suspending(shard).listed()
        assert (found["filter"], found["until"]) == ('host:"d1.test"', NOW + 60)
        stored = cast("Engine", shard.engine).memory.settings["suspensions"]
        assert [kept.until for kept in decode(stored, NOW)] == [NOW + 60]
    suspending(other).resume("", "anna")
    assert told[-1].until == 0
    assert all(not suspending(shard).listed() for shard in (one, other, third))
    assert cast("Engine", one.engine).woken == 1


def test_another_worker_s_word_is_kept_and_not_said_again() -> None:
    told: list[Condition] = []
    shared, [one] = shards(1, lambda: NOW, told.extend)
    row = [SUSPENDED, "host:a", NOW + 60, "421", "rule 1", 0, 0]
    shared.hear("supervisor", {"told": [row]})
    shared.hear("supervisor", {"told": [[SUSPENDED, "host:a", NOW + 30, "421", "rule 1", 0, 0]]})
    assert [found["until"] for found in suspending(one).listed()] == [NOW + 60]
    shared.hear("supervisor", {"told": [[SUSPENDED, "no filter:", NOW + 60, "", "", 0, 0]]})
    assert len(suspending(one).listed()) == 1
    assert told == []


def test_what_a_shard_kept_over_a_restart_is_told_to_the_others() -> None:
    told: list[Condition] = []
    shared, [one] = shards(1, lambda: NOW, told.extend)
    engine = Engine(lambda: NOW, 0)
    engine.suspending.suspend("host:a", 60, "T-1", "anna")
    shared.attach(Shard(1, cast("Spool", None), cast("Any", engine), cast("Any", None)))
    assert [condition.text for condition in told] == ["host:a"]
    assert len(suspending(one).listed()) == 1


def test_a_shard_that_was_nobodys_when_a_suspension_was_ended_does_not_bring_it_back() -> None:
    shared, [one] = shards(1, lambda: NOW, lambda told: None)
    suspending(one).suspend("host:a", 60, "T-1", "anna")
    suspending(one).resume("", "anna")
    left = Engine(lambda: NOW, 0)
    left.suspending.suspend("host:a", 60, "T-1", "anna")
    shared.attach(Shard(1, cast("Spool", None), cast("Any", left), cast("Any", None)))
    assert left.suspending.listed() == suspending(one).listed() == []


def test_an_end_by_command_is_forgotten_after_a_day() -> None:
    known = Conditions()
    known.learn(Condition(SUSPENDED, "host:a", 0.0), NOW)
    assert [one.until for one in known.ended(NOW + 86399)] == [-NOW]
    assert known.ended(NOW + 86401) == known.in_force(NOW) == []


def test_a_slow_down_leaves_every_shard_the_same_share_of_its_own() -> None:
    now, told = [NOW], cast("list[Condition]", [])
    _, made = shards(3, lambda: now[0], told.extend)
    made[1].engine.slowing.slow_by_reply(SLOWER, "", KEY, "421")
    brakes = [shard.engine.scheduler.brakes for shard in made]
    assert [[one.share for one in brake.in_force(NOW)] for brake in brakes] == [[0.5]] * 3
    assert [one.full for brake in brakes for one in brake.in_force(NOW)] == [1.0, 4.0, 8.0]
    made[2].engine.slowing.slow_by_reply(SLOWER, "", KEY, "421")
    assert [one.share for brake in brakes for one in brake.in_force(NOW)] == [0.25] * 3
    made[0].engine.slowing.resume("", "anna")
    assert not any(brake.in_force(NOW) for brake in brakes)
    assert [round(condition.until) > 0 for condition in told] == [True, True, False]


def test_two_shards_that_hear_the_same_complaint_do_not_multiply_it() -> None:
    shared, [one] = shards(1, lambda: NOW, lambda told: None)
    one.engine.slowing.slow_by_reply(SLOWER, "", KEY, "421")
    shared.hear("supervisor", {"told": [[SLOWED, 'host:"d1.test"', NOW + 600, "421", "rule 1", 0.5, NOW]]})
    assert [found.share for found in one.engine.scheduler.brakes.in_force(NOW)] == [0.5]


def test_a_shard_that_is_let_go_hears_no_more() -> None:
    async def play() -> None:
        shared, (one, other) = shards(2, lambda: NOW, lambda told: None)
        shared.detach(other)
        shared.detach(other)
        suspending(one).suspend("host:a", 60, "", "anna")
        assert suspending(other).listed() == []

    asyncio.run(play())

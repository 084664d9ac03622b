"""Between the processes: frames, lines, the switchboard, permits, the board in shared memory, the shared sockets."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import json
import os
import socket
import threading
import time
import types
from collections.abc import AsyncIterator, Generator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.ends import configured, run, until

from danelaw.config import load
from danelaw.errors import DanelawError
from danelaw.gateway.acceptor import Acceptor
from danelaw.gateway.board import Board, InHand
from danelaw.gateway.frames import LONGEST, FrameError, FrameReader, encode
from danelaw.gateway.line import Line, LineError
from danelaw.gateway.listeners import Listeners, handed
from danelaw.gateway.permit_line import LinePermits, PermitService, decoded, encoded
from danelaw.gateway.switchboard import SUPERVISOR, Switchboard
from danelaw.inbound import ledger
from danelaw.queue.asking import Ask, Drop, Give, Grant, Heard, Recall, Waits
from danelaw.queue.permits import Ceiling, PermitKey
from danelaw.spool import SpoolLocked
from danelaw.spool.database import DATABASE_NAME
from danelaw.spool.shards import is_free, lock_spool
from danelaw.telemetry import Metrics, Sums, snapshot
from fuzz.gateway_frames import test_one_input as fuzz_one
from fuzz.gateway_permits import test_one_input as fuzz_permits

PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
MESSAGES = st.dictionaries(st.sampled_from(("to", "op", "result", "from")), PLAIN, max_size=4)


# frames


@given(st.lists(MESSAGES, max_size=4), st.data())
def test_messages_come_out_as_they_went_in_whatever_the_pieces(messages: list[dict[str, Any]], data: Any) -> None:
    octets = b"".join(encode(message) for message in messages)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(octets)), max_size=6)))
    reader, found = FrameReader(), []
    for start, end in zip([0, *cuts], [*cuts, len(octets)], strict=True):
        found += reader.receive(octets[start:end])
    assert found == messages


@given(st.binary(max_size=200))
def test_any_octets_are_messages_or_an_error(octets: bytes) -> None:
    fuzz_one(octets)


@given(MESSAGES, st.integers(0, 30), st.integers(0, 255))
def test_a_changed_octet_is_a_message_or_an_error(message: dict[str, Any], place: int, value: int) -> None:
    octets = bytearray(encode(message))
    octets[place % len(octets)] = value
    fuzz_one(bytes(octets))


@pytest.mark.parametrize("body", [b"[1]", b"{", b'{"id":[]}', b'{"re":true}', b'{"args":1}', b"\xff", b"[" * 5000])
def test_what_is_no_message_is_refused(body: bytes) -> None:
    with pytest.raises(FrameError):
        FrameReader().receive(len(body).to_bytes(4, "big") + body)


def test_a_frame_that_claims_too_much_is_refused_before_it_has_come() -> None:
    with pytest.raises(FrameError):
        FrameReader().receive((LONGEST + 1).to_bytes(4, "big"))


# lines and the switchboard


class Exchange:
    """A switchboard run by a thread, as the supervisor runs it, with lines to it on this event loop."""

    def __init__(self) -> None:
        self.board = Switchboard({"double": lambda sender, args: [sender, 2 * args["number"]], "bad": _bad})
        self.lock = threading.Lock()
        self.ends: dict[str, socket.socket] = {}
        self.stop = False

    async def line(self, name: str, handlers: dict[str, Any] | None = None, lost: Any = lambda: None) -> Line:
        ours, theirs = socket.socketpair()
        with self.lock:
            self.board.connect(name, ours)
        return await Line.open(theirs, handlers or {}, lost)

    async def pump(self) -> None:
        """What the supervisor's loop does, in turns of this one."""
        while not self.stop:
            for peer in tuple(self.board.peers.values()):
                peer.flush()
                self.board.receive(peer)
                if peer.broken:
                    self.board.disconnect(peer.name)
            await asyncio.sleep(0)


def _bad(sender: str, args: dict[str, Any]) -> None:
    raise ValueError("a defect")


@contextlib.asynccontextmanager
async def exchange() -> AsyncIterator[Exchange]:
    made = Exchange()
    task = asyncio.ensure_future(made.pump())
    try:
        yield made
    finally:
        made.stop = True
        await task
        for name in tuple(made.board.peers):
            made.board.disconnect(name)
        await asyncio.sleep(0.01)
        gc.collect()


def test_processes_ask_each_other_and_the_supervisor_by_name() -> None:
    async def play() -> None:
        async with exchange() as made:
            told = asyncio.Event()

            async def add(sender: str, args: dict[str, Any]) -> str:
                await asyncio.sleep(0)
                return f"{sender} says {args['what']}"

            one = await made.line("worker-1")
            await made.line("worker-2", {"add": add, "hear": lambda sender, args: told.set()})
            made.board.alias["other"] = "worker-2"
            assert await one.ask("worker-2", "add", {"what": "ä\ud800"}) == "worker-1 says ä\ud800"
            assert await one.ask("other", "add", {"what": 1}) == "worker-1 says 1"
            assert await one.ask(SUPERVISOR, "double", {"number": 21}) == ["worker-1", 42]
            one.tell("worker-2", "hear")
            await asyncio.wait_for(told.wait(), 5)

    run(play())


@pytest.mark.parametrize(
    ("to", "op", "words"),
    [
        ("worker-9", "add", "no process worker-9"),
        (SUPERVISOR, "nothing", "knows no operation"),
        (SUPERVISOR, "bad", "a defect"),
        ("worker-2", "nothing", "knows no operation"),
        ("worker-2", "broken", "ZeroDivisionError"),
        ("worker-2", "refused", "not today"),
    ],
)
def test_what_cannot_be_answered_comes_as_an_error(to: str, op: str, words: str) -> None:
    def refused(sender: str, args: dict[str, Any]) -> None:
        raise DanelawError("not today", advice="tomorrow")

    async def play() -> None:
        async with exchange() as made:
            one = await made.line("worker-1")
            await made.line("worker-2", {"broken": lambda sender, args: 1 / 0, "refused": refused})
            with pytest.raises(LineError, match=words) as said:
                await one.ask(to, op)
            assert said.value.sender == (to if to in made.board.peers else SUPERVISOR)

    run(play())


def test_who_waits_for_a_process_that_dies_hears_so() -> None:
    async def play() -> None:
        async with exchange() as made:
            asked = asyncio.Event()

            async def never(sender: str, args: dict[str, Any]) -> None:
                asked.set()
                await asyncio.Event().wait()

            one = await made.line("worker-1")
            await made.line("worker-2", {"never": never})
            question = asyncio.ensure_future(one.ask("worker-2", "never"))
            await asyncio.wait_for(asked.wait(), 5)
            made.board.disconnect("worker-2")
            with pytest.raises(LineError, match="ended before it answered") as gone:
                await question
            assert gone.value.sender == SUPERVISOR

    run(play())


def test_a_process_that_speaks_no_frames_loses_its_line_and_nobody_else() -> None:
    async def play() -> None:
        async with exchange() as made:
            ours, theirs = socket.socketpair()
            peer = made.board.connect("worker-1", ours)
            theirs.sendall(b"\xff\xff\xff\xffGET / HTTP/1.1")
            await until(lambda: peer.broken, "the break")
            theirs.close()
            two = await made.line("worker-2")
            assert await two.ask(SUPERVISOR, "double", {"number": 1}) == ["worker-2", 2]

    run(play())


def test_the_end_of_the_supervisor_is_told_once() -> None:
    async def play() -> None:
        async with exchange() as made:
            lost: list[int] = []
            one = await made.line("worker-1", lost=lambda: lost.append(1))
            made.board.disconnect("worker-1")
            await until(lambda: lost, "the end")
            with pytest.raises(LineError, match="gone"):
                await one.ask(SUPERVISOR, "double", {"number": 1})
            one.close()
            assert lost == [1]

    run(play())


# permits


class Asker:
    """Stands for a gate: hears news and keeps what it is granted."""

    def __init__(self, permits: LinePermits) -> None:
        self.permits = permits
        self.number = permits.join(self)  # type: ignore[arg-type]
        self.news: list[Any] = []

    def ask(self, serial: int, *rules: str, wait: bool = True) -> None:
        name = (self.number, serial)
        self.permits.say(Ask(name, name, tuple(PermitKey(rule, "use") for rule in rules), (), wait=wait))

    def hear(self, news: Any) -> None:
        self.news.append(news)

    def granted(self, serial: int) -> int:
        return next((one.number for one in self.news if isinstance(one, Grant) and one.name[1] == serial), 0)

    def refused(self, serial: int) -> bool:
        return any(isinstance(one, Waits) and one.name[1] == serial for one in self.news)


def test_permits_are_exclusive_across_workers_and_those_of_a_dead_one_come_back() -> None:
    async def play() -> None:
        async with exchange() as made:
            service = PermitService(lambda key: Ceiling(1), lambda: 1.0)
            service.attach(made.board)
            took: list[float] = []
            one, two = [
                Asker(LinePermits(await made.line(f"worker-{n}"), lambda: 1.0, took.append)) for n in (1, 2)
            ]  # fmt: skip
            one.ask(1, "a", "b")
            one.ask(2, "c")
            one.ask(3, "b", wait=False)
            await until(lambda: one.granted(1) and one.granted(2) and one.refused(3), "three answers")
            two.ask(4, "a")
            two.ask(5, "c")
            await until(lambda: two.refused(4) and two.refused(5), "both in line")
            await until(lambda: sum(isinstance(one, Recall) for one in one.news) == 2, "both called back")
            one.permits.say(Give(one.granted(1)))
            await until(lambda: two.granted(4), "the first permit")
            assert not two.granted(5)
            made.board.disconnect("worker-1")  # a broken line frees nothing
            assert service.broker.held == 2
            service.reaped("worker-1")
            await until(lambda: two.granted(5), "the second permit")
            assert len(took) == 5

    run(play())


def test_nothing_is_granted_while_workers_of_a_killed_supervisor_are_at_work(tmp_path: Path) -> None:
    (tmp_path / "shard-00").mkdir()
    (tmp_path / "shard-00" / DATABASE_NAME).touch()
    stranger = lock_spool(tmp_path / "shard-00")
    service = PermitService(lambda key: Ceiling(1), lambda: 1.0)
    service.await_strangers(tmp_path)
    ask = Ask((1, 1), (1, 1), (PermitKey("a", "use"),), ())
    service.broker.hear("worker-1", [ask], 1.0)
    service.look(())
    assert service.broker.held == 0
    os.close(stranger)
    service.look()  # only a whole turn of the supervisor looks
    assert service.broker.held == 0
    service.look(())
    assert service.broker.held == 1


NAMES = st.tuples(st.integers(0, 9), st.integers(0, 9))
KEYS = st.lists(
    st.builds(PermitKey, st.text(max_size=5), st.text(max_size=5), st.lists(st.text(max_size=5)).map(tuple)),
    max_size=3, unique=True,
).map(tuple)  # fmt: skip
SAID = st.one_of(
    st.builds(Ask, NAMES, NAMES, KEYS, KEYS, st.integers(1, 99), st.booleans()),
    st.builds(Drop, NAMES), st.builds(Give, st.integers(), st.none() | st.booleans()),
    st.builds(Heard, st.integers(), st.booleans()), st.builds(Recall, st.integers(), st.integers()),
    st.builds(Grant, NAMES, st.integers(), st.floats(0, 9), st.floats(0, 9), st.booleans(), st.booleans()),
    st.builds(Waits, NAMES, st.just(PermitKey("a")), st.integers(), st.none() | st.floats(0, 9)),
)  # fmt: skip


@given(SAID)
def test_what_is_said_about_permits_comes_out_as_it_went_in(word: Any) -> None:
    assert decoded(json.loads(json.dumps(encoded(word)))) == word


@given(PLAIN | st.lists(st.sampled_from(["ask", "drop", "give", "heard"]) | PLAIN, max_size=7))
def test_anything_else_about_permits_is_refused(value: Any) -> None:
    fuzz_permits(json.dumps(value).encode())


@pytest.mark.parametrize(
    "words",
    [None, [["forget", []]], [["ask"]], [1], [["__init__", []]], [["recall", 1, 1]],
     [["ask", [1, 1], [1, 1], [["a", "use", []]] * 2, [], 1, True]], [["ask", [1, 1], [1, 1], [], [], 10**9, True]]],
)  # fmt: skip
def test_nonsense_about_permits_is_refused_and_changes_nothing(words: Any) -> None:
    async def play() -> None:
        async with exchange() as made:
            service = PermitService(lambda key: Ceiling(1), lambda: 1.0)
            service.attach(made.board)
            line = await made.line("worker-1")
            with pytest.raises(LineError):
                await line.ask(SUPERVISOR, "permits", {"words": words})
            assert (service.broker.held, service.broker.waiting) == (0, 0)

    run(play())


def test_a_frame_that_has_come_in_part_is_read_on_by_the_program_that_follows() -> None:
    octets = encode({"op": "a"}) + encode({"op": "b"})
    first = FrameReader()
    assert first.receive(octets[:-3]) == [{"op": "a"}]
    assert FrameReader(first.begun).receive(octets[-3:]) == [{"op": "b"}]


# the board


def test_every_process_sees_what_a_worker_writes_into_its_row() -> None:
    board = Board(4)
    board.clear(2, 100.0)
    pid = os.fork()
    if pid == 0:
        seat = board.seat(2)
        seat.beat(123.5)
        seat.load(7)
        seat.accepting(True)
        seat.hold((1 << 55) - 1)
        os._exit(0)
    os.waitpid(pid, 0)
    assert (board.beat(2), board.load(2), board.message(2)) == (123.5, 7, (1 << 55) - 1)
    assert (board.beat(1), board.load(1), board.message(1)) == (0.0, 0, 0)
    assert board.total_load() == 7


def test_workers_count_a_client_together_and_forget_what_a_dead_one_held() -> None:
    board, ceiling = Board(4), ledger.Ceiling(8, 3600)
    own, now = board.ledger(0), time.monotonic_ns()
    row = own.row("192.0.2.1", now)
    pid = os.fork()
    if pid == 0:
        other = board.ledger(2)
        taken = [other.take(other.row("192.0.2.1", now), ledger.MESSAGES, ceiling, now) for _ in range(3)]
        other.opened(row)
        os._exit(0 if taken == [True, True, False] else 1)
    assert os.waitpid(pid, 0)[1] == 0
    assert not own.take(row, ledger.MESSAGES, ceiling, now)
    assert own.opened(row) == 2
    board.clear(2, 100.0)
    assert own.open(row) == 1


def test_the_least_load_is_that_of_workers_that_accept_and_live() -> None:
    board = Board(4)
    assert board.least_load(100.0) == 0
    for number, (clients, beat, accepting) in enumerate(
        ((5, 100.0, True), (9, 100.0, True), (1, 90.0, True), (0, 100.0, False))
    ):
        seat = board.seat(number)
        seat.load(clients)
        seat.beat(beat)
        seat.accepting(accepting)
    assert board.least_load(100.0) == 5


def test_a_message_is_in_hand_only_while_its_own_code_runs() -> None:
    seen: list[tuple[str, int]] = []
    hand = [0]

    @types.coroutine
    def pause() -> Generator[Any, Any, Any]:
        return (yield "pausing")

    async def work() -> str:
        seen.append(("begins", hand[0]))
        given = await pause()
        seen.append((given, hand[0]))
        try:
            await pause()
        except KeyError:
            seen.append(("caught", hand[0]))
        return "done"

    def show(message: int) -> None:
        hand[0] = message

    steps = InHand(work(), 42, show).__await__()
    assert next(steps) == "pausing"
    assert hand[0] == 0
    steps.send("goes on")
    assert hand[0] == 0
    with pytest.raises(StopIteration, match="done"):
        steps.throw(KeyError())
    assert hand[0] == 0
    assert seen == [("begins", 42), ("goes on", 42), ("caught", 42)]


# sockets


def test_listening_sockets_are_kept_over_a_change_and_only_new_ones_bound(tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir()
    first = load(configured(tmp_path))
    both = load(configured(tmp_path, '[[listen]]\naddress = "[::1]:0"\n'))
    one = Listeners().fit(first)
    two = one.fit(both)
    try:
        assert two.mail(first.listen[0].address) is one.mail(first.listen[0].address)
        assert len(two.addresses(both)) == 2
        with pytest.raises(DanelawError, match="cannot listen"):
            two.fit(load(configured(tmp_path, replace={"127.0.0.1:0": "192.0.2.1:25"})))
        back = two.fit(first)
        two.close_others(back)
        assert [item.fileno() >= 0 for item in two.sockets.values()] == [True, False, True]
    finally:
        two.close_others(Listeners())


def test_sockets_handed_on_are_the_same_sockets(tmp_path: Path) -> None:
    (tmp_path / "spool").mkdir()
    config = load(configured(tmp_path))
    one = Listeners().fit(config)
    numbers = {name: os.dup(number) for name, number in one.hand_on().items()}
    environment = {"LISTEN_PID": "1", "LISTEN_FDS": "2"}  # meant for another process
    two = handed(config, numbers, environment)
    try:
        assert two.addresses(config) == one.addresses(config)
        assert environment == {}
    finally:
        one.close_others(Listeners())
        two.close_others(Listeners())


def test_connections_wait_until_the_worker_may_accept_and_come_one_by_one() -> None:
    async def play() -> None:
        loop = asyncio.get_running_loop()
        listening = socket.create_server(("127.0.0.1", 0))
        made: list[asyncio.Protocol] = []
        allowed = 0

        class Count(asyncio.Protocol):
            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                made.append(self)
                transport.close()

        acceptor = Acceptor(listening, Count, lambda: len(made) + acceptor.arriving < allowed)
        clients = [socket.create_connection(listening.getsockname()) for _ in range(3)]
        await asyncio.sleep(0.05)
        assert made == []
        allowed = 2
        await until(lambda: len(made) == 2, "two connections")
        await asyncio.sleep(0.05)
        assert len(made) == 2
        allowed = 9
        await until(lambda: len(made) == 3, "the third")
        acceptor.close()
        acceptor.close()
        await acceptor.settled()
        late = await loop.run_in_executor(None, socket.create_connection, listening.getsockname())
        await asyncio.sleep(0.02)
        assert len(made) == 3  # it waits for another worker
        for one in (*clients, late, listening):
            one.close()

    run(play())


# the spool as a whole


def test_a_spool_has_one_gateway_and_a_shard_one_process(tmp_path: Path) -> None:
    lock = lock_spool(tmp_path)
    with pytest.raises(SpoolLocked, match=str(os.getpid())):
        lock_spool(tmp_path)
    os.close(lock)
    os.close(lock_spool(tmp_path))
    assert is_free(tmp_path, 0)
    (tmp_path / "shard-00").mkdir()
    shard = lock_spool(tmp_path / "shard-00")
    assert not is_free(tmp_path, 0)
    os.close(shard)
    assert is_free(tmp_path, 0)


# numbers


def test_counters_never_fall_when_a_process_goes_and_gauges_do() -> None:
    sums = Sums()
    for name, count, oldest in (("worker-1", 3, 5.0), ("worker-2", 4, 9.0)):
        metrics = Metrics()
        metrics.inbound_messages.add(by=count)
        metrics.inbound_open.set(float(count))
        metrics.queue_oldest.set(oldest)
        metrics.spool_commit_seconds.observe(0.02)
        sums.update(name, snapshot(metrics))
    total = sums.total()
    assert dict(total.inbound_messages.samples()) == {(): 7}
    assert dict(total.inbound_open.samples()) == {(): 7.0}
    assert dict(total.queue_oldest.samples()) == {(): 9.0}
    assert total.spool_commit_seconds.buckets()[-1] == ("+Inf", 2.0)
    sums.forget("worker-2")
    sums.forget("worker-2")
    total = sums.total()
    assert dict(total.inbound_messages.samples()) == {(): 7}
    assert dict(total.inbound_open.samples()) == {(): 3.0}
    assert total.spool_commit_seconds.buckets()[-1] == ("+Inf", 2.0)
    assert b"danelaw_inbound_messages_total 7" in total.to_openmetrics()

"""One message may go on as several: each with its own envelope and content, all on the disk before the one 250."""

from __future__ import annotations

import socket
import sqlite3
import struct
import threading
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from tests.ends import PATIENCE, Running, Sink, Taken, gateway, run, until

from danelaw.address import ForwardPath, ReversePath
from danelaw.inbound.arrival import MOST_COPIES, Arrival, Content, Discard, Hold, Refuse, Ruling, TooManyCopies
from danelaw.inbound.resuming import stored_arrival
from danelaw.inbound.steps import Stage, Step, Steps
from danelaw.queue import QueuedMessage, QueuedRecipient, RecipientState, RoutingKey
from danelaw.smtp import Recipient, Reply
from danelaw.spool import BodyWriter

SMALL = b"Subject: x\r\nFrom: a@sender.test\r\n\r\nbody\r\n"
LARGE = SMALL + (b"x" * 76 + b"\r\n") * 3000
BODIES = pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])
Rules = Callable[[Arrival], Awaitable[Ruling | None]]


class Splitting(Step):
    """Does what a test wants with each message it is asked about."""

    stages = Stage.MESSAGE
    for_trusted = True

    def __init__(self, rules: Rules, name: str = "splitting") -> None:
        self.rules = rules
        self.name = name
        self.asked: list[list[str]] = []

    async def message(self, arrival: Arrival) -> Ruling | None:
        self.asked.append([one.forward_path.mailbox.to_text() for one in arrival.recipients])
        return await self.rules(arrival)


async def nothing(arrival: Arrival) -> None:
    """Says nothing."""


def to(*names: str) -> list[Recipient]:
    return [Recipient(ForwardPath.from_text(f"<{name}@example.org>")) for name in names]


async def split(arrival: Arrival) -> None:
    """The first recipient stays; the others get a copy each, from somebody else, and with other content."""
    arrival.added.append(b"X-For: all\r\n")
    for number, recipient in enumerate(arrival.recipients[1:], 1):
        sender = ReversePath.from_text(f"<bounce+{number}@sender.test>")
        copy = arrival.copy("splitting", [recipient], reverse_path=sender)
        copy.content = copy.content.with_header(b"X-Copy: %d\r\n" % number + copy.content.header)
        copy.added.append(b"X-For: copies\r\n")
    del arrival.recipients[1:]


def stepped(running: Running, *steps: Step) -> None:
    running.gateway.parts.intake.steps = Steps(steps)


def by_recipient(taken: list[Taken]) -> dict[str, Taken]:
    return {one.recipients[0].split("<")[1].split("@")[0]: one for one in taken}


@BODIES
def test_each_copy_has_its_own_envelope_content_and_id(tmp_path: Path, body: bytes) -> None:
    async def play() -> None:
        async with Sink() as sink, gateway(tmp_path, sink.smarthost) as running:
            behind = Splitting(nothing, "behind")
            stepped(running, Splitting(split), behind)
            async with await running.client() as client:
                ident = await client.message(body, *[f"{name}@example.org" for name in "abc"])
            got = by_recipient(await sink.messages(3))
            assert sorted(behind.asked) == [[f"{name}@example.org"] for name in "abc"]
            assert got["a"].mail.startswith("MAIL FROM:<anna@sender.test>")
            assert got["b"].mail.startswith("MAIL FROM:<bounce+1@sender.test>")
            assert got["a"].content == b"X-For: all\r\n" + body
            assert got["b"].content == b"X-For: copies\r\nX-For: all\r\nX-Copy: 1\r\n" + body
            assert got["c"].content == b"X-For: copies\r\nX-For: all\r\nX-Copy: 2\r\n" + body
            lines = running.lines("received")
            assert len(lines) == 3
            ids = [line.split(" id=")[1].split()[0] for line in lines]
            assert ids[0] == ident
            assert f"copies={ids[1]},{ids[2]}" in lines[0]
            assert all(f"copy_of={ident}" in line for line in lines[1:])
            for name, number in zip("abc", ids, strict=True):
                assert number.encode() in got[name].data.split(b"\r\n\r\n")[0]
            (found,) = running.look(ids[1])["findings"]
            assert (found["result"], found["reason"]) == ("copy", f"of {ident}")
            assert [one["result"] for one in running.look(ident)["findings"]] == ["copied", "copied"]
            await until(lambda: not running.bodies, "nothing left behind")

    run(play())


@BODIES
def test_a_copy_is_refused_with_all_discarded_alone_and_held_alone(tmp_path: Path, body: bytes) -> None:
    no = Reply.of(550, "5.7.1", "not this")
    ruling: dict[str, Ruling] = {}

    async def judge(arrival: Arrival) -> Ruling | None:
        return ruling.get(arrival.recipients[0].forward_path.mailbox.to_text())

    async def play() -> None:
        async with Sink() as sink, gateway(tmp_path, sink.smarthost) as running:
            stepped(running, Splitting(split), Splitting(judge, "judge"))
            async with await running.client() as client:
                ruling["b@example.org"] = Refuse(no)
                assert (await client.offer(body, "a@example.org", "b@example.org")).code == 550
                assert not running.lines("received")
                assert not running.bodies
                ruling["b@example.org"] = Discard("unwanted")
                await client.message(body, "a@example.org", "b@example.org")
                assert "step=judge" not in running.lines("discarded")[0]
                assert "reason=unwanted" in running.lines("discarded")[0]
                ruling["b@example.org"] = Hold("odd")
                await client.message(body, "a@example.org", "b@example.org")
                held = running.lines("received")[-1].split(" id=")[1].split()[0]
                ruling["a@example.org"] = Discard("the original goes, its copy stays")
                del ruling["b@example.org"]
                await client.message(body, "a@example.org", "b@example.org")
                ruling["b@example.org"] = Discard("nothing is left")
                before = len(running.lines("received"))
                await client.message(body, "a@example.org", "b@example.org")
                assert len(running.lines("received")) == before
            assert running.look(held)["state"] == "held"
            got = await sink.messages(3)
            assert sorted(one.recipients[0].split("<")[1][0] for one in got) == ["a", "a", "b"]

    run(play())


@BODIES
def test_when_the_disk_fails_nothing_of_the_message_is_there(tmp_path: Path, body: bytes) -> None:
    async def play() -> None:
        async with Sink() as sink, gateway(tmp_path, sink.smarthost) as running:
            stepped(running, Splitting(split))
            spool = running.gateway.parts.spool
            committer = spool._commits._committer
            commit = committer._commit

            def failing(connection: sqlite3.Connection) -> None:
                commit(connection)  # it may be there after all
                raise sqlite3.OperationalError("disk I/O error")

            committer._commit = failing
            async with await running.client() as client:
                assert (await client.offer(body, "a@example.org", "b@example.org", "c@example.org")).code == 451
                committer._commit = commit
                spool._commits.recover()
                assert not running.bodies
                assert not running.lines("received")
                await client.message(body, "d@example.org", "e@example.org")
            got = await sink.messages(2)
            assert sorted(by_recipient(got)) == ["d", "e"]

    run(play())


def test_a_client_that_leaves_while_copies_are_written_leaves_no_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writing, go = threading.Event(), threading.Event()
    write = BodyWriter.write

    def slowly(writer: BodyWriter, data: bytes) -> None:
        if threading.current_thread() is not threading.main_thread():
            writing.set()
            assert go.wait(PATIENCE)
        write(writer, data)

    monkeypatch.setattr(BodyWriter, "write", slowly)

    async def play() -> None:
        async with gateway(tmp_path) as running:
            stepped(running, Splitting(split))
            async with await running.client() as client:
                await client.expect(250, "MAIL FROM:<a@sender.test>")
                for name in "abc":
                    await client.expect(250, f"RCPT TO:<{name}@example.org>")
                await client.expect(354, "DATA")
                client.send(LARGE + b".\r\n")
                await until(writing.is_set, "the writing")
                # With SO_LINGER 0 it is reset; a client that only closed its side may still wait for its 250.
                client.writer.get_extra_info("socket").setsockopt(
                    socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
                )
            intake = running.gateway.parts.intake
            await until(lambda: not intake.sessions, "the client's leaving")
            go.set()
            await until(lambda: not intake.examining, "the end of the examination")
            assert not running.lines("received")
            assert not running.bodies

    run(play())


def test_no_message_becomes_a_flood(tmp_path: Path) -> None:
    async def flood(arrival: Arrival) -> None:
        for _ in range(MOST_COPIES + 1):
            arrival.copy("splitting", to("x"))

    async def play() -> None:
        async with gateway(tmp_path) as running:
            stepped(running, Splitting(flood))
            async with await running.client() as client:
                assert (await client.offer(SMALL, "a@example.org")).code == 451
            assert f"no more than {MOST_COPIES} messages" in running.lines("step-failed")[0]
            assert not running.lines("received")

    run(play())


def test_copies_of_copies_are_asked_about_by_the_steps_behind_the_one_that_made_them(tmp_path: Path) -> None:
    async def second(arrival: Arrival) -> None:
        if arrival.copy_of is not None:
            arrival.copy("second", to("z"), content=Content(SMALL, len(SMALL)))

    async def play() -> None:
        async with Sink() as sink, gateway(tmp_path, sink.smarthost) as running:
            last = Splitting(nothing, "last")
            stepped(running, Splitting(split), Splitting(second, "second"), last)
            async with await running.client() as client:
                ident = await client.message(SMALL, "a@example.org", "b@example.org")
            assert sorted(by_recipient(await sink.messages(3))) == ["a", "b", "z"]
            assert sorted(last.asked) == [["a@example.org"], ["b@example.org"], ["z@example.org"]]
            assert all(f"copy_of={ident}" in line for line in running.lines("received")[1:])

    run(play())


def test_a_message_that_is_released_is_not_copied() -> None:
    recipient = QueuedRecipient(0, "a@example.org", RoutingKey("example.org"), state=RecipientState.HELD)
    message = QueuedMessage(7, 0.0, 1.0, "b@example.org", (recipient,), len(SMALL), client_address="192.0.2.1")
    with pytest.raises(TooManyCopies, match="released"):
        stored_arrival(message, SMALL).copy("late", to("c"))

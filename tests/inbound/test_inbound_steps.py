"""Steps are asked at every stage, in order, and nothing passes that they did not see."""

from __future__ import annotations

import asyncio
import socket
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.ends import Running, Sink, gateway, run, until

from danelaw.address import ForwardPath, ReversePath
from danelaw.cli import explain
from danelaw.inbound.arrival import Arrival, Client, Content, Discard, Finding, Hold, Refuse, Ruling
from danelaw.inbound.steps import Stage, Step, Steps
from danelaw.smtp import Recipient, Reply

NO = Reply.of(550, "5.7.1", "not from you")
LATER = Reply.of(450, "4.7.1", "later")
SMALL = b"Subject: x\r\nFrom: a@sender.test\r\n\r\nbody\r\n"
LARGE = SMALL + b"0123456789abcdef" * 4 + b"\r\n" + (b"x" * 76 + b"\r\n") * 3000


class Scripted(Step):
    """Says what a test wants; remembers what it was asked."""

    def __init__(self, name: str = "scripted", *, for_trusted: bool = True) -> None:
        self.name = name
        self.stages = Stage.CONNECT | Stage.MAIL | Stage.RECIPIENT | Stage.MESSAGE
        self.for_trusted = for_trusted
        self.asked: list[str] = []
        self.says: dict[str, Reply | None] = {}
        self.rules: Callable[[Arrival], Awaitable[Ruling | None]] | None = None

    async def _say(self, what: str) -> Reply | None:
        self.asked.append(what)
        await asyncio.sleep(0)
        return self.says.get(what)

    async def connect(self, client: Client) -> Reply | None:
        return await self._say("connect")

    async def mail(self, client: Client, reverse_path: ReversePath) -> Reply | None:
        return await self._say(f"mail {client.helo}")

    async def recipient(self, client: Client, reverse_path: ReversePath, recipient: Recipient) -> Reply | None:
        return await self._say(f"rcpt {recipient.forward_path.mailbox.to_text()}")

    async def message(self, arrival: Arrival) -> Ruling | None:
        self.asked.append("message")
        return None if self.rules is None else await self.rules(arrival)


def stepped(running: Running, *steps: Step) -> None:
    running.gateway.parts.intake.steps = Steps(steps)


def test_a_step_is_asked_at_every_stage(tmp_path: Path) -> None:
    step = Scripted()

    async def play() -> None:
        async with Sink() as sink, gateway(tmp_path, f'[delivery]\nnext_hop = "{sink.hop}"') as running:
            stepped(running, step)
            async with await running.client() as client:
                await client.message(SMALL, "b@example.org", "c@example.org")
            await sink.messages()

    run(play())
    assert step.asked == ["connect", "mail client.test", "rcpt b@example.org", "rcpt c@example.org", "message"]


def test_trusted_clients_are_spared_unless_a_step_wants_them(tmp_path: Path) -> None:
    wants, spares = Scripted("wants"), Scripted("spares", for_trusted=False)

    async def play() -> None:
        async with Sink() as sink, gateway(tmp_path, f'[delivery]\nnext_hop = "{sink.hop}"') as running:
            stepped(running, spares, wants)
            async with await running.client() as client:
                await client.message(SMALL, "b@example.org")
            await sink.messages()

    run(play())
    assert wants.asked
    assert not spares.asked


def test_pipelined_commands_wait_for_the_steps_and_are_answered_in_order(tmp_path: Path) -> None:
    step = Scripted()
    step.says = {"rcpt b@example.org": LATER, "rcpt c@example.org": None, "rcpt d@example.org": NO}

    async def play() -> None:
        async with gateway(tmp_path, '[delivery]\nnext_hop = "[127.0.0.1]:9"') as running:
            stepped(running, step)
            async with await running.client() as client:
                client.send(
                    b"MAIL FROM:<a@sender.test>\r\nRCPT TO:<b@example.org>\r\nRCPT TO:<c@example.org>\r\n"
                    b"RCPT TO:<d@example.org>\r\nDATA\r\n"
                )
                for code in (250, 450, 250, 550, 354):
                    await client.expect(code)
                client.send(SMALL + b".\r\n")
                await client.expect(250)
            line = running.lines("refused")[0]
            assert "step=scripted" in line
            assert "to=b@example.org" in line
            assert "to=c@example.org" in running.lines("received")[0]

    run(play())


def test_a_step_can_refuse_the_greeting(tmp_path: Path) -> None:
    step = Scripted()
    step.says = {"connect": Reply.of(554, "5.7.1", "go away")}

    async def play() -> None:
        async with gateway(tmp_path, "") as running:
            stepped(running, step)
            reader, writer = await asyncio.open_connection(*running.address)
            assert (await reader.readline()).startswith(b"554 ")
            writer.write(b"EHLO x\r\nQUIT\r\n")
            assert (await reader.readline()).startswith(b"503 ")
            assert (await reader.readline()).startswith(b"221 ")
            writer.close()
            await writer.wait_closed()

    run(play())


@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])
def test_what_a_step_adds_stands_below_our_trace_and_the_rest_is_untouched(tmp_path: Path, body: bytes) -> None:
    step = Scripted()

    async def rules(arrival: Arrival) -> None:
        assert arrival.content.header == body[: body.index(b"\r\n\r\n") + 2]
        assert b"".join(arrival.content.chunks()) == body
        assert b"".join(arrival.content.body()) == body[body.index(b"\r\n\r\n") + 4 :]
        assert arrival.content.in_memory is (body is SMALL)
        arrival.added += [b"X-First: 1\r\n", b"X-Second: 2\r\n"]
        arrival.findings.append(Finding("scripted", "pass", "all is well"))

    step.rules = rules

    async def play() -> None:
        async with Sink() as sink, gateway(tmp_path, f'[delivery]\nnext_hop = "{sink.hop}"') as running:
            stepped(running, step)
            async with await running.client() as client:
                await client.message(body, "b@example.org")
            taken = (await sink.messages())[0].data
            trace, first, rest = taken.partition(b"X-Second: 2\r\nX-First: 1\r\n")
            assert first
            assert trace.startswith(b"Received: ")
            assert trace.count(b"\r\nReceived:") == 0
            assert rest == body
            await until(lambda: not running.bodies, "nothing left of what was examined")

    run(play())


@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])
def test_a_step_may_replace_content_recipients_and_reverse_path(tmp_path: Path, body: bytes) -> None:
    step = Scripted()
    fresh = b"Subject: other\r\n\r\nother\r\n"

    async def rules(arrival: Arrival) -> None:
        arrival.content = Content(fresh, len(fresh))
        arrival.reverse_path = ReversePath.from_text("<new@sender.test>")
        arrival.recipients = [
            Recipient(ForwardPath.from_text(f"<{name}@example.org>"), None, None) for name in ("x", "y")
        ]

    step.rules = rules

    async def play() -> None:
        async with Sink() as sink, gateway(tmp_path, f'[delivery]\nnext_hop = "{sink.hop}"') as running:
            stepped(running, step)
            async with await running.client() as client:
                await client.message(body, "b@example.org")
            taken = (await sink.messages())[0]
            assert taken.content == fresh
            assert taken.mail.startswith("MAIL FROM:<new@sender.test>")
            assert [path.split()[1] for path in taken.recipients] == ["TO:<x@example.org>", "TO:<y@example.org>"]
            await until(lambda: not running.bodies, "nothing left of what was examined")

    run(play())


@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])
@pytest.mark.parametrize(
    ("ruling", "code", "event"),
    [
        (Refuse(NO, "scripted"), 550, "refused"),
        (Refuse(LATER, "scripted"), 450, "refused"),
        (Discard("junk", "scripted"), 250, "discarded"),
        (RuntimeError("a fault"), 451, "step-failed"),
    ],
)
def test_rulings_and_faults(tmp_path: Path, ruling: Ruling | RuntimeError, code: int, event: str, body: bytes) -> None:
    step = Scripted()

    async def rules(arrival: Arrival) -> Ruling:
        if isinstance(ruling, RuntimeError):
            raise ruling
        return ruling

    step.rules = rules

    async def play() -> None:
        async with Sink() as sink, gateway(tmp_path, f'[delivery]\nnext_hop = "{sink.hop}"') as running:
            stepped(running, step)
            async with await running.client() as client:
                assert (await client.offer(body, "b@example.org")).code == code
                assert running.lines(event)
                assert not running.lines("received")
                assert not running.bodies
                step.rules = None
                await client.message(SMALL, "b@example.org")  # the session goes on
            assert len(await sink.messages()) == 1

    run(play())


@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])
def test_a_held_message_is_accepted_and_not_sent(tmp_path: Path, body: bytes) -> None:
    holding, last = Scripted("holding"), Scripted("last")

    async def rules(arrival: Arrival) -> Ruling:
        arrival.findings.append(Finding("holding", "odd", "too good to be true"))
        return Hold("looks odd")

    holding.rules = rules

    async def play() -> None:
        async with Sink() as sink, gateway(tmp_path, f'[delivery]\nnext_hop = "{sink.hop}"') as running:
            stepped(running, holding, last)
            async with await running.client() as client:
                held = await client.message(body, "b@example.org")
                holding.rules = None
                await client.message(SMALL, "c@example.org")
            assert len(await sink.messages()) == 1
            assert "message" in last.asked
            seen = running.look(held)
            assert seen["state"] == "held"
            assert seen["recipients"][0]["reason"] == "looks odd"
            assert seen["held"]["holds"] == [{"step": "holding", "reason": "looks odd"}]
            assert seen["findings"] == [{"step": "holding", "result": "odd", "reason": "too good to be true"}]

    run(play())


@pytest.mark.parametrize("body", [SMALL, LARGE], ids=["small", "large"])
def test_a_client_that_leaves_during_the_examination_keeps_its_message(tmp_path: Path, body: bytes) -> None:
    step, begun = Scripted(), asyncio.Event()

    async def rules(arrival: Arrival) -> None:
        begun.set()
        await asyncio.Event().wait()

    step.rules = rules

    async def play() -> None:
        async with gateway(tmp_path, "") as running:
            stepped(running, step)
            client = await running.client()
            await client.expect(250, "MAIL FROM:<a@sender.test>")
            await client.expect(250, "RCPT TO:<b@example.org>")
            await client.expect(354, "DATA")
            client.send(body + b".\r\n")
            await begun.wait()
            # With SO_LINGER 0 the connection is reset; a client that only closed its side may still wait for its 250.
            client.writer.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
            client.writer.transport.abort()
            await until(lambda: not running.gateway.parts.intake.examining, "the end of the examination")
            assert not running.bodies
            assert not running.lines("received")

    run(play())


def test_a_header_beyond_all_measure_is_refused_before_any_step(tmp_path: Path) -> None:
    step = Scripted()
    body = b"Subject: x\r\n" + b"X-Filler: " * 1 + b"".join(b"A%07d: %s\r\n" % (n, b"x" * 90) for n in range(11_000))

    async def play() -> None:
        async with gateway(tmp_path, "") as running:
            stepped(running, step)
            async with await running.client() as client:
                assert (await client.offer(body + b"\r\nx\r\n", "b@example.org")).code == 552
            assert "message" not in step.asked
            assert not running.bodies

    run(play())


def test_no_more_messages_are_examined_at_once_than_the_limit_allows(tmp_path: Path) -> None:
    step = Scripted()
    go, begun = asyncio.Event(), asyncio.Event()

    async def rules(arrival: Arrival) -> None:
        begun.set()
        await go.wait()

    step.rules = rules

    async def play() -> None:
        async with Sink() as sink:
            settings = f'[delivery]\nnext_hop = "{sink.hop}"\n[limits]\nexaminations = 1'
            async with gateway(tmp_path, settings) as running:
                stepped(running, step)
                async with await running.client() as first, await running.client() as second:
                    offer = asyncio.ensure_future(first.offer(SMALL, "b@example.org"))
                    await begun.wait()
                    await second.expect(451, "MAIL FROM:<a@sender.test>")
                    go.set()
                    assert (await offer).code == 250
                    await second.message(SMALL, "b@example.org")

    run(play())


def test_explain_tells_who_holds_a_message_what_was_found_and_what_to_do(tmp_path: Path) -> None:
    step = Scripted()

    async def rules(arrival: Arrival) -> Ruling:
        arrival.findings.append(Finding("scripted", "odd", "too good to be true"))
        return Hold("looks odd")

    step.rules = rules

    async def play() -> str:
        async with gateway(tmp_path, "") as running:
            stepped(running, step)
            async with await running.client() as client:
                held = await client.message(SMALL, "b@example.org")
        command = CliRunner().invoke(
            explain.command, [held, "--config", str(tmp_path / "danelaw.toml")], standalone_mode=False
        )
        assert command.exception is None, command.exception
        return command.output

    page = " ".join(run(play()).split())
    assert "HELD for b@example.org until somebody decides. Looks odd." in page
    assert "scripted odd: too good to be true" in page
    assert "Held by scripted: looks odd" in page
    assert "nobody is told" in page
    assert "danelaw quarantine release id:" in page

"""Bodies of any size on their way to the disk: whole, in bounds, and nothing left of what was broken off."""

from __future__ import annotations

import asyncio
import hashlib
import tracemalloc
from pathlib import Path

import pytest
from tests.ends import Running, Sink, gateway, run, stuffed, until

from danelaw.spool import SpoolFull

LINE = b".The quick brown fox jumps over the lazy dog, and then again, and again. %08d\r\n"


def body_of(octets: int) -> bytes:
    lines = octets // len(LINE % 0)
    return b"Subject: large\r\n\r\n" + b"".join(LINE % number for number in range(lines))


@pytest.mark.parametrize("how", ["DATA", "BDAT", "BDAT in one"])
def test_ten_megabytes_arrive_octet_by_octet(tmp_path: Path, how: str) -> None:
    body = body_of(10 << 20)

    async def play() -> None:
        async with Sink() as sink, gateway(tmp_path, f'[delivery]\nnext_hop = "{sink.hop}"') as running:
            async with await running.client() as client:
                await client.expect(250, "MAIL FROM:<a@sender.test>")
                await client.expect(250, "RCPT TO:<b@example.org>")
                if how == "DATA":
                    await client.expect(354, "DATA")
                    client.send(stuffed(body) + b".\r\n")
                else:
                    size = len(body) if how == "BDAT in one" else 300_007
                    for begin in range(0, len(body), size):
                        piece = body[begin : begin + size]
                        last = " LAST" if begin + size >= len(body) else ""
                        client.send(f"BDAT {len(piece)}{last}\r\n".encode() + piece)
                        if not last:
                            await client.expect(250)
                await client.expect(250)
            taken = (await sink.messages())[0]
            assert hashlib.sha256(taken.content).digest() == hashlib.sha256(body).digest()
            await until(lambda: not running.bodies, "the body's end on disk")

    run(play())


def test_memory_does_not_grow_with_the_message(tmp_path: Path) -> None:
    """Peaks while the gateway takes a message; the client's pieces are made one by one."""

    async def peak(running: Running, pieces: int) -> int:
        piece = stuffed(body_of(1 << 20))
        async with await running.client() as client:
            await client.expect(250, "MAIL FROM:<a@sender.test>")
            await client.expect(250, "RCPT TO:<b@example.org>")
            await client.expect(354, "DATA")
            tracemalloc.start()
            try:
                for _ in range(pieces):
                    client.send(piece)
                    await client.writer.drain()
                client.send(b".\r\n")
                await client.expect(250)
                return tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()

    async def play() -> None:
        async with gateway(tmp_path, '[delivery]\nnext_hop = "[127.0.0.1]:9"') as running:
            small, large = await peak(running, 4), await peak(running, 24)
            assert large < small + (6 << 20), (small, large)

    run(play())


@pytest.mark.parametrize("how", ["DATA", "BDAT", "RSET", "QUIT", "EHLO"])
def test_what_is_broken_off_leaves_no_file(tmp_path: Path, how: str) -> None:
    body = body_of(3 << 20)

    async def play() -> None:
        async with gateway(tmp_path) as running:
            async with await running.client() as client:
                await client.expect(250, "MAIL FROM:<a@sender.test>")
                await client.expect(250, "RCPT TO:<b@example.org>")
                if how == "DATA":
                    await client.expect(354, "DATA")
                    client.send(stuffed(body))
                    await client.writer.drain()
                else:
                    client.send(f"BDAT {len(body)}\r\n".encode() + body)
                    await client.expect(250)
                await until(lambda: running.bodies, "a file in the spool")
                if how in ("RSET", "QUIT", "EHLO"):
                    await client.say(how + (" x.test" if how == "EHLO" else ""))
                    await until(lambda: not running.bodies, "the end of the file")
                if how == "RSET":
                    await client.message(b"Subject: next\r\n\r\nx\r\n", "b@example.org")
            await until(lambda: not running.bodies, "the end of the file")
            assert bool(running.lines("received")) is (how == "RSET")

    run(play())


def test_a_disk_that_fails_under_a_large_message_is_told_at_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise SpoolFull("no space left for a message body")

    async def play() -> None:
        async with gateway(tmp_path) as running, await running.client() as client:
            monkeypatch.setattr("danelaw.spool.bodies.BodyWriter.write", full)
            await client.expect(250, "MAIL FROM:<a@sender.test>")
            await client.expect(250, "RCPT TO:<b@example.org>")
            await client.expect(354, "DATA")
            client.send(stuffed(body_of(1 << 20)) + b".\r\n")
            assert "4.3.1" in (await client.expect(452)).text
            monkeypatch.undo()
            await client.message(b"Subject: next\r\n\r\nx\r\n", "b@example.org")
            assert running.lines("not-stored")

    run(play())


def test_a_client_that_does_not_read_is_not_read_from(tmp_path: Path) -> None:
    """Replies pile up in the kernel and in a bounded buffer; then reading stops."""

    async def play() -> None:
        async with gateway(tmp_path, "[limits]\ncommands = 1000000") as running, await running.client() as client:
            (session,) = running.gateway.parts.intake.sessions
            client.writer.transport.pause_reading()  # type: ignore[attr-defined]
            flood = b"HELP\r\n" * 20_000
            sent = 0
            while not session._paused and sent < 200:
                client.send(flood)
                sent += 1
                await asyncio.sleep(0.01)
            assert session._paused
            buffered = session._transport.get_write_buffer_size()  # type: ignore[union-attr]
            for _ in range(20):
                client.send(flood)
                await asyncio.sleep(0.01)
            assert session._transport.get_write_buffer_size() <= buffered  # type: ignore[union-attr]
            client.writer.transport.resume_reading()  # type: ignore[attr-defined]
            while session._paused:
                await client.expect(214)

    run(play())


def test_commands_behind_a_message_wait_without_being_gathered(tmp_path: Path) -> None:
    """While the disk is awaited, at most the read-ahead of the SMTP machine is taken from the network."""

    async def play() -> None:
        async with gateway(tmp_path) as running, await running.client() as client:
            (session,) = running.gateway.parts.intake.sessions
            spool = running.gateway.parts.spool
            waiting: list[object] = []
            spool.append_together_soon = lambda *args: waiting.append(args)  # type: ignore[method-assign]
            await client.expect(250, "MAIL FROM:<a@sender.test>")
            await client.expect(250, "RCPT TO:<b@example.org>")
            await client.expect(354, "DATA")
            client.send(b"Subject: x\r\n\r\nx\r\n.\r\n" + b"NOOP\r\n" * 1_000_000)
            await until(lambda: waiting and session._full, "reading to stop")
            held = len(session.connection._lines)
            await asyncio.sleep(0.1)
            assert len(session.connection._lines) == held < 2 << 20
            waiting[0][1](None)  # type: ignore[index]
            await client.expect(250)
            await client.expect(250)
            await until(lambda: not session._full, "reading on")

    run(play())

"""Garbage on every port: no crash, bounded memory, no forged log lines, honest clients served meanwhile."""

from __future__ import annotations

import asyncio
import json
import random
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tests.ends import Client, Running, Sink, gateway, run, until

_CHANCE = random.Random(20261123)
CLIENT_HELLO = bytes.fromhex("160301010001000000fc0303") + bytes(250)
GARBAGE = {
    "random octets": _CHANCE.randbytes(300_000),
    "ten megabytes without a line end": b"A" * 10_000_000,
    "ten megabytes of CR": b"\r" * 10_000_000,
    "a TLS ClientHello": CLIENT_HELLO,
    "an HTTP request": b"POST /x HTTP/1.1\r\nHost: gw.test\r\nContent-Length: 7\r\n\r\nMAIL\r\n\r\n",
    "NULs": bytes(200_000),
    "NULs in lines": b"EHLO \0\0\0\r\nMAIL FROM:<\0@\0>\r\n" * 2000,
    "lines without end": (b"NOOP " + b"x" * 5000 + b"\r\n") * 500,
    "forged log lines": b"EHLO x\n2026-01-01T00:00:00.000Z delivered id=forged\r\nHELO a\rreceived id=forged\r\n",
    "PROXY and then nothing": b"\r\n\r\n\0\r\nQUIT\n\x21\x11\0\x0c" + bytes(12),
    "JSON": b'{"op": "queue.drop", "args": {"filter": "", "all": true}}\r\n' * 50,
    "unfinished message": b"EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\nDATA\r\n" + b"x" * 400_000,
}


@asynccontextmanager
async def served(directory: Path, more: str = "") -> AsyncIterator[Running]:
    """A gateway that must still take and deliver mail at the end."""
    async with Sink() as sink, gateway(directory, sink.smarthost + more) as running:
        faults: list[dict[str, object]] = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: faults.append(context))
        yield running
        await running.reaches(await running.send("a@b.example"), "delivered")
        assert len(sink.taken) == 1  # nothing of the garbage became mail
        await until(lambda: not running.gateway.parts.intake.sessions, "the end of all sessions")
        assert faults == []
        assert all(line.count("id=forged") == 0 or '"' in line for line in running.log.lines)
        assert not any("\n" in line or "\r" in line or "\0" in line for line in running.log.lines)


async def throw(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, octets: bytes, *, eof: bool = True
) -> bytes:
    """Send it all, as far as the other side listens, and give what it said until it closed."""
    said = asyncio.ensure_future(_all(reader))
    try:
        for start in range(0, len(octets), 65536):
            writer.write(octets[start : start + 65536])
            await writer.drain()
        writer.write_eof()
    except OSError:
        pass
    try:
        return await asyncio.wait_for(said, 20)
    finally:
        writer.transport.abort()


async def _all(reader: asyncio.StreamReader) -> bytes:
    said = b""
    try:
        while data := await reader.read(65536):
            said += data
    except OSError:
        pass
    return said


@pytest.mark.parametrize("name", GARBAGE)
def test_on_the_smtp_port(tmp_path: Path, name: str) -> None:
    async def story() -> None:
        async with served(tmp_path) as running:
            said = await throw(*await asyncio.open_connection(*running.address), GARBAGE[name])
            assert said.startswith(b"220 ")
            assert all(line[:3].isdigit() for line in said.split(b"\r\n") if line)

    run(story())


def test_one_endless_line_costs_no_memory(tmp_path: Path) -> None:
    async def story() -> None:
        async with served(tmp_path) as running:
            clients = [await Client.connect(running.address) for _ in range(10)]
            tracemalloc.start()
            try:
                for client in clients:
                    await client.expect(220)
                    client.writer.write(b"x" * 60_000)
                    await client.writer.drain()
                for client in clients:
                    await throw(client.reader, client.writer, b"x" * 1_000_000)
                assert tracemalloc.get_traced_memory()[1] < 8_000_000  # ten megabytes came, in all
            finally:
                tracemalloc.stop()

    run(story())


CONTROL = {
    "random octets": _CHANCE.randbytes(100_000),
    "a line of two megabytes": b"x" * 2_000_000 + b"\n",
    "deep nesting": b"[" * 200_000 + b"\n",
    "a number": b"17\n",
    "a list": b"[1, 2]\n",
    "no operation": b'{"args": {}}\n',
    "a strange operation": b'{"op": {"x": 1}, "args": []}\n',
    "strange arguments": b'{"op": "queue.list", "args": {"filter": 7, "limit": "many", "after": []}}\n',
    "a strange id": b'{"op": "queue.show", "args": {"id": "\\u0000\\ud800"}}\n',
    "a filter with a lone surrogate": b'{"op": "queue.list", "args": {"filter": "to:\\ud800@x"}}\n',
    "a huge number": b'{"op": "queue.list", "args": {"limit": 1e999}}\n',
}


@pytest.mark.parametrize("name", CONTROL)
def test_on_the_control_socket(tmp_path: Path, name: str) -> None:
    async def story() -> None:
        async with served(tmp_path) as running:
            path = str(running.gateway.config.control_socket)
            said = (
                await throw(*await asyncio.open_unix_connection(path), CONTROL[name])
                if (name in ("random octets", "a line of two megabytes"))
                else await _ask(path, CONTROL[name])
            )
            for line in said.splitlines():
                answer = json.loads(line)
                assert answer["ok"] is False
                assert answer["error"]["reason"]
            status = json.loads(await _ask(path, b'{"op": "gateway.status"}\n'))
            assert status["ok"] is True

    run(story())


async def _ask(path: str, octets: bytes) -> bytes:
    reader, writer = await asyncio.open_unix_connection(path, limit=1 << 22)
    writer.write(octets)
    line = await asyncio.wait_for(reader.readline(), 20)
    writer.close()
    assert line, "closed without an answer"
    return line


@pytest.mark.parametrize("name", [*list(GARBAGE)[:6], "lines without end", "JSON"])
def test_on_the_metrics_port(tmp_path: Path, name: str) -> None:
    async def story() -> None:
        async with served(tmp_path, '[http]\nlisten = "127.0.0.1:0"\n') as running:
            http = running.gateway.http.numbers
            assert http is not None
            assert http._server is not None
            address = http._server.sockets[0].getsockname()[:2]
            said = await throw(*await asyncio.open_connection(*address), GARBAGE[name])
            assert not said or said.startswith(b"HTTP/1.1 4")
            healthy = await throw(*await asyncio.open_connection(*address), b"GET /healthy HTTP/1.1\r\n\r\n")
            assert healthy.startswith(b"HTTP/1.1 200 ")

    run(story())

"""Servers that pretend to be filter engines, over real sockets on loopback, and lie in many ways."""

from __future__ import annotations

import asyncio
import struct
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from danelaw.filters import FilterResult, ServerAddress, Specimen
from danelaw.inbound.arrival import Content

Behaviour = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]

MESSAGE = b"From: a@b.example\r\nSubject: test\r\nX-Spam-Flag: NO\r\n\r\nline one\r\n.line two\r\n"


class FakeServer:
    """A server with a behaviour; `heard` are the octets of each connection that `hear` read."""

    def __init__(self, behaviour: Behaviour) -> None:
        self.behaviour = behaviour
        self.connections = 0
        self.address = ServerAddress("", 0)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            await self.behaviour(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()


@asynccontextmanager
async def serving(behaviour: Behaviour, path: Path | None = None) -> AsyncIterator[FakeServer]:
    """Serve on a free port of loopback, or on a Unix socket."""
    fake = FakeServer(behaviour)
    tasks: set[asyncio.Task[None]] = set()
    writers: list[asyncio.StreamWriter] = []

    def begin(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writers.append(writer)
        task = asyncio.ensure_future(fake._serve(reader, writer))
        tasks.add(task)
        task.add_done_callback(tasks.discard)

    if path is None:
        server = await asyncio.start_server(begin, "127.0.0.1", 0)
        fake.address = ServerAddress(*server.sockets[0].getsockname()[:2])
    else:
        server = await asyncio.start_unix_server(begin, str(path))
        fake.address = ServerAddress("", 0, str(path))
    try:
        yield fake
    finally:
        server.close()
        for _ in range(5):
            # What was accepted in this turn becomes a connection in the next ones.
            await asyncio.sleep(0)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for writer in writers:
            # A task that was cancelled before it began has closed nothing.
            writer.transport.abort()
        await asyncio.sleep(0)
        await server.wait_closed()


async def closed_port() -> ServerAddress:
    """An address where nobody listens."""
    server = await asyncio.start_server(lambda r, w: None, "127.0.0.1", 0)
    address = ServerAddress(*server.sockets[0].getsockname()[:2])
    server.close()
    await server.wait_closed()
    return address


def specimen(message: bytes | Path = MESSAGE, *, helo: str = "client.example") -> Specimen:
    size = len(message) if isinstance(message, bytes) else message.stat().st_size
    return Specimen(
        "abc123", "mx.example", "192.0.2.7", 4711, helo, "anna@sender.example",
        ("bob@here.example", "eve@here.example"), Content(message, size), ("TLSv1.3", "TLS_AES_256_GCM_SHA384"),
        "client.example",
    )  # fmt: skip


async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Take everything and say nothing until the end."""
    while await reader.read(65536):
        pass
    await asyncio.Event().wait()


def saying(octets: bytes, *, after: int | None = None) -> Behaviour:
    """Read `after` octets (None: until nothing more comes at once), say something and hang up."""

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if after:
            await reader.readexactly(after)
        else:
            await reader.read(65536)
        writer.write(octets)
        await writer.drain()

    return behave


async def instream(reader: asyncio.StreamReader) -> bytes:
    """What clamd was sent."""
    assert await reader.readuntil(b"\0") == b"zINSTREAM\0"
    parts = []
    while size := struct.unpack(">I", await reader.readexactly(4))[0]:
        parts.append(await reader.readexactly(size))
    return b"".join(parts)


async def http_request(reader: asyncio.StreamReader) -> tuple[bytes, dict[str, list[str]], bytes]:
    """Request line, fields and body."""
    head = await reader.readuntil(b"\r\n\r\n")
    line, *rest = head.decode().strip().split("\r\n")
    fields: dict[str, list[str]] = {}
    for one in rest:
        name, _, value = one.partition(": ")
        fields.setdefault(name.lower(), []).append(value)
    body = await reader.readexactly(int(fields.get("content-length", ["0"])[0]))
    return line.encode(), fields, body


def http_reply(body: bytes, status: str = "200 OK", *more: str) -> bytes:
    extra = "".join(f"{line}\r\n" for line in more)
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\n{extra}\r\n".encode() + body


def packet(code: bytes, data: bytes = b"") -> bytes:
    return struct.pack(">I", len(data) + 1) + code + data


class FakeMilter:
    """A milter that answers each command by `answers` (command letter to packets), otherwise `c`; `heard` is what it
    was told, as letter and data.
    """

    def __init__(
        self, answers: dict[str, bytes] | None = None, *, steps: int = 0, actions: int = 0x1FF, version: int = 6
    ) -> None:
        self.answers = answers or {}
        self.heard: list[tuple[str, bytes]] = []
        self._options = struct.pack(">III", version, actions, steps)

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            (length,) = struct.unpack(">I", await reader.readexactly(4))
            octets = await reader.readexactly(length)
            letter, data = octets[:1].decode(), octets[1:]
            if letter == "O":
                writer.write(packet(b"O", self._options))
                continue
            self.heard.append((letter, data))
            if letter == "Q":
                return
            if letter in "DAK":
                continue
            answer = self.answers.get(letter, packet(b"c"))
            if answer == b"hang up":
                return
            if answer == b"silence":
                await reader.read()
                return
            writer.write(answer)
            await writer.drain()

    def letters(self) -> str:
        """The commands in order, macros left out."""
        return "".join(letter for letter, _ in self.heard if letter != "D")

    def told(self, letter: str) -> list[bytes]:
        return [data for name, data in self.heard if name == letter]


def evidence(result: FilterResult) -> tuple[str, str]:
    return result.verdict.value, result.reason

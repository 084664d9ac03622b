"""SIGTERM and SIGHUP under traffic: what was acknowledged arrives, once; and a second server on the spool refuses."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
import sys
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.ends import Client, Sink, configured, run, until

pytestmark = pytest.mark.timeout(100)
_ROOT = Path(__file__).resolve().parent.parent.parent
_MARK = re.compile(rb"X-Number: (\d+)\r\n")


class Server:
    """A `danelaw serve` in a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process, address: tuple[str, int], words: str) -> None:
        self.process, self.address, self.words = process, address, words

    async def ended(self) -> int:
        """Wait for its end; gives the exit status."""
        assert self.process.stderr is not None
        async with asyncio.timeout(50):
            self.words += (await self.process.stderr.read()).decode()
            return await self.process.wait()


async def launched(config: Path) -> asyncio.subprocess.Process:
    environment = os.environ | {"PYTHONPATH": str(_ROOT / "src"), "COLUMNS": "300"}
    return await asyncio.create_subprocess_exec(
        sys.executable, "-m", "danelaw", "serve", "--config", str(config),
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE, env=environment,
    )  # fmt: skip


@contextlib.asynccontextmanager
async def serving(config: Path) -> AsyncIterator[Server]:
    process = await launched(config)
    assert process.stderr is not None
    words = ""
    try:
        async with asyncio.timeout(30):
            while (found := re.search(r"accepts mail on 127\.0\.0\.1:(\d+)", words)) is None:
                line = (await process.stderr.readline()).decode()
                assert line, words
                words += line
        yield Server(process, ("127.0.0.1", int(found[1])), words)
    finally:
        if process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                process.kill()
            await process.wait()


class Traffic:
    """Clients that send numbered messages until told to stop; `acknowledged` are the numbers answered with 250."""

    def __init__(self) -> None:
        self.acknowledged: set[int] = set()
        self.stopping = False
        self._next = 0

    async def send(self, address: tuple[str, int]) -> None:
        """Send over one connection after the other, as long as there is somebody to connect to."""
        while not self.stopping:
            try:
                async with await Client.connect(address) as client:
                    await client.greeted()
                    for _ in range(10):
                        await self._one(client)
            except (EOFError, OSError, AssertionError):
                await asyncio.sleep(0.01)

    async def _one(self, client: Client) -> None:
        self._next += 1
        number = self._next
        body = f"X-Number: {number}\r\nSubject: x\r\n\r\n".encode() + b"x" * 70 + b"\r\n"
        if number % 20 == 0:
            body += b"0123456789" * 7 + b"\r\n"
            body += (b"y" * 76 + b"\r\n") * 2000  # a large one, through a file
        await client.message(body, "b@x.test")
        self.acknowledged.add(number)


def arrived(sink: Sink) -> Counter[int]:
    numbers = Counter[int]()
    for taken in sink.taken:
        found = _MARK.search(taken.data)
        assert found is not None
        numbers[int(found[1])] += 1
    return numbers


def test_hangups_and_restarts_under_traffic(tmp_path: Path) -> None:
    async def play() -> None:
        async with Sink() as sink:
            config = configured(tmp_path, sink.smarthost)
            traffic = Traffic()
            for _ in range(2):
                async with serving(config) as server:
                    traffic.stopping = False
                    clients = [asyncio.ensure_future(traffic.send(server.address)) for _ in range(3)]
                    enough = len(traffic.acknowledged) + 60
                    await until(lambda target=enough: len(traffic.acknowledged) >= target, "traffic")
                    for _ in range(3):
                        server.process.send_signal(signal.SIGHUP)
                        enough = len(traffic.acknowledged) + 20
                        await until(lambda target=enough: len(traffic.acknowledged) >= target, "traffic after SIGHUP")
                    server.process.send_signal(signal.SIGTERM)
                    assert await server.ended() == 0, server.words
                    traffic.stopping = True
                    await asyncio.gather(*clients)
            async with serving(config) as server:
                await until(lambda: set(arrived(sink)) >= traffic.acknowledged, "everything acknowledged")
                server.process.send_signal(signal.SIGTERM)
                assert await server.ended() == 0
            assert max(arrived(sink).values()) == 1

    run(play())


def test_a_second_server_on_the_same_spool_says_so_and_leaves(tmp_path: Path) -> None:
    async def play() -> None:
        async with Sink() as sink:
            config = configured(tmp_path, sink.smarthost)
            async with serving(config) as first:
                second = Server(await launched(config), first.address, "")
                assert await second.ended() != 0
                assert "spool" in second.words
                assert "Traceback" not in second.words
                async with await Client.connect(first.address) as client:
                    await client.greeted()
                    await client.message(b"Subject: x\r\n\r\nx\r\n", "b@x.test")
                await sink.messages()
                first.process.send_signal(signal.SIGTERM)
                assert await first.ended() == 0

    run(play())


def test_a_server_that_cannot_listen_says_so_and_leaves(tmp_path: Path) -> None:
    async def play() -> None:
        async with Sink() as sink:
            config = configured(tmp_path, replace={"127.0.0.1:0": f"127.0.0.1:{sink.port}"})
            server = Server(await launched(config), ("", 0), "")
            assert await server.ended() != 0
            assert f"cannot listen on 127.0.0.1:{sink.port}" in server.words
            assert "Traceback" not in server.words

    run(play())

"""A large message goes through every engine in pieces: memory does not grow with its size."""

from __future__ import annotations

import asyncio
import tracemalloc
from pathlib import Path

from tests.filters.fake_engines import FakeMilter, http_reply, serving, specimen

from danelaw.filters import Clamd, Filter, Milter, Rspamd, Servers, Spamd, Verdict

SIZE = 25 << 20
MOST = 4 << 20


async def clamd(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\0")
    while size := int.from_bytes(await reader.readexactly(4), "big"):
        left = size
        while left:
            left -= len(await reader.read(min(left, 65536)))
    writer.write(b"stream: OK\0")


async def rspamd(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readuntil(b"\r\n\r\n")
    left = SIZE
    while left > 0:
        left -= len(await reader.read(65536))
    writer.write(http_reply(b'{"action": "no action"}'))


async def spamd(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while await reader.read(65536):
        pass
    writer.write(b"SPAMD/1.1 0 EX_OK\r\nSpam: False ; 0.0 / 5.0\r\n\r\n")


class ForgetfulMilter(FakeMilter):
    """Remembers no bodies."""

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.heard = Forgetful()
        await super().__call__(reader, writer)


class Forgetful(list[tuple[str, bytes]]):
    def append(self, told: tuple[str, bytes]) -> None:
        super().append((told[0], b""))


def test_25_megabytes_cost_no_more_memory_than_a_few_pieces(tmp_path: Path) -> None:
    large = tmp_path / "large"
    with large.open("wb") as file:
        file.write(b"Subject: x\r\n\r\n")
        file.truncate(SIZE)

    async def run() -> int:
        async with (
            serving(clamd) as one, serving(rspamd) as two, serving(spamd) as three, serving(ForgetfulMilter()) as four
        ):  # fmt: skip
            engines = ((Clamd(), one), (Rspamd(), two), (Spamd(), three),
                       (Milter(step_seconds=60, largest=SIZE), four))  # fmt: skip
            filters = [
                Filter(engine.kind, engine, Servers([server.address]), seconds=60, largest=SIZE)
                for engine, server in engines
            ]
            subject = specimen(large)
            tracemalloc.start()
            try:
                results = await asyncio.gather(*(one.examine(subject) for one in filters))
                peak = tracemalloc.get_traced_memory()[1]
            finally:
                tracemalloc.stop()
            assert [(result.verdict, result.reason) for result in results if result.verdict is not Verdict.CLEAN] == []
            return peak

    assert asyncio.run(run()) < MOST

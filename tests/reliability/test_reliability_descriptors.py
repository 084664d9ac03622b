"""Open files run out: no spinning, no crash, what is connected goes on, and all is well when there are files again."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import resource
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tests.ends import Client, Sink, configured, run, until

from danelaw.config import load
from danelaw.doctor import Severity, storage
from danelaw.gateway.settings import RESERVED_DESCRIPTORS, within_descriptors

_SOURCE = str(Path(__file__).resolve().parents[2] / "src")
_TICKS = os.sysconf("SC_CLK_TCK")
QUICK = '[queue]\nretry_first = "100ms"\nretry_longest = "300ms"\n'


class Server:
    """`danelaw serve` as a process of its own."""

    def __init__(self, process: asyncio.subprocess.Process, port: int) -> None:
        self.process, self.address = process, ("127.0.0.1", port)

    @property
    def files(self) -> int:
        """How many it has open."""
        return len(os.listdir(f"/proc/{self.process.pid}/fd"))

    async def lowest_free(self) -> int:
        """The number the next file would get: with as many allowed, there is no next one."""
        lowest = []
        for _ in range(20):  # some are open for a moment only
            used = {int(name) for name in os.listdir(f"/proc/{self.process.pid}/fd")}
            lowest.append(next(number for number in range(len(used) + 1) if number not in used))
            await asyncio.sleep(0.01)
        return min(lowest)

    @property
    def cpu_seconds(self) -> float:
        """What it has used."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def allow(self, files: int) -> None:
        """Change the number of files it may have open."""
        hard = resource.prlimit(self.process.pid, resource.RLIMIT_NOFILE)[1]
        resource.prlimit(self.process.pid, resource.RLIMIT_NOFILE, (min(files, hard), hard))


@contextlib.asynccontextmanager
async def serving(config: Path) -> AsyncIterator[Server]:
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "danelaw", "serve", "--config", str(config),
        stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": _SOURCE, "COLUMNS": "300"},
    )  # fmt: skip
    assert process.stderr is not None
    try:
        async with asyncio.timeout(30):
            said = ""
            while (found := re.search(r"accepts mail on 127\.0\.0\.1:(\d+)", said)) is None:
                line = (await process.stderr.readline()).decode()
                assert line, said
                said += line
        yield Server(process, int(found[1]))
    finally:
        if process.returncode is None:
            process.send_signal(signal.SIGKILL)
        await process.wait()


@pytest.mark.timeout(90)
def test_out_of_files_it_neither_spins_nor_loses_and_recovers_without_help(tmp_path: Path) -> None:
    async def story() -> None:
        async with Sink() as sink:
            config = configured(
                tmp_path, sink.smarthost + QUICK + '[log]\nto = "file"\n' + f'file = "{tmp_path}/log"\n'
            )
            async with serving(config) as server, await Client.connect(server.address) as inside:
                await inside.greeted()
                at_rest = server.files
                await inside.message(b"Subject: before\r\n\r\nx\r\n", "r@x.test")
                await sink.messages(1)
                for writer in tuple(sink.open):  # the kept connection is gone: the next delivery needs a new one
                    writer.close()
                await until(lambda: not sink.open, "the end of the kept connection")
                await until(lambda: server.files <= at_rest, "the end of it in the gateway")
                server.allow(await server.lowest_free())
                refused = [asyncio.ensure_future(_knock(server.address)) for _ in range(60)]
                before = server.cpu_seconds
                await inside.message(b"Subject: within\r\n\r\nx\r\n", "r@x.test")  # on stable storage, out of files
                await asyncio.sleep(1.5)
                assert server.cpu_seconds - before < 0.75  # a loop that spins takes all of it
                assert server.process.returncode is None
                assert len(sink.taken) == 1
                [finding] = storage.open_files(load(config))
                assert finding.severity is Severity.ERROR
                assert "LimitNOFILE" in finding.fix
                server.allow(1000)
                await sink.messages(2)
                await asyncio.gather(*refused)
                async with await Client.connect(server.address) as late:
                    await late.greeted()
                    await late.message(b"Subject: after\r\n\r\nx\r\n", "r@x.test")
                await sink.messages(3)
                assert [taken.content.split(b"\r\n")[0][9:] for taken in sink.taken] == [b"before", b"within", b"after"]
                assert storage.open_files(load(config)) == []

    run(story())


async def _knock(address: tuple[str, int]) -> None:
    with contextlib.suppress(OSError, EOFError):
        async with await Client.connect(address) as client:
            await client.answer()


def test_clients_leave_files_for_the_spool_and_for_deliveries(tmp_path: Path) -> None:
    config = load(configured(tmp_path, "[limits]\nconnections = 5000\n[delivery]\nconnections = 100\n"))
    assert within_descriptors(config, 1024).limits.connections == 1024 - 100 - RESERVED_DESCRIPTORS
    assert within_descriptors(config, 100).limits.connections > 0
    assert within_descriptors(config, 100_000) is config
    assert within_descriptors(config, resource.RLIM_INFINITY) is config

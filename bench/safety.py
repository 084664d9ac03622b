"""The safety API under load: `bench/safety.py [--seconds 5] [--domains 200] [--connections 8]`.

The API runs in a process of its own, as in the control process of a gateway with workers; the lab and the clients are
here. *Cached*: addresses that are remembered, one request after the other on each kept connection. *Live*: each domain
for the first time, with all look-ups (MX, addresses, TLSA, MTA-STS, OPENPGPKEY, SMIMEA, Web Key Directory), signatures
checked. *Beside mail*: messages relayed per second by a gateway in one process, alone and during a flood of refused and
cached questions to its API.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import os
import resource
import smtplib
import statistics
import tempfile
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import uvloop

from danelaw.config import load
from danelaw.gateway.rehearsal import Rehearsal
from danelaw.gateway.safety_api import safety_api
from danelaw.lab import Lab
from danelaw.lab.scenario import Scenario
from danelaw.lab.settings import write_settings
from danelaw.state import FILE_NAME, StateDatabase
from danelaw.telemetry import Log

_SECTION = """
[safety]
listen = "127.0.0.1:0"
allow = ["127.0.0.0/8"]
forbidden_networks = []
rate = "1000000/s"
live_rate = "1000000/s"
cache = "1h"
"""


def serve(config: str, pipe: Connection) -> None:
    """The API alone; says its port, and at the end the seconds of processor time it took."""

    async def run() -> None:
        loaded = load(Path(config))
        loaded.spool.directory.mkdir(parents=True, exist_ok=True)
        StateDatabase(loaded.spool.directory / FILE_NAME).close()
        api = safety_api(loaded, Log.in_memory()[0], lambda status, state: None)
        assert api is not None
        pipe.send((await api.listen())[1])
        loop = asyncio.get_running_loop()
        while True:
            if (await loop.run_in_executor(None, pipe.recv)) is None:
                break
            used = resource.getrusage(resource.RUSAGE_SELF)
            pipe.send(used.ru_utime + used.ru_stime)
        await api.close()

    uvloop.run(run())


class Client:
    """One kept connection."""

    def __init__(self, port: int) -> None:
        self._port = port
        self.latencies: list[float] = []

    async def open(self) -> None:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)

    async def ask(self, subject: str, expected: bytes = b" 200 ") -> bytes:
        name = "address" if "@" in subject else "domain"
        began = time.perf_counter()
        self._writer.write(f"GET /v1/safety?{name}={subject}&deadline=10s HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = int(head.partition(b"Content-Length: ")[2].split(b"\r\n", 1)[0])
        body = await self._reader.readexactly(length)
        self.latencies.append(time.perf_counter() - began)
        assert expected in head[:20], (head, body)
        return body

    def close(self) -> None:
        self._writer.close()


def percentiles(latencies: list[float]) -> str:
    cuts = statistics.quantiles(latencies, n=100)
    return f"p50 {cuts[49] * 1e3:7.2f} ms   p99 {cuts[98] * 1e3:7.2f} ms"


async def load_of(clients: list[Client], work: Callable[[Client, int], object]) -> None:
    await asyncio.gather(*(work(client, number) for number, client in enumerate(clients)))  # type: ignore[arg-type]


async def measure(seconds: float, domains: int, connections: int) -> None:
    names = [f"d{number}.lab" for number in range(domains)]
    async with Lab([Scenario(domain=name) for name in names]) as lab:
        with tempfile.TemporaryDirectory() as directory:
            config = write_settings(lab, Path(directory), listen="127.0.0.1:0")
            config.write_text(config.read_text() + _SECTION)
            ours, theirs = multiprocessing.Pipe()
            process = multiprocessing.get_context("spawn").Process(target=serve, args=(str(config), theirs))
            process.start()
            loop = asyncio.get_running_loop()
            port = await loop.run_in_executor(None, ours.recv)

            async def used() -> float:
                ours.send("used")
                return float(await loop.run_in_executor(None, ours.recv))

            try:
                await live(port, names, used)
                await cached(port, names, seconds, connections, used)
            finally:
                ours.send(None)
                process.join(20)


async def live(port: int, names: list[str], used: Callable[[], object]) -> None:
    clients = [Client(port) for _ in range(4)]
    for client in clients:
        await client.open()
    await clients[0].ask("anna@warm.lab")
    for client in clients:
        client.latencies.clear()
    began, before = time.perf_counter(), await used()  # type: ignore[misc]
    todo = iter(names)

    async def work(client: Client, _: int) -> None:
        for name in todo:
            assert b'"level":"dane"' in await client.ask(f"anna@{name}")

    await load_of(clients, work)
    took, cpu = time.perf_counter() - began, await used() - before  # type: ignore[misc]
    latencies = [one for client in clients for one in client.latencies]
    print(
        f"live     {len(latencies) / took:8.0f}/s  {percentiles(latencies)}   "
        f"{cpu / len(latencies) * 1e3:.2f} ms of processor time each, {len(latencies) / cpu:.0f}/s and core"
    )
    for client in clients:
        client.close()


async def cached(port: int, names: list[str], seconds: float, connections: int, used: Callable[[], object]) -> None:
    clients = [Client(port) for _ in range(connections)]
    for client in clients:
        await client.open()
    end = time.perf_counter() + seconds
    before = await used()  # type: ignore[misc]

    async def work(client: Client, number: int) -> None:
        place = number
        while time.perf_counter() < end:
            await client.ask(f"anna@{names[place % len(names)]}")
            place += 7

    await load_of(clients, work)
    cpu = await used() - before  # type: ignore[misc]
    latencies = [one for client in clients for one in client.latencies]
    print(
        f"cached   {len(latencies) / seconds:8.0f}/s  {percentiles(latencies)}   "
        f"{cpu / len(latencies) * 1e6:.0f} µs of processor time each, {len(latencies) / cpu:.0f}/s and core"
    )
    for client in clients:
        client.close()


class Flooded(Rehearsal):
    """A gateway in one process with the API beside the mail, at its usual rates."""

    def write_settings(self) -> None:
        super().write_settings()
        usual = 'listen = "127.0.0.1:0"\nallow = ["127.0.0.0/8"]\nforbidden_networks = []\n'
        self.config_file.write_text(f"{self.config_file.read_text()}\n[safety]\n{usual}")


def hand_in(port: int, seconds: float, pipe: Connection) -> None:
    """One client sends messages as fast as it can; says how many."""
    count, end = 0, time.perf_counter() + seconds
    while time.perf_counter() < end:
        with smtplib.SMTP("127.0.0.1", port, local_hostname="client.lab", timeout=30) as client:
            for _ in range(50):
                client.sendmail("a@sender.lab", ["b@dane.lab"], b"Subject: x\r\n\r\n" + b"x" * 4000)
                count += 1
                if time.perf_counter() >= end:
                    break
    pipe.send(count)


def flood(port: int, seconds: float, pipe: Connection) -> None:
    """Eight clients ask for one domain as fast as they are answered."""

    async def run() -> None:
        clients = [Client(port) for _ in range(8)]
        for client in clients:
            await client.open()
        end = time.perf_counter() + seconds

        async def work(client: Client, _: int) -> None:
            while time.perf_counter() < end:
                await client.ask("dane.lab", b"HTTP/1.1 ")

        await load_of(clients, work)
        pipe.send(sum(len(client.latencies) for client in clients))

    asyncio.run(run())


async def beside_mail(seconds: float) -> None:
    with tempfile.TemporaryDirectory() as directory:
        async with Flooded([Scenario(domain="dane.lab")], Path(directory)) as place:
            await place.play(place.lab.scenario("dane.lab"))
            port = place.gateway.listening[0][1]
            assert place.gateway.http.safety_address is not None
            api = place.gateway.http.safety_address[1]
            loop = asyncio.get_running_loop()
            for flooded in (False, True):
                ours, theirs = multiprocessing.Pipe()
                mine, its = multiprocessing.Pipe()
                spawn = multiprocessing.get_context("spawn")
                processes = [spawn.Process(target=hand_in, args=(port, seconds, theirs))]
                if flooded:
                    processes.append(spawn.Process(target=flood, args=(api, seconds, its)))
                for process in processes:
                    process.start()
                mail = await loop.run_in_executor(None, ours.recv)
                asked = await loop.run_in_executor(None, mine.recv) if flooded else 0
                for process in processes:
                    process.join(30)
                words = f"with a flood of {asked / seconds:.0f} questions/s" if flooded else "alone"
                print(f"mail     {mail / seconds:8.0f}/s handed in by one client, {words}")


def main() -> None:
    """Run all of it and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--domains", type=int, default=200)
    parser.add_argument("--connections", type=int, default=8)
    asked = parser.parse_args()
    print(f"load average before: {os.getloadavg()[0]:.1f}")
    asyncio.run(measure(asked.seconds, asked.domains, asked.connections))
    asyncio.run(beside_mail(asked.seconds))


if __name__ == "__main__":
    main()

"""Ten thousand slow clients: what each costs, and how an honest client fares beside them.

    python bench/slow_clients.py [--clients 10000] [--honest 200]

Half of them say nothing after the greeting, half send one octet of a command every ten seconds. Prints the growth of
the gateway's proportional memory (PSS) per connection, its CPU while they dawdle, and the time an honest client needs
for a whole session (connect, EHLO, MAIL, RCPT, DATA with 4 KB, QUIT), alone and in that company. Needs a hard limit of
open files above the number of clients (ulimit -Hn).
"""

from __future__ import annotations

import argparse
import asyncio
import resource
import socket
import sys
import tempfile
import time
from pathlib import Path

import uvloop

sys.path.insert(0, str(Path(__file__).parent))

from processes import usage
from recording_sink import Record, RecordingSink

from gateway import Gateway

AT_ONCE = 200
SECONDS_PER_OCTET = 10.0
WORDS = b"EHLO a-client-in-no-hurry.example"


class Slow(asyncio.Protocol):
    """A client that takes its time."""

    def __init__(self) -> None:
        self.greeted = asyncio.get_running_loop().create_future()
        self.transport: asyncio.Transport | None = None
        self.lost = False
        self.sent = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        if not self.greeted.done():
            self.greeted.set_result(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True
        if not self.greeted.done():
            self.greeted.set_result(b"")

    def one_octet(self) -> None:
        """Say a little more."""
        if not self.lost and self.transport is not None:
            self.transport.write(WORDS[self.sent % len(WORDS) : self.sent % len(WORDS) + 1])
            self.sent += 1


async def crowd(port: int, count: int) -> list[Slow]:
    """So many connections that have been greeted, from a few source addresses."""
    loop = asyncio.get_running_loop()
    people: list[Slow] = []
    while len(people) < count:
        wanted = min(AT_ONCE, count - len(people))
        sources = [(f"127.0.1.{1 + (len(people) + n) // 5000}", 0) for n in range(wanted)]
        made = await asyncio.gather(
            *(loop.create_connection(Slow, "127.0.0.1", port, local_addr=source) for source in sources)
        )
        newcomers = [protocol for _, protocol in made]
        greetings = await asyncio.wait_for(asyncio.gather(*(one.greeted for one in newcomers)), 60)
        if not all(greeting.startswith(b"220") for greeting in greetings):
            raise SystemExit(f"refused after {len(people)}: {set(greetings)}")
        people += newcomers
    return people


async def dawdle(people: list[Slow]) -> None:
    """Every second client sends its octet, spread over the ten seconds."""
    talkers = people[::2]
    while True:
        for start in range(0, len(talkers), max(1, len(talkers) // 100)):
            for one in talkers[start : start + max(1, len(talkers) // 100)]:
                one.one_octet()
            await asyncio.sleep(SECONDS_PER_OCTET / 100)


async def honest(port: int, sessions: int) -> list[float]:
    """Seconds of each whole session, one after the other, sorted."""
    body = b"Subject: honest\r\nX-Crash-Id: honest\r\n\r\n" + (b"x" * 70 + b"\r\n") * 56 + b".\r\n"
    taken = []
    for number in range(sessions):
        started = time.perf_counter()
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        steps = (
            b"", b"EHLO honest.example\r\n", b"MAIL FROM:<a@honest.example>\r\n",
            b"RCPT TO:<to-%d@sink.test>\r\n" % number, b"DATA\r\n", body, b"QUIT\r\n",
        )  # fmt: skip
        for step in steps:
            writer.write(step)
            line = b"250-"
            while line[3:4] == b"-":
                line = await reader.readline()
            if not line.startswith((b"2", b"3")):
                raise SystemExit(f"an honest client was refused: {line!r}")
        writer.close()
        taken.append(time.perf_counter() - started)
        await asyncio.sleep(0.01)
    return sorted(taken)


def spread(seconds: list[float]) -> str:
    """p50 and p99 in milliseconds."""
    half, most = seconds[len(seconds) // 2], seconds[int(len(seconds) * 0.99)]
    return f"p50 {half * 1000:5.1f} ms   p99 {most * 1000:5.1f} ms"


async def measure(gateway: Gateway, record: Record, clients: int, sessions: int, seconds: float) -> bool:
    """Everything in order; True when all slow clients were kept and every honest message arrived."""
    await honest(gateway.port, 20)
    alone = await honest(gateway.port, sessions)
    before = usage([gateway.pid])
    print(f"  alone                 honest client {spread(alone)}   PSS {before.pss_mib:6.1f} MiB", flush=True)
    started = time.perf_counter()
    people = await crowd(gateway.port, clients)
    came = time.perf_counter() - started
    talking = asyncio.create_task(dawdle(people))
    crowded = usage([gateway.pid])
    await asyncio.sleep(seconds)
    later = usage([gateway.pid])
    together = await honest(gateway.port, sessions)
    print(f"  beside {clients:6} slow    honest client {spread(together)}   PSS {later.pss_mib:6.1f} MiB")
    per_connection = (later.pss_mib - before.pss_mib) * 1024 / clients
    print(f"  memory per connection {per_connection:.1f} KiB (aim: at most 12)")
    cpu = (later.cpu_seconds - crowded.cpu_seconds) / seconds
    print(f"  gateway CPU           {100 * cpu:.1f} % of one core while they dawdle; all were greeted in {came:.1f} s")
    kept = sum(not one.lost for one in people)
    expected = 20 + 2 * sessions
    for _ in range(100):
        if sum(record.arrived.values()) >= expected:
            break
        await asyncio.sleep(0.1)
    relayed = sum(record.arrived.values())
    print(f"  kept open             {kept} of {clients}; honest messages relayed {relayed} of {expected}")
    talking.cancel()
    for one in people:
        if one.transport is not None:
            one.transport.abort()
    return kept == clients and sum(record.arrived.values()) == expected


async def play(clients: int, sessions: int, seconds: float, directory: Path) -> bool:
    """A sink, a gateway that allows the crowd, the crowd."""
    record = Record()
    sink = await asyncio.get_running_loop().create_server(lambda: RecordingSink(record), "127.0.0.1", 0)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    gateway = Gateway(directory / "danelaw", port, sink.sockets[0].getsockname()[1], None)
    allowed = f"limits.connections_per_client = {clients + 100}\nlimits.connections = {clients + 100}"
    gateway.config.write_text(
        gateway.config.read_text().replace("limits.connections_per_client = 2000", allowed)
        + 'resolver.servers = ["127.0.0.1:1"]\n'
    )
    await asyncio.to_thread(gateway.start)
    try:
        return await measure(gateway, record, clients, sessions, seconds)
    finally:
        await asyncio.to_thread(gateway.stop)
        sink.close()


def main() -> None:
    """Raise the limit of open files, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=10_000)
    parser.add_argument("--honest", type=int, default=200, help="sessions of the honest client, each time")
    parser.add_argument(
        "--seconds", type=float, default=10.0, help="how long they dawdle before the second measurement"
    )
    options = parser.parse_args()
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if hard < options.clients + 200:
        raise SystemExit(f"only {hard} open files are allowed: raise the hard limit (ulimit -Hn) or use --clients")
    print(f"slow clients: {options.clients}, half silent, half one octet per {SECONDS_PER_OCTET:g} s")
    with tempfile.TemporaryDirectory(prefix="danelaw-slow-", dir="/var/tmp") as name:
        good = uvloop.run(play(options.clients, options.honest, options.seconds, Path(name)))
    raise SystemExit(0 if good else 1)


if __name__ == "__main__":
    main()

"""Mixed mail for a long time at 70 % of what the machine can do: does anything grow, or stay behind?

    python bench/soak.py --minutes 30 [--clients 12] [--load 0.7]

Clients with and without TLS send small and large messages to one and to several recipients, some of which are deferred
once or refused for good, so that retries and notices are in it, under a limit of connections. First the most is found
for ten seconds, then the rate is kept at that share. Every ten seconds one line; at the end, once the queue is empty:
the slope of the memory over the second half, and what is left of tasks, descriptors, threads, permits and rows. Exit
status 1 when anything grew or stayed behind, or a message was lost.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import random
import sqlite3
import ssl
import subprocess
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from crash import Clients, Tally, free_port
from processes import usage
from recording_sink import Record, RecordingSink
from workplace import workplace

from gateway import Gateway

LINE_SECONDS = 10.0
MEMORY_SLACK_MIB = 4.0
MORE = """\
resolver.servers = ["127.0.0.1:1"]
mta_sts.enabled = false
queue.retry_first = "1s"
queue.retry_longest = "2s"
[[limit]]
name = "soak"
domain = ["*"]
connections = 15
[[certificate]]
chain = "{d}/server.pem"
key = "{d}/server.key"
"""


class Steady(Clients):
    """`crash.Clients` without an end, at a rate, every second one with TLS, connections kept for fifty messages."""

    def __init__(self, tally: Tally, port: int, chance: random.Random) -> None:
        super().__init__(tally, port, 0, chance)
        self.sent, self.failed, self.rate, self.stopping = 0, 0, float("inf"), False
        self._next = 0.0

    async def _client(self) -> None:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        while not self.stopping:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                try:
                    await self._connection(reader, writer, context if self.chance.random() < 0.5 else None)
                finally:
                    writer.close()
                    with contextlib.suppress(OSError):
                        await writer.wait_closed()
            except (OSError, EOFError, asyncio.IncompleteReadError):
                self.failed += 1

    async def _connection(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, context: ssl.SSLContext | None
    ) -> None:
        for step in (b"EHLO client.test\r\n", b"STARTTLS\r\n"):
            if step == b"STARTTLS\r\n" and context is None:
                break
            await _reply(reader)
            writer.write(step)
        await _reply(reader)
        if context is not None:
            await writer.start_tls(context)
            writer.write(b"EHLO client.test\r\n")
            await _reply(reader)
        for _ in range(50):
            if self.stopping:
                return
            now = time.monotonic()
            self._next = max(self._next + 1 / self.rate, now - 1)
            await asyncio.sleep(max(0.0, self._next - now))
            if await self._send(self.sent, reader, writer):
                self.sent += 1


async def _reply(reader: asyncio.StreamReader) -> None:
    while True:
        line = await reader.readuntil(b"\n")
        if line[3:4] != b"-":
            return


def rows_left(spool: Path) -> dict[str, int]:
    """Rows of what waits, by table, in all shards."""
    left = {"message": 0, "body": 0, "recipient": 0}
    for path in spool.glob("shard-*/queue.db"):
        connection = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
        for table in left:
            left[table] += connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
        connection.close()
    return left | {"files": sum(1 for _ in spool.glob("shard-*/bodies/*"))}


def slope(points: list[tuple[float, float]]) -> float:
    """MiB per hour, by least squares."""
    if len(points) < 3:
        return 0.0
    middle, level = sum(x for x, _ in points) / len(points), sum(y for _, y in points) / len(points)
    return 3600 * sum((x - middle) * (y - level) for x, y in points) / sum((x - middle) ** 2 for x, _ in points)


class Watch:
    """Looks at the gateway from outside, and reads what it counts inside."""

    def __init__(self, gateway: Gateway, counted: Path) -> None:
        self.gateway, self._counted = gateway, counted

    def look(self) -> dict[str, float]:
        """Numbers by name."""
        pid = self.gateway.pid
        counted = json.loads(self._counted.read_text()) if self._counted.exists() else {}
        return {
            "memory": usage([pid]).pss_mib,
            "descriptors": len(os.listdir(f"/proc/{pid}/fd")),
            "threads": len(os.listdir(f"/proc/{pid}/task")),
            **counted,
        }


async def _soak(gateway: Gateway, record: Record, watch: Watch, options: argparse.Namespace) -> list[str]:
    """The whole story; gives what is wrong."""
    tally, chance = Tally(), random.Random(options.seed)
    clients = Steady(tally, gateway.port, chance)
    await asyncio.sleep(6)
    rest = watch.look()
    running = asyncio.create_task(clients.run(options.clients))
    await asyncio.sleep(3)
    before = clients.sent
    await asyncio.sleep(options.probe)
    most = (clients.sent - before) / options.probe
    clients.rate = options.load * most
    print(f"  the most {most:.0f}/s; kept at {clients.rate:.0f}/s for {options.minutes:g} minutes", flush=True)
    started, points = time.monotonic(), []
    while (elapsed := time.monotonic() - started) < 60 * options.minutes:
        await asyncio.sleep(min(LINE_SECONDS, 60 * options.minutes - elapsed))
        seen = watch.look()
        points.append((time.monotonic() - started, seen["memory"]))
        shown = "  ".join(f"{name} {value:.0f}" for name, value in seen.items() if name != "memory")
        print(f"  {points[-1][0]:5.0f} s  sent {clients.sent}  {seen['memory']:.1f} MiB  {shown}", flush=True)
    clients.stopping = True
    await running
    left = await _emptied(gateway.directory / "spool", tally, record)
    await asyncio.sleep(12)
    end = watch.look()
    growth = slope(points[len(points) // 2 :])
    grown = growth * options.minutes / 120
    print(
        f"  memory {rest['memory']:.1f} MiB at rest, {end['memory']:.1f} at the end; second half {growth:+.1f} MiB/hour"
    )
    print("  at rest / at the end: " + ", ".join(f"{name} {rest.get(name, 0):.0f}/{end[name]:.0f}" for name in end))
    print(
        f"  rows left {left}; clients' connections that broke {clients.failed}; acknowledged {len(tally.acknowledged)}"
    )
    wrong = [f"{value} rows left in {table}" for table, value in left.items() if value]
    wrong += [f"memory grew by {grown:.1f} MiB in the second half"] if grown > MEMORY_SLACK_MIB else []
    wrong += [f"{end['permits']:.0f} permits are still in use"] if end.get("permits") else []
    wrong += [f"more {name} than at rest" for name in ("tasks", "descriptors") if end[name] > rest.get(name, 0) + 2]
    return wrong + missing(tally, record)


async def _emptied(spool: Path, tally: Tally, record: Record) -> dict[str, int]:
    left: dict[str, int] = {}
    for _ in range(240):
        left = rows_left(spool)
        if not any(left.values()) and not missing(tally, record):
            break
        await asyncio.sleep(0.5)
    return left


def missing(tally: Tally, record: Record) -> list[str]:
    """Acknowledged messages that neither arrived nor were reported, in words; the first few."""
    lost = [
        f"{name} for {recipient} is gone"
        for name in tally.acknowledged
        for recipient in tally.tried[name].recipients
        if (name, recipient) not in record.arrived and (name, recipient) not in record.notices
    ]
    return [*lost[:5], f"{len(lost)} in all"] if lost else []


async def play(home: Path, options: argparse.Namespace) -> list[str]:
    """Sink, gateway, clients."""
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 30 -subj /CN=soak.test"
    keys = ["-keyout", str(home / "server.key"), "-out", str(home / "server.pem")]
    subprocess.run([*command.split(), *keys], check=True, capture_output=True)
    record = Record()
    sink = await asyncio.get_running_loop().create_server(lambda: RecordingSink(record), "127.0.0.1", 0, backlog=200)
    gateway = Gateway(
        home / "danelaw",
        free_port(),
        sink.sockets[0].getsockname()[1],
        more=MORE.format(d=home),
        counted=home / "counted",
    )
    print(f"soak: {gateway.config.read_text()!r}")
    await asyncio.to_thread(gateway.start)
    try:
        return await _soak(gateway, record, Watch(gateway, home / "counted"), options)
    finally:
        await asyncio.to_thread(gateway.stop)
        sink.close()


def main() -> None:
    """Play, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=float, default=2.0)
    parser.add_argument("--clients", type=int, default=12)
    parser.add_argument("--load", type=float, default=0.7, help="share of the most")
    parser.add_argument("--probe", type=float, default=10.0, help="seconds to find the most")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    with workplace("soak") as home:
        wrong = asyncio.run(play(home, options))
    print("\n".join(f"  WRONG: {one}" for one in wrong) if wrong else "nothing grew, nothing stayed behind")
    raise SystemExit(1 if wrong else 0)


if __name__ == "__main__":
    main()

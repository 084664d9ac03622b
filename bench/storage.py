"""What the disk is asked for while 4 KB messages are relayed, and how long a 250 takes beside checkpoints.

    python bench/storage.py [--messages 20000]

For 1, 20 and 100 kept clients that send as fast as they are answered: rate, 250 p50 and p99, flushes and octets written
per message, and the size of the write-ahead log. Flushes, and octets written into the log, are counted by a library
preloaded into the gateway (`count_flush.c`); all octets are the process's own (/proc/PID/io). Needs a C compiler.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

import uvloop

sys.path.insert(0, str(Path(__file__).parent))

from latency import LINE
from latency import _at as at
from processes import usage
from relay import Load
from workplace import workplace

from gateway import Gateway

SINK_PORT, PORT = 2676, 2577
MESSAGE = b"Subject: storage\r\n\r\n" + LINE * 51 + b".\r\n"


class Client(asyncio.Protocol):
    """Sends one message after the other until the common number is used up."""

    def __init__(self, left: list[int], answers: list[float], over: asyncio.Future[None]) -> None:
        self.left, self.answers, self.over = left, answers, over
        self.replies, self.buffer, self.began = 0, b"", 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        *lines, self.buffer = (self.buffer + data).split(b"\r\n")
        for line in lines:
            if line[3:4] != b"-":
                self._reply(line)

    def _reply(self, line: bytes) -> None:
        self.replies += 1
        if self.replies == 1:
            self.transport.write(b"EHLO client.test\r\n")
        elif self.replies in (2, 6):
            if self.replies == 6:
                self.answers.append(time.perf_counter() - self.began)
            if not self.left[0]:
                self.transport.close()
                return
            self.left[0] -= 1
            self.replies = 2
            self.transport.write(b"MAIL FROM:<a@sender.test>\r\nRCPT TO:<b@sink.test>\r\nDATA\r\n")
        elif self.replies == 5:
            if not line.startswith(b"354"):
                raise SystemExit(f"refused: {line!r}")
            self.began = time.perf_counter()
            self.transport.write(MESSAGE)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.over.done():
            self.over.set_result(None)


async def _send(clients: int, messages: int) -> tuple[float, list[float]]:
    """Seconds it took, and the seconds until each 250."""
    loop, left, answers = asyncio.get_running_loop(), [messages], list[float]()
    ends = [loop.create_future() for _ in range(clients)]
    started = time.perf_counter()
    for end in ends:
        await loop.create_connection(lambda end=end: Client(left, answers, end), "127.0.0.1", PORT)  # type: ignore[misc]
    await asyncio.gather(*ends)
    return time.perf_counter() - started, answers


class Disk:
    """Counts what a gateway asks of the disk."""

    def __init__(self, gateway: Gateway, counter: Path) -> None:
        self._gateway, self._counter = gateway, counter
        self._log = gateway.directory / "spool/shard-00/queue.db-wal"

    def octets(self) -> int:
        """Written by the process, to files and sockets' buffers excepted."""
        for line in Path(f"/proc/{self._gateway.pid}/io").read_text().splitlines():
            if line.startswith("write_bytes:"):
                return int(line.split()[1])
        return 0

    def flushes(self) -> int:
        """By the counting library."""
        return int.from_bytes(self._counter.read_bytes()[:8], sys.byteorder)

    def log_written(self) -> int:
        """Octets written into the write-ahead log, by the counting library."""
        return int.from_bytes(self._counter.read_bytes()[8:16], sys.byteorder)

    def log_megabytes(self) -> float:
        """The size of the write-ahead log now."""
        return self._log.stat().st_size / 1e6


def _counting_library(home: Path) -> tuple[Path, dict[str, str]]:
    library, counter = home / "count_flush.so", home / "flushes"
    source = Path(__file__).with_name("count_flush.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", str(library), str(source), "-ldl"], check=True)
    counter.write_bytes(bytes(4096))
    return counter, {"LD_PRELOAD": str(library), "FLUSH_COUNTER": str(counter)}


def measure(gateway: Gateway, disk: Disk, load: Load, clients: int, messages: int) -> None:
    """One line."""
    before, flushes, log, octets = load.count(), disk.flushes(), disk.log_written(), disk.octets()
    cpu = usage([gateway.pid], memory=False).cpu_seconds
    took, answers = uvloop.run(_send(clients, messages))
    deadline = time.monotonic() + 60
    while load.count() < before + messages and time.monotonic() < deadline:
        time.sleep(0.02)
    time.sleep(0.5)
    p50, p99 = at(answers, 50), at(answers, 99)
    print(
        f"  {clients:3} clients {messages / took:6.0f}/s   250 p50 {p50:5.1f}  p99 {p99:5.1f} ms ({p99 / p50:3.1f}x)"
        f"  longest {at(answers, 100):6.1f}   flushes {(disk.flushes() - flushes) / messages:5.3f}"
        f"   log {(disk.log_written() - log) / messages / 1000:5.1f} KB,"
        f" all {(disk.octets() - octets) / messages / 1000:5.1f} KB"
        f"   log file {disk.log_megabytes():4.0f} MB   CPU"
        f" {1e6 * (usage([gateway.pid], memory=False).cpu_seconds - cpu) / messages:.0f} us",
        flush=True,
    )


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=20_000, help="for each number of clients")
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    with workplace("storage") as home:
        load = Load(options, home, None, port=SINK_PORT)
        counter, environment = _counting_library(home)
        gateway = Gateway(home / "danelaw", PORT, SINK_PORT, environment={**os.environ, **environment}, more=QUIET)
        try:
            gateway.start()
            disk = Disk(gateway, counter)
            print("per message of 4 KB (aims: 250 p99 at most 10 ms and 3x p50 at 20 clients; log file at most 64 MB,")
            print("15 KB of log; 0.2 flushes at 100 clients)")
            for _ in range(options.rounds):
                for clients, messages in ((1, options.messages // 5), (20, options.messages), (100, options.messages)):
                    measure(gateway, disk, load, clients, messages)
        finally:
            load.stop()
            gateway.stop()


QUIET = 'resolver.servers = ["127.0.0.1:1"]\nmta_sts.enabled = false\n'


if __name__ == "__main__":
    main()

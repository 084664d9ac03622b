"""Twice as much mail as can be taken: is what can be taken still taken, and soon?

    python bench/overload.py [--seconds 15] [--clients 400]

First the most each side takes and relays (20 kept connections that send as fast as they are answered), then an open
loop at twice that rate over up to `--clients` kept connections: mail comes whether or not the server keeps up. A
message refused with 421 or 4xx is counted and not sent again; one for which no connection is free is counted as held by
its sender. danelaw and a tuned Postfix in alternating rounds.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

import uvloop

sys.path.insert(0, str(Path(__file__).parent))

from latency import LINE
from latency import _at as at
from postfix import Postfix
from processes import usage
from relay import Load, Run
from workplace import workplace

from gateway import Gateway

SINK_PORT, POSTFIX_PORT, DANELAW_PORT = 2656, 2557, 2559
MESSAGE = b"Subject: overload\r\n\r\n" + LINE * 51 + b".\r\n"


@dataclass
class Seen:
    """What became of the messages offered."""

    taken: int = 0
    refused: int = 0
    held: int = 0
    lost: int = 0
    answers: list[float] = field(default_factory=list)


class Client(asyncio.Protocol):
    """One kept connection that copes with refusals, and is made anew when it was closed."""

    def __init__(self, seen: Seen, free: list[Client], port: int) -> None:
        self.seen, self.free, self.port = seen, free, port
        self.buffer, self.expected, self.codes, self.began = b"", 1, list[bytes](), 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        *lines, self.buffer = (self.buffer + data).split(b"\r\n")
        for line in lines:
            if line[3:4] != b"-":
                self.codes.append(line[:3])
        if len(self.codes) >= self.expected:
            codes, self.codes = self.codes, []
            self._answered(codes)

    def _answered(self, codes: list[bytes]) -> None:
        if b"421" in codes:
            self.seen.refused += self.began != 0.0 or self.expected == 3
            self.began = 0.0
            self.transport.close()
        elif self.expected == 3 and codes[2] == b"354":
            self.expected, self.began = 1, time.perf_counter()
            self.transport.write(MESSAGE)
        elif self.expected == 3:
            self.seen.refused += 1
            self._rest()
        elif self.began:
            self.seen.answers.append(time.perf_counter() - self.began)
            self.seen.taken += codes[0] == b"250"
            self.seen.refused += codes[0] != b"250"
            self._rest()
        elif codes[0] == b"220":
            self.transport.write(b"EHLO client.test\r\n")
        else:
            self._rest()

    def _rest(self) -> None:
        self.began, self.expected = 0.0, 1
        self.free.append(self)

    def connection_lost(self, exc: Exception | None) -> None:
        self.seen.lost += self.began != 0.0
        if self in self.free:
            self.free.remove(self)

    def send(self) -> None:
        """Begin a message."""
        self.expected = 3
        self.transport.write(b"MAIL FROM:<a@sender.test>\r\nRCPT TO:<b@sink.test>\r\nDATA\r\n")


async def offer(port: int, rate: float, seconds: float, clients: int) -> Seen:
    """Offer so many messages a second for so long."""
    loop, seen, free = asyncio.get_running_loop(), Seen(), list[Client]()
    everybody: list[Client] = []

    async def connect() -> None:
        _, made = await loop.create_connection(lambda: Client(seen, free, port), "127.0.0.1", port)
        everybody.append(made)

    for first in range(0, clients, 50):
        await asyncio.gather(*(connect() for _ in range(first, min(clients, first + 50))))
    deadline = loop.time() + 20
    while len(free) < clients * 0.9 and loop.time() < deadline:
        await asyncio.sleep(0.05)
    started, sent = loop.time(), 0
    while (elapsed := loop.time() - started) < seconds:
        due = int(elapsed * rate)
        for _ in range(due - sent):
            if free:
                free.pop(0).send()
            else:
                seen.held += 1
        sent = due
        await asyncio.sleep(0.001)
    for client in everybody:
        client.seen = Seen()  # what is broken off now is our own doing
        client.transport.abort()
    return seen


def measure(name: str, port: int, pid: int, load: Load, options: argparse.Namespace) -> tuple[float, float]:
    """The most, then twice that; gives the share kept and the p99 of the 250 in seconds."""
    most: Run = load.run(port, [pid])
    before, used, began = load.count(), usage([pid]), time.perf_counter()
    seen = uvloop.run(offer(port, 2 * most.rate, options.seconds, options.clients))
    took, after, relayed = time.perf_counter() - began, usage([pid]), load.count() - before
    kept, p99 = seen.taken / options.seconds / most.rate, at(seen.answers, 99)
    print(
        f"  {name:8} most {most.rate:5.0f}/s; offered {2 * most.rate:5.0f}/s:"
        f" taken {seen.taken / options.seconds:5.0f}/s ({100 * kept:3.0f} %), relayed {relayed / took:5.0f}/s,"
        f" refused {seen.refused}, held by senders {seen.held}, broken {seen.lost};"
        f" 250 p50 {at(seen.answers, 50):5.0f} p99 {p99:5.0f} ms;"
        f" CPU {100 * (after.cpu_seconds - used.cpu_seconds) / took:.0f} %, {after.pss_mib:.0f} MiB",
        flush=True,
    )
    return kept, p99 / 1000


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seconds", type=float, default=15.0)
    parser.add_argument("--clients", type=int, default=400)
    parser.add_argument("--messages", type=int, default=4000, help="to find the most")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=("danelaw", "postfix"))
    options = parser.parse_args()
    options.fresh, options.sessions, options.domain, options.size = False, 20, "sink.test", 4096
    with workplace("overload") as home:
        load = Load(options, home, None, port=SINK_PORT)
        gateway = Gateway(home / "danelaw", DANELAW_PORT, SINK_PORT)
        limit = {"default_process_limit": str(options.clients + 100)}
        postfix = Postfix(home / "postfix", POSTFIX_PORT, {"relayhost": f"[127.0.0.1]:{SINK_PORT}", **limit})
        results: dict[str, list[tuple[float, float]]] = {}
        try:
            if options.only != "postfix":
                gateway.start()
                print(f"danelaw: {gateway.config.read_text()!r}")
            if options.only != "danelaw":
                postfix.start()
                print("postfix:", ", ".join(f"{k}={v}" for k, v in postfix.settings.items() if "limit" in k))
            for _ in range(options.rounds):
                if options.only != "danelaw":
                    results.setdefault("postfix", []).append(
                        measure("postfix", POSTFIX_PORT, postfix.master_pid, load, options)
                    )
                if options.only != "postfix":
                    results.setdefault("danelaw", []).append(
                        measure("danelaw", DANELAW_PORT, gateway.pid, load, options)
                    )
        finally:
            load.stop()
            gateway.stop()
            if options.only != "danelaw":
                postfix.stop()
    for name, seen in results.items():
        print(
            f"{name}: kept {100 * statistics.median(one for one, _ in seen):.0f} % of its most (aim: 80), 250 p99"
            f" {statistics.median(one for _, one in seen):.2f} s (aim: 1)"
        )


if __name__ == "__main__":
    main()

"""One destination that answers each command after many seconds, and two hundred that are well: do these suffer?

    python bench/tarpit.py [--rate 300] [--seconds 20] [--share 0.1]

An open loop of messages to the healthy destinations, each with a next hop of its own (127.0.1.1 to 127.0.1.200), first
alone, then with so large a share of all mail for the tarpit (127.0.2.1). Printed: from the end of the data to the next
hop, healthy mail only. danelaw and a tuned Postfix in alternating rounds; clients and next hops live in this process.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import sys
from collections import deque
from pathlib import Path

import uvloop

sys.path.insert(0, str(Path(__file__).parent))

from latency import Client, NextHop, Times
from latency import _at as at
from postfix import Postfix
from workplace import workplace

from gateway import Gateway

SINK_PORT, POSTFIX_PORT, DANELAW_PORT = 2666, 2567, 2569
HEALTHY = 200
SECONDS_PER_ANSWER = 15.0


class Tarpit(asyncio.Protocol):
    """Answers, but not soon."""

    open = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]
        Tarpit.open += 1
        self._later(b"220 tarpit ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        self._later(b"250 in good time\r\n")

    def connection_lost(self, exc: Exception | None) -> None:
        Tarpit.open -= 1

    def _later(self, line: bytes) -> None:
        asyncio.get_running_loop().call_later(SECONDS_PER_ANSWER, self._say, line)

    def _say(self, line: bytes) -> None:
        if not self.transport.is_closing():
            self.transport.write(line)


class ToMany(Client):
    """Its messages go to one destination after the other, or to the tarpit as the subject says."""

    sent = 0

    def send(self, subject: bytes) -> None:
        ToMany.sent += 1
        self.subject, self.replies = subject, 2
        domain = b"tarpit.test" if subject.startswith(b"tarpit") else b"d%d.test" % (ToMany.sent % HEALTHY)
        self.transport.write(b"MAIL FROM:<a@sender.test>\r\nRCPT TO:<b@" + domain + b">\r\nDATA\r\n")


async def _load(port: int, rate: float, seconds: float, share: float) -> tuple[Times, int]:
    """Gives the times of healthy mail, and how many such messages were sent."""
    loop, times, free, waiting = asyncio.get_running_loop(), Times(), deque[Client](), deque[bytes]()
    servers = [
        await loop.create_server(lambda: NextHop(times), f"127.0.1.{number}", SINK_PORT)
        for number in range(1, HEALTHY + 1)
    ]
    servers.append(await loop.create_server(Tarpit, "127.0.2.1", SINK_PORT, backlog=1000))
    for _ in range(20):
        await loop.create_connection(lambda: ToMany(times, free, waiting), "127.0.0.1", port)
    while len(free) < 20:
        await asyncio.sleep(0.05)
    started, sent, healthy, owed = loop.time(), 0, 0, 0.0
    while (elapsed := loop.time() - started) < seconds:
        due = int(elapsed * rate)
        for number in range(sent, due):
            owed += share
            to_tarpit, owed = owed >= 1, owed % 1
            healthy += not to_tarpit
            subject = b"%s-%d-%d" % (b"tarpit" if to_tarpit else b"well", int(started * 1000), number)
            if free:
                free.popleft().send(subject)
            else:
                waiting.append(subject)
        sent = due
        await asyncio.sleep(0.001)
    for _ in range(200):
        if len(times.passed) >= healthy:
            break
        await asyncio.sleep(0.05)
    for server in servers:
        server.close()
    for client in free:
        client.transport.abort()
    return times, healthy


def measure(name: str, port: int, options: argparse.Namespace) -> float:
    """Alone, then beside the tarpit; gives the ratio of the p99."""
    p99 = []
    for share in (0.0, options.share):
        rate = options.rate / (1 - share)  # the same healthy mail
        times, healthy = uvloop.run(_load(port, rate, options.seconds, share))
        p99.append(at(times.passed, 99))
        beside = f"beside {100 * share:2.0f} % to a tarpit" if share else "alone"
        print(
            f"  {name:8} {beside:25} next hop after p50 {at(times.passed, 50):6.1f}  p90 {at(times.passed, 90):6.1f}"
            f"  p99 {p99[-1]:7.1f} ms   {len(times.passed)} of {healthy} arrived",
            flush=True,
        )
    return p99[1] / p99[0]


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=300.0, help="healthy messages per second")
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--share", type=float, default=0.1, help="of all mail that is for the tarpit")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", choices=("danelaw", "postfix"))
    options = parser.parse_args()
    names = [(f"d{number}.test", f"[127.0.1.{number + 1}]:{SINK_PORT}") for number in range(HEALTHY)]
    names.append(("tarpit.test", f"[127.0.2.1]:{SINK_PORT}"))
    ratios: dict[str, list[float]] = {}
    for number in range(options.rounds):
        print(f"round {number + 1}: {options.rate:.0f} healthy messages per second to {HEALTHY} destinations")
        for side in ("postfix", "danelaw"):
            if options.only in (None, side):
                with workplace("tarpit") as home:
                    ratios.setdefault(side, []).append(_round(side, home, names, options))
    for side, found in ratios.items():
        each = ", ".join(f"{one:.2f}" for one in found)
        print(f"{side}: p99 beside the tarpit / alone: median {statistics.median(found):.2f} ({each}; aim: 1.2)")


def _round(side: str, home: Path, names: list[tuple[str, str]], options: argparse.Namespace) -> float:
    """A fresh server for each round: what the tarpit left behind must not count twice."""
    if side == "danelaw":
        routes = "".join(f'[[route]]\ndomain = "{name}"\nnext_hop = "{hop}"\n' for name, hop in names)
        gateway = Gateway(home / "danelaw", DANELAW_PORT, SINK_PORT, more=QUIET + routes)
        gateway.start()
        try:
            return measure(side, DANELAW_PORT, options)
        finally:
            gateway.stop()
    table = home / "transport"
    table.write_text("".join(f"/@{name}$/ smtp:{hop}\n" for name, hop in names))
    postfix = Postfix(home / "postfix", POSTFIX_PORT, {"transport_maps": f"regexp:{table}"})
    postfix.start()
    try:
        return measure(side, POSTFIX_PORT, options)
    finally:
        postfix.stop()


QUIET = 'resolver.servers = ["127.0.0.1:1"]\nmta_sts.enabled = false\n'


if __name__ == "__main__":
    main()

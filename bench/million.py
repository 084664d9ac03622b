"""A million queued messages: does anything get slow?

    python bench/million.py                                  in 10,000 and in 500,000 domains, then a next hop returns
    python bench/million.py --messages 100000 --domains 1000 --returning 500
    python bench/million.py --part queued | returning        one half alone

The spool is filled through `danelaw.spool` itself, not through SMTP. Queued: all is due in an hour, but one message due
at once; measured are the start with nothing of the spool in the kernel's cache until that one message is at the sink,
memory, intake beside a second gateway with an empty spool (alternating rounds), `queue list`. Returning: everything is
due at the same moment for thousands of domains of one host, while new mail comes for others and some older mail falls
due for them.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import uvloop

sys.path.insert(0, str(Path(__file__).parent))

from domains import ManyDomains
from filled import Waiting, fill, forget_pages
from latency import Client, NextHop, Times
from latency import _at as at
from processes import usage
from relay import Load
from workplace import workplace

from gateway import Gateway

SINK_PORT, EMPTY_PORT, FULL_PORT = 2626, 2527, 2529
BACK_PORT, WELL_PORT = 2636, 2637
LISTS = (
    ("queue list to:…", ("list", "to:*@d77.many.test")),
    ("queue list host:…", ("list", "host:d77.many.test")),
    ("queue list state:held", ("list", "state:held")),
    ("queue list age>2h", ("list", "age>2h")),
    ("--group-by domain", ("list", "--group-by", "domain")),
    ("--group-by next-hop", ("list", "--group-by", "next-hop")),
    ("--group-by state", ("list", "--group-by", "state")),
)
QUIET = 'resolver.servers = ["127.0.0.1:1"]\nmta_sts.enabled = false\n'


def queued(count: int, domains: int, due: float) -> Iterator[Waiting]:
    """Spread over the domains, due then; the last one is for the sink and due now."""
    for number in range(count - 1):
        name = f"d{number % domains}.many.test"
        yield Waiting(name, f"u{number}@{name}", due)
    yield Waiting(f"[127.0.0.1]:{SINK_PORT}", "first@sink.test", time.time())


def _intake(options: argparse.Namespace, load: Load, empty: Gateway, full: Gateway) -> None:
    rates: dict[str, list[float]] = {"empty": [], "full": []}
    for _ in range(options.rounds):
        for name, gateway in (("empty", empty), ("full", full)):
            run = load.run(gateway.port, [gateway.pid])
            rates[name].append(run.rate)
            print(
                f"    relay beside {name:5} queue {run.rate:6.0f}/s  {run.cpu_us:4.0f} us CPU  tools {run.tools_us:.0f}"
            )
    shares = [full / empty for full, empty in zip(rates["full"], rates["empty"], strict=True)]
    print(f"  rate, full / empty     {statistics.median(shares):.2f} (aim: at least 0.70)", flush=True)


def measure_queued(options: argparse.Namespace, domains: int) -> None:
    """One number of domains."""
    with workplace("million") as home:
        load = Load(options, home, None)
        empty = Gateway(home / "empty", EMPTY_PORT, SINK_PORT, more=QUIET)
        full = Gateway(home / "full", FULL_PORT, SINK_PORT, more=QUIET)
        try:
            empty.start()
            rest = usage([empty.pid]).pss_mib
            rate = fill(home / "full/spool", queued(options.messages, domains, time.time() + 3600), options.size)
            cold = forget_pages(home / "full/spool")
            print(f"{options.messages} in {domains} domains, filled directly with {rate:.0f}/s, {cold:.0f} MB on disk")
            before, started = load.count(), time.perf_counter()
            full.start(step=0.01)
            greeted = time.perf_counter() - started
            while load.count() == before and time.perf_counter() - started < 60:
                time.sleep(0.005)
            print(f"  cold start: first delivery after {time.perf_counter() - started:.2f} s (aim: at most 2), "
                  f"greeting after {greeted:.2f} s")  # fmt: skip
            time.sleep(8)
            memory = usage([full.pid]).pss_mib
            print(
                f"  memory at rest         {memory:.1f} MiB, empty {rest:.1f} (aim: + 60, + 150 with 500,000 domains)"
            )
            _intake(options, load, empty, full)
            print(
                f"  memory after relaying  {usage([full.pid]).pss_mib:.1f} MiB, empty {usage([empty.pid]).pss_mib:.1f}"
            )
            for name, words in LISTS:
                began = time.perf_counter()
                command = [sys.executable, "-m", "danelaw", "queue", *words, "--config", str(full.config)]
                subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
                print(f"  {name:22} {time.perf_counter() - began:.2f} s, the whole command", flush=True)
        finally:
            load.stop()
            empty.stop()
            full.stop()


class Arrivals(NextHop):
    """A next hop that also notes when messages arrive whose subject says when they were due."""

    late: ClassVar[list[float]] = []
    others = 0

    def _note(self, message: bytes) -> None:
        begin = message.find(b"\r\nSubject: ") + 11
        subject = message[begin : message.find(b"\r\n", begin)]
        if subject.startswith(b"due-"):
            Arrivals.late.append(time.time() - float(subject[4:]))
        elif subject == b"waiting":
            Arrivals.others += 1
        else:
            super()._note(message)


class ToAnybody(Client):
    """Sends each message to another domain of the healthy host."""

    sent = 0

    def send(self, subject: bytes) -> None:
        ToAnybody.sent += 1
        self.subject, self.replies = subject, 2
        self.transport.write(
            b"MAIL FROM:<a@sender.test>\r\nRCPT TO:<b@n%d.well.many.dane.test>\r\nDATA\r\n" % (ToAnybody.sent % 50)
        )


async def _new_mail(port: int, seconds: float, rate: float, times: Times) -> float:
    """Send at a steady rate; gives how many a second were sent."""
    loop, free, waiting = asyncio.get_running_loop(), deque[Client](), deque[bytes]()
    for _ in range(20):
        await loop.create_connection(lambda: ToAnybody(times, free, waiting), "127.0.0.1", port)
    while len(free) < 20:
        await asyncio.sleep(0.05)
    started, sent = loop.time(), 0
    while loop.time() - started < seconds:
        due = int((loop.time() - started) * rate) + 1
        for number in range(sent, due):
            subject = b"new-%d-%d" % (int(started), number)
            if free:
                free.popleft().send(subject)
            else:
                waiting.append(subject)
        sent = due
        await asyncio.sleep(0.001)
    took = loop.time() - started
    await asyncio.sleep(2)
    for client in free:
        client.transport.abort()
    return sent / took


def returning(count: int, domains: int, due: float) -> Iterator[Waiting]:
    """All for one host and due at one moment, and a few for the other host due in the seconds after it."""
    for number in range(count):
        name = f"d{number % domains}.back.many.dane.test"
        yield Waiting(name, f"u{number}@{name}", due)
    for number in range(200):
        name, when = f"d{number}.well.many.dane.test", due + 2 + number / 20
        yield Waiting(name, f"u{number}@{name}", when, f"due-{when:.3f}")


async def _returns(gateway: Gateway, options: argparse.Namespace, due: float) -> None:
    loop, times = asyncio.get_running_loop(), Times()
    quiet, busy = Times(), Times()
    current = [quiet]

    class Well(Arrivals):
        def __init__(self) -> None:
            super().__init__(current[0])

        def data_received(self, data: bytes) -> None:
            self.times = current[0]
            super().data_received(data)

    servers = [await loop.create_server(lambda: Arrivals(times), "127.0.0.1", BACK_PORT, backlog=1000)]
    servers.append(await loop.create_server(Well, "127.0.0.1", WELL_PORT, backlog=1000))
    await asyncio.to_thread(gateway.start)
    await _new_mail(gateway.port, 3, options.rate, Times())
    current[0] = quiet
    await _new_mail(gateway.port, min(15.0, due - time.time() - 4), options.rate, quiet)
    await asyncio.sleep(max(0.0, due - time.time()))
    current[0], began, before = busy, time.time(), usage([gateway.pid])
    await _new_mail(gateway.port, options.seconds, options.rate, busy)
    took, after = time.time() - began, usage([gateway.pid])
    for name, seen in (("quiet", quiet), ("beside it", busy)):
        seen.report(name, len(seen.answered), min(15.0, options.seconds))
    ratio, answer = at(busy.passed, 99) / at(quiet.passed, 99), at(busy.answered, 99) / at(quiet.answered, 99)
    print(f"  new mail, p99 beside / quiet: at the next hop {ratio:.1f}, 250 {answer:.1f} (aim: at most 2)")
    late = sorted(Arrivals.late) or [float("nan")]
    print(
        f"  older mail due to the healthy host: {len(Arrivals.late)} of 200 came, at most {late[-1]:.2f} s late"
        " (aim: at most 5)"
    )
    cpu = (after.cpu_seconds - before.cpu_seconds) / took
    print(
        f"  the host that returned took {Arrivals.others / took:.0f}/s; gateway {100 * cpu:.0f} % CPU,"
        f" {after.pss_mib:.0f} MiB"
    )
    for server in servers:
        server.close()


def measure_returning(options: argparse.Namespace) -> None:
    """A host of thousands of domains is back."""
    with workplace("returning") as home:
        zone = ManyDomains(home / "dns")
        gateway = Gateway(
            home / "danelaw",
            FULL_PORT,
            SINK_PORT,
            zone,
            more=zone.routes(BACK_PORT, WELL_PORT) + "mta_sts.enabled = false\n",
        )
        text = gateway.config.read_text()
        gateway.config.write_text("".join(line for line in text.splitlines(True) if "next_hop" not in line))
        try:
            zone.start()
            due = time.time() + 45 + options.messages / 6000
            fill(home / "danelaw/spool", returning(options.messages, options.returning, due), options.size)
            if due - time.time() < 25:
                raise SystemExit("the spool took too long to fill: this machine is too busy, or --messages too many")
            print(
                f"a next hop of {options.returning} domains returns: {options.messages} due at once,"
                f" new mail {options.rate:.0f}/s"
            )
            uvloop.run(_returns(gateway, options, due))
        finally:
            gateway.stop()
            zone.stop()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=1_000_000, help="in the queue")
    parser.add_argument("--domains", type=int, nargs="*", default=[10_000, 500_000])
    parser.add_argument("--returning", type=int, default=5000, metavar="DOMAINS")
    parser.add_argument("--size", type=int, default=1024, help="octets of each queued message")
    parser.add_argument("--relayed", type=int, default=4000, help="messages of each round of the intake")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rate", type=float, default=100.0, help="new messages per second while the host returns")
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--part", choices=("queued", "returning"))
    options = parser.parse_args()
    options.fresh, options.sessions, options.domain = False, 20, "sink.test"
    if options.part != "returning":
        for domains in options.domains:
            measure_queued(argparse.Namespace(**vars(options)), domains)
    if options.part != "queued":
        measure_returning(options)


if __name__ == "__main__":
    main()

"""One message for a hundred thousand recipients: does anybody else have to wait?

    python bench/many_recipients.py [--recipients 100000] [--domains 1] [--fail 10] [--act drop]

The recipients are in so many domains, each with a route to the sink; one in `--fail` is refused for good, so notices go
back too. A client in a process of its own says NOOP a thousand times a second all the while, and the longest it waited
in each phase is the stall (with what the machine adds: see the first line). With `--act` nothing is delivered: an
operator holds, drops or returns the whole list. Exit status 1 when somebody was not accounted for.
"""

from __future__ import annotations

import argparse
import asyncio
import multiprocessing
import socket
import subprocess
import sys
import time
from multiprocessing.sharedctypes import Synchronized
from pathlib import Path

import uvloop

sys.path.insert(0, str(Path(__file__).parent))

from pinger import Pinger
from processes import usage
from workplace import workplace

from gateway import Gateway

SINK_PORT, PORT = 2646, 2547
AT_ONCE = 500


class Sink(asyncio.Protocol):
    """Refuses recipients whose name begins with `never`, counts the others, and what comes from the empty sender."""

    def __init__(self, taken: Synchronized[int], notices: Synchronized[int], told: Synchronized[int]) -> None:
        self.taken, self.notices, self.told = taken, notices, told
        self.buffer, self.accepted, self.in_data, self.empty = bytearray(), 0, False, False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]
        self.transport.write(b"220 sink ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        out = []
        while True:
            end = self.buffer.find(b"\r\n.\r\n" if self.in_data else b"\r\n")
            if end < 0:
                break
            line = bytes(self.buffer[:end])
            del self.buffer[: end + (5 if self.in_data else 2)]
            out.append(self._end(line) if self.in_data else self._command(line))
        self.transport.write(b"".join(out))

    def _end(self, message: bytes) -> bytes:
        self.in_data = False
        if self.empty:
            self.notices.value += 1
            self.told.value += message.count(b"Final-Recipient:")
        else:
            self.taken.value += self.accepted
        return b"250 2.0.0 Ok\r\n"

    def _command(self, line: bytes) -> bytes:
        verb = line[:4].upper()
        if verb == b"EHLO":
            return b"250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE 0\r\n"
        if verb == b"MAIL":
            self.accepted, self.empty = 0, b"<>" in line
        elif verb == b"RCPT":
            if b"<never" in line:
                return b"550 5.1.1 no such user\r\n"
            self.accepted += 1
        elif verb == b"DATA" and self.accepted:
            self.in_data = True
            return b"354 go\r\n"
        elif verb == b"DATA":
            return b"554 5.5.1 nobody to send to\r\n"
        return b"250 2.0.0 Ok\r\n"


def _sink(*counters: Synchronized[int]) -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: Sink(*counters), "127.0.0.1", SINK_PORT, backlog=500)
        await server.serve_forever()

    uvloop.run(main())


class Sender:
    """The client with the long list."""

    def __init__(self) -> None:
        self._socket = socket.create_connection(("127.0.0.1", PORT), 120)
        self._file = self._socket.makefile("rb")
        self._replies(1)

    def _replies(self, count: int) -> None:
        for _ in range(count):
            line = b"---"
            while line[3:4] != b" ":
                line = self._file.readline()
            if line[:1] not in b"23":
                raise SystemExit(line.decode())

    def say(self, *lines: bytes) -> None:
        """Commands at once, then their replies."""
        self._socket.sendall(b"".join(line + b"\r\n" for line in lines))
        self._replies(len(lines))

    def envelope(self, recipients: int, domains: int, fail: int) -> None:
        """All recipients, some hundred commands at a time."""
        self.say(b"EHLO client.test")
        self.say(b"MAIL FROM:<a@sender.test>")
        for first in range(0, recipients, AT_ONCE):
            numbers = range(first, min(recipients, first + AT_ONCE))
            names = [b"never" if fail and number % fail == 0 else b"u" for number in numbers]
            self.say(
                *(b"RCPT TO:<%s%d@d%d.test>" % (name, n, n % domains) for name, n in zip(names, numbers, strict=True))
            )

    def message(self) -> None:
        """The message itself."""
        self.say(b"DATA")
        self.say(b"Subject: to everybody\r\n\r\n" + (b"x" * 70 + b"\r\n") * 50 + b".")


def _report(phase: str, pinger: Pinger, began: float) -> None:
    took, seen = time.perf_counter() - began, pinger.seen()
    over = sum(one > 0.02 for one in seen)
    print(
        f"  {phase:24} {took:6.1f} s   answer to NOOP p50 {seen[len(seen) // 2] * 1000:5.1f}"
        f"  p99 {seen[int(len(seen) * 0.99)] * 1000:6.1f}  longest {seen[-1] * 1000:7.1f} ms   {over} over 20 ms",
        flush=True,
    )


def measure(options: argparse.Namespace, home: Path) -> bool:
    """Phase by phase; True when everybody was served or reported."""
    taken, notices, told = (multiprocessing.Value("q", 0) for _ in range(3))
    sink = multiprocessing.Process(target=_sink, args=(taken, notices, told), daemon=True)
    if not options.act:
        sink.start()
    gateway = Gateway(home / "danelaw", PORT, SINK_PORT, more="limits.recipients = 100000\n" + QUIET)
    pinger = Pinger(PORT)
    try:
        gateway.start()
        print(f"{options.recipients} recipients in {options.domains} domains, one in {options.fail} refused there")
        pinger.start()
        began, rest = time.perf_counter(), usage([gateway.pid])
        time.sleep(3)
        _report("at rest", pinger, began)
        began, sender = time.perf_counter(), Sender()
        sender.envelope(options.recipients, options.domains, options.fail)
        _report("RCPT", pinger, began)
        began = time.perf_counter()
        sender.message()
        _report("DATA until 250", pinger, began)
        if options.act:
            return _act(options, gateway, pinger)
        refused = len(range(0, options.recipients, options.fail)) if options.fail else 0
        began = time.perf_counter()
        while (
            taken.value < options.recipients - refused or told.value < refused
        ) and time.perf_counter() - began < 300:
            time.sleep(0.05)
        _report("delivery and notices", pinger, began)
        began = time.perf_counter()
        time.sleep(3)
        _report("afterwards", pinger, began)
        after = usage([gateway.pid])
        print(
            f"  delivered {taken.value}, reported {told.value} of {refused} in {notices.value} notices; gateway"
            f" {after.cpu_seconds - rest.cpu_seconds:.1f} s CPU, {rest.pss_mib:.0f} MiB before,"
            f" {after.pss_mib:.0f} after"
        )
        return taken.value == options.recipients - refused and told.value == refused
    finally:
        pinger.stop()
        gateway.stop()
        if not options.act:
            sink.terminate()
            sink.join(10)


def _act(options: argparse.Namespace, gateway: Gateway, pinger: Pinger) -> bool:
    """An operator's act on all of it; True when it changed everybody."""
    began = time.perf_counter()
    command = [
        sys.executable,
        "-m",
        "danelaw",
        "queue",
        options.act,
        "to:*@d0.test",
        "--because",
        "T-1",
        "--json",
    ]
    found = subprocess.run([*command, "--config", str(gateway.config)], stdout=subprocess.PIPE, text=True, check=False)
    _report(f"queue {options.act}", pinger, began)
    began = time.perf_counter()
    time.sleep(10)
    _report("afterwards", pinger, began)
    print("  " + " ".join(found.stdout.split()))
    return found.returncode == 0


QUIET = 'resolver.servers = ["127.0.0.1:1"]\nmta_sts.enabled = false\n'


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--recipients", type=int, default=100_000)
    parser.add_argument("--domains", type=int, default=1)
    parser.add_argument("--fail", type=int, default=10)
    parser.add_argument("--act", choices=("hold", "drop", "fail"), help="instead of delivering it; one domain only")
    options = parser.parse_args()
    with workplace("many") as home:
        good = measure(options, home)
    raise SystemExit(0 if good else 1)


if __name__ == "__main__":
    main()

"""How long a message takes from the end of its data to the next hop, and how long a client waits for its 250.

    python bench/latency.py                    idle: 20 messages per second
    python bench/latency.py --rate 1500        at a rate, kept whatever the server does (open loop)

danelaw and a tuned Postfix one after the other, the same load. Clients and next hop live in this one process, so
clocks agree; what is printed includes this process's own delays, which are the same for both.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import time
from collections import deque
from pathlib import Path

import uvloop

sys.path.insert(0, str(Path(__file__).parent))

from flush import imported_by_postfix, slow_flush
from postfix import Postfix
from workplace import workplace

from gateway import Gateway

SINK_PORT, POSTFIX_PORT, DANELAW_PORT = 2628, 2531, 2533
LINE = b"x" * 76 + b"\r\n"


class Times:
    """When each message's data ended, when it was answered, and when it reached the next hop."""

    def __init__(self) -> None:
        self.ended: dict[bytes, float] = {}
        self.answered: list[float] = []
        self.passed: list[float] = []

    def report(self, name: str, sent: int, seconds: float) -> None:
        """One line of percentiles in milliseconds."""
        print(
            f"  {name:8} {sent / seconds:6.0f}/s   250 after p50 {_at(self.answered, 50):6.1f} p99"
            f" {_at(self.answered, 99):7.1f} ms   next hop after p50 {_at(self.passed, 50):6.1f} p99"
            f" {_at(self.passed, 99):7.1f} ms   {len(self.passed)} of {sent} arrived",
            flush=True,
        )


def _at(values: list[float], percent: int) -> float:
    ordered = sorted(values) or [float("nan")]
    return ordered[min(len(ordered) - 1, len(ordered) * percent // 100)] * 1000


class NextHop(asyncio.Protocol):
    """Takes everything, and notes when a message's end came, by its Subject."""

    def __init__(self, times: Times) -> None:
        self.times, self.buffer, self.in_data = times, bytearray(), False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]
        self.transport.write(b"220 sink ESMTP\r\n")

    def data_received(self, data: bytes) -> None:
        buffer, out = self.buffer, bytearray()
        buffer += data
        while True:
            end = buffer.find(b"\r\n.\r\n" if self.in_data else b"\r\n")
            if end < 0:
                break
            if self.in_data:
                self._note(bytes(buffer[:end]))
                del buffer[: end + 5]
                self.in_data = False
                out += b"250 2.0.0 Ok\r\n"
                continue
            verb = bytes(buffer[:4]).upper()
            del buffer[: end + 2]
            if verb == b"EHLO":
                out += b"250-sink\r\n250-PIPELINING\r\n250-8BITMIME\r\n250 SIZE 0\r\n"
            elif verb == b"DATA":
                self.in_data = True
                out += b"354 go\r\n"
            else:
                out += b"250 2.0.0 Ok\r\n"
        self.transport.write(bytes(out))

    def _note(self, message: bytes) -> None:
        begin = message.find(b"\r\nSubject: ") + 11
        subject = message[begin : message.find(b"\r\n", begin)]
        if (ended := self.times.ended.pop(subject, None)) is not None:
            self.times.passed.append(time.perf_counter() - ended)


class Client(asyncio.Protocol):
    """One kept connection; `send` begins a message when it is free."""

    def __init__(self, times: Times, free: deque[Client], waiting: deque[bytes]) -> None:
        self.times, self.free, self.waiting = times, free, waiting
        self.replies, self.subject = 0, b""
        self.buffer = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: asyncio.Transport = transport  # type: ignore[assignment]
        self.transport.write(b"")

    def data_received(self, data: bytes) -> None:
        *lines, self.buffer = (self.buffer + data).split(b"\r\n")
        for line in lines:
            if line[3:4] == b"-":
                continue
            self._reply(line)

    def _reply(self, line: bytes) -> None:
        self.replies += 1
        if self.replies == 1:
            self.transport.write(b"EHLO client.test\r\n")
        elif self.replies == 2:
            self._next()
        elif self.replies == 5:
            self.times.ended[self.subject] = self.began = time.perf_counter()
            self.transport.write(b"Subject: " + self.subject + b"\r\n\r\n" + LINE * 50 + b".\r\n")
        elif self.replies == 6:
            if line.startswith(b"250"):
                self.times.answered.append(time.perf_counter() - self.began)
            self._next()

    def _next(self) -> None:
        if self.waiting:
            self.send(self.waiting.popleft())
        else:
            self.free.append(self)

    def send(self, subject: bytes) -> None:
        """Begin a message."""
        self.subject, self.replies = subject, 2
        self.transport.write(b"MAIL FROM:<a@sender.test>\r\nRCPT TO:<b@sink.test>\r\nDATA\r\n")


async def measure(name: str, port: int, options: argparse.Namespace) -> None:
    """Load one server and print its line."""
    loop = asyncio.get_running_loop()
    times, free, waiting = Times(), deque[Client](), deque[bytes]()
    sink = await loop.create_server(lambda: NextHop(times), "127.0.0.1", SINK_PORT)
    for _ in range(options.clients):
        await loop.create_connection(lambda: Client(times, free, waiting), "127.0.0.1", port)
    while len(free) < options.clients:
        await asyncio.sleep(0.05)
    started, sent = loop.time(), 0
    total = int(options.rate * options.seconds)
    while sent < total:
        due = min(total, int((loop.time() - started) * options.rate) + 1)
        for _ in range(due - sent):
            sent += 1
            subject = b"%s-%d" % (name.encode(), sent)
            if free:
                free.popleft().send(subject)
            else:
                waiting.append(subject)
        await asyncio.sleep(0.001)
    took = loop.time() - started
    for _ in range(200):
        if len(times.passed) >= sent:
            break
        await asyncio.sleep(0.05)
    times.report(name, sent, took)
    sink.close()
    for client in free:
        client.transport.abort()


def main() -> None:
    """Measure danelaw, then Postfix."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=20.0, help="messages per second")
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--flush-delay", type=float, default=0.0, metavar="MS")
    parser.add_argument("--only", choices=("danelaw", "postfix"))
    options = parser.parse_args()
    with workplace("latency") as home:
        slow = slow_flush(home, options.flush_delay)
        print(f"{options.rate:.0f} messages per second for {options.seconds:.0f} s, {options.clients} clients")
        if options.only != "postfix":
            gateway = Gateway(home / "danelaw", DANELAW_PORT, SINK_PORT, environment=slow)
            gateway.start()
            try:
                uvloop.run(measure("danelaw", DANELAW_PORT, options))
            finally:
                gateway.stop()
        if options.only != "danelaw":
            imported = imported_by_postfix(slow)
            postfix = Postfix(home / "postfix", POSTFIX_PORT, {"relayhost": f"[127.0.0.1]:{SINK_PORT}"} | imported)
            postfix.start()
            try:
                uvloop.run(measure("postfix", POSTFIX_PORT, options))
            finally:
                postfix.stop()


if __name__ == "__main__":
    main()

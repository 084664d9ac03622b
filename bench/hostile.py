"""What honest clients notice while scripts do harm in isolated workers.

    python bench/hostile.py [--clients 100] [--pace 1.0] [--seconds 15] [--hostile 8] [--workers 8]

100 clients, each on a connection of its own, send small messages at an even pace through a policy with two hooks per
message; then the same beside clients whose HELO name makes another hook of that policy do harm, one kind after the
other, without pause. The messages are discarded by the policy, so that nothing but the gateway and the policy is
measured; a transaction is timed from MAIL to the reply after the text. Quiet and hostile rounds alternate.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import itertools
import os
import statistics
import sys
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from workplace import workplace

from gateway import Gateway

PORT = 2598
POLICY = """
from danelaw.policy import *
import ctypes, os, re, socket, time


@hook.helo(seconds=1.0)
async def hostile(ctx: HeloContext):
    name = ctx.client.helo.partition(".")[0]
    if name == "loop":
        while True: pass
    if name == "regex":
        re.match(r"(a+)+$", "a" * 60 + "b")
    if name == "number":
        len(str(10 ** 10 ** 8))
    if name == "catch":
        while True:
            try:
                while True: pass
            except BaseException: pass
    if name == "memory":
        x = []
        while True: x.append(b"x" * (1 << 24))
    if name == "exit":
        os._exit(1)
    if name == "crash":
        ctypes.string_at(1)
    if name == "fork":
        while True:
            try: os.fork()
            except OSError: pass
    if name == "kill":
        os.kill(os.getppid(), 9)
    if name == "socket":
        socket.socket()
    if name == "sleep":
        time.sleep(1000)
    if name == "calls":
        while True: ctx.library.log.event("flood")


@hook.rcpt_to
def recipient(ctx: RecipientContext):
    ctx.notes["to"] = ctx.recipient.domain


@hook.end_of_data
def judged(ctx: MessageContext):
    if ctx.mail.subject and ctx.notes.text("to"):
        return Discard("measured")
"""
KINDS = ("loop", "regex", "number", "catch", "memory", "exit", "crash", "fork", "kill", "socket", "sleep", "calls")
MESSAGE = b"From: a@bench.test\r\nTo: b@bench.test\r\nSubject: measured\r\n\r\n" + b"text\r\n" * 50 + b".\r\n"


class Client:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader, self._writer = reader, writer

    @classmethod
    async def connect(cls) -> Client:
        """Connect and read the greeting."""
        client = cls(*await asyncio.open_connection("127.0.0.1", PORT))
        await client.reply()
        return client

    async def reply(self) -> int:
        """The code of one reply."""
        while True:
            line = await self._reader.readline()
            if not line:
                raise EOFError
            if line[3:4] == b" ":
                return int(line[:3])

    async def say(self, octets: bytes) -> int:
        """Send, and give the code of the reply."""
        self._writer.write(octets)
        return await self.reply()

    async def transaction(self) -> bool:
        """One message; False when it was not taken."""
        for line in (b"MAIL FROM:<a@bench.test>\r\n", b"RCPT TO:<b@bench.test>\r\n", b"DATA\r\n"):
            if await self.say(line) >= 400:
                await self.say(b"RSET\r\n")
                return False
        return await self.say(MESSAGE) == 250

    def close(self) -> None:
        """Hang up."""
        self._writer.transport.abort()


async def honest(client: Client, pace: float, offset: float, end: float, took: list[float], lost: list[int]) -> None:
    """Messages at an even pace; a late one does not hurry the next."""
    await asyncio.sleep(offset)
    while (begun := time.perf_counter()) < end:
        if await client.transaction():
            took.append(time.perf_counter() - begun)
        else:
            lost.append(1)
        await asyncio.sleep(max(0.0, pace - (time.perf_counter() - begun)))


async def harm(number: int, counted: list[str]) -> None:
    """One kind of harm after the other, until cancelled."""
    for kind in itertools.islice(itertools.cycle(KINDS), number, None):
        with contextlib.suppress(OSError, EOFError):
            client = await Client.connect()
            try:
                await client.say(f"EHLO {kind}.test\r\n".encode())
                counted.append(kind)
            finally:
                client.close()


async def measure(options: argparse.Namespace, *, hostile: bool) -> tuple[list[float], int, int]:
    """One round: seconds of each honest message, how many were not taken, and how often harm was done."""
    clients = [await Client.connect() for _ in range(options.clients)]
    for client in clients:
        while await client.say(b"EHLO honest.test\r\n") != 250:  # they too are asked about by the hook that does harm
            await asyncio.sleep(0.1)
    took: list[float] = []
    lost: list[int] = []
    counted: list[str] = []
    hostiles = [asyncio.create_task(harm(number, counted)) for number in range(options.hostile if hostile else 0)]
    end = time.perf_counter() + options.seconds
    await asyncio.gather(
        *(
            honest(client, options.pace, options.pace * number / len(clients), end, took, lost)
            for number, client in enumerate(clients)
        )
    )
    for task in hostiles:
        task.cancel()
    await asyncio.gather(*hostiles, return_exceptions=True)
    for client in clients:
        client.close()
    return took, len(lost), len(counted)


def p(took: list[float], part: float) -> float:
    """A percentile in milliseconds."""
    return 1000 * sorted(took)[min(len(took) - 1, int(part * len(took)))]


def main() -> None:
    """Measure and compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clients", type=int, default=100)
    parser.add_argument("--pace", type=float, default=1.0, help="seconds between two messages of one client")
    parser.add_argument("--seconds", type=float, default=15.0, help="of each round")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--hostile", type=int, default=8, help="clients that do harm")
    parser.add_argument("--workers", type=int, default=8, help="isolated workers")
    options = parser.parse_args()
    found: dict[bool, list[float]] = {False: [], True: []}
    with workplace("hostile") as home:
        folder = home / "policy"
        folder.mkdir()
        (folder / "policy.py").write_text(POLICY)
        more = f'[policy]\ndirectory = "{folder}"\nrun = "isolated"\nisolated_workers = {options.workers}\n'
        more += "failures = 1000\n"
        gateway = Gateway(home / "danelaw", PORT, 9, more=more)
        gateway.start()
        try:
            asyncio.run(measure(argparse.Namespace(**{**vars(options), "seconds": 3.0}), hostile=False))
            for _ in range(options.rounds):
                for hostile in (False, True):
                    took, lost, harmed = asyncio.run(measure(options, hostile=hostile))
                    found[hostile].append(p(took, 0.99))
                    print(
                        f"  {'hostile' if hostile else 'quiet':8} {len(took)} messages, {lost} not taken, harm done "
                        f"{harmed} times; p50 {p(took, 0.5):.1f} ms, p99 {p(took, 0.99):.1f} ms, "
                        f"most {p(took, 1):.1f} ms; load average {os.getloadavg()[0]:.1f}",
                        flush=True,
                    )
        finally:
            gateway.stop()
    quiet, hostile = (statistics.median(found[kind]) for kind in (False, True))
    print(f"p99 of honest clients: {quiet:.1f} ms quiet, {hostile:.1f} ms beside harm: {hostile / quiet:.2f} times "
          "(aim: at most 2)")  # fmt: skip


if __name__ == "__main__":
    main()

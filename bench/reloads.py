"""Reloads and worker kills under a stream of new connections: is anybody turned away?

    python bench/reloads.py --reloads 50 --kills 20 [--workers 2] [--clients 40]

Clients connect, send one message and quit, as fast as they are served. First SIGHUP is sent again and again, each time
once the one before is done; every few reloads SIGUSR2 replaces the program itself. No connection may be refused or
reset. Then workers are killed: no connection may be refused, and only those a dead worker had in hand may break. Exit
status 1 when that is not so.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from crash import free_port
from recording_sink import Record, RecordingSink
from victim import Victim

REPLACE_EVERY = 10
_MESSAGE = b"Subject: x\r\nX-Crash-Id: reload\r\n\r\n" + b"x" * 70 + b"\r\n.\r\n"
_STEPS = (b"EHLO client.test\r\n", b"MAIL FROM:<a@a.test>\r\n", b"RCPT TO:<to-x-0@a.test>\r\n", b"DATA\r\n")


class Stream:
    """Clients that come and go; `seen` counts how their connections went."""

    def __init__(self, port: int) -> None:
        self.port = port
        self.seen: Counter[str] = Counter()
        self.stopping = False

    async def client(self) -> None:
        """One connection after the other."""
        while not self.stopping:
            self.seen[await self._connection()] += 1

    async def _connection(self) -> str:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        except ConnectionRefusedError:
            await asyncio.sleep(0.01)
            return "refused"
        try:
            code = await _code(reader)
            for step in (*_STEPS, _MESSAGE, b"QUIT\r\n"):
                if code == 421:
                    return "told 421"
                writer.write(step)
                code = await _code(reader)
            return "served"
        except ConnectionResetError:
            return "reset"
        except (asyncio.IncompleteReadError, BrokenPipeError):
            return "broken off"
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()


async def _code(reader: asyncio.StreamReader) -> int:
    while True:
        line = await reader.readuntil(b"\n")
        if line[3:4] != b"-":
            return int(line[:3])


async def reload_often(victim: Victim, reloads: int, replace_every: int = REPLACE_EVERY) -> None:
    """SIGHUP so many times, each once the one before is through; now and then SIGUSR2 instead."""
    assert victim.process is not None
    for number in range(1, reloads + 1):
        word = "replaced" if number % replace_every == 0 else "reloaded"
        before = _count(victim, word)
        victim.process.send_signal(signal.SIGUSR2 if word == "replaced" else signal.SIGHUP)
        async with asyncio.timeout(60):
            while _count(victim, word) == before:
                await asyncio.sleep(0.02)


def _count(victim: Victim, word: str) -> int:
    return victim.log().count(f"Z {word} ") + victim.log().count(f"Z {word}\n")


async def play(
    directory: Path, reloads: int, kills: int, workers: int, clients: int, seed: int = 1
) -> tuple[Counter[str], Counter[str], list[float]]:
    """Both parts; gives how connections went in each, and the seconds each took."""
    chance, loop, record = random.Random(seed), asyncio.get_running_loop(), Record()
    sink = await loop.create_server(lambda: RecordingSink(record), "127.0.0.1", 0, backlog=200)
    port = sink.sockets[0].getsockname()[1]
    victim = Victim(directory, free_port(), (port, port), workers)
    await victim.start()
    await victim.ready()
    parts, times = [], []

    async def kill_often() -> None:
        for _ in range(kills):
            await asyncio.sleep(0.2 + chance.random() * 0.6)
            with contextlib.suppress(ProcessLookupError, IndexError):
                os.kill(chance.choice(victim.children()), signal.SIGKILL)

    for work in (reload_often(victim, reloads), kill_often()):
        stream, started = Stream(victim.port), time.monotonic()
        tasks = [asyncio.ensure_future(stream.client()) for _ in range(clients)]
        await work
        stream.stopping = True
        await asyncio.gather(*tasks)
        parts.append(stream.seen)
        times.append(time.monotonic() - started)
    await victim.end(signal.SIGTERM)
    sink.close()
    return parts[0], parts[1], times


def main() -> None:
    """Play, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--reloads", type=int, default=50)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--clients", type=int, default=40)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="danelaw-reloads-", dir="/var/tmp") as name:
        reloaded, killed, times = asyncio.run(
            play(Path(name), options.reloads, options.kills, options.workers, options.clients)
        )
    for what, seen, seconds in (
        (f"{options.reloads} reloads", reloaded, times[0]),
        (f"{options.kills} kills", killed, times[1]),
    ):
        print(f"  {what:12}{sum(seen.values()) / seconds:6.0f} connections/s  {dict(seen)}")
    turned_away = reloaded["refused"] + reloaded["reset"] + reloaded["broken off"] + killed["refused"]
    print("nobody was turned away" if not turned_away else f"{turned_away} connections were turned away")
    raise SystemExit(1 if turned_away else 0)


if __name__ == "__main__":
    main()

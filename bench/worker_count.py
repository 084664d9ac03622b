"""The number of workers changes 1 → 4 → 2 → 1 with many messages queued: nothing stays without a worker, or twice.

    python bench/worker_count.py --messages 100000 [--clients 8] [--directory DIR]

Half of the mail comes to one worker and half to four, while the next hops are down; then they come up, and the workers
become two and one while the queue drains. The locks of the shards are watched: one that nobody holds is stranded.
Afterwards every acknowledged message must have arrived, and none twice beyond what was announced as
`possible_duplicates`. Exit status 1 when a promise is broken.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import re
import signal
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from crash import conclude, free_port
from recording_sink import Record, RecordingSink
from victim import Victim

STRANDED = 5.0
_LOOK_SECONDS = 0.05
_PATIENCE = 120.0


@dataclass
class Watch:
    """Which shards nobody holds, seen in /proc/locks so that looking takes no lock."""

    spool: Path
    since: dict[str, float] = field(default_factory=dict)
    longest: dict[str, float] = field(default_factory=dict)

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            self.look(time.monotonic())
            await asyncio.sleep(_LOOK_SECONDS)

    def look(self, now: float) -> None:
        """Note how long each shard has been without a worker."""
        held = {
            int(line.split(":")[3].split()[0])
            for line in Path("/proc/locks").read_text().splitlines()
            if "FLOCK" in line
        }
        for lock in self.spool.glob("shard-*/lock"):
            name = lock.parent.name
            if lock.stat().st_ino in held:
                self.since.pop(name, None)
                continue
            since = self.since.setdefault(name, now)
            self.longest[name] = max(self.longest.get(name, 0.0), now - since)


@dataclass
class Outcome:
    """What happened: seconds of each change, names of acknowledged messages, what was broken."""

    changes: list[tuple[str, float]] = field(default_factory=list)
    acknowledged: set[str] = field(default_factory=set)
    record: Record = field(default_factory=Record)
    stranded: dict[str, float] = field(default_factory=dict)
    announced: int = 0
    broken: list[str] = field(default_factory=list)


async def client(port: int, names: list[str], acknowledged: set[str]) -> None:
    """Send messages one after the other; one that was not acknowledged is sent again over a new connection."""
    names = list(names)
    while names:
        with contextlib.suppress(ConnectionError, asyncio.IncompleteReadError):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            try:
                await _talk(reader, writer, names, acknowledged)
            finally:
                writer.close()
        if names:
            await asyncio.sleep(0.02)


async def _talk(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, names: list[str], acknowledged: set[str]
) -> None:
    if not (await _reply(reader)).startswith(b"220"):
        return
    writer.write(b"EHLO client.test\r\n")
    await _reply(reader)
    while names:
        name = names[-1]
        domain = "a.test" if hash(name) % 2 else "b.test"
        writer.write(f"MAIL FROM:<s@x.test>\r\nRCPT TO:<{name}@{domain}>\r\nDATA\r\n".encode())
        replies = [await _reply(reader) for _ in range(3)]
        if not replies[2].startswith(b"354"):
            return
        writer.write(f"X-Crash-Id: {name}\r\n\r\nhello\r\n.\r\n".encode())
        if not (await _reply(reader)).startswith(b"250"):
            return
        acknowledged.add(names.pop())


async def _reply(reader: asyncio.StreamReader) -> bytes:
    while True:
        line = await reader.readuntil(b"\r\n")
        if line[3:4] == b" ":
            return line


async def _feed(port: int, names: list[str], clients: int, outcome: Outcome) -> None:
    parts = [names[place::clients] for place in range(clients)]
    await asyncio.gather(*(client(port, part, outcome.acknowledged) for part in parts))


async def _become(victim: Victim, workers: int, outcome: Outcome) -> None:
    """Another number of workers, by SIGHUP; returns when all of them are at work."""
    assert victim.process is not None
    before = victim.log().count(" reloaded")
    victim.configure(workers)
    started = time.monotonic()
    victim.process.send_signal(signal.SIGHUP)
    async with asyncio.timeout(_PATIENCE):
        while victim.log().count(" reloaded") == before:
            await asyncio.sleep(0.05)
    outcome.changes.append((f"to {workers}", time.monotonic() - started))


async def _arrived(outcome: Outcome, share: float) -> None:
    """Wait until this share of the mail has arrived, as long as more comes in."""
    last, moved = -1, time.monotonic()
    while len(outcome.record.arrived) < share * len(outcome.acknowledged):
        count = len(outcome.record.arrived)
        if count != last:
            last, moved = count, time.monotonic()
        elif time.monotonic() - moved > _PATIENCE:
            outcome.broken.append(f"{len(outcome.acknowledged) - count} messages wait, and none arrives any more")
            return
        await asyncio.sleep(0.1)


async def play(directory: Path, messages: int, clients: int = 8) -> Outcome:
    """The whole story."""
    outcome, loop = Outcome(), asyncio.get_running_loop()
    ports = (free_port(), free_port())
    victim = Victim(directory, free_port(), ports, 1)
    await victim.start()
    await victim.ready()
    watch = Watch(victim.spool)
    watching = asyncio.create_task(watch.run())
    names = [f"m{number}" for number in range(messages)]
    await _feed(victim.port, names[::2], clients, outcome)
    await _become(victim, 4, outcome)
    await _feed(victim.port, names[1::2], clients, outcome)
    servers = [
        await loop.create_server(lambda: RecordingSink(outcome.record), "127.0.0.1", port, backlog=500)
        for port in ports
    ]
    await _arrived(outcome, 0.2)
    await _become(victim, 2, outcome)
    await _arrived(outcome, 0.5)
    await _become(victim, 1, outcome)
    await _arrived(outcome, 1.0)
    watching.cancel()
    await victim.end(signal.SIGTERM)
    for server in servers:
        server.close()
    outcome.stranded = watch.longest
    outcome.announced = sum(int(number) for number in re.findall(r"possible_duplicates=(\d+)", victim.log()))
    _judge(outcome, messages)
    return outcome


def _judge(outcome: Outcome, messages: int) -> None:
    if len(outcome.acknowledged) != messages:
        outcome.broken.append(f"only {len(outcome.acknowledged)} of {messages} messages were acknowledged")
    lost = outcome.acknowledged - {name for name, _ in outcome.record.arrived}
    if lost:
        outcome.broken.append(f"{len(lost)} acknowledged messages did not arrive: {sorted(lost)[:5]}")
    twice = sum(count - 1 for count in outcome.record.arrived.values())
    if twice > outcome.announced:
        outcome.broken.append(f"{twice} arrived once too often, and {outcome.announced} were announced")
    for shard, seconds in sorted(outcome.stranded.items()):
        if seconds > STRANDED:
            outcome.broken.append(f"{shard} had no worker for {seconds:.1f} s")


def main() -> None:
    """Play, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=2000)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--directory", type=Path, help="keep spool and log here (default: a temporary directory)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="danelaw-count-", dir=os.environ.get("TMPDIR", "/var/tmp")) as name:
        directory = options.directory or Path(name)
        directory.mkdir(parents=True, exist_ok=True)
        started = time.monotonic()
        outcome = asyncio.run(play(directory, options.messages, options.clients))
    print(f"worker_count: {options.messages} messages, {time.monotonic() - started:.0f} s")
    for what, seconds in outcome.changes:
        print(f"  {'workers ' + what:34}{seconds:.1f} s")
    print(f"  {'arrived':34}{len(outcome.record.arrived)}")
    print(f"  {'more than once (announced)':34}"
          f"{sum(count - 1 for count in outcome.record.arrived.values())} ({outcome.announced})")  # fmt: skip
    print(f"  {'a shard without worker, at most':34}{max(outcome.stranded.values(), default=0.0):.2f} s")
    conclude(outcome.broken)


if __name__ == "__main__":
    main()

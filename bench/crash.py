"""kill -9 in mid-flight: a gateway is killed at random moments while clients send through it to sinks that record.

    python bench/crash.py --messages 2000 [--seed 1] [--directory DIR]

Afterwards every acknowledged message must have arrived, whole, for each recipient, or be reported to its sender;
what arrived twice is counted and compared with what the gateway itself announced at each start as
`possible_duplicates` (deliveries on the wire and results not yet stored when it died). Exit status 1 when a message is
lost, damaged or duplicated beyond that.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import random
import re
import signal
import socket
import sqlite3
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import NoReturn

sys.path.insert(0, str(Path(__file__).parent))

from recording_sink import Record, RecordingSink
from victim import Victim

LARGE = (200_000, 1_500_000)


@dataclass
class Sent:
    """One message as a client made it: its recipients, and the digest of its body."""

    recipients: tuple[str, ...]
    digest: str
    large: bool


@dataclass
class Tally:
    """What the clients know: everything they tried, and what was answered 250, with the queue ids they were told."""

    tried: dict[str, Sent] = field(default_factory=dict)
    acknowledged: set[str] = field(default_factory=set)
    ids: dict[str, str] = field(default_factory=dict)
    kills: int = 0
    kills_while_starting: int = 0
    bounds: list[int] = field(default_factory=list)


def compose(number: int, chance: random.Random) -> tuple[str, tuple[str, ...], bytes, bool]:
    """A message by number: name, recipients, octets. One in ten is large, one in six has several recipients."""
    name = f"{number:06d}-{chance.randrange(1 << 32):08x}"
    large = number % 10 == 7  # not by chance: of those refused under load and sent anew, none would be large in the end
    size = chance.randrange(*LARGE) if large else chance.randrange(200, 6000)
    line = (name * 8)[:76].encode() + b"\r\n"
    body = line * (size // len(line) + 1)
    kinds = ["to"] * 8 + ["later", "never"]
    count = chance.choice((2, 3, 5, 8)) if chance.random() < 1 / 6 else 1
    recipients = tuple(
        f"{chance.choice(kinds)}-{name}-{place}@{chance.choice(('a.test', 'b.test'))}" for place in range(count)
    )
    head = f"From: <from@a.test>\r\nX-Crash-Id: {name}\r\nMessage-ID: <{name}@crash.test>\r\nSubject: {number}\r\n\r\n"
    return name, recipients, head.encode() + body, large


class Clients:
    """Sends until every number was acknowledged; what breaks is sent anew under another name."""

    def __init__(self, tally: Tally, port: int, messages: int, chance: random.Random) -> None:
        self.tally, self.port, self.chance = tally, port, chance
        self.numbers = list(range(messages))

    async def run(self, count: int) -> None:
        """All clients, until nothing is left to send."""
        await asyncio.gather(*(self._client() for _ in range(count)))

    async def _client(self) -> None:
        while self.numbers:
            try:
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
            except OSError:
                await asyncio.sleep(0.05)
                continue
            try:
                await self._talk(reader, writer)
            except (OSError, EOFError, asyncio.IncompleteReadError):
                await asyncio.sleep(0.02)
            finally:
                writer.close()

    async def _talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await _reply(reader)
        writer.write(b"EHLO client.test\r\n")
        await _reply(reader)
        while self.numbers:
            number = self.numbers.pop()
            try:
                accepted = await self._send(number, reader, writer)
            except BaseException:
                self.numbers.append(number)
                raise
            if not accepted:
                self.numbers.append(number)
            await asyncio.sleep(self.chance.random() * 0.06)

    async def _send(self, number: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        name, recipients, octets, large = compose(number, self.chance)
        digest = hashlib.sha256(octets.partition(b"\r\n\r\n")[2]).hexdigest()
        self.tally.tried[name] = Sent(recipients, digest, large)
        commands = ["MAIL FROM:<from@a.test>", *(f"RCPT TO:<{one}>" for one in recipients), "DATA"]
        writer.write(("\r\n".join(commands) + "\r\n").encode())
        codes = [await _reply(reader) for _ in commands]
        if codes[-1] != 354:
            writer.write(b"RSET\r\n")
            await _reply(reader)
            return False
        writer.write(octets + b".\r\n")
        await writer.drain()
        line = await _last_line(reader)
        if not line.startswith(b"250"):
            return False
        self.tally.ids[name] = line.split()[-1].decode()
        self.tally.acknowledged.add(name)
        return True


async def _reply(reader: asyncio.StreamReader) -> int:
    return int((await _last_line(reader))[:3])


async def _last_line(reader: asyncio.StreamReader) -> bytes:
    while True:
        line = await reader.readline()
        if not line.endswith(b"\n"):
            raise EOFError
        if line[3:4] != b"-":
            return line


async def kill_often(
    victim: Victim, tally: Tally, chance: random.Random, done: asyncio.Event, kills: int | None
) -> None:
    """Kill and restart until the clients are done, or just so many times; now and then while it starts."""
    while not done.is_set() if kills is None else tally.kills < kills:
        await victim.start()
        if chance.random() < 0.15:
            await asyncio.sleep(chance.random() * 1.2)
            tally.kills_while_starting += 1
        else:
            await victim.ready()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(done.wait(), 0.03 + chance.random() ** 2 * 1.5)
        tally.kills += 1
        await victim.end(signal.SIGKILL)
    await victim.start()
    await done.wait()


def outstanding(tally: Tally, record: Record) -> list[tuple[str, str]]:
    """Acknowledged recipients that neither have their mail nor were reported to the sender."""
    missing = []
    for name in tally.acknowledged:
        for recipient in tally.tried[name].recipients:
            key = (name, recipient)
            told = key in record.notices if recipient.startswith("never-") else record.arrived[key]
            if not told:
                missing.append(key)
    return missing


def conclude(broken: list[str]) -> NoReturn:
    """Say whether every promise was kept, and end the program accordingly."""
    for words in broken[:20]:
        print(f"  BROKEN  {words}")
    print("every promise kept" if not broken else f"{len(broken)} promises broken")
    raise SystemExit(1 if broken else 0)


def free_port() -> int:
    """A port nobody uses now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


async def arrived(tally: Tally, record: Record) -> list[tuple[str, str]]:
    """Wait until everything has arrived, or nothing more does; gives what is missing."""
    last, still = time.monotonic(), outstanding(tally, record)
    while still and time.monotonic() - last < 30:
        await asyncio.sleep(0.05)
        now = outstanding(tally, record)
        if len(now) < len(still):
            last = time.monotonic()
        still = now
    await asyncio.sleep(1.0)  # whatever may come twice comes now
    return still


async def play(
    directory: Path, messages: int, seed: int, clients: int = 12, kills: int | None = None
) -> tuple[Tally, Record, list[str]]:
    """The whole story; gives what was sent, what arrived, and every broken promise in words."""
    chance, tally, record = random.Random(seed), Tally(), Record()
    loop = asyncio.get_running_loop()
    servers = [await loop.create_server(lambda: RecordingSink(record), "127.0.0.1", 0, backlog=200) for _ in range(2)]
    ports = [server.sockets[0].getsockname()[1] for server in servers]
    victim = Victim(directory, free_port(), (ports[0], ports[1]))
    done = asyncio.Event()
    killer = asyncio.create_task(kill_often(victim, tally, random.Random(seed + 1), done, kills))
    await Clients(tally, victim.port, messages, chance).run(clients)
    done.set()
    await killer
    await victim.ready()
    still = await arrived(tally, record)
    await victim.end(signal.SIGTERM)
    for server in servers:
        server.close()
    tally.bounds = [int(number) for number in re.findall(r"possible_duplicates=(\d+)", victim.log())]
    return tally, record, broken_promises(tally, record, victim, still)


def duplicates(record: Record) -> int:
    """Deliveries, notices included, beyond the first."""
    again = sum(count - 1 for count in record.arrived.values())
    return again + sum(count - 1 for copies in record.notices.values() for count in copies.values())


def broken_promises(tally: Tally, record: Record, victim: Victim, still: list[tuple[str, str]]) -> list[str]:
    broken = [f"lost: {recipient}" for _, recipient in still]
    for name, digests in record.digests.items():
        if digests != {tally.tried[name].digest}:
            broken.append(f"damaged: {name}")
    broken += [f"two notices: {key[1]}" for key, copies in record.notices.items() if len(copies) > 1]
    broken += [f"unasked for: {key[1]}" for key in record.notices if not key[1].startswith("never-")]
    if duplicates(record) > sum(tally.bounds):
        broken.append(f"{duplicates(record)} duplicates, but only {sum(tally.bounds)} were announced")
    for database in sorted(victim.directory.glob("spool/shard-*/queue.db")):
        with contextlib.closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as spool:
            left = spool.execute("SELECT count(*) FROM message").fetchone()[0]
            check = spool.execute("PRAGMA integrity_check").fetchone()[0]
        if left:
            broken.append(f"{left} messages left in the queue of {database.parent.name}")
        if check != "ok":
            broken.append(f"database of {database.parent.name}: {check}")
    for word in ("Traceback", "delivery-broken", "watch-broken", "notice-broken", "not-recorded"):
        if word in victim.log():
            broken.append(f"the log speaks of {word}")
    return broken


def table(tally: Tally, record: Record, seconds: float) -> str:
    """The figures for people."""
    known = [tally.tried[name] for name in tally.acknowledged]
    rows = (
        ("killed (SIGKILL)", f"{tally.kills} times, {tally.kills_while_starting} of them while starting"),
        ("messages sent", f"{len(tally.tried)}"),
        ("acknowledged with 250", f"{len(known)}, {sum(one.large for one in known)} of them large (streamed)"),
        ("recipients of those", f"{sum(len(one.recipients) for one in known)}"),
        ("lost", f"{len(outstanding(tally, record))}"),
        ("notices (DSN)", f"{len(record.notices)} recipients reported"),
        ("delivered twice", f"{duplicates(record)}; announced as possible at the {len(tally.bounds)} starts that had "
                            f"any: {sum(tally.bounds)}"),
        ("arrived in all", f"{sum(record.arrived.values())} deliveries, {record.octets / 1e6:.0f} MB"),
        ("time", f"{seconds:.0f} s"),
    )  # fmt: skip
    return "\n".join(f"  {name:24}{value}" for name, value in rows)


def main() -> None:
    """Play, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--directory", type=Path, help="keep spool and log here (default: a temporary directory)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="danelaw-crash-", dir="/var/tmp") as name:
        directory = options.directory or Path(name)
        directory.mkdir(parents=True, exist_ok=True)
        started = time.monotonic()
        tally, record, broken = asyncio.run(play(directory, options.messages, options.seed))
    print(f"crash: {options.messages} messages, seed {options.seed}")
    print(table(tally, record, time.monotonic() - started))
    conclude(broken)


if __name__ == "__main__":
    main()

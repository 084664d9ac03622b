"""Stage, promote and roll back again and again under load: is a message lost, or judged by two versions?

    python bench/policy_changes.py [--changes 200] [--workers 2] [--clients 20]

Clients connect from several addresses, send some messages and leave, as fast as they are served. Meanwhile versions of
a policy are staged for part of the clients, promoted and rolled back, each change once every worker has taken up the
one before. Each version writes its name at MAIL, at each RCPT and at the end of data into a field of the message. Every
acknowledged message must arrive once, with one name in it, and that the name of the version it is stored with. Exit
status 1 when that is not so.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))

from crash import free_port

from danelaw.scripting.loading import policy_files, version_of
from danelaw.scripting.versioning.ledger import Ledger
from danelaw.scripting.versioning.shelf import Shelf
from danelaw.scripting.versioning.standing import Act, Standing
from gateway import Gateway

NAMES = ("anna", "bert", "carl", "dora")
POLICY = """
from danelaw.policy import MailContext, MessageContext, RecipientContext, hook


@hook.mail_from
def sender(ctx: MailContext) -> None:
    ctx.notes["at"] = ["{name}"]


@hook.rcpt_to
async def recipient(ctx: RecipientContext) -> None:
    at = ctx.notes["at"]
    assert isinstance(at, list)
    ctx.notes["at"] = [*at, "{name}"]


@hook.end_of_data
def whole(ctx: MessageContext) -> None:
    at = ctx.notes["at"]
    assert isinstance(at, list)
    ctx.mail.add("X-Judged", " ".join(map(str, [*at, "{name}", ctx.policy])))
"""
_MESSAGES = 3
_FOLLOW_SECONDS = 20.0


@dataclass
class Figures:
    """What came of it. `slow` is the longest that workers took to take a change up, in seconds."""

    sent: set[str] = field(default_factory=set)
    judged: dict[str, list[str]] = field(default_factory=dict)
    twice: int = 0
    changes: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0
    seconds: float = 0.0

    def wrong(self, names: dict[str, str]) -> list[str]:
        """Messages that are lost, unknown, or judged by a mix."""
        found = [f"{one} is lost" for one in sorted(self.sent - self.judged.keys())]
        for message, words in self.judged.items():
            *at, version = words
            if at != [names.get(version)] * 4:
                found.append(f"{message} was judged by {words}")
        return found


class Sink:
    """Takes all mail; keeps what each message says of its judges, for whoever wants to know."""

    def __init__(self, figures: Figures | None = None) -> None:
        self._figures = figures or Figures()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection of the gateway."""
        writer.write(b"220 sink ESMTP\r\n")
        while line := await reader.readline():
            verb = line[:4].upper()
            if verb == b"DATA":
                writer.write(b"354 go\r\n")
                self._take(await reader.readuntil(b"\r\n.\r\n"))
            writer.write(b"221 bye\r\n" if verb == b"QUIT" else b"250 fine\r\n")
            if verb == b"QUIT":
                break
        writer.close()

    def _take(self, octets: bytes) -> None:
        header = octets.partition(b"\r\n\r\n")[0].decode()
        fields = dict(line.split(": ", 1) for line in header.split("\r\n") if ": " in line and line[0] not in " \t")
        message = fields["X-Number"]
        self._figures.twice += message in self._figures.judged
        self._figures.judged[message] = fields.get("X-Judged", "").split()


class Clients:
    """Clients that come and go."""

    def __init__(self, port: int, figures: Figures) -> None:
        self.stopping = False
        self._port = port
        self._figures = figures
        self._number = 0

    async def run(self, source: str) -> None:
        """One connection after the other, from one address."""
        while not self.stopping:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port, local_addr=(source, 0))
            assert await code_of(reader) == 220
            await answered(reader, writer, "EHLO client.test", 250)
            for _ in range(_MESSAGES):
                self._number += 1
                await self._send(reader, writer, f"m{self._number}")
            await answered(reader, writer, "QUIT", 221)
            writer.close()

    async def _send(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, number: str) -> None:
        await answered(reader, writer, "MAIL FROM:<a@client.test>", 250)
        await answered(reader, writer, "RCPT TO:<b@bench.test>", 250)
        await answered(reader, writer, "RCPT TO:<c@bench.test>", 250)
        await answered(reader, writer, "DATA", 354)
        await answered(reader, writer, f"X-Number: {number}\r\nSubject: x\r\n\r\nx\r\n.", 250)
        self._figures.sent.add(number)


async def answered(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, line: str, code: int) -> None:
    """Say a line, and insist on the code of the answer."""
    writer.write(line.encode() + b"\r\n")
    found = await code_of(reader)
    if found != code:
        raise SystemExit(f"{line!r} was answered by {found}")


async def code_of(reader: asyncio.StreamReader) -> int:
    """The code of a whole reply."""
    while True:
        line = await reader.readuntil(b"\n")
        if line[3:4] != b"-":
            return int(line[:3])


class Changes:
    """Changes the policy of a running gateway as the command line does."""

    def __init__(self, spool: Path, versions: list[str], figures: Figures, seed: int) -> None:
        self._spool = spool
        self._ledger = Ledger(spool)
        self._versions = versions
        self._figures = figures
        self._chance = random.Random(seed)

    async def run(self, changes: int) -> None:
        """So many, each once the one before was taken up everywhere."""
        for _ in range(changes):
            standing = self._ledger.standing()
            assert standing is not None
            after = self._change(standing)
            began = time.monotonic()
            while not await self._is_followed(after.serial):
                if time.monotonic() > began + _FOLLOW_SECONDS:
                    raise SystemExit(f"workers do not take up change {after.serial}")
                await asyncio.sleep(0.01)
            self._figures.slowest = max(self._figures.slowest, time.monotonic() - began)
            await asyncio.sleep(self._chance.random() * 0.05)
        self._ledger.close()

    def _change(self, standing: Standing) -> Standing:
        version = self._chance.choice([one for one in self._versions if one != standing.active])
        what = self._chance.choice(["staged", "promoted", "rolled back"])
        if what == "rolled back" and not standing.previous:
            what = "promoted"
        self._figures.changes[what] += 1
        act = Act(what, version, time.time(), "bench")
        if what == "staged":
            return self._ledger.change(act, lambda one: one.with_staged(version, "50%"))
        if what == "promoted":
            return self._ledger.change(act, lambda one: one.promoted(version))
        return self._ledger.change(act, lambda one: one.rolled_back())

    async def _is_followed(self, serial: int) -> bool:
        found = await ask(self._spool, "policy.status")
        return not found["silent"] and all(one["serial"] >= serial for one in found["workers"])


async def ask(spool: Path, operation: str) -> dict[str, Any]:
    """An operation of the running gateway."""
    reader, writer = await asyncio.open_unix_connection(str(spool / "control.sock"), limit=1 << 22)
    try:
        writer.write(json.dumps({"op": operation}).encode() + b"\n")
        answer = json.loads(await reader.readline())
    finally:
        writer.close()
    result: dict[str, Any] = answer["result"]
    return result


def write(folder: Path, name: str) -> str:
    """Write the policy of that name; gives its version."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "judges.py").write_text(POLICY.format(name=name))
    return version_of(folder, policy_files(folder))


async def play(directory: Path, changes: int, workers: int, clients: int, seed: int = 1) -> tuple[Figures, list[str]]:
    """Run it all; gives the figures, and what was wrong."""
    figures = Figures()
    sink = await asyncio.start_server(Sink(figures).serve, "127.0.0.1", 0, limit=1 << 20)
    folder = directory / "policy"
    names = {write(folder, NAMES[0]): NAMES[0]}
    more = f'policy.directory = "{folder}"\nserver.workers = {workers}\n'
    gateway = Gateway(directory, free_port(), sink.sockets[0].getsockname()[1], more=more)
    await asyncio.to_thread(gateway.start)
    try:
        for name in NAMES[1:]:
            names[write(folder, name)] = name
            Shelf(directory / "spool").keep(folder)
        stream, began = Clients(gateway.port, figures), time.monotonic()
        tasks = [asyncio.ensure_future(stream.run(f"127.0.0.{2 + number % 20}")) for number in range(clients)]
        await Changes(directory / "spool", list(names), figures, seed).run(changes)
        stream.stopping = True
        await asyncio.gather(*tasks)
        figures.seconds = time.monotonic() - began
        async with asyncio.timeout(60):
            while len(figures.judged) < len(figures.sent):
                await asyncio.sleep(0.05)
    finally:
        await asyncio.to_thread(gateway.stop)
        sink.close()
    return figures, figures.wrong(names)


def main() -> None:
    """Play, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--changes", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--clients", type=int, default=20)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="danelaw-policies-", dir="/var/tmp") as name:
        figures, wrong = asyncio.run(play(Path(name), options.changes, options.workers, options.clients))
    done = ", ".join(f"{count} {what}" for what, count in sorted(figures.changes.items()))
    print(f"  {done} in {figures.seconds:.0f} s; taken up by {options.workers} workers within {figures.slowest:.2f} s")
    used = Counter(words[-1] for words in figures.judged.values() if words)
    print(f"  {len(figures.sent)} messages acknowledged, {len(figures.judged)} arrived, {figures.twice} twice")
    print(
        f"  judged by {len(used)} versions: {', '.join(f'{version} {count}' for version, count in used.most_common())}"
    )
    for one in wrong[:10]:
        print(f"  {one}")
    print("nothing was lost, and no message judged by two" if not wrong else f"{len(wrong)} messages went wrong")
    raise SystemExit(1 if wrong else 0)


if __name__ == "__main__":
    main()

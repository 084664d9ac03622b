"""Does a shadow find every difference there is, and invent none? Generated mail with known differences.

    python bench/policy_shadow.py [--mails 5000] [--clients 10]

It goes through a real gateway. Every mail is made so that it is known beforehand what two versions of a policy say of
it: some senders only the shadow refuses, some recipients it sends elsewhere, some mail only it holds, some gets another
field, note or tag. Then its report is compared with what is known, count by count. Exit status 1 when they are not the
same, or when a connection was not followed.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path
from typing import Any, TypeAlias

sys.path.insert(0, str(Path(__file__).parent))

from crash import free_port
from policy_changes import Sink, answered, ask, code_of

from danelaw.scripting.versioning.ledger import Ledger
from danelaw.scripting.versioning.shelf import Shelf
from danelaw.scripting.versioning.standing import Act
from gateway import Gateway

ACTIVE = """
from danelaw.policy import Hold, MailContext, MessageContext, RecipientContext, Redirect, Reject, hook

SENDERS = {"refused.test"}
MOVED = {"info"}
HELD = ("offer",)
FIELD = "one"


@hook.mail_from
def sender(ctx: MailContext) -> Reject | None:
    return Reject("not from there") if ctx.reverse_path.domain in SENDERS else None


@hook.rcpt_to
def recipient(ctx: RecipientContext) -> Redirect | None:
    return Redirect(("desk@bench.test",)) if ctx.recipient.localpart in MOVED else None


@hook.end_of_data
async def whole(ctx: MessageContext) -> Hold | None:
    subject = ctx.mail.subject
    if "field" in subject:
        ctx.mail.add("X-Field", FIELD)
    if "note" in subject:
        ctx.notes["note"] = FIELD
    if "tag" in subject:
        ctx.tags.add(f"tag_{FIELD}")
    return Hold("to be looked at") if any(word in subject for word in HELD) else None
"""
SHADOW = (
    ACTIVE.replace('{"refused.test"}', '{"refused.test", "doubted.test"}')
    .replace('{"info"}', '{"info", "sales"}')
    .replace('("offer",)', '("prize",)')
    .replace('"one"', '"two"')
)
Key: TypeAlias = tuple[str, str, str, str]
_WORDS = ("field", "note", "tag", "offer", "prize", "hello")


class Mails:
    """Makes and sends mail; `known` counts the differences it must lead to."""

    def __init__(self, port: int, mails: int, seed: int) -> None:
        self._port = port
        self._left = mails
        self._chance = random.Random(seed)
        self.known: Counter[Key] = Counter()
        self.sent = 0

    async def client(self) -> None:
        """One connection after the other, until all mail is sent."""
        while self._left > 0:
            reader, writer = await asyncio.open_connection("127.0.0.1", self._port)
            assert await code_of(reader) == 220
            await answered(reader, writer, "EHLO client.test", 250)
            for _ in range(10):
                if self._left <= 0:
                    break
                self._left -= 1
                await self._mail(reader, writer)
            await answered(reader, writer, "QUIT", 221)
            writer.close()

    async def _mail(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        chance = self._chance
        self.sent += 1
        domain = chance.choices(["good.test", "refused.test", "doubted.test"], (8, 1, 1))[0]
        to = chance.choice(["info", "sales", "anna"])
        words = {word for word in _WORDS if chance.random() < 0.2}
        if domain == "refused.test":
            await answered(reader, writer, f"MAIL FROM:<a@{domain}>", 550)
            return
        await answered(reader, writer, f"MAIL FROM:<a@{domain}>", 250)
        await answered(reader, writer, f"RCPT TO:<{to}@bench.test>", 250)
        await answered(reader, writer, "DATA", 354)
        text = f"X-Number: m{self.sent}\r\nSubject: {' '.join(sorted(words))}\r\n\r\nx\r\n."
        await answered(reader, writer, text, 250)
        if domain == "doubted.test":
            self.known["mail_from", "verdict", "none", "reject 550"] += 1
            return
        if to == "sales":
            self.known["rcpt_to", "verdict", "none", "redirect"] += 1
        if ("offer" in words) != ("prize" in words):
            verdicts = ("hold", "none") if "offer" in words else ("none", "hold")
            self.known["end_of_data", "verdict", *verdicts] += 1
        if "field" in words:
            self.known["end_of_data", "edit", "add X-Field", "add X-Field otherwise"] += 1
        if "note" in words:
            self.known["end_of_data", "note", "note", "note otherwise"] += 1
        if "tag" in words:
            self.known["end_of_data", "tag", "tag_one", "nothing"] += 1
            self.known["end_of_data", "tag", "nothing", "tag_two"] += 1


async def followed(spool: Path, serial: int, workers: int) -> None:
    """Wait until every process has taken a change up; one that is just starting may not answer yet."""
    async with asyncio.timeout(30):
        while True:
            found = await ask(spool, "policy.status")
            late = [one for one in found["workers"] if one["serial"] < serial]
            if not late and not found["silent"] and len(found["workers"]) >= max(1, workers):
                return
            await asyncio.sleep(0.05)


def found_in(report: dict[str, Any]) -> Counter[Key]:
    """The differences of a report, counted as `Mails` counts them."""
    groups = report["found"]["groups"]
    return Counter({(one["step"], one["what"], one["active"], one["shadow"]): one["count"] for one in groups})


async def play(
    directory: Path, mails: int, clients: int, workers: int = 0, seed: int = 1
) -> tuple[Mails, dict[str, Any], float]:
    """Run it; gives what is known, what the shadow reports, and the seconds it took."""
    folder = directory / "policy"
    folder.mkdir(parents=True)
    (folder / "inbound.py").write_text(ACTIVE)
    sink = await asyncio.start_server(Sink().serve, "127.0.0.1", 0, limit=1 << 20)
    more = f'policy.directory = "{folder}"\npolicy.shadow_percent = 100\nserver.workers = {workers}\n'
    gateway = Gateway(directory, free_port(), sink.sockets[0].getsockname()[1], more=more)
    await asyncio.to_thread(gateway.start)
    try:
        spool = directory / "spool"
        (folder / "inbound.py").write_text(SHADOW)
        version = Shelf(spool).keep(folder)
        ledger = Ledger(spool)
        act = Act("shadow", version, time.time(), "bench", portion="all")
        serial = ledger.change(act, lambda one: one.shadowed(version, "all")).serial
        ledger.close()
        await followed(spool, serial, workers)
        work, began = Mails(gateway.port, mails, seed), time.monotonic()
        await asyncio.gather(*(work.client() for _ in range(clients)))
        seconds = time.monotonic() - began
        report = await ask(spool, "policy.shadow")
        async with asyncio.timeout(60):
            while found_in(report).total() < work.known.total() and not report["found"]["dropped"]:
                await asyncio.sleep(0.1)
                report = await ask(spool, "policy.shadow")
    finally:
        await asyncio.to_thread(gateway.stop)
        sink.close()
    return work, report, seconds


def main() -> None:
    """Play, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--mails", type=int, default=5000)
    parser.add_argument("--clients", type=int, default=10)
    parser.add_argument("--workers", type=int, default=0)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="danelaw-shadow-", dir="/var/tmp") as name:
        work, report, seconds = asyncio.run(play(Path(name), options.mails, options.clients, options.workers))
    found = found_in(report)
    for key in sorted(work.known.keys() | found.keys()):
        print(f"  {' '.join(key):60} known {work.known[key]:5}  found {found[key]:5}")
    dropped = report["found"]["dropped"]
    missed, invented = (work.known - found).total(), (found - work.known).total()
    print(f"  {work.sent} mails in {seconds:.0f} s: {missed} missed, {invented} invented, {dropped} not followed")
    raise SystemExit(1 if missed or invented or dropped else 0)


if __name__ == "__main__":
    main()

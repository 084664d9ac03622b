"""What a host says to one of two real workers, both keep to, and so does one that is started later."""

from __future__ import annotations

import contextlib
import json
import signal
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tests.ends import Client, Sink, run, until
from workers_running import Served, served, settings

from danelaw.spool import database

pytestmark = pytest.mark.timeout(120)
BODY = b"Subject: x\r\n\r\nx\r\n"
HOST = 'host:"[127.1.0.1]"'


def routes(sink: Sink) -> str:
    """One domain that complains and one that does not, each with an address of its own."""
    found = "".join(f'[[route]]\ndomain = "d{n}.test"\nnext_hop = "[127.1.0.{n}]"\n' for n in (1, 2))
    dial = "".join(f'"127.1.0.{n}:25" = "127.0.0.1:{sink.port}"\n' for n in (1, 2))
    return f"{found}[lab.routes]\n{dial}"


def responses(directory: Path, action: str) -> str:
    own = directory / "responses.toml"
    own.write_text(
        f'[[response]]\nclass = "rate-limited"\naction = "{action}"\nof = "domain"\ntime = "1h"\n'
        'example = "421 4.7.0 too many connections"\n'
    )
    return f"[responses]\nfile = {json.dumps(str(own))}\n"


def remembered(spool: Path, name: str) -> list[str]:
    """What each shard would know after a restart."""
    found = []
    for number in database.shards(spool):
        path = database.shard_directory(spool, number) / database.DATABASE_NAME
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as connection:
            row = connection.execute("SELECT value FROM setting WHERE name = ?", (name,)).fetchone()
            found.append(bytes(row[0]).decode() if row else "")
    return found


async def fill(one: Served, domain: str, count: int) -> list[str]:
    """Messages over so many connections at once, so that every worker takes some."""
    async with contextlib.AsyncExitStack() as stack:
        clients = [await stack.enter_async_context(await Client.connect(one.address)) for _ in range(count)]
        for client in clients:
            await client.greeted()
        return [await client.message(BODY, f"u{n}@{domain}") for n, client in enumerate(clients)]


class Complaining(Sink):
    """Says 421 to mail for the first domain until `open_again`."""

    def __init__(self) -> None:
        self.complaints = 0
        self.open_again = False
        super().__init__(self._answer)

    def _answer(self, verb: str, line: str, connection: int) -> str | None:
        if verb == "RCPT" and "@d1.test" in line and not self.open_again:
            self.complaints += 1
            return "421 4.7.0 mx.test Error: too many connections from you"
        return None


def knows(text: str) -> bool:
    """Whether a shard would remember that about the host."""
    return HOST in text.replace("\\", "")


def test_both_workers_leave_a_host_alone_that_complained_to_one_and_a_later_one_does_too(tmp_path: Path) -> None:
    async def play() -> None:
        sink = Complaining()
        async with sink, served(settings(tmp_path, responses(tmp_path, "suspend") + routes(sink))) as one:
            spool = tmp_path / "spool"
            await one.send("first@d1.test")
            await until(lambda: one.counted("suspended") == 1, "the suspension")
            await until(lambda: all(map(knows, remembered(spool, "suspensions"))), "every shard knows")
            assert len(remembered(spool, "suspensions")) == 2
            said = sink.complaints
            ids = await fill(one, "d1.test", 8)
            other = await fill(one, "d2.test", 8)
            await until(lambda: len(sink.taken) == len(other), "the other host's mail")
            rows = (await one.ask("queue.list"))["messages"]
            waiting = {row["id"]: row["recipients"][0].get("limit", "") for row in rows}
            assert all(waiting[number].startswith("suspended: rate-limited") for number in ids), waiting
            assert sink.complaints == said
            assert one.counted("suspended") == 1  # told, not found out again

            settings(tmp_path, responses(tmp_path, "suspend") + routes(sink), workers=3)
            await one.signalled(signal.SIGHUP, "reloaded")
            await until(lambda: len(remembered(spool, "suspensions")) >= 3, "a shard for one more worker", 40)
            await until(lambda: all(map(knows, remembered(spool, "suspensions"))), "new workers know")

            sink.open_again = True
            assert (await one.ask("queue.resume", filter=HOST))["ended"] == 1
            await one.ask("queue.retry", all=True)
            await until(lambda: len(sink.taken) == len(ids) + len(other) + 1, "all mail", 40)
            assert not any(map(knows, remembered(spool, "suspensions")))
            await one.stop()

    run(play())


def test_both_workers_slow_down_when_one_was_asked_to(tmp_path: Path) -> None:
    async def play() -> None:
        sink = Complaining()
        async with sink, served(settings(tmp_path, responses(tmp_path, "slow-down") + routes(sink))) as one:
            spool = tmp_path / "spool"
            await one.send("first@d1.test")
            await until(lambda: one.counted("slowed-down") >= 1, "the slow-down")
            await until(lambda: all("127.1.0.1" in text for text in remembered(spool, "slow-downs")),
                        "every shard knows")  # fmt: skip
            sink.open_again = True
            assert (await one.ask("queue.resume", filter=HOST))["ended"] == 1
            await until(lambda: not any("127.1.0.1" in text for text in remembered(spool, "slow-downs")), "its end")
            await one.stop()

    run(play())

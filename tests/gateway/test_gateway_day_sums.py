"""`danelaw stats` beside a running gateway: real deliveries in the lab, before and after their day is counted."""

from __future__ import annotations

import asyncio
import csv
import io
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.ends import Running, run

from danelaw.cli.stats import command
from danelaw.config import load
from danelaw.gateway import Gateway
from danelaw.gateway.day_sums import DaySums
from danelaw.lab import SCENARIOS, Lab
from danelaw.lab.settings import write_settings
from danelaw.spool.attempts import day_tables
from danelaw.telemetry import Log

DAY = 86_400
CHOSEN = ("dane.lab", "plain.lab", "forged-cert.lab", "sts-testing.lab", "some-refused.lab")


def stats(spool: Path, *words: str) -> str:
    result = CliRunner().invoke(command, ["--spool", str(spool), *words], standalone_mode=False)
    if result.exception is not None:
        raise result.exception
    return result.output


def as_json(spool: Path, *words: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(stats(spool, "--json", *words))
    return found


async def deliver(running: Running) -> None:
    """Three recipients at dane.lab, one each elsewhere; a server takes one of three, the last one is an impostor."""
    await running.reaches(await running.send("anna@dane.lab", "bob@dane.lab"), "delivered")
    for domain in ("dane.lab", "plain.lab", "sts-testing.lab"):
        await running.reaches(await running.send(f"anna@{domain}"), "delivered")
    some = await running.send("anna@some-refused.lab", "nobody@some-refused.lab", "later@some-refused.lab")
    (attempt,) = (await running.tried(some))["attempts"]
    assert (attempt["outcome"], sorted(attempt["refused"])) == ("delivered", [1, 2])
    await running.tried(await running.send("anna@forged-cert.lab"))


def check(spool: Path) -> None:
    """What was delivered is what is said, by protection, domain and TLS version."""
    found = as_json(spool)
    assert found["total"]["protection"] == {"DANE": 4, "encrypted only": 1, "clear text": 1}
    assert (found["total"]["recipients"], found["total"]["verified"]) == (6, 4)
    assert found["total"]["tries_without_sending"] >= 1
    assert sum(found["received_messages"].values()) == 6
    by_domain = {line["name"]: line for line in as_json(spool, "--by", "domain")["lines"]}
    assert {name: by_domain[name]["recipients"] for name in CHOSEN} == {
        "dane.lab": 3, "plain.lab": 1, "sts-testing.lab": 1, "some-refused.lab": 1, "forged-cert.lab": 0,
    }  # fmt: skip
    by_tls = {line["name"]: line["recipients"] for line in as_json(spool, "--by", "tls")["lines"]}
    assert by_tls["TLSv1.3"] == 5
    assert [line["name"] for line in as_json(spool, "--by", "protection")["lines"]][:2] == ["DANE", "encrypted only"]
    rows = list(csv.reader(io.StringIO(stats(spool, "--csv", "--by", "provider"))))
    assert ["dane.lab", "DANE", "3", "0"] in rows


def test_sums_are_those_of_the_deliveries_before_and_after_the_day_is_counted(tmp_path: Path) -> None:
    async def play() -> None:
        chosen = [one for one in SCENARIOS if one.domain in CHOSEN]
        async with Lab(chosen, senders=()) as lab:
            config = write_settings(lab, tmp_path / "lab", listen="127.0.0.1:0")
            log, sink = Log.in_memory()
            gateway = Gateway(load(config), log=log)
            await gateway.start()
            try:
                running = Running(gateway, tmp_path, sink)
                spool = gateway.config.spool.directory
                await deliver(running)
                await asyncio.to_thread(check, spool)
                page = await asyncio.to_thread(stats, spool, "--ascii")
                assert page.startswith("# 67 % of 6 recipients were reached at a verified server")
                assert "in all: DANE 4, encrypted only 1, clear text 1" in page

                gateway.clock = lambda: time.time() + 2 * DAY
                sums = DaySums(gateway)
                assert await sums.look() >= 2  # today's and, without mail, one more
                assert await sums.look() == 0
                await asyncio.to_thread(check, spool)
                kept = gateway.parts.spool.reader.execute("SELECT sum(recipients) FROM traffic").fetchone()
                assert kept[0] >= 6

                # The tries go, the sums stay.
                with gateway.parts.spool.transaction() as writer:
                    for table in day_tables(writer.connection):
                        writer.connection.execute(f"DROP TABLE {table}")
                found = await asyncio.to_thread(as_json, spool)
                assert found["total"]["protection"] == {"DANE": 4, "encrypted only": 1, "clear text": 1}
                await history(config, tmp_path)
            finally:
                await gateway.stop()

    run(play())


async def history(config: Path, directory: Path) -> None:
    """The own history is a list of domains too. A process of its own, since the command minds signals."""
    words = ["--history", "1d", "--config", str(config), "--state", str(directory / "kept"), "--no-connect", "--json"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    command = (sys.executable, "-m", "danelaw", "survey", *words, "--quiet")
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, env=environment)
    shown, _ = await process.communicate()
    found = json.loads(shown)
    assert found["source"]["form"] == "history"
    # The one at the impostor's still waits: its domain is known.
    assert found["summary"]["total"] == {"domains": 5, "recipients": 7}


def test_without_mail_it_says_so(tmp_path: Path) -> None:
    from danelaw.spool import Spool

    Spool.open(tmp_path / "spool").close_now()
    assert stats(tmp_path / "spool").startswith("  No mail was delivered in the last 30d.")
    with pytest.raises(Exception, match="not both"):
        stats(tmp_path / "spool", "--csv", "--json")
    with pytest.raises(Exception, match="not a duration"):
        stats(tmp_path / "spool", "--since", "yesterday")

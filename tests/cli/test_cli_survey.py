"""`danelaw survey` as people run it, against the lab's real sockets and signatures: its truth, a kill, no way out."""

from __future__ import annotations

import asyncio
import csv
import gzip
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from click.testing import CliRunner, Result

from danelaw.cli.survey import command
from danelaw.cli.survey_progress import ProgressLine
from danelaw.errors import DanelawError
from danelaw.lab import SCENARIOS, Lab
from danelaw.lab.scenario import Behaviour, Host, Scenario
from danelaw.lab.settings import write_settings

CHOSEN = (
    "dane.lab", "private-ca.lab", "sts.lab", "sts-testing.lab", "odd-tlsa.lab", "plain.lab", "stripped.lab",
    "forged-cert.lab", "forged-dns.lab", "null-mx.lab", "implicit-mx.lab", "unsigned-mx.lab", "weakest.lab",
    "provider.lab", "customer.lab", "requiretls.lab", "dane-and-sts.lab", "first-mx-dead.lab",
)  # fmt: skip
MANY = Scenario(
    domain="many.lab",
    publishes="50 MX",
    hosts=tuple(Host(name=f"mx{n}", preference=n) for n in range(50)),
)
NO_MAIL = Scenario(domain="nobody.lab", mx="missing", level="no-mail")
SLOW = Scenario(domain="late.lab", level="dane", hosts=(Host(behaviour=Behaviour(greeting_delay=2.5)),))


class World(NamedTuple):
    lab: Lab
    config: Path
    truth: dict[str, str]

    @property
    def sessions(self) -> int:
        return self.lab.journal.sessions

    def asked(self, domain: str) -> int:
        return self.lab.name_server.questions[f"{domain}.", "MX"]


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A lab in a thread of its own, since the command runs its own event loop."""
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    chosen = (*(one for one in SCENARIOS if one.domain in CHOSEN), MANY, NO_MAIL, SLOW)

    async def start() -> Lab:
        lab = Lab(chosen, senders=())
        await lab.start()
        return lab

    lab = asyncio.run_coroutine_threadsafe(start(), loop).result(60)
    config = write_settings(lab, tmp_path_factory.mktemp("lab"))
    yield World(lab, config, {one.domain: one.level for one in chosen})
    asyncio.run_coroutine_threadsafe(lab.close(), loop).result(30)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(10)
    loop.close()


def run(world: World, *arguments: object) -> Result:
    words = [str(one) for one in arguments]
    usual = ["--config", str(world.config), "--timeout", "3", "--rate", "100000", "--per-provider", "50", "--quiet"]
    result = CliRunner().invoke(command, [*words, *usual], standalone_mode=False)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def as_json(world: World, *arguments: object) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(run(world, *arguments, "--json").output)
    return found


def test_it_agrees_with_the_labs_truth_meets_each_server_once_and_asks_nothing_twice(
    world: World, tmp_path: Path
) -> None:
    domains = [one for one in world.truth if one != "late.lab"]
    lines = [*domains, "DANE.lab.", "5 dane.lab", "two words", "[192.0.2.1]", "Bücher.lab", "# nothing"]
    file = tmp_path / "list.txt"
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")
    before = world.sessions
    targets = [tmp_path / f"s.{kind}" for kind in ("json", "csv", "html")]
    result = run(world, file, *(word for target in targets for word in ("--write", target)))
    assert result.return_value == 0

    found = json.loads(targets[0].read_text("utf-8"))
    rows = {row["domain"]: row for row in found["domains"]}
    assert {name: row["level"] for name, row in rows.items() if name in world.truth} == {
        name: world.truth[name] for name in domains
    }
    assert rows["xn--bcher-kva.lab"]["mail"] == "no-domain"
    assert rows["dane.lab"]["recipients"] == 7
    assert found["source"]["invalid"] == 2
    assert [one["line"] for one in found["source"]["invalid_lines"]] == [len(domains) + 3, len(domains) + 4]
    wanted = {
        "dane.lab": ("signed", "valid", "absent"),
        "unsigned-mx.lab": ("unsigned", "host-only", "absent"),
        "weakest.lab": ("signed", "partial", "absent"),
        "forged-cert.lab": ("signed", "broken", "absent"),
        "forged-dns.lab": ("bogus", "unknown", "absent"),
        "sts.lab": ("unsigned", "none", "enforce"),
        "odd-tlsa.lab": ("signed", "unusable", "absent"),
    }
    assert {name: (rows[name]["dnssec"], rows[name]["dane"], rows[name]["mta_sts"]) for name in wanted} == wanted
    assert rows["requiretls.lab"]["requiretls"] == "yes"
    assert (rows["plain.lab"]["tls"], rows["dane.lab"]["tls"]) == ("none", "TLSv1.3")
    assert len(rows["many.lab"]["hosts"]) == 50

    # customer.lab and provider.lab have the same server.
    hosts = {host["name"] for row in rows.values() for host in row["hosts"] if host["tls"] != "unknown"}
    assert world.sessions - before <= len(hosts)
    with targets[1].open(encoding="utf-8", newline="") as stream:
        assert {row["domain"] for row in csv.DictReader(stream)} == set(rows)
    assert "<svg" in targets[2].read_text("utf-8")

    asked, sessions = world.lab.name_server.questions.total(), world.sessions
    again = run(world, file, "--compare", targets[0])
    assert (world.lab.name_server.questions.total(), world.sessions) == (asked, sessions)
    words = " ".join(again.output.split())
    assert "0 domains better protected, 0 worse; 0 new, 0 gone" in words
    assert "2 lines were not understood: line" in words
    assert words.endswith("next: the same command with --write survey.html --write survey.csv --write survey.json")


def done_of(state: Path) -> int:
    """How many domains a running survey has done: its file is locked, so a copy is looked at."""
    copy = state.with_suffix(".look")
    try:
        for suffix in ("", "-wal"):
            Path(f"{copy}{suffix}").write_bytes(Path(f"{state}{suffix}").read_bytes())
        connection = sqlite3.connect(copy)
        try:
            return int(connection.execute("SELECT count(facts) FROM domain").fetchone()[0])
        finally:
            connection.close()
    except (OSError, sqlite3.Error):
        return 0


def test_killed_it_goes_on_and_asks_only_what_was_under_way(world: World, tmp_path: Path) -> None:
    file, state = tmp_path / "list.txt", tmp_path / "kept"
    quick = ("dane.lab", "plain.lab", "customer.lab")
    file.write_text("\n".join((*quick, "late.lab")))
    before = {name: world.asked(name) for name in quick}
    words = [sys.executable, "-m", "danelaw", "survey", str(file), "--config", str(world.config)]
    words += ["--state", str(state), "--rate", "100000"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment)
    end = time.monotonic() + 40
    while done_of(state) < len(quick) and process.poll() is None and time.monotonic() < end:
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert process.returncode == -signal.SIGKILL

    sessions = world.sessions
    result = run(world, file, "--state", state)
    assert result.return_value == 0
    assert {name: world.asked(name) - number for name, number in before.items()} == dict.fromkeys(quick, 1)
    assert world.sessions - sessions == 1  # late.lab's
    assert "4 asked" in " ".join(result.output.split())


def test_a_budget_ends_it_early_and_the_same_command_goes_on(world: World, tmp_path: Path) -> None:
    file = tmp_path / "list.txt.gz"
    file.write_bytes(gzip.compress(b"x@late.lab\n" + b"x@plain.lab\n" * 3))
    result = run(world, file, "--budget", "1500ms")
    assert result.return_value == 10
    assert "1 of 2 done" in " ".join(result.output.split())
    assert "1 of 2 domains are not asked yet" in " ".join(result.output.split())
    file.write_bytes(gzip.compress(b"x@plain.lab\n" * 5))
    found = as_json(world, file)
    assert (found["complete"], found["summary"]["total"]) == (True, {"domains": 1, "recipients": 5})


def test_no_signal_meets_what_its_loop_has_closed(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where the tick of a policy's guard came as the loop of a survey closed, Python complained of a bad descriptor."""
    close, wake_by = asyncio.BaseEventLoop.close, list[int]()

    def closing(loop: asyncio.BaseEventLoop) -> None:
        wake_by.append(signal.set_wakeup_fd(-1))
        close(loop)

    file = tmp_path / "list.txt"
    file.write_text("plain.lab\n")
    with monkeypatch.context() as patch:
        patch.setattr(asyncio.BaseEventLoop, "close", closing)
        assert run(world, file, "--no-connect").return_value == 0
    assert wake_by == [-1]


def test_without_connecting_dns_is_judged_and_the_rest_says_so(world: World, tmp_path: Path) -> None:
    file = tmp_path / "domains.csv"
    file.write_text("id;e-mail\n1;a@dane.lab\n2;b@sts.lab\n3;\n4;c@forged-dns.lab\n5;nobody\n", encoding="utf-8")
    before = world.sessions
    found = as_json(world, file, "--no-connect", "--write", tmp_path / "s.json")
    rows = {row["domain"]: row for row in json.loads((tmp_path / "s.json").read_text("utf-8"))["domains"]}
    assert world.sessions == before
    assert {name: (row["level"], row["dane"], row["mta_sts"]) for name, row in rows.items()} == {
        "dane.lab": ("unknown", "untested", "absent"),
        "sts.lab": ("unknown", "none", "announced"),
        "forged-dns.lab": ("waits", "unknown", "absent"),
    }
    assert "--no-connect" in rows["dane.lab"]["reason"]
    assert (found["source"]["form"], found["source"]["invalid_lines"][0]["line"]) == ("csv", 6)


def test_where_port_25_is_blocked_it_says_so_once_and_reports_what_dns_has(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = world.config.read_text("utf-8")
    closed = "127.0.0.1:9"
    lines = [
        f'{line.split(" = ")[0]} = "{closed}"' if line.startswith('"') and ':25" = ' in line else line
        for line in text.splitlines()
    ]
    walled = tmp_path / "danelaw.toml"
    walled.write_text("\n".join(lines) + '\n\n[doctor]\nport25_hosts = ["mx.plain.lab"]\n', encoding="utf-8")
    file = tmp_path / "list.txt"
    file.write_text("dane.lab\nforged-cert.lab\ncustomer.lab\n")
    result = run(world._replace(config=walled), file, "--write", tmp_path / "s.json")
    words = " ".join(result.output.split())
    assert "this network blocks port 25" in words
    rows = json.loads((tmp_path / "s.json").read_text("utf-8"))["domains"]
    assert {(row["level"], row["dane"]) for row in rows} == {("unknown", "untested")}


def test_what_cannot_be_read_is_said_before_anything_is_asked(world: World, tmp_path: Path) -> None:
    empty = tmp_path / "empty.txt"
    empty.write_text("two words\n")
    for arguments in (
        (tmp_path / "absent.txt",),
        (empty,),
        (empty, "--column", "x"),
        (empty, "--compare", world.config),
        (empty, "--state", world.config),
    ):
        with pytest.raises(DanelawError):
            run(world, *arguments)


def test_two_surveys_do_not_share_a_state(world: World, tmp_path: Path) -> None:
    from danelaw.state import SurveyBook

    file = tmp_path / "list.txt"
    file.write_text("dane.lab\n")
    book = SurveyBook(tmp_path / "list.txt.survey")
    try:
        with pytest.raises(DanelawError, match="used by another survey"):
            run(world, file)
    finally:
        book.close()


def test_the_line_of_progress_has_rate_and_time_left() -> None:
    line = ProgressLine(2000, 10_000, quiet=True, now=0.0)
    assert line.text(0.0) == "2,000 of 10,000 domains (20 %)"
    for _ in range(400):
        line.one_more(10.0)
    assert line.text(10.0) == "2,400 of 10,000 domains (24 %)   40/s   3 min left"

"""Nine days of the lab in some seconds: protection that goes away is an event, a pin holds mail back, and lapses."""

from __future__ import annotations

import asyncio
import contextlib
import json
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.ends import run, until

from danelaw.cli import danelaw
from danelaw.gateway.rehearsal import Rehearsal
from danelaw.gateway.watcher import Watcher
from danelaw.lab.scenario import STS, Host, Scenario
from danelaw.telemetry import Log

pytestmark = pytest.mark.timeout(120)
DAY = 86_400
DANE = Scenario(domain="dane.lab")
STEADY = Scenario(domain="steady.lab")
PINNED = Scenario(domain="pinned.lab")
POLICY = Scenario(domain="policy.lab", signed=False, hosts=(Host(tlsa=()),), sts=STS(max_age=43_200))
ALWAYS = (DANE, STEADY, PINNED, POLICY)
WITHOUT_TLSA = {"hosts": (Host(tlsa=()),)}
LATER = (
    replace(DANE, **WITHOUT_TLSA),  # type: ignore[arg-type]
    STEADY,
    replace(PINNED, **WITHOUT_TLSA),  # type: ignore[arg-type]
    replace(POLICY, sts=STS(mode="none")),
)


class Told(Rehearsal):
    def write_settings(self) -> None:
        super().write_settings()
        with self.config_file.open("a") as file:
            file.write('[watch]\nnotify = "operator@steady.lab"\n')


class Clock:
    """The gateway's, which can be moved."""

    def __init__(self) -> None:
        self.ahead = 0.0
        # Noon, so that a run cannot cross the end of a day.
        self._start = time.time()
        self._noon = self._start // DAY * DAY + DAY / 2

    def __call__(self) -> float:
        return self._noon + (time.time() - self._start) + self.ahead


async def cli(rehearsal: Rehearsal, clock: Clock, *words: str) -> Any:
    """A command as of the moved clock; its result, and what it printed as JSON."""
    options = ["--config", str(rehearsal.config_file), "--at", f"{clock():.0f}"]
    result = await asyncio.to_thread(CliRunner().invoke, danelaw, [*words, *options], standalone_mode=False)
    assert result.exception is None, result.exception
    return result


async def facts(rehearsal: Rehearsal, clock: Clock, *words: str) -> Any:
    return json.loads((await cli(rehearsal, clock, *words, "--json")).stdout)


async def first_days(directory: Path, clock: Clock) -> None:
    async with Rehearsal(ALWAYS, directory, clock=clock, made=clock()) as rehearsal:
        for _ in range(8):
            for _ in range(2):
                for one in await asyncio.gather(*(rehearsal.play(scenario) for scenario in ALWAYS)):
                    assert one.outcome == "delivered", one
            clock.ahead += DAY
        watcher = Watcher(rehearsal.gateway)
        found = await watcher.look_once()
        assert found is not None
        assert found.weakened == []
        assert await watcher.look_once() is None, "it is nobody's turn before the interval is over"
        plan = await cli(rehearsal, clock, "pins", "plan", "--since", "30d", "--only", "pinned.lab")
        assert "[[pin]]" in plan.stdout
        (directory / "plan.toml").write_text(plan.stdout)
        proposed = await facts(rehearsal, clock, "pins", "plan")
        assert {one["destination"]: one["tls"] for one in proposed["pins"]} == {
            "dane.lab": "dane-require", "steady.lab": "dane-require", "pinned.lab": "dane-require",
            "policy.lab": "verify",
        }  # fmt: skip
        assert all(one["would_have_stopped"] == 0 and one["days"] == 8 for one in proposed["pins"])
        applied = await facts(rehearsal, clock, "pins", "apply", str(directory / "plan.toml"))
        assert [one["destination"] for one in applied["applied"]] == ["pinned.lab"]
        again = await facts(rehearsal, clock, "pins", "apply", str(directory / "plan.toml"))
        assert again["left_out"] == [{"destination": "pinned.lab", "reason": "it has an override"}]
        left = await facts(rehearsal, clock, "pins", "plan", "--only", "pinned.lab")
        assert left["passed_over"][0]["reason"] == "it has an override: dane-require"


async def later(directory: Path, clock: Clock) -> None:
    log, sink = Log.in_memory()
    async with Told(LATER, directory, clock=clock, made=clock(), log=log) as rehearsal:
        store = rehearsal.gateway.parts.sts
        assert store is not None
        results = await asyncio.gather(*(rehearsal.play(scenario) for scenario in LATER))
        assert {one.scenario.domain: (one.outcome, one.protection) for one in results} == {
            "dane.lab": ("delivered", "encrypted only"),
            "steady.lab": ("delivered", "DANE"),
            "pinned.lab": ("waiting", "nothing sent"),
            "policy.lab": ("delivered", "encrypted only"),
        }
        clock.ahead += 3600
        watcher = Watcher(rehearsal.gateway)
        found = await watcher.look_once()
        assert found is not None
        assert {(one.destination, one.kind.value) for one in found.weakened} == {
            ("dane.lab", "tlsa-withdrawn"),
            ("policy.lab", "policy-gone"),
        }
        log.flush()
        said = [line for line in sink.lines if " weakened " in f"{line} "]
        assert len(said) == 2
        assert any("destination=dane.lab" in line and "days=8" in line and "before=DANE" in line for line in said)
        assert rehearsal.gateway.metrics.watch_weakenings.cell("tlsa-withdrawn").value == 1

        def letters() -> list[bytes]:
            return [one.data for one in rehearsal.lab.received("steady.lab") if b"prove less" in one.data]

        await until(letters, "the letter to the operator")
        clock.ahead += 3600
        repeated = await watcher.look_once()
        assert repeated is not None
        assert repeated.weakened == []
        (letter,) = letters()
        assert b"Subject: 2 destinations prove less than they did\r\n" in letter
        assert b"before    DANE, on 8 days with mail since" in letter
        assert b"danelaw override add dane.lab dane-require --for 1d" in letter
        listed = await cli(rehearsal, clock, "watch", "list")
        assert listed.return_value == 10
        assert "TLSA records are gone, as signed DNS says" in " ".join(listed.stdout.split())
        shown = await cli(rehearsal, clock, "watch", "history", "dane.lab")
        assert "DANE became encrypted only" in shown.stdout
        assert (await facts(rehearsal, clock, "watch", "history", "steady.lab"))["events"] == []
        # A pin on the strength of the past alone would stop mail the owner wants.
        plan = await facts(rehearsal, clock, "pins", "plan")
        assert [one["destination"] for one in plan["pins"]] == ["steady.lab"]
        (pin,) = (await facts(rehearsal, clock, "pins", "list"))["pins"]
        assert pin["active"] is True
        # The pin rests on eight days, so it ends by itself after eight, and the mail goes as its owner publishes.
        clock.ahead += 9 * DAY
        (pin,) = (await facts(rehearsal, clock, "pins", "list"))["pins"]
        assert pin["active"] is False
        for row in rehearsal.gateway.parts.spool.queues():
            rehearsal.gateway.parts.engine.requeued(row.key)
        await until(lambda: rehearsal.lab.received("pinned.lab"), "the message that the pin held back")


def test_what_weakens_is_told_and_a_pin_holds_mail_back_until_it_lapses(tmp_path: Path) -> None:
    async def play() -> None:
        clock = Clock()
        await first_days(tmp_path, clock)
        await later(tmp_path, clock)

    run(play())


def test_without_any_look_the_commands_say_what_to_do(tmp_path: Path) -> None:
    config = tmp_path / "danelaw.toml"
    config.write_text(f'hostname = "mx.here.example"\n[spool]\ndirectory = "{tmp_path}/spool"\n')
    for words in (("watch", "list"), ("watch", "history", "x.example"), ("pins", "plan")):
        result = CliRunner().invoke(danelaw, [*words, "--config", str(config)], standalone_mode=False)
        assert result.exception is not None
        assert "nothing was looked at yet" in str(getattr(result.exception, "reason", "")), words
    with contextlib.suppress(FileNotFoundError):
        assert not list((tmp_path / "spool").iterdir())

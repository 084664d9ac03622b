"""Members are looked at again and again; a breach is told once, survives a restart, and so does its end."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.ends import Running, run, until
from tests.scenarios.test_a_trust_group_in_the_lab import TRUSTED, trusting

from danelaw.cli import danelaw
from danelaw.lab import TRUST_SECTION
from danelaw.queue import Filter
from danelaw.spool.view import waiting_page
from danelaw.state import FILE_NAME, StateDatabase, TrustStore
from danelaw.trustgroup import Observation

HOOK = """
from danelaw.policy import ReportContext, hook


@hook.report
async def changed(ctx: ReportContext) -> None:
    ctx.library.log.event(ctx.kind, group=ctx.reporter, domain=ctx.facts["domain"], now=ctx.facts["now"])
"""
WATCHED = TRUST_SECTION + 'verify_every = "2h"\nalert = "postmaster@inside.lab"\nowner = "mail team"\n'


class Later:
    """A clock that can be moved ahead."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.time() + self.ahead


def standings(directory: Path) -> dict[str, tuple[Observation | None, int]]:
    store = TrustStore(StateDatabase(directory / "spool" / FILE_NAME, read_only=True), create=False)
    try:
        return {one.domain: (one.record.standing, one.record.doubts) for one in store.members("tes")}
    finally:
        store.close()


def checked(directory: Path, domain: str) -> float:
    store = TrustStore(StateDatabase(directory / "spool" / FILE_NAME, read_only=True), create=False)
    try:
        return next((one.record.checked for one in store.members("tes") if one.domain == domain), 0.0)
    finally:
        store.close()


async def later(clock: Later, seconds: float, directory: Path, *domains: str) -> None:
    """Move the clock, and wait until these members were looked at after that."""
    before = {domain: checked(directory, domain) for domain in domains}
    clock.ahead += seconds
    await until(lambda: all(checked(directory, one) > before[one] for one in domains), f"looks at {domains}")


async def command(directory: Path, *words: str) -> Result:
    arguments = ["trust", *words, "--config", str(directory / "danelaw.toml")]
    return await asyncio.to_thread(CliRunner().invoke, danelaw, arguments, standalone_mode=False)


def alerts(running: Running) -> list[str]:
    spool = running.gateway.parts.spool
    page = waiting_page(spool.reader, Filter.from_text("to:postmaster@inside.lab"), 0.0, 0, 10)
    return [spool.read_body(message).decode() for message in page.messages]


def test_a_breach_is_told_once_and_so_is_its_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("danelaw.gateway.trust_watch.LOOK_SECONDS", 0.02)
    clock = Later()
    (tmp_path / "policy").mkdir()
    (tmp_path / "policy" / "changes.py").write_text(HOOK)
    policy = f'[policy]\ndirectory = "{tmp_path}/policy"\n'

    async def first() -> None:
        async with trusting(tmp_path, WATCHED, policy, clock=clock) as (running, _lab):
            async with await running.client(source=TRUSTED) as client:
                for domain in ("good.lab", "bare.lab", "stranger.lab"):
                    await client.message(b"Subject: x\r\n\r\nhi\r\n", f"anna@{domain}")
            await until(lambda: set(standings(tmp_path)) == {"good.lab", "bare.lab"}, "members that were met")
            await later(clock, 3601.0, tmp_path, "good.lab", "bare.lab")
            assert standings(tmp_path) == {"good.lab": (Observation.KEPT, 0), "bare.lab": (None, 1)}
            await later(clock, 700.0, tmp_path, "bare.lab")
            assert not running.lines("trust-breach")
            await later(clock, 700.0, tmp_path, "bare.lab")
            await until(lambda: running.lines("trust-alert"), "the alert")
            (line,) = running.lines("trust-breach")
            assert "domain=bare.lab" in line
            assert "publishes no TLSA record" in line
            (told,) = running.lines("policy")
            assert "text=trust" in told
            assert "domain=bare.lab" in told
            (mail,) = alerts(running)
            assert "Subject: BREACH: bare.lab does not keep what trust group tes demands\r\n" in mail
            assert "next: danelaw trust check tes bare.lab\r\n" in mail
            assert running.gateway.metrics.trust_changes.cell("tes", "broken").value == 1

            shown = json.loads((await command(tmp_path, "show", "tes", "--json")).output)
            assert [(one["domain"], one["standing"]) for one in shown["watched"]] == [
                ("bare.lab", "broken"), ("good.lab", "kept"),
            ]  # fmt: skip
            assert [(one["domain"], one["before"], one["now"]) for one in shown["changes"]] == [
                ("bare.lab", "new", "broken")
            ]
            page = (await command(tmp_path, "show", "tes")).output
            assert page.startswith("✕ tes: bare.lab does not keep what the group demands.")
            assert "1 in breach, 1 keep it" in (await command(tmp_path, "list")).output

            looked = await command(tmp_path, "check", "tes", "good.lab", "bare.lab", "--json")
            assert looked.return_value == 40
            found = {one["domain"]: one["standing"] for one in json.loads(looked.output)["members"]}
            assert found == {"good.lab": "kept", "bare.lab": "broken"}
            assert (await command(tmp_path, "check", "tes", "good.lab")).return_value == 0
            assert (await command(tmp_path, "check", "tes", "lapsed.lab")).return_value == 50
            assert (await command(tmp_path, "check", "tes", "victim.lab")).return_value == 60

    async def second() -> None:
        async with trusting(tmp_path, WATCHED, policy, clock=clock) as (running, lab):
            routes = running.gateway.parts.door.routes
            assert isinstance(routes, dict)
            addresses = {placed.scenario.domain: (placed.addresses[0][0], 25) for placed in lab.world.hosts}
            right = routes[addresses["good.lab"]]
            routes[addresses["good.lab"]] = routes[addresses["stripped-member.lab"]]
            await later(clock, 8000.0, tmp_path, "good.lab", "bare.lab")
            await later(clock, 700.0, tmp_path, "good.lab")
            await later(clock, 700.0, tmp_path, "good.lab")
            await until(lambda: running.lines("trust-breach"), "the breach")
            routes[addresses["good.lab"]] = right
            for seconds in (8000.0, 700.0, 700.0):
                await later(clock, seconds, tmp_path, "good.lab")
            await until(lambda: running.lines("trust-kept"), "its end")
            assert len(running.lines("trust-breach")) == len(running.lines("trust-kept")) == 1
            assert standings(tmp_path) == {"good.lab": (Observation.KEPT, 0), "bare.lab": (Observation.BROKEN, 0)}
            await until(lambda: len(alerts(running)) == 3, "the alerts")

    run(first())
    run(second())

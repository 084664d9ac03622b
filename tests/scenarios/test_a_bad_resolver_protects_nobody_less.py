"""With a resolver that cannot prove anything mail waits, loudly: nothing becomes "no DANE" by a resolver's fault."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from tests.ends import run, until

from danelaw.config import load
from danelaw.doctor import Severity, examine
from danelaw.gateway import Gateway
from danelaw.gateway.rehearsal import Rehearsal
from danelaw.gateway.settings import resolver_settings
from danelaw.lab.nameserver import Manners
from danelaw.lab.scenario import Scenario
from danelaw.resolver import Resolver
from danelaw.telemetry import Log

PROTECTED = Scenario(domain="dane.lab")
MISBEHAVIOURS = {
    "strips signatures": Manners(strip_signatures=True),
    "strips EDNS and TCP": Manners(no_edns=True, no_tcp=True),
    "claims AD and strips signatures": Manners(strip_signatures=True, claim_ad=True),
}


@pytest.mark.parametrize("how", MISBEHAVIOURS)
def test_mail_waits_and_the_log_says_what_to_do(tmp_path: Path, how: str) -> None:
    async def play() -> None:
        async with Rehearsal((PROTECTED,), tmp_path) as rehearsal:
            await rehearsal.gateway.stop()
            host, port = rehearsal.lab.name_server.address
            bad = await rehearsal.lab.bad_resolver(MISBEHAVIOURS[how])
            config = rehearsal.config_file
            config.write_text(config.read_text().replace(f'["{host}:{port}"]', f'["{bad[0]}:{bad[1]}"]'))
            log, sink = Log.in_memory()
            rehearsal.gateway = Gateway(load(config), log=log)
            await rehearsal.gateway.start()
            result = await rehearsal.play(PROTECTED)
            assert (result.outcome, result.protection) == ("waiting", "nothing sent")
            assert not rehearsal.lab.exposed("dane.lab")
            gateway = rehearsal.gateway
            await until(lambda: gateway.resolver_report is not None, "the probe's report")
            log.flush()
            said = [line for line in sink.lines if " resolver " in line]
            assert said
            assert all("advice=" in line for line in said)
            assert gateway.metrics.resolver_healthy.cell().value == 0
            assert gateway._resolver_unfit()

            # A good one again: what waited goes, protected.
            config.write_text(config.read_text().replace(f'["{bad[0]}:{bad[1]}"]', f'["{host}:{port}"]'))
            await rehearsal.restart()
            for row in rehearsal.gateway.parts.spool.queues():
                rehearsal.gateway.parts.engine.requeued(row.key)
            await until(lambda: rehearsal.lab.received("dane.lab"), "the message")
            assert rehearsal.lab.received("dane.lab")[0].tls is not None

    run(play())


def test_the_doctor_names_the_fault_and_its_fix(tmp_path: Path) -> None:
    async def play() -> None:
        async with Rehearsal((PROTECTED,), tmp_path) as rehearsal:
            host, port = rehearsal.lab.name_server.address
            bad = await rehearsal.lab.bad_resolver(Manners(strip_signatures=True))
            config = rehearsal.config_file
            text = config.read_text().replace(f'["{host}:{port}"]', f'["{bad[0]}:{bad[1]}"]')
            other = tmp_path / "other.toml"
            other.write_text(text.replace("at_start = false", "at_start = false\nport25_hosts = []"))
            settings = load(other)
            async with Resolver(resolver_settings(settings)) as resolver:
                found = await asyncio.wait_for(examine(settings, resolver, 0.0), 30)
            errors = [one for one in found if one.severity is Severity.ERROR and "resolver" in one.check]
            assert errors, found
            assert all(one.fix for one in errors)

    run(play())

"""`danelaw doctor` beside a running gateway says what that one suffers from."""

from __future__ import annotations

import asyncio
import json
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from tests.ends import gateway, run, until

import danelaw.cli.doctor as cli_doctor
from danelaw.doctor import Finding, Severity

NOBODY = '[delivery]\nnext_hop = "[127.0.0.1]:9"\n'


class Clock:
    """The time, and a jump."""

    jump = 0.0

    def __call__(self) -> float:
        return time.time() + self.jump


def asked(config: Path) -> dict[str, dict[str, str]]:
    """What the command prints, by check."""
    result = CliRunner().invoke(cli_doctor.command, ["--config", str(config), "--json"], standalone_mode=False)
    assert result.exception is None, result.output
    return {one["check"]: one for one in json.loads(result.output)["findings"]}


def test_the_command_asks_the_running_gateway(tmp_path: Path) -> None:
    async def story() -> None:
        clock = Clock()
        quiet = {"at_start = false": "at_start = false\nport25_hosts = []"}
        async with gateway(tmp_path, NOBODY, clock=clock, replace=quiet) as running:
            config = running.directory / "danelaw.toml"
            await until(lambda: running.gateway.resolver_report is not None, "the first probe")
            found = await asyncio.to_thread(asked, config)
            assert found["gateway-resolver"]["severity"] == "error"
            assert found["spool-database"]["severity"] == "ok"
            assert "gateway-clock" not in found
            clock.jump = 86_400.0
            await until(lambda: running.lines("clock"), "the jump to be noticed")
            found = await asyncio.to_thread(asked, config)
            assert found["gateway-clock"]["severity"] == "error"
            assert "+86400 s" in found["gateway-clock"]["what"]
            assert "chrony" in found["gateway-clock"]["fix"]
        assert not any(check.startswith("gateway") for check in await asyncio.to_thread(asked, config))

    run(story())


def test_a_finding_travels_as_plain_words() -> None:
    finding = Finding("spool", Severity.WARNING, "what", "fix")
    assert Finding.from_json(json.loads(json.dumps(finding.to_json()))) == finding


@pytest.mark.parametrize("value", [{}, {"check": "x", "severity": "loud", "what": "", "fix": ""}])
def test_words_that_are_no_finding_are_refused(value: dict[str, Any]) -> None:
    with pytest.raises((KeyError, ValueError)):
        Finding.from_json(value)

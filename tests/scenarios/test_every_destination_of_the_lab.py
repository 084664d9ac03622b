"""Every destination of the lab gets exactly what its declaration says: outcome, protection, and nothing exposed. And
the receipt of every outcome verifies elsewhere, from the root key alone.

One gateway, one lab, real sockets, real signatures; all messages are sent once, then looked at one by one.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from danelaw.dnssec import TrustAnchors
from danelaw.gateway.rehearsal import Rehearsal, Result
from danelaw.lab import SCENARIOS, Scenario
from danelaw.outbound.proof import proof
from danelaw.outbound.rejudging import replay
from danelaw.spool.linkcheck import check_links
from danelaw.spool.shards import in_each

# At once; more would only make the lab's single process answer late.
_TOGETHER = 6
_SECONDS = 120.0

pytestmark = pytest.mark.timeout(240)


@dataclass
class Outcomes:
    """What became of one message to every destination, what anybody on the way saw of it, and its receipt."""

    directory: Path
    results: dict[str, Result] = field(default_factory=dict)
    exposed: dict[str, tuple[str, ...]] = field(default_factory=dict)
    anchors: str = ""


@pytest.fixture(scope="module")
def outcomes(tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    """All of it, played once."""
    return asyncio.run(_play_all(tmp_path_factory.mktemp("rehearsal")))


async def _play_all(directory: Path) -> Outcomes:
    slots = asyncio.Semaphore(_TOGETHER)
    found = Outcomes(directory)
    async with Rehearsal(SCENARIOS, directory) as rehearsal:

        async def play(number: int) -> Result:
            async with slots:
                return await rehearsal.play(SCENARIOS[number], _SECONDS)

        results = await asyncio.gather(*(play(number) for number in range(len(SCENARIOS))))
        found.exposed = {item.domain: rehearsal.lab.exposed(item.domain) for item in SCENARIOS}
        found.anchors = rehearsal.lab.anchors_text
    found.results = {item.scenario.domain: item for item in results}
    return found


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.domain)
def test_outcome_and_protection_are_the_documented_ones(scenario: Scenario, outcomes: Outcomes) -> None:
    result = outcomes.results[scenario.domain]
    expected = (result.scenario.outcome, result.scenario.protection)
    assert (result.outcome, result.protection) == expected, result.reason


def test_where_nothing_may_be_sent_nobody_saw_a_recipient(outcomes: Outcomes) -> None:
    results, exposed = outcomes.results, outcomes.exposed
    stopped_before_mail = [
        domain
        for domain, result in results.items()
        if result.scenario.attack and all(item["protection"] == "nothing sent" for item in result.attempts)
    ]
    assert stopped_before_mail
    assert {domain: exposed[domain] for domain in stopped_before_mail if exposed[domain]} == {}


def test_every_receipt_holds_elsewhere_from_the_root_key_alone(outcomes: Outcomes, tmp_path: Path) -> None:
    """Another process, an empty directory, no environment: nothing but the receipts and the lab's root key."""
    for domain, result in outcomes.results.items():
        _, octets = proof(outcomes.directory / "spool", result.id, time.time())
        (tmp_path / f"{domain}.json").write_bytes(octets)
    (tmp_path / "root.ds").write_text(outcomes.anchors)
    names = sorted(path.name for path in tmp_path.glob("*.json"))
    assert len(names) == len(SCENARIOS)

    found = _verified(tmp_path, *names, "--anchor", "root.ds")
    assert [one["refusals"] for one in found["receipts"] if not one["holds"]] == []
    assert found["holds"]
    for one in found["receipts"]:
        scenario = outcomes.results[one["file"].removesuffix(".json")].scenario
        assert [each["state"] for each in one["message"]["recipients"]] == [scenario.outcome]
        if scenario.outcome == "delivered":
            last = next(item for item in reversed(one["tries"]) if item["outcome"] == "delivered")
            assert last["protection"] == scenario.protection, scenario.domain
            grounds = {each["rests_on"] for each in one["statements"]}
            assert "rests on the word of the gateway" in grounds
            if scenario.protection in ("DANE", "MTA-STS", "host-only DANE"):
                assert "proved by certificate" in grounds, scenario.domain
            if scenario.protection == "DANE":
                assert "signed by DNS" in grounds
    # With the keys of the real root none of the lab's signatures counts for anything.
    assert not _verified(tmp_path, "dane.lab.json")["holds"]


def _verified(directory: Path, *arguments: str) -> Any:
    command = [sys.executable, "-m", "danelaw", "verify", *arguments, "--json"]
    ended = subprocess.run(command, cwd=directory, env={}, capture_output=True, timeout=60, check=False)
    assert not ended.stderr, ended.stderr.decode()
    found = json.loads(ended.stdout)
    assert ended.returncode == int(not found["holds"])
    return found


def test_this_version_changes_no_verdict_and_the_log_is_what_was_recorded(outcomes: Outcomes) -> None:
    spool = outcomes.directory / "spool"
    found = replay(spool, 0.0, TrustAnchors.from_text(outcomes.anchors))
    assert (found.changes, found.worded, found.not_judged, found.forgotten) == ([], 0, 0, 0)
    assert found.same >= len(SCENARIOS)
    (report,) = in_each(spool, check_links)
    assert report.flaw is None
    assert report.entries == found.tries

"""Every destination of the lab gets exactly what its declaration says: outcome, protection, and nothing exposed.

One gateway, one lab, real sockets, real signatures; all messages are sent once, then looked at one by one.
"""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from danelaw.gateway.rehearsal import Rehearsal, Result
from danelaw.lab import SCENARIOS

# At once; more would only make the lab's single process answer late.
_TOGETHER = 6
_SECONDS = 120.0

pytestmark = pytest.mark.timeout(240)


@pytest.fixture(scope="module")
def outcomes(
    tmp_path_factory: pytest.TempPathFactory,
) -> tuple[dict[str, Result], dict[str, tuple[str, ...]]]:
    """What became of one message to every destination, and what anybody on the way saw of it."""
    return asyncio.run(_play_all(tmp_path_factory.mktemp("rehearsal")))


async def _play_all(directory: Path) -> tuple[dict[str, Result], dict[str, tuple[str, ...]]]:
    slots = asyncio.Semaphore(_TOGETHER)
    async with Rehearsal(SCENARIOS, directory) as rehearsal:

        async def play(number: int) -> Result:
            async with slots:
                return await rehearsal.play(SCENARIOS[number], _SECONDS)

        results = await asyncio.gather(*(play(number) for number in range(len(SCENARIOS))))
        exposed = {item.domain: rehearsal.lab.exposed(item.domain) for item in SCENARIOS}
    return {item.scenario.domain: item for item in results}, exposed


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.domain)
def test_outcome_and_protection_are_the_documented_ones(
    scenario: object, outcomes: tuple[dict[str, Result], dict[str, tuple[str, ...]]]
) -> None:
    result = outcomes[0][scenario.domain]  # type: ignore[attr-defined]
    expected = (result.scenario.outcome, result.scenario.protection)
    assert (result.outcome, result.protection) == expected, result.reason


def test_where_nothing_may_be_sent_nobody_saw_a_recipient(
    outcomes: tuple[dict[str, Result], dict[str, tuple[str, ...]]],
) -> None:
    results, exposed = outcomes
    stopped_before_mail = [
        domain
        for domain, result in results.items()
        if result.scenario.attack and all(item["protection"] == "nothing sent" for item in result.attempts)
    ]
    assert stopped_before_mail
    assert {domain: exposed[domain] for domain in stopped_before_mail if exposed[domain]} == {}

"""The first host is dead: the first message finds out, the next ones go to the second host at once."""

from __future__ import annotations

import asyncio
from pathlib import Path

from danelaw.gateway.rehearsal import Rehearsal
from danelaw.lab import SCENARIOS


def test_the_next_message_does_not_try_the_dead_host_again(tmp_path: Path) -> None:
    scenario = next(item for item in SCENARIOS if item.domain == "first-mx-dead.lab")

    async def run() -> None:
        async with Rehearsal([scenario], tmp_path) as rehearsal:
            first = await rehearsal.play(scenario)
            second = await rehearsal.play(scenario)
        assert [item["outcome"] for item in first.attempts] == ["waiting", "delivered"]
        assert [item["outcome"] for item in second.attempts] == ["delivered"]
        assert first.protection == second.protection == "DANE"

    asyncio.run(run())


def test_a_destination_with_dead_hosts_only_is_tried_all_the_same(tmp_path: Path) -> None:
    scenario = next(item for item in SCENARIOS if item.domain == "dead.lab")

    async def run() -> None:
        async with Rehearsal([scenario], tmp_path) as rehearsal:
            first = await rehearsal.play(scenario)
            engine = rehearsal.gateway.parts.engine
            for queue in engine.scheduler.queues():
                engine.requeued(queue.key)
            async with asyncio.timeout(20):
                while len((await rehearsal.result(scenario, first.id)).attempts) < 2:
                    await asyncio.sleep(0.05)

    asyncio.run(run())

"""The log's chain over the life of a gateway: restarts, purges, and receipts of what is left."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from click.testing import CliRunner
from tests.ends import run

from danelaw.cli import danelaw
from danelaw.dnssec import TrustAnchors
from danelaw.gateway.rehearsal import Rehearsal
from danelaw.lab.scenario import Host, Scenario
from danelaw.outbound.proof import NoReceipt, proof
from danelaw.receipt import Trust, verify
from danelaw.spool import NoSuchMessage
from danelaw.spool.linkcheck import check_links
from danelaw.spool.shards import in_each

FIRST = Scenario(domain="first.lab")
SECOND = Scenario(domain="second.lab", hosts=(Host(tlsa=("3 1 1 old",)),))
THIRD = Scenario(domain="third.lab")


def test_the_chain_outlives_restarts_and_purges_and_receipts_still_hold(tmp_path: Path) -> None:
    async def play() -> None:
        spool = tmp_path / "spool"
        async with Rehearsal((FIRST, SECOND, THIRD), tmp_path) as rehearsal:
            first = await rehearsal.play(FIRST)
            await rehearsal.play(SECOND)
            await rehearsal.restart()
            third = await rehearsal.play(THIRD)
            (before,) = in_each(spool, check_links)
            assert (before.flaw, before.forgotten) == (None, 0)
            words = ["queue", "purge", "anna@third.lab", "--because", "art17", "--config", str(rehearsal.config_file)]
            purged = await asyncio.to_thread(CliRunner().invoke, danelaw, words)
            assert purged.exit_code == 0, purged.output
            with pytest.raises((NoReceipt, NoSuchMessage)):
                proof(spool, third.id, time.time())
            (after,) = in_each(spool, check_links)
            assert (after.flaw, after.forgotten) == (None, 1)
            assert after.digest == before.digest
            # What the purge took away of this destination's evidence is there again when it is needed again.
            again = await rehearsal.play(THIRD)
            trust = Trust(TrustAnchors.from_text(rehearsal.lab.anchors_text))
        for one in (first, again):
            assert verify(proof(spool, one.id, time.time())[1], trust).holds

    run(play())

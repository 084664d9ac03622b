"""A try names two pieces of evidence, and these all others; one of an older danelaw lists them, and means the same."""

from __future__ import annotations

import json
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from tests.receipt.conftest import World
from tests.receipt.test_receipt_commands import asked, told

from danelaw.receipt import verify
from danelaw.spool.attempts import recorded_in
from danelaw.spool.database import shards
from danelaw.spool.shards import reading


@pytest.fixture(params=["new", "old"])
def spoken(request: pytest.FixtureRequest, world: World, older_world: World) -> World:
    """A spool with tries of either form."""
    return world if request.param == "new" else older_world


def records(world: World) -> list[str]:
    found = []
    for shard in shards(world.directory / "spool"):
        with reading(world.directory / "spool", shard) as connection:
            for (table,) in connection.execute("SELECT name FROM sqlite_schema WHERE name GLOB 'attempt_2*'"):
                found += [one.record for one in recorded_in(connection, table)]
    return found


def explained(world: World, domain: str) -> Any:
    return asked("explain", world.results[domain].id, "--spool", world.directory / "spool", "--dns")


def test_a_try_fits_into_a_page_of_the_spool_with_others(world: World, older_world: World) -> None:
    """Above 1,002 octets a row takes a page of its own besides; names and numbers beside the record are some 60."""
    assert max(map(len, records(world))) < 1002
    assert max(len(one) for one in records(world) if '"dane.lab"' in one) < 750
    assert all(json.loads(one)[16] == [] for one in records(world))
    assert all(len(json.loads(one)[16]) > 5 for one in records(older_world))


def test_all_evidence_of_a_try_is_shown(spoken: World) -> None:
    for domain in ("dane.lab", "sts.lab", "forged-cert.lab"):
        found = explained(spoken, domain)
        last = found["message"]["attempts"][-1]
        assert [one["sha256"] for one in found["proofs"]] == last["evidence"]
        kinds = [one["kind"] for one in found["proofs"]]
        assert kinds == sorted(kinds, reverse=True), "DNS first"
        assert set(kinds) == {"dns", "certificate"}
        assert {last["basis"], last["session"], *last["evidence"]} <= set(
            json.loads(spoken.receipts[domain])["evidence"]
        )


def test_both_forms_show_the_same(world: World, older_world: World) -> None:
    for domain in ("dane.lab", "sts.lab", "forged-cert.lab"):
        new, old = (explained(each, domain) for each in (world, older_world))
        assert [one["kind"] for one in new["proofs"]] == [one["kind"] for one in old["proofs"]]
        assert new["message"]["attempts"][-1].keys() == old["message"]["attempts"][-1].keys()


def test_dns_is_derived_again_from_it(spoken: World) -> None:
    spool, config = spoken.directory / "spool", spoken.directory / "danelaw.toml"
    page = told("explain", spoken.results["dane.lab"].id, "--spool", spool, "--config", config, "--dns")
    assert page.status == 0, page
    assert "dane.lab. MX: secure" in page.stdout
    assert "_25._tcp.mx.dane.lab. TLSA: secure" in page.stdout
    assert "2 certificates or forgotten pieces" in page.stdout


def test_receipts_log_and_replay_hold(spoken: World) -> None:
    for domain in ("dane.lab", "sts.lab", "forged-cert.lab"):
        assert not verify(spoken.receipts[domain], spoken.knowing).refusals, domain
    spool, anchor = spoken.directory / "spool", spoken.directory / "anchor.ds"
    assert told("log", "verify", "--spool", spool).status == 0
    found = asked("replay", "--spool", spool, "--anchor", anchor)
    assert (found["changed"], found["evidence_forgotten"], found["other_words"]) == (0, 0, 0)
    assert found["same"] >= 3


def test_evidence_that_is_lost_is_told_and_nothing_breaks(world: World, tmp_path: Path) -> None:
    spool = tmp_path / "spool"
    shutil.copytree(world.directory / "spool", spool)
    with sqlite3.connect(spool / "shard-00" / "queue.db") as database:
        database.execute("DELETE FROM evidence")
    database.close()
    ident = world.results["dane.lab"].id
    found = asked("explain", ident, "--spool", spool, "--dns")
    last = found["message"]["attempts"][-1]
    assert [(one["sha256"], one["kind"]) for one in found["proofs"]] == [(last["basis"], "forgotten")]
    page = told("explain", ident, "--spool", spool, "--dns")
    assert "0 recorded DNS answers, 1 certificates or forgotten pieces" in page.stdout
    refused = told("explain", ident, "--spool", spool, "--proof", tmp_path / "r.json")
    assert "is not kept any more" in refused.reason
    assert asked("replay", "--spool", spool)["same"] == 0

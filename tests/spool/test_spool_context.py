"""What scripts noted about a message lies beside it: stored with it, changed with a settlement, kept with history."""

from __future__ import annotations

import asyncio
import json
import sqlite3
from functools import partial
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from spool_samples import BODY, NOW, Clock, sample, settled

from danelaw.queue import Move, QueuedMessage, RecipientState, RoutingKey, Settlement
from danelaw.queue.values import MOST_CONTEXT
from danelaw.spool import Spool, SpoolError, SpoolSettings, schema
from danelaw.spool.rows import Redaction
from danelaw.spool.view import find_message, shown
from danelaw.spool.writer import Appended

CONTEXT = json.dumps({"version": "p7", "tags": ["vip"], "about": "anna@example.org \n é"}, ensure_ascii=False)


def opened(directory: Path, **more: object) -> Spool:
    return Spool.open(directory, clock=Clock(), settings=SpoolSettings(reserve=0, **more))  # type: ignore[arg-type]


def stored(spool: Spool, message: QueuedMessage) -> None:
    with spool.transaction() as writer:
        writer.append([Appended(message, BODY, claimed=False)])


def settle(spool: Spool, settlement: Settlement) -> None:
    spool.settle_soon(settlement)
    with spool.transaction():
        pass


def test_a_context_comes_back_with_its_message_and_after_it(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    message = sample(spool)
    message.context = CONTEXT
    stored(spool, message)
    assert find_message(spool.reader, message.id)[0].context == CONTEXT
    assert shown(spool.reader, message.id, NOW)["context"] == json.loads(CONTEXT)
    [claimed], _ = spool.claim(message.recipients[0].key, 10, NOW)
    assert claimed.context == CONTEXT
    settle(spool, settled(claimed))
    assert find_message(spool.reader, message.id)[1]
    assert shown(spool.reader, message.id, NOW)["context"] == json.loads(CONTEXT)
    spool.close_now()


def test_a_message_without_one_costs_no_row(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    message = sample(spool)
    stored(spool, message)
    settle(spool, settled(message))
    assert spool.reader.execute("SELECT count(*) FROM context").fetchone() == (0,)
    assert shown(spool.reader, message.id, NOW)["context"] is None
    spool.close_now()


def test_a_settlement_takes_its_place(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    message = sample(spool, "anna@example.org", "bob@example.org")
    stored(spool, message)
    settle(spool, settled(message, RecipientState.QUEUED, 0, due=NOW + 60, context='{"tried":1}'))
    assert find_message(spool.reader, message.id)[0].context == '{"tried":1}'
    settle(spool, settled(message, RecipientState.QUEUED, 0, due=NOW + 60))
    assert find_message(spool.reader, message.id)[0].context == '{"tried":1}'
    settle(spool, settled(message, context='{"tried":2}'))
    assert shown(spool.reader, message.id, NOW)["context"] == {"tried": 2}
    spool.close_now()


def test_the_last_settlement_of_a_single_recipient_does_too(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    message = sample(spool)
    stored(spool, message)
    settle(spool, settled(message, context='{"end":1}'))
    assert find_message(spool.reader, message.id)[1]
    assert shown(spool.reader, message.id, NOW)["context"] == {"end": 1}
    spool.close_now()


def test_one_that_is_too_large_refuses_its_message_and_no_other(tmp_path: Path) -> None:
    async def run() -> None:
        spool = opened(tmp_path)
        good, bad = sample(spool), sample(spool)
        bad.context = json.dumps("é" * (MOST_CONTEXT // 2), ensure_ascii=False)
        ends: dict[int, SpoolError | None] = {}
        for one in (good, bad):
            spool.append_soon(one, BODY, partial(ends.__setitem__, one.id))
        loop = asyncio.get_running_loop()
        faults: list[object] = []
        loop.set_exception_handler(lambda _, what: faults.append(what["exception"]))
        await spool.close()
        assert ends[good.id] is None
        assert "context of a message is larger" in str(ends[bad.id])
        assert [str(fault) for fault in faults] == [f"the context of a message is larger than {MOST_CONTEXT} octets"]

    asyncio.run(run())


def test_history_keeps_no_address_in_it_where_history_keeps_none(tmp_path: Path) -> None:
    spool = opened(tmp_path, redact_addresses=True)
    message = sample(spool)
    message.context = CONTEXT
    stored(spool, message)
    settle(spool, settled(message))
    kept = shown(spool.reader, message.id, NOW)["context"]
    assert kept == {"version": "p7", "tags": ["vip"], "about": "a…@example.org \n é"}
    spool.close_now()


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text() | st.emails(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(JSON)
def test_a_redacted_context_is_json_of_the_same_shape(value: object) -> None:
    redacted = json.loads(Redaction(True, b"salt").context(json.dumps(value)))
    assert type(redacted) is type(value)
    if isinstance(value, list):
        assert len(redacted) == len(value)


@pytest.mark.parametrize("text", ["{", "[" * 100_000, '"\\ud800'])
def test_what_is_no_json_is_not_kept_in_a_redacted_history(text: str) -> None:
    assert Redaction(True, b"salt").context(text) == "null"


def test_a_context_goes_when_history_forgets_its_message(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    message = sample(spool)
    message.context = CONTEXT
    stored(spool, message)
    settle(spool, settled(message))
    for days in (31, 32):
        spool.sweep(NOW + days * 86400.0)
    assert spool.reader.execute("SELECT count(*) FROM context").fetchone() == (0,)
    spool.close_now()


def test_queues_are_told_apart_by_job_and_priority(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    keys = [
        RoutingKey("example.org"),
        RoutingKey("example.org", job="summer"),
        RoutingKey("example.org", job="summer", priority=1),
        RoutingKey("example.org", priority=-1),
    ]
    for key in keys:
        stored(spool, sample(spool, key=key))
        spool.save_queue(key, NOW + 60, 1, key.to_text())
    spool.close_now()
    spool = opened(tmp_path)
    assert {row.key: (row.waiting, row.reason) for row in spool.queues()} == {key: (1, key.to_text()) for key in keys}
    for key in keys:
        [message], _ = spool.claim(key, 10, NOW)
        assert message.keys == (key,)
    spool.close_now()


def test_a_move_puts_some_recipients_into_another_queue(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    message = sample(spool, "anna@example.org", "ben@example.org")
    stored(spool, message)
    old, new = message.recipients[0].key, RoutingKey("[relay.example]", "verified", job="j", priority=1)
    [claimed], _ = spool.claim(old, 10, NOW)
    assert len(claimed.recipients) == 2
    settlement = settled(claimed, RecipientState.QUEUED, 0, 1, due=NOW)
    settlement.moves = (Move(1, new),)
    for _ in range(2):  # a settlement may be written again after a failed COMMIT
        settle(spool, settlement)
    again = find_message(spool.reader, message.id)[0]
    assert [one.key for one in again.recipients] == [old, new]
    [there], _ = spool.claim(new, 10, NOW)
    assert [one.number for one in there.recipients] == [1]
    [here], _ = spool.claim(old, 10, NOW)
    assert [one.number for one in here.recipients] == [0]
    spool.close_now()


def test_queues_of_an_older_spool_keep_their_number_and_their_sleep(tmp_path: Path) -> None:
    connection = sqlite3.connect(tmp_path / "old.db", isolation_level=None)
    for statements in schema.STEPS[:5]:
        for statement in statements:
            connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
    connection.execute("PRAGMA user_version = 5")
    connection.execute("INSERT INTO queue VALUES (7, 'example.org', 'requiretls', 't', 90.0, 3, 'no answer', 'google')")
    assert schema.migrate(connection) == 5
    found = connection.execute("SELECT * FROM queue").fetchall()
    assert found == [(7, "example.org", "requiretls", "t", "", 0, 90.0, 3, "no answer", "google")]
    assert connection.execute("SELECT id FROM queue INDEXED BY queue_asleep WHERE suspended_until > 0").fetchall()
    connection.close()

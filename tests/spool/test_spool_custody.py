"""Held mail on disk: what holds it comes and goes with its message, and its lifetime stands still meanwhile."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

import pytest
from spool_samples import BODY, NOW, Clock, sample, settled

from danelaw.queue import (
    DELIVERY,
    OPERATOR,
    Custody,
    Filter,
    HeldBy,
    QueuedMessage,
    RecipientState,
    findings_text,
)
from danelaw.spool import Spool, SpoolSettings, schema
from danelaw.spool.acts import Act, perform
from danelaw.spool.view import find_message, shown
from danelaw.spool.writer import Appended

HOLDS = (HeldBy("clamd", "Eicar-Test"), HeldBy("rule", 'sender "é" on watch'))
FOUND = [("clamd", "infected", "Eicar-Test \n for anna@example.org")]
FINDINGS = '[["clamd","infected","Eicar-Test \\n for anna@example.org"]]'


def held(spool: Spool, *paths: str) -> QueuedMessage:
    message = sample(spool, *paths)
    for recipient in message.recipients:
        recipient.state = RecipientState.HELD
    message.custody = Custody(HOLDS, NOW, NOW + 86400.0)
    message.findings = FINDINGS
    return message


def stored(spool: Spool, message: QueuedMessage) -> None:
    with spool.transaction() as writer:
        writer.append([Appended(message, BODY, claimed=False)])


def act(spool: Spool, operation: str, text: str, now: float, why: str = "T1") -> None:
    for _ in perform(spool, Act(operation, Filter.from_text(text), "alice", why), now):
        pass


def count(spool: Spool, table: str) -> int:
    return int(spool.reader.execute(f"SELECT count(*) FROM {table}").fetchone()[0])


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    return Spool.open(tmp_path / "spool", clock=Clock())


def test_a_held_message_is_stored_with_its_holds_and_findings_and_offered_to_nobody(spool: Spool) -> None:
    message = held(spool)
    stored(spool, message)
    again, finished = find_message(spool.reader, message.id)
    assert not finished
    assert again == message
    assert spool.queues() == []
    assert spool.claim(message.recipients[0].key, 10, NOW + 1)[0] == []
    view = shown(spool.reader, message.id, NOW)
    assert view["held"] == {
        "since": NOW,
        "until": NOW + 86400.0,
        "holds": [{"step": "clamd", "reason": "Eicar-Test"}, {"step": "rule", "reason": 'sender "é" on watch'}],
    }
    assert view["findings"] == [{"step": "clamd", "result": "infected", "reason": json.loads(FINDINGS)[0][2]}]
    spool.close_now()


def test_findings_are_json_whatever_they_say() -> None:
    assert findings_text(FOUND) == FINDINGS
    assert findings_text([]) == ""
    odd = [("a", 'b"\\', "\x00\u2028ü\ud83d")]
    assert json.loads(findings_text(odd)) == [list(odd[0])]


def test_a_hold_that_holds_nobody_is_forgotten(spool: Spool) -> None:
    """An operator held what was on the wire, and it was delivered."""
    message = sample(spool, "anna@example.org", "ben@example.org")
    stored(spool, message)
    act(spool, "hold", "all", NOW)
    spool.settle_soon(settled(message))
    with spool.transaction():
        pass
    kept = held(spool)
    stored(spool, kept)
    for _ in range(2):
        spool.sweep(NOW + 1.0)
    assert [row[0] for row in spool.reader.execute("SELECT id FROM hold")] == [kept.id]
    spool.close_now()


def test_ordinary_mail_has_no_row_of_either(spool: Spool) -> None:
    stored(spool, sample(spool))
    assert count(spool, "hold") == count(spool, "finding") == 0
    spool.close_now()


def test_a_released_message_has_the_lifetime_it_had_when_it_was_held(spool: Spool) -> None:
    message = held(spool)
    stored(spool, message)
    late = message.expires + 10 * 86400.0
    assert spool.expired(late) == []
    assert spool.late(late, 3600.0) == []
    act(spool, "release", "all", late)
    again = find_message(spool.reader, message.id)[0]
    assert again.custody is None
    assert again.expires == late + (message.expires - NOW)
    assert spool.claim(message.recipients[0].key, 10, late)[0][0].id == message.id
    assert count(spool, "hold") == 0
    spool.close_now()


def test_each_recipient_is_released_with_that_lifetime(spool: Spool) -> None:
    message = held(spool, "anna@example.org", "ben@example.org")
    stored(spool, message)
    for day, name in ((20, "anna"), (30, "ben")):
        now = NOW + day * 86400.0
        act(spool, "release", f"to:{name}@example.org", now)
        again = find_message(spool.reader, message.id)[0]
        assert again.expires == now + (message.expires - NOW)
        assert (again.custody is None) == (name == "ben")
    spool.close_now()


def test_findings_outlive_the_message_and_are_forgotten_with_its_history(spool: Spool) -> None:
    message = held(spool)
    stored(spool, message)
    act(spool, "drop", "all", NOW + 5)
    assert count(spool, "hold") == 0
    assert shown(spool.reader, message.id, NOW)["findings"]
    spool.sweep(NOW + 31 * 86400.0)
    spool.sweep(NOW + 32 * 86400.0)
    assert count(spool, "finding") == count(spool, "history") == 0
    spool.close_now()


def test_history_that_keeps_no_local_parts_keeps_none_in_findings(tmp_path: Path) -> None:
    spool = Spool.open(tmp_path / "spool", settings=SpoolSettings(redact_addresses=True), clock=Clock())
    message = held(spool)
    stored(spool, message)
    act(spool, "drop", "all", NOW + 5)
    words = shown(spool.reader, message.id, NOW)["findings"][0]["reason"]  # type: ignore[index]
    assert words == "Eicar-Test \n for a…@example.org"
    spool.close_now()


def test_an_operator_s_hold_and_a_next_hop_s_are_custodies_too(spool: Spool) -> None:
    first, second = sample(spool), sample(spool)
    for message in (first, second):
        stored(spool, message)
    act(spool, "hold", f"id:{first.id_text}", NOW + 1)
    custody = find_message(spool.reader, first.id)[0].custody
    assert custody == Custody((HeldBy(OPERATOR, "held by alice: T1"),), NOW + 1, None)
    spool.settle_soon(settled(second, RecipientState.HELD))
    with spool.transaction():
        pass
    custody = find_message(spool.reader, second.id)[0].custody
    assert custody is not None
    assert custody.holds == (HeldBy(DELIVERY, "said so"),)
    act(spool, "hold", f"id:{second.id_text}", NOW + 2)
    spool.close_now()


def test_mail_held_before_custodies_were_kept_is_held_by_an_operator_then(tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    connection = sqlite3.connect(path, isolation_level=None)
    for statements in schema.STEPS[:2]:
        for statement in statements:
            connection.execute(statement)
    connection.execute(f"PRAGMA application_id = {schema.APPLICATION_ID}")
    connection.execute("PRAGMA user_version = 2")
    connection.execute("INSERT INTO message VALUES (7, 1.0, 100.0, '', 1, 2, 1, '', '', '', '', '', '', NULL)")
    for number, state in ((0, 2), (1, 0)):
        connection.execute(
            "INSERT INTO recipient VALUES (7, ?, 1, ?, 0.0, 0, 40.0, 'a@b', '', '', '', 'held by bob: T')",
            (number, state),
        )
    assert schema.migrate(connection) == 2
    assert connection.execute("SELECT * FROM hold").fetchall() == [
        (7, 40.0, None, 60.0, "operator", '[["operator","held by bob: T"]]')
    ]
    assert connection.execute("SELECT flags FROM message").fetchone()[0] & 32
    connection.close()

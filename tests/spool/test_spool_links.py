"""The hash-chained log of a shard: it survives what happens to a spool, and shows what must not happen."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from danelaw.queue import Attempt, Settlement
from danelaw.queue.values import QueuedMessage
from danelaw.spool import schema
from danelaw.spool.attempts import AttemptWriter, recorded_of
from danelaw.spool.linkcheck import LinkReport, check_links
from danelaw.spool.links import end_of_day, forget, heads, link_at

DAY = 86400.0
NOON = 20_000 * DAY + DAY / 2


@pytest.fixture
def connection(tmp_path: Path) -> sqlite3.Connection:
    found = sqlite3.connect(tmp_path / "queue.db", isolation_level=None)
    found.execute("PRAGMA synchronous = OFF")
    found.execute("PRAGMA journal_mode = MEMORY")
    schema.migrate(found)
    return found


def settled(number: int, at: float, tries: int = 1) -> Settlement:
    message = QueuedMessage(number, at, at + 1000, "a@x.test", (), 10)
    attempts = tuple(Attempt(at + n / 10, "x.test", (0,), "mx.x.test", outcome="waiting") for n in range(tries))
    return Settlement(message, at, attempts=attempts)


def batches(connection: sqlite3.Connection, count: int, at: float = NOON, first: int = 1) -> None:
    """Batches of three messages, a minute apart, one of them with two tries."""
    writer = AttemptWriter()
    for number in range(count):
        when = at + 60 * number
        three = [settled(first + 3 * number + n, when, tries=1 + (n == 1)) for n in range(3)]
        writer.write(connection, three)


def broken(report: LinkReport) -> tuple[int, str]:
    assert report.flaw is not None
    return report.flaw.number, report.flaw.reason


def test_what_was_recorded_holds_and_leads_to_its_heads(connection: sqlite3.Connection) -> None:
    batches(connection, 40)
    report = check_links(connection)
    assert (report.flaw, report.links, report.entries) == (None, 40, 160)
    (head,) = heads(connection)
    assert (head.number, head.digest, head.day) == (40, report.digest, "2024-10-04")
    assert check_links(connection, head.digest).met
    older = link_at(connection, 17)
    assert older is not None
    assert check_links(connection, older.digest).met
    assert not check_links(connection, bytes(32)).met


def test_a_new_process_goes_on_where_the_last_one_ended(connection: sqlite3.Connection) -> None:
    batches(connection, 5)
    batches(connection, 5, first=100)
    assert check_links(connection).flaw is None
    assert check_links(connection).last == 10


def test_a_batch_that_was_rolled_back_leaves_no_link(connection: sqlite3.Connection) -> None:
    writer = AttemptWriter()
    writer.write(connection, [settled(1, NOON)])
    connection.execute("BEGIN")
    writer.write(connection, [settled(2, NOON)])
    connection.execute("ROLLBACK")
    writer.rolled_back()
    writer.write(connection, [settled(2, NOON)])
    report = check_links(connection)
    assert (report.flaw, report.links) == (None, 2)


def test_a_batch_that_is_written_again_is_in_the_chain_once(connection: sqlite3.Connection) -> None:
    """A COMMIT that was reported as failed may have stored all of it."""
    writer = AttemptWriter()
    writer.write(connection, [settled(1, NOON), settled(2, NOON)])
    writer.rolled_back()
    writer.write(connection, [settled(1, NOON), settled(2, NOON)])
    assert check_links(connection).links == 1
    writer.write(connection, [settled(2, NOON), settled(3, NOON)])
    report = check_links(connection)
    assert (report.flaw, report.links, report.entries) == (None, 2, 3)


_ROW = "SELECT link FROM attempt_20241004 WHERE message = 8"


@pytest.mark.parametrize(
    ("statement", "number", "reason"),
    [
        ("UPDATE attempt_20241004 SET record = replace(record, 'waiting', 'delivered') WHERE message = 8", 3, "is not"),
        ("UPDATE attempt_20241004 SET message = 900 WHERE message = 8", 3, "is not what was recorded"),
        ("UPDATE attempt_20241004 SET number = 7 WHERE message = 7", 3, "is not what was recorded"),
        ("UPDATE attempt_20241004 SET link = 5 WHERE message = 8", 5, "is not what was recorded"),
        ("UPDATE attempt_20241004 SET link = 500 WHERE message = 7", 3, "1 of its 4 entries are gone"),
        ("UPDATE attempt_20241004 SET link = NULL WHERE message = 7", 3, "1 of its 4 entries are gone"),
        ("DELETE FROM attempt_20241004 WHERE message = 7", 3, "1 of its 4 entries are gone"),
        ("DELETE FROM attempt_20241004 WHERE link = 3", 3, "4 of its 4 entries are gone"),
        ("INSERT INTO attempt_20241004 SELECT message + 5000, time, number, destination, host, record, link"
         " FROM attempt_20241004 WHERE message = 7", 3, "is not what was recorded"),
        ("DELETE FROM link WHERE number = 3", 3, "link 3 is gone"),
        ("DELETE FROM link WHERE number < 3", 1, "is not what was recorded"),
        ("UPDATE link SET at = at + 1 WHERE number = 3", 3, "its digest is not that of its contents"),
        ("UPDATE link SET entries = CAST(zeroblob(32) || substr(entries, 33) AS BLOB) WHERE number = 3", 3,
         "its digest is not"),
        ("UPDATE link SET previous = zeroblob(32) WHERE number = 3", 3, "names another link 2"),
        ("UPDATE link SET jump = zeroblob(32) WHERE number = 6", 6, "names another link 3"),
        ("UPDATE link SET digest = zeroblob(32) WHERE number = 3", 3, "its digest is not"),
        ("UPDATE link SET number = 99 WHERE number = 8", 8, "link 8 is gone"),
    ],
)  # fmt: skip
def test_what_was_changed_is_named(connection: sqlite3.Connection, statement: str, number: int, reason: str) -> None:
    batches(connection, 8)
    assert connection.execute(statement).rowcount
    found = broken(check_links(connection))
    assert found[0] == number
    assert reason in found[1]


def test_what_was_cut_off_at_the_end_only_a_kept_head_shows(connection: sqlite3.Connection) -> None:
    batches(connection, 8)
    head = heads(connection)[-1].digest
    connection.execute("DELETE FROM attempt_20241004 WHERE link = 8")
    connection.execute("DELETE FROM link WHERE number = 8")
    assert check_links(connection).flaw is None
    assert not check_links(connection, head).met


def test_retention_forgets_whole_days_from_the_beginning_and_keeps_their_heads(connection: sqlite3.Connection) -> None:
    batches(connection, 10)
    batches(connection, 10, at=NOON + DAY, first=100)
    batches(connection, 10, at=NOON + 2 * DAY, first=200)
    before = heads(connection)
    assert [head.number for head in before] == [10, 20, 30]
    connection.execute("DROP TABLE attempt_20241004")
    assert forget(connection, 20_001, 4) == 4
    while forget(connection, 20_001, 4):
        assert heads(connection) == before
    report = check_links(connection, before[0].digest)
    assert (report.flaw, report.first, report.last, report.met) == (None, 11, 30, True)
    batches(connection, 10, at=NOON + 3 * DAY, first=300)
    assert check_links(connection).flaw is None
    assert end_of_day(connection, 13) == 20
    assert end_of_day(connection, 40) == 40
    connection.execute("DELETE FROM link WHERE number = 11")
    assert broken(check_links(connection))[0] == 11


def test_everything_forgotten_the_chain_goes_on(connection: sqlite3.Connection) -> None:
    batches(connection, 6)
    connection.execute("DROP TABLE attempt_20241004")
    assert forget(connection, 30_000, 100) == 6
    batches(connection, 6, at=NOON + 9 * DAY, first=50)
    report = check_links(connection)
    assert (report.flaw, report.first, report.last) == (None, 7, 12)


def test_an_older_spool_gets_a_chain_for_what_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connection = sqlite3.connect(tmp_path / "queue.db", isolation_level=None)
    before = next(number for number, steps in enumerate(schema.STEPS) if schema._link_tries in steps)
    monkeypatch.setattr(schema, "VERSION", before)
    schema.migrate(connection)
    monkeypatch.undo()
    connection.execute(
        "CREATE TABLE attempt_20241004 (message INTEGER NOT NULL, time REAL NOT NULL, number INTEGER NOT NULL,"
        " destination TEXT NOT NULL, host TEXT NOT NULL, record TEXT NOT NULL,"
        " PRIMARY KEY (message, time, number)) STRICT, WITHOUT ROWID"
    )
    old = '[1,1.0,"x.test",[0],"mx","",25,"","","","","","waiting","","",[],[],"",0.1]'
    connection.execute("INSERT INTO attempt_20241004 VALUES (1, 1.0, 0, 'x.test', 'mx', ?)", (old,))
    assert schema.migrate(connection) == before
    batches(connection, 3, first=10)
    report = check_links(connection)
    assert (report.flaw, report.before_the_chain, report.entries) == (None, 1, 12)
    (found,) = recorded_of(connection, 1)
    assert (found.link, Attempt.decode(found.record).basis) == (None, b"")


def test_no_single_change_of_a_stored_octet_goes_unseen(connection: sqlite3.Connection) -> None:
    """One octet of each column of each link, one after the other."""
    batches(connection, 6)
    columns: dict[str, Callable[[int], str]] = {
        "entries": lambda n: f"UPDATE link SET entries = CAST(substr(entries, 2) || x'00' AS BLOB) WHERE number = {n}",
        "previous": lambda n: (
            f"UPDATE link SET previous = CAST(substr(previous, 2) || x'07' AS BLOB) WHERE number = {n}"
        ),
        "jump": lambda n: f"UPDATE link SET jump = CAST(substr(jump, 2) || x'07' AS BLOB) WHERE number = {n}",
        "digest": lambda n: f"UPDATE link SET digest = CAST(substr(digest, 2) || x'07' AS BLOB) WHERE number = {n}",
    }
    for name, change in columns.items():
        for number in range(1, 7):
            connection.execute("BEGIN")
            connection.execute(change(number))
            assert broken(check_links(connection))[0] in (number, number + 1), name
            connection.execute("ROLLBACK")

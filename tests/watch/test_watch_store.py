"""`watch.db`: days are counted from recorded tries, closed once, and a look that is repeated changes nothing."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from danelaw.gateway.watcher import look, tell
from danelaw.queue import Attempt, QueuedMessage, QueuedRecipient, RoutingKey, Settlement
from danelaw.spool import database
from danelaw.spool.attempts import AttemptWriter
from danelaw.spool.schema import migrate
from danelaw.spool.tallies import days_recorded, tallies
from danelaw.state.watching import WatchStore
from danelaw.telemetry import Log, Metrics
from danelaw.tlspolicy import Protection
from danelaw.watch import Kind, Rules, Weakening
from danelaw.watch.letter import letter

DAY = 86_400
FIRST = 20_000
HOST = "mx1.x.example"
SIGNED = "MX 10 mx1.x.example (signed) · TLSA 1 (signed)"
GONE = "MX 10 mx1.x.example (signed) · no TLSA (signed)"
RULES = Rules(days=5, messages=5)


class Spool:
    """Two shards with nothing but recorded tries."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.connections: list[sqlite3.Connection] = []
        self.number = 0
        for shard in (0, 1):
            place = database.shard_directory(directory, shard)
            place.mkdir(parents=True)
            connection = sqlite3.connect(place / database.DATABASE_NAME, isolation_level=None)
            connection.execute("PRAGMA journal_mode=WAL")
            migrate(connection)
            self.connections.append(connection)

    def record(
        self,
        day: int,
        protection: str = "DANE",
        *,
        destination: str = "x.example",
        facts: str = SIGNED,
        shard: int = 0,
        count: int = 1,
    ) -> None:
        for _ in range(count):
            self.number += 1
            when = day * DAY + 40_000.0 + self.number
            attempt = Attempt(when, destination, host=HOST, protection=protection, outcome="delivered", facts=facts)
            recipient = QueuedRecipient(0, f"a@{destination}", RoutingKey(destination))
            message = QueuedMessage(self.number, when, when + DAY, "b@y.example", (recipient,), 1)
            AttemptWriter().write(self.connections[shard], [Settlement(message, when, attempts=(attempt,))])


@pytest.fixture
def spool(tmp_path: Path) -> Iterator[Spool]:
    made = Spool(tmp_path / "spool")
    yield made
    for connection in made.connections:
        connection.close()


@pytest.fixture
def store(tmp_path: Path) -> Iterator[WatchStore]:
    made = WatchStore(tmp_path / "watch.db")
    yield made
    made.close()


def test_tries_are_counted_over_all_shards_and_again_with_the_same_result(spool: Spool, store: WatchStore) -> None:
    for day in range(FIRST, FIRST + 6):
        spool.record(day)
        spool.record(day, shard=1, count=2)
    spool.record(FIRST + 6, "encrypted only", facts=GONE)
    assert days_recorded(spool.connections[0]) == list(range(FIRST, FIRST + 7))
    now = (FIRST + 6) * DAY + 50_000.0
    found = look(store, spool.directory, now, RULES)
    (event,) = found.weakened
    assert (event.days, event.messages, event.kind.value) == (6, 18, "tlsa-withdrawn")
    assert look(store, spool.directory, now, RULES).weakened == []
    assert store.history("x.example").spans[0].messages == 18
    # It comes back: the event is over, and a later fall is a new one.
    spool.record(FIRST + 7, count=9)
    assert look(store, spool.directory, now + DAY, RULES).recovered == [event]
    assert store.open_events() == []
    assert store.events("x.example") == [(event, FIRST + 7)]


def test_what_falls_and_stays_down_is_told_once_but_worse_again(spool: Spool, store: WatchStore) -> None:
    for day in range(FIRST, FIRST + 6):
        spool.record(day)
    levels = ("MTA-STS", "MTA-STS", "clear text")
    told = []
    for number, level in enumerate(levels):
        spool.record(FIRST + 6 + number, level, facts=GONE)
        now = (FIRST + 6 + number) * DAY + 50_000.0
        told += [one.after.value for one in look(store, spool.directory, now, RULES).weakened]
    assert told == ["MTA-STS", "clear text"]


def test_days_of_before_are_taken_in_at_first_and_forgotten_after_long(spool: Spool, store: WatchStore) -> None:
    for day in range(FIRST, FIRST + 3):
        spool.record(day, destination=f"d{day}.example")
    look(store, spool.directory, (FIRST + 3) * DAY + 5000.0, RULES)
    assert [one.destination for one in store.histories(0)] == [f"d{day}.example" for day in range(FIRST, FIRST + 3)]
    assert store.execute("SELECT count(*) FROM tally") == [(0,)]
    store.forget(FIRST + 2)
    assert [one.destination for one in store.histories(0)] == [f"d{FIRST + 2}.example"]


def test_a_turn_is_one_processes_and_a_clock_that_ran_ahead_stops_nobody_for_long(store: WatchStore) -> None:
    assert store.take_turn(1000.0, 1900.0)
    assert not store.take_turn(1500.0, 2400.0)
    assert store.take_turn(1900.0, 2800.0)
    store.yield_turn(1e9)
    assert store.take_turn(2000.0, 2900.0)


def test_a_letter_tells_of_each_event_once_and_letters_keep_a_distance(spool: Spool, store: WatchStore) -> None:
    for day in range(FIRST, FIRST + 6):
        spool.record(day)
        spool.record(day, destination="y.example")
    now = (FIRST + 6) * DAY + 50_000.0
    spool.record(FIRST + 6, "encrypted only", facts=GONE)
    look(store, spool.directory, now, RULES)
    (event,) = store.untold(now, 3600.0)
    assert store.untold(now, 3600.0) == [event], "until it was told"
    store.tell([event], now)
    spool.record(FIRST + 6, "encrypted only", destination="y.example", facts=GONE)
    look(store, spool.directory, now + 60, RULES)
    assert store.untold(now + 60, 3600.0) == []
    assert [one.destination for one in store.untold(now + 3600, 3600.0)] == ["y.example"]


def test_a_letter_is_short_whatever_happens() -> None:
    event = Weakening(
        "x.example", 20_000, Kind.WITHDRAWN, Protection.DANE, Protection.ENCRYPTED, 19_900, 90, 400, (HOST,), GONE
    )
    names = {"to": "a@b.example", "sender": "postmaster@h.example", "hostname": "h.example", "message_id": "<1@h>"}
    one = letter([event], date=0.0, **names)
    assert b"Subject: x.example proves less than it did: encrypted only\r\n" in one
    assert b"Auto-Submitted: auto-generated\r\n" in one
    many = letter([event] * 5000, date=0.0, **names)
    assert b" and 4950 more." in many
    assert len(many) < 40_000
    assert max(map(len, many.split(b"\r\n"))) <= 78


def test_a_table_that_is_dropped_meanwhile_is_at_its_end(spool: Spool) -> None:
    assert list(tallies(spool.connections[0], FIRST)) == []


def test_a_flood_of_events_is_a_few_lines_and_the_right_number(spool: Spool, store: WatchStore) -> None:
    names = [f"d{n}.example" for n in range(30)]
    for name in names:
        for day in range(FIRST, FIRST + 6):
            spool.record(day, destination=name)
        spool.record(FIRST + 6, "encrypted only", destination=name, facts=GONE)
    log, sink = Log.in_memory()
    metrics = Metrics()
    tell(look(store, spool.directory, (FIRST + 6) * DAY + 70_000.0, RULES), log, metrics, 5)
    log.flush()
    assert len([line for line in sink.lines if " weakened " in line]) == 5
    assert any("weakened-more" in line and "count=25" in line for line in sink.lines)
    assert metrics.watch_weakenings.cell("tlsa-withdrawn").value == 30

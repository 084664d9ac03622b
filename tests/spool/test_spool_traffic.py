"""Daily sums: exactly once whatever crashes, whoever writes late, and however much is told apart."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest
from spool_samples import Clock, sample, settled, tried

from danelaw.adoption.traffic import DAY, TrafficRow, bounded, day_of
from danelaw.queue import Attempt, RecipientState
from danelaw.spool import Spool, SpoolSettings, traffic
from danelaw.spool.attempts import day_tables

# A day's noon, so that a day before and after is a day away.
NOON = (1_795_000_000 // DAY) * DAY + DAY / 2
TODAY = day_of(NOON)


def deliver(
    spool: Spool, at: float, *, host: str = "mx1.example.org", protection: str = "DANE", **more: object
) -> None:
    """One message to one or more recipients, delivered at a moment."""
    paths = more.pop("paths", ("anna@example.org",))
    message = sample(spool, *paths, received_at=at, due=at)  # type: ignore[misc, arg-type]
    numbers = tuple(range(len(message.recipients)))
    attempt = tried(host, at=at, protection=protection, tls_version="TLSv1.3")
    attempt = replace(attempt, recipients=numbers, **more)  # type: ignore[arg-type]
    refused = set(attempt.refused)
    with spool.transaction() as writer:
        from danelaw.spool.writer import Appended

        writer.append([Appended(message, b"x", False)])
        done = settled(message, RecipientState.DELIVERED, *(n for n in numbers if n not in refused))
        writer.settle([replace(done, at=at, attempts=(attempt,))])


def out_sums(rows: list[TrafficRow]) -> Counter[tuple[int, str, str]]:
    found: Counter[tuple[int, str, str]] = Counter()
    for row in rows:
        if row.direction == "out":
            found[row.day, row.outcome, row.protection] += row.recipients
    return found


def count_day(spool: Spool, day: int, now: float) -> None:
    rows = traffic.sums_of_day(spool.reader, day)
    with spool.transaction() as writer:
        traffic.write_day(writer.connection, day, rows, now)
        writer.attempts.day_counted()


def broken_off(spool: Spool, day: int) -> None:
    with spool.transaction() as writer:
        traffic.write_day(writer.connection, day, (), NOON)
        raise RuntimeError("the process is killed before COMMIT")


@pytest.fixture
def spool(tmp_path: Path) -> Spool:
    settings = SpoolSettings(reserve=0, attempts_age=5 * DAY, counts_traffic=True)
    return Spool.open(tmp_path, settings=settings, clock=Clock(NOON))


def test_sums_are_of_recipients_by_protection_host_and_day(spool: Spool) -> None:
    deliver(spool, NOON - DAY, paths=("anna@example.org", "bob@example.org", "eve@example.org"), refused=(1,))
    deliver(spool, NOON - DAY, host="aspmx.l.google.com", protection="encrypted only")
    deliver(spool, NOON)
    rows = traffic.traffic_since(spool.reader, TODAY - 3, NOON)
    assert out_sums(rows) == {
        (TODAY - 1, "delivered", "DANE"): 2,
        (TODAY - 1, "delivered", "encrypted only"): 1,
        (TODAY, "delivered", "DANE"): 1,
    }
    assert {row.site for row in rows if row.direction == "out"} == {"example.org", "google"}
    assert sum(row.tries for row in rows if row.direction == "in" and row.tls == "TLSv1.3") == 3
    spool.close_now()


def test_a_counted_day_gives_the_same_sums_and_outlives_its_tries(spool: Spool) -> None:
    deliver(spool, NOON - DAY)
    deliver(spool, NOON)
    before = sorted(traffic.traffic_since(spool.reader, 0, NOON))
    assert traffic.due_days(spool.reader, NOON - DAY / 2 + 1) == []  # within the hour of grace
    assert traffic.due_days(spool.reader, NOON) == [TODAY - 1]
    count_day(spool, TODAY - 1, NOON)
    assert traffic.due_days(spool.reader, NOON) == []
    assert sorted(traffic.traffic_since(spool.reader, 0, NOON)) == before
    for _ in range(4):
        spool.sweep(NOON + 30 * DAY)
    # Today's tries are old too, but not counted yet: they are kept, however old.
    assert len(day_tables(spool.reader)) == 1
    kept = traffic.traffic_since(spool.reader, 0, NOON + 30 * DAY)
    assert out_sums(kept) == {(TODAY - 1, "delivered", "DANE"): 1, (TODAY, "delivered", "DANE"): 1}
    spool.close_now()


def test_counting_twice_and_a_crash_in_between_change_nothing(spool: Spool) -> None:
    deliver(spool, NOON - DAY)
    count_day(spool, TODAY - 1, NOON)
    count_day(spool, TODAY - 1, NOON)
    with pytest.raises(RuntimeError):
        broken_off(spool, TODAY - 1)
    rows = traffic.traffic_since(spool.reader, 0, NOON)
    assert out_sums(rows) == {(TODAY - 1, "delivered", "DANE"): 1}
    spool.close_now()


def test_a_try_that_comes_late_has_its_day_counted_anew(spool: Spool) -> None:
    deliver(spool, NOON - DAY)
    count_day(spool, TODAY - 1, NOON)
    deliver(spool, NOON - DAY + 60)  # the disk was broken meanwhile, say
    assert traffic.due_days(spool.reader, NOON) == [TODAY - 1]
    assert out_sums(traffic.traffic_since(spool.reader, 0, NOON)) == {(TODAY - 1, "delivered", "DANE"): 2}
    count_day(spool, TODAY - 1, NOON)
    assert out_sums(traffic.traffic_since(spool.reader, 0, NOON)) == {(TODAY - 1, "delivered", "DANE"): 2}
    spool.close_now()


def test_sums_older_than_the_term_go(spool: Spool) -> None:
    deliver(spool, NOON - DAY)
    count_day(spool, TODAY - 1, NOON)
    later = NOON + (traffic.KEPT_DAYS + 1) * DAY
    count_day(spool, day_of(later) - 1, later)
    assert out_sums(traffic.traffic_since(spool.reader, 0, NOON)) == {}
    spool.close_now()


def test_what_is_not_taken_in_a_try_is_stored_only_where_there_is_such() -> None:
    usual = Attempt(NOON, "example.org", (0, 1))
    assert Attempt.decode(usual.encode()) == usual
    assert usual.encode().endswith('""]')
    mixed = replace(usual, refused=(1,))
    assert Attempt.decode(mixed.encode()) == mixed


def test_few_domains_are_told_apart_and_the_sums_stay() -> None:
    rows = {
        TrafficRow(1, "out", "delivered", "DANE", "", f"s{n}", f"d{n}.example", 0, 0): (n + 1, 1) for n in range(50)
    }
    kept = bounded(rows, domains=5, sites=3)
    assert sum(row.recipients for row in kept) == sum(range(1, 51))
    assert {row.domain for row in kept} == {"", *(f"d{n}.example" for n in range(45, 50))}
    assert len({row.site for row in kept}) == 4

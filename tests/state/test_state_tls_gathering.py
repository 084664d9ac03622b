"""Counts of TLS reports on disk: one report a day and domain, one end for each destination, and never too much."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from danelaw.state import ReportsDatabase, TLSGatheringStore
from danelaw.state.tls_gathering import DAY, LEASE_SECONDS, TLSKey
from danelaw.tlsreport import FailureDetail, PolicyType, ReportedPolicy, failure_detail

BEGIN = 20_000 * DAY
DANE = ReportedPolicy(PolicyType.TLSA, "mx.example.org", ("3 1 1 ab",))
NONE = ReportedPolicy(PolicyType.NONE, "example.org")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[TLSGatheringStore]:
    with contextlib.closing(ReportsDatabase(tmp_path / "reports.db")) as database:
        yield TLSGatheringStore(database, most=100)


def failed(reason: str = "", kind: str = "tlsa-invalid") -> FailureDetail:
    return failure_detail(kind, reason, host="mx.example.org")


def test_batches_of_several_processes_add_up(store: TLSGatheringStore, tmp_path: Path) -> None:
    with contextlib.closing(ReportsDatabase(tmp_path / "reports.db")) as other:
        for one in (store, TLSGatheringStore(other)):
            assert one.gather({TLSKey(BEGIN, DANE, None): 2, TLSKey(BEGIN, DANE, failed("a")): 1}) == 0
    assert store.gather({TLSKey(BEGIN, DANE, failed("b")): 5, TLSKey(BEGIN, NONE, None): 1}) == 0
    assert [(one.domain, one.successful, one.failed) for one in store.gathered()] == [
        ("example.org", 1, 0),
        ("mx.example.org", 4, 7),
    ]
    (result,) = store.results(BEGIN, "mx.example.org")
    assert (result.policy, result.successful, result.failed) == (DANE, 4, 7)
    assert [(one.failure_reason_code, one.count) for one in result.failures] == [("b", 5), ("a", 2)]


def test_a_day_is_reported_once_and_nothing_is_added_to_it(store: TLSGatheringStore) -> None:
    store.gather({TLSKey(BEGIN, DANE, None): 2, TLSKey(BEGIN + DAY, DANE, None): 1})
    assert store.complete(BEGIN + DAY - 1, lambda begin, domain: 0.0) == 0
    assert store.complete(BEGIN + DAY, lambda begin, domain: begin + DAY + 60.0) == 1
    assert store.complete(BEGIN + DAY, lambda begin, domain: 0.0) == 0
    assert store.gather({TLSKey(BEGIN, DANE, None): 4, TLSKey(BEGIN, NONE, None): 1}) == 4
    assert store.claim(BEGIN + DAY + 59.0) is None
    report = store.claim(BEGIN + DAY + 60.0)
    assert report is not None
    assert (report.domain, report.begin, report.until, report.successful) == (
        "mx.example.org", BEGIN, BEGIN + DAY - 1, 2,
    )  # fmt: skip
    store.finish(report, "sent", BEGIN + DAY + 61.0)
    assert store.results(BEGIN, "mx.example.org") == ()
    assert store.gather({TLSKey(BEGIN, DANE, None): 4}) == 4
    store.forget(float("inf"))
    assert store.gather({TLSKey(BEGIN, DANE, None): 4}) == 4  # remembered as long as counts of that day could come


def test_who_has_claimed_a_report_has_it_alone_for_a_while(store: TLSGatheringStore) -> None:
    store.gather({TLSKey(BEGIN, DANE, None): 2})
    now = BEGIN + 2.0 * DAY
    store.complete(now, lambda begin, domain: now)
    first = store.claim(now)
    assert first is not None
    assert store.claim(now + LEASE_SECONDS - 1) is None
    store.hurry(now)  # the command line hurries; who sends it now is not joined by a second
    assert store.claim(now + LEASE_SECONDS - 1) is None
    again = store.claim(now + LEASE_SECONDS)
    assert again is not None
    assert (again.number, again.tries, again.first_try) == (first.number, 2, now)
    store.postpone(again.number, now + 5000)
    assert store.claim(now + 4999) is None
    assert store.hurry(now) == 1
    assert store.claim(now) is not None


def test_a_destination_is_written_down_once_and_its_end_stays(store: TLSGatheringStore) -> None:
    store.gather({TLSKey(BEGIN, DANE, None): 2})
    store.complete(BEGIN + DAY, lambda begin, domain: 0.0)
    report = store.claim(BEGIN + DAY)
    assert report is not None
    one, other = store.address(report.number, ("https://a.example/", "mailto:b@a.example"))
    store.begin(one, 77, 5.0)
    store.end(one, "sent", 6.0)
    store.note(other, "busy")
    one, other = store.address(report.number, ("https://a.example/", "mailto:b@a.example"))
    assert (one.queued, one.tries, one.ended, one.outcome) == (77, 1, 6.0, "sent")
    assert (other.queued, other.ended, other.outcome) == (0, None, "busy")


def test_details_that_are_too_many_are_counted_together_and_strangers_do_not_fill_the_disk(
    store: TLSGatheringStore,
) -> None:
    keys = {TLSKey(BEGIN, DANE, failed(f"reason {number}")): 1 for number in range(300)}
    assert store.gather(keys) == 0
    (result,) = store.results(BEGIN, "mx.example.org")
    assert (result.failed, len(result.failures)) == (300, 91)
    assert result.failures[0].failure_reason_code == ""
    others = {TLSKey(BEGIN, ReportedPolicy(PolicyType.NONE, f"d{number}.example"), None): 1 for number in range(20)}
    assert store.gather(others) == 11


def test_a_batch_is_written_whole_or_not_at_all(store: TLSGatheringStore, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*arguments: object) -> bool:
        raise sqlite3.OperationalError("disk full")

    store.gather({TLSKey(BEGIN, NONE, None): 1})
    monkeypatch.setattr(TLSGatheringStore, "_crowded", broken)
    with pytest.raises(sqlite3.OperationalError):
        store.gather({TLSKey(BEGIN, NONE, None): 1, TLSKey(BEGIN, DANE, failed()): 1})
    assert [(one.domain, one.successful) for one in store.gathered()] == [("example.org", 1)]

"""Failure reports of others are kept once, a bounded number of them, and without persons unless that is wanted."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest
from tests.dmarcreport.dmarcreport_samples import REPORT, failure_mail

from danelaw.dmarcreport import FailureReport, read_failure_mail, to_xml
from danelaw.state import FailureArchive, ReportArchive, ReportIntake, ReportsDatabase

HEADER = b"Subject: plan\r\nFrom: Anna \xff<anna@example.com>\r\n"


@pytest.fixture
def database(tmp_path: Path) -> ReportsDatabase:
    return ReportsDatabase(tmp_path / "reports.db")


def report(ip: str = "192.0.2.9") -> FailureReport:
    found = read_failure_mail(failure_mail(HEADER, ("192.0.2.9", ip)))
    assert found is not None
    return found


def test_what_is_kept_comes_back(database: ReportsDatabase) -> None:
    archive = FailureArchive(database, whole_header=True)
    assert archive.receive(report(), 10.0, "reporter.test") == 1
    assert archive.receive(report(), 20.0) is None
    assert archive.receive(report("2001:db8::1"), 30.0) == 2
    one = archive.one(1)
    assert one is not None
    assert (one.at, one.authenticated, one.report) == (10.0, "reporter.test", report())
    assert [found.number for found in archive.received()] == [2, 1]
    assert [found.number for found in archive.received("example.com", most=1)] == [2]
    assert archive.received("example.org") == ()
    archive.forget(25.0)
    assert archive.one(1) is None
    assert archive.one(2) is not None


def test_persons_do_not_reach_the_disk(database: ReportsDatabase) -> None:
    FailureArchive(database).receive(report(), 1.0)
    rows = repr(database.execute("SELECT * FROM received_failure"))
    for private in ("anna", "bob@", "x@", "plan"):
        assert private not in rows, private
    assert FailureArchive(database).receive(report(), 2.0) is None  # the same report is known all the same


def test_the_oldest_make_room(database: ReportsDatabase) -> None:
    archive = FailureArchive(database, most=3)
    for number in range(5):
        assert archive.receive(report(f"192.0.2.{number}"), float(number)) == number + 1
    assert [one.number for one in archive.received()] == [5, 4, 3]


def test_each_kind_goes_where_it_belongs(database: ReportsDatabase) -> None:
    intake = ReportIntake(ReportArchive(database), FailureArchive(database))
    (failed,) = intake.ingest(failure_mail(HEADER), 1.0)
    assert (failed.kind, failed.number, failed.words) == (
        "failure", 1, "failure report 1: reporter.test about example.com"
    )  # fmt: skip
    (refused,) = intake.ingest(failure_mail(HEADER, ("auth-failure", "abuse")), 1.0)
    assert (refused.kind, refused.number, refused.report) == ("failure", None, None)
    assert "not about authentication" in refused.words
    (counted,) = intake.ingest(to_xml(REPORT), 1.0)
    assert (counted.kind, counted.number) == ("aggregate", 1)
    intake.forget(2.0)
    assert FailureArchive(database).received() == ()
    assert ReportArchive(database).received() == ()


def test_a_file_of_an_older_danelaw_is_read_and_then_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "reports.db"
    ReportsDatabase(path).close()
    with sqlite3.connect(path) as old:
        old.execute("DROP TABLE received_failure")
    old.close()
    reading = ReportsDatabase(path, read_only=True)
    assert FailureArchive(reading).received() == ()
    assert FailureArchive(reading).one(1) is None
    reading.close()
    writing = ReportsDatabase(path)
    assert FailureArchive(writing).receive(report(), 1.0) == 1
    writing.close()

"""`reports.db`: counting within bounds, reports that one process takes, and the archive of others' reports."""

from __future__ import annotations

import contextlib
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest
from tests.dmarcreport.dmarcreport_samples import RECORD, REPORT

from danelaw.dmarcreport import OverrideReason, ReportRecord, to_xml
from danelaw.state import FailureArchive, GatheringStore, ReportArchive, ReportIntake, ReportsDatabase
from danelaw.state.report_gathering import LEASE_SECONDS, Key, record_text

DAY = 86_400
POLICY = "v=DMARC1; p=none; rua=mailto:a@example.com"


@pytest.fixture
def database(tmp_path: Path) -> ReportsDatabase:
    return ReportsDatabase(tmp_path / "reports.db")


def key(domain: str = "example.com", begin: int = 0, record: ReportRecord = RECORD, policy: str = POLICY) -> Key:
    return Key(begin, begin + DAY - 1, domain, policy, record_text(record))


def row(number: int) -> ReportRecord:
    return replace(RECORD, source_ip=f"192.0.2.{number}")


def test_batches_add_up_and_come_back_as_records(database: ReportsDatabase) -> None:
    store = GatheringStore(database)
    assert store.gather({key(): 2, key(record=row(1)): 1}) == 0
    assert store.gather({key(): 3}) == 0
    (gathered,) = store.gathered()
    assert (gathered.domain, gathered.records, gathered.messages) == ("example.com", 2, 6)
    assert store.complete(DAY - 1, DAY) == 0
    assert store.complete(DAY, 2.0 * DAY) == 1
    assert store.gathered() == ()
    report = store.claim(2.0 * DAY)
    assert report is not None
    assert (report.begin, report.until, report.messages, report.policy) == (0, DAY - 1, 6, POLICY)
    assert store.records(report.number) == (RECORD.with_count(5), row(1).with_count(1))
    assert store.claim(2.0 * DAY) is None
    store.finish(report.number, "sent", 3.0 * DAY)
    assert store.records(report.number) == ()
    assert store.claim(30.0 * DAY) is None
    store.forget(4.0 * DAY)
    assert store.reports() == ()


def test_a_report_whose_process_died_is_taken_again(database: ReportsDatabase) -> None:
    store = GatheringStore(database)
    store.gather({key(): 1})
    store.complete(DAY, DAY)
    first = store.claim(float(DAY))
    assert store.claim(DAY + LEASE_SECONDS - 1) is None
    again = store.claim(DAY + LEASE_SECONDS)
    assert first is not None
    assert again is not None
    assert (again.number, again.tries) == (first.number, 2)
    store.postpone(again.number, 9.0 * DAY)
    assert store.claim(8.0 * DAY) is None
    assert store.hurry(8.0 * DAY, "example.org") == 0
    assert store.hurry(8.0 * DAY) == 1
    assert store.claim(8.0 * DAY) is not None


def test_who_hurries_reports_does_not_join_who_sends_one(database: ReportsDatabase) -> None:
    store = GatheringStore(database)
    store.gather({key(): 1, key("example.net"): 1})
    store.complete(DAY, DAY)
    first = store.claim(float(DAY))
    store.hurry(float(DAY))
    second = store.claim(DAY + 1.0)
    assert first is not None
    assert second is not None
    assert first.number != second.number
    assert store.claim(DAY + 1.0) is None
    store.postpone(first.number, 9.0 * DAY)  # its try has ended: now it can be hurried
    store.hurry(DAY + 2.0)
    again = store.claim(DAY + 2.0)
    assert again is not None
    assert again.number == first.number


def test_a_file_without_leases_gets_them_however_many_open_it(tmp_path: Path) -> None:
    path = tmp_path / "reports.db"
    with contextlib.closing(ReportsDatabase(path)) as database:
        GatheringStore(database).gather({key(): 1})
        GatheringStore(database).complete(DAY, DAY)
        database.execute("ALTER TABLE report DROP COLUMN leased")
    with contextlib.closing(ReportsDatabase(path, read_only=True)) as database:  # as it is until a gateway starts
        assert [one.number for one in GatheringStore(database).reports()] == [1]
    barrier = threading.Barrier(6)

    def claimed(_: int) -> bool:
        barrier.wait()
        with contextlib.closing(ReportsDatabase(path)) as database:
            return GatheringStore(database).claim(float(DAY)) is not None

    with ThreadPoolExecutor(6) as pool:
        assert sorted(pool.map(claimed, range(6))) == [False] * 5 + [True]


def test_an_early_end_and_the_rest_of_the_day_are_two_reports(database: ReportsDatabase) -> None:
    store = GatheringStore(database)
    store.gather({key(): 1, key("example.net"): 1})
    assert store.complete(100, 100.0, domain="example.com", early=True) == 1
    store.gather({key(): 1})
    assert store.complete(DAY, float(DAY)) == 2
    found = [(one.number, one.domain, one.until) for one in store.reports("example.com")]
    assert [(domain, until) for _, domain, until in found] == [("example.com", DAY - 1), ("example.com", 100)]
    assert len({number for number, _, _ in found}) == 2


def test_the_last_policy_seen_is_told(database: ReportsDatabase) -> None:
    store = GatheringStore(database)
    store.gather({key(): 1})
    store.gather({key(record=row(1), policy=POLICY + "; t=y"): 1})
    store.complete(DAY, float(DAY))
    assert store.reports()[0].policy == POLICY + "; t=y"


def test_strangers_cannot_fill_the_disk(database: ReportsDatabase) -> None:
    store = GatheringStore(database, most=20)
    assert store.gather({key(record=row(number)): 1 for number in range(10)}) == 8
    assert store.gather({key(record=row(1)): 5}) == 0  # what is known still counts
    for number in range(9):
        assert store.gather({key(f"d{number}.test", record=row(one)): 1 for one in range(2)}) == 0
    assert store.gather({key("late.test"): 7}) == 7
    assert sum(one.records for one in store.gathered()) == 20


def test_the_archive_keeps_each_report_once(database: ReportsDatabase) -> None:
    archive = ReportArchive(database)
    assert archive.receive(REPORT, 10.0, "gw.test") == 1
    assert archive.receive(REPORT, 20.0) is None
    assert archive.receive(replace(REPORT, report_id="other"), 30.0) == 2
    first = archive.one_received(1)
    assert first is not None
    assert (first.org_name, first.messages, first.aligned) == ("gw.test", 123, 0)
    assert first.facts["authenticated"] == "gw.test"
    assert archive.received_records(1) == (RECORD,)
    assert [one.number for one in archive.received("example.com")] == [2, 1]
    assert archive.received("example.org") == ()
    archive.forget(25.0)
    assert archive.one_received(1) is None
    assert archive.received_records(1) == ()


def test_sources_are_added_up_over_reports(database: ReportsDatabase) -> None:
    archive = ReportArchive(database)
    good = replace(row(7), dkim="pass", count=4, reasons=())
    archive.receive(replace(REPORT, records=(RECORD, good)), 1.0)
    archive.receive(replace(REPORT, report_id="x", org_name="another", records=(row(7).with_count(1), good)), 1.0)
    found = [(one.source_ip, one.aligned, one.unaligned, one.reporters) for one in archive.sources("example.com")]
    assert found == [("192.0.2.123", 0, 123, 1), ("192.0.2.7", 8, 1, 2)]
    assert len(archive.sources(unaligned=True)) == 2
    assert archive.sources("example.org") == ()
    assert archive.sources(since=REPORT.end + 1.0) == ()
    assert archive.received_records(2, unaligned=True) == (row(7).with_count(1),)


def test_the_oldest_reports_make_room(database: ReportsDatabase) -> None:
    archive = ReportArchive(database, most=5)
    for number in range(6):
        records = (row(1), row(2))
        assert archive.receive(replace(REPORT, report_id=str(number), records=records), float(number)) == number + 1
    assert [one.number for one in archive.received()] == [6, 5]
    assert archive.receive(replace(REPORT, report_id="big", records=(RECORD,) * 9), 9.0) == 7
    assert [one.number for one in archive.received()] == [7]


def test_files_and_mail_are_ingested_or_refused_in_words(database: ReportsDatabase) -> None:
    archive = ReportIntake(ReportArchive(database), FailureArchive(database))
    (taken,) = archive.ingest(to_xml(REPORT), 1.0)
    assert (taken.number, taken.words) == (1, "report 1: gw.test about example.com")
    (again,) = archive.ingest(to_xml(REPORT), 1.0)
    assert (again.number, again.words) == (None, "here already: gw.test about example.com")
    (broken,) = archive.ingest(b"<feedback>", 1.0)
    assert (broken.number, broken.report) == (None, None)
    assert "not well-formed" in broken.words
    assert archive.ingest(b"Subject: hello\r\n\r\nhi", 1.0) == ()


def test_a_record_without_its_count_has_one_text() -> None:
    assert record_text(RECORD) == record_text(RECORD.with_count(9))
    assert record_text(RECORD) != record_text(replace(RECORD, reasons=(OverrideReason("other"),)))

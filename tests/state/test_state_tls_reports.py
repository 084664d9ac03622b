"""TLS reports of others in `reports.db`: each once, within bounds, and nobody's word above a proved one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from danelaw.state import ReportsDatabase, TLSReportArchive, TLSReportIntake, TLSReportSums
from danelaw.state.tls_report_intake import read_tls_reports
from danelaw.tlsreport import Attached, FailureDetail, PolicyResult, PolicyType, ReportedPolicy, TLSReport

DAY = 86_400


@pytest.fixture
def database(tmp_path: Path) -> ReportsDatabase:
    return ReportsDatabase(tmp_path / "reports.db")


def result(domain: str = "ours.example", good: int = 10, bad: int = 0, *failures: FailureDetail) -> PolicyResult:
    return PolicyResult(ReportedPolicy(PolicyType.TLSA, domain), good, bad, failures)


def report(*policies: PolicyResult, day: int = 0, name: str = "1", organization: str = "X") -> TLSReport:
    begin = day * DAY
    return TLSReport(organization, "a@x.example", name, begin, begin + DAY - 1, policies or (result(),))


def numbers(archive: TLSReportArchive) -> list[int]:
    return [one.number for one in archive.received()]


def test_each_report_once_and_domain_by_domain(database: ReportsDatabase) -> None:
    archive = TLSReportArchive(database)
    assert archive.received() == ()
    both = report(result("a.example"), result("b.example", 5, 1), result("b.example"))
    assert archive.receive(both, 1.0, via="mail", authenticated="x.example") == {"a.example": 1, "b.example": 2}
    assert archive.receive(both, 2.0, via="mail", authenticated="x.example") == {"a.example": None, "b.example": None}
    assert archive.receive(replace(both, report_id="2"), 3.0, via="mail")["a.example"] == 3
    (one,) = archive.received("b.example", most=1)
    assert (one.successful, one.failed, one.via, one.facts["contact"]) == (15, 1, "mail", "a@x.example")


def test_an_unproved_report_neither_keeps_out_nor_adds_to_the_proved_one(database: ReportsDatabase) -> None:
    archive = TLSReportArchive(database)
    forged = report(result(good=0, bad=1000))
    assert archive.receive(forged, 1.0, via="https", client="192.0.2.1") == {"ours.example": 1}
    assert archive.receive(report(), 2.0, via="mail", authenticated="x.example") == {"ours.example": 2}
    assert archive.receive(forged, 3.0, via="https") == {"ours.example": None}
    (one,) = TLSReportSums(database).domains()
    assert (one.successful, one.failed, one.reports, one.proved) == (10, 0, 1, 1)
    # Who signs with another domain has a report of its own.
    assert archive.receive(report(), 4.0, via="mail", authenticated="y.example") == {"ours.example": 3}


def test_the_oldest_go_and_what_nobody_proves_goes_first(database: ReportsDatabase) -> None:
    archive = TLSReportArchive(database, most=50)
    for day in range(4):
        archive.receive(report(day=day, name=f"p{day}"), 1.0, via="mail", authenticated="x.example")
    archive.receive(report(name="u"), 1.0, via="https")
    assert numbers(archive) == [5, 4, 3, 2, 1]
    archive.receive(report(name="u2"), 1.0, via="https")
    assert numbers(archive) == [6, 4, 3, 2, 1]
    archive.receive(report(name="p9"), 1.0, via="mail", authenticated="x.example")
    assert numbers(archive) == [7, 4, 3, 2, 1]
    archive.receive(report(name="p10"), 1.0, via="mail", authenticated="x.example")
    assert numbers(archive) == [8, 7, 4, 3, 2]
    assert archive.receive(report(name="u3"), 1.0, via="https") == {"ours.example": 9}
    assert numbers(archive) == [8, 7, 4, 3, 2]
    for domain in range(60):  # other domains have room of their own, up to all there is
        archive.receive(report(result(f"d{domain}.example")), 1.0, via="mail", authenticated="x.example")
    assert len(archive.received(most=1000)) == 50
    assert database.number("SELECT count(*) FROM tls_received_policy") == 50


def test_what_is_old_is_forgotten(database: ReportsDatabase) -> None:
    archive = TLSReportArchive(database)
    archive.receive(report(result("a.example", 1, 1, FailureDetail("tlsa-invalid", 1))), 1.0, via="mail")
    archive.receive(report(name="2"), 9.0, via="mail")
    archive.forget(5.0)
    assert numbers(archive) == [2]
    assert database.number("SELECT count(*) FROM tls_received_failure") == 0


def test_sums_by_domain_failure_reporter_and_day(database: ReportsDatabase) -> None:
    archive = TLSReportArchive(database)
    expired = FailureDetail("certificate-expired", 3, receiving_mx_hostname="mx1.ours.example")
    other = replace(expired, count=2, failure_reason_code="X509_V_ERR")
    archive.receive(report(result("ours.example", 7, 3, expired)), 1.0, via="mail", authenticated="x.example")
    archive.receive(
        report(result("ours.example", 8, 2, other), day=1, organization="Y"), 1.0, via="https", client="192.0.2.1"
    )
    archive.receive(report(result("b.example"), day=2, name="3"), 1.0, via="mail", authenticated="x.example")
    sums = TLSReportSums(database)
    assert [(one.domain, one.successful, one.failed, one.proved, one.reporters) for one in sums.domains()] == [
        ("ours.example", 15, 5, 1, 2), ("b.example", 10, 0, 1, 1)
    ]  # fmt: skip
    (failure,) = sums.failures()
    assert (failure.mx, failure.count, failure.reporters, failure.reason) == ("mx1.ours.example", 5, 2, "X509_V_ERR")
    assert failure.last == 2 * DAY - 1
    assert [(one.organization, one.authenticated, one.reports) for one in sums.reporters()] == [
        ("X", "x.example", 2), ("Y", "", 1)
    ]  # fmt: skip
    assert [(one.begin, one.failed) for one in sums.days()] == [(0, 3), (DAY, 2), (2 * DAY, 0)]
    assert [one.failed for one in TLSReportSums(database, proved=True).domains()] == [3, 0]
    assert [one.domain for one in TLSReportSums(database, since=2.0 * DAY).domains()] == ["b.example"]
    assert len(TLSReportSums(database, domain="b.example").days()) == 1


def test_only_what_is_about_us_is_kept(database: ReportsDatabase) -> None:
    intake = TLSReportIntake(TLSReportArchive(database), lambda domain: domain == "ours.example")
    mixed = report(result(), result("gmail.example"))
    taken, foreign, broken = intake.keep(
        [Attached("a", mixed), Attached("b", report(result("gmail.example"))), Attached("c", None, "no JSON")],
        1.0,
        via="mail",
    )
    assert (taken.result, taken.words) == ("received", "report 1: X about ours.example")
    assert (foreign.result, foreign.words) == (
        "refused", "it is about gmail.example, and that is none of our domains"
    )  # fmt: skip
    assert (broken.result, broken.words) == ("unreadable", "no JSON")
    (again,) = intake.keep([Attached("a", mixed)], 2.0, via="mail")
    assert (again.result, again.words) == ("duplicate", "here already: X about ours.example")


def test_files_of_any_kind_are_told_apart() -> None:
    (broken,) = read_tls_reports(b"{")
    assert broken.report is None
    assert read_tls_reports(b"From: a@b.example\r\n\r\nhello\r\n") == ()

"""Reports of others taken in: whatever a mail or a file holds of either kind, each into its archive."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from danelaw.dmarcreport import (
    AggregateReport,
    FailureReport,
    ReportError,
    looks_like_mail,
    read_failure_mail,
    read_file,
    read_mail,
)
from danelaw.state.failure_archive import FailureArchive
from danelaw.state.report_archive import ReportArchive


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of one report: `number` of it here, None for one that was here before or is refused. `kind` is
    `aggregate` or `failure`.
    """

    name: str
    number: int | None
    refusal: str = ""
    report: AggregateReport | FailureReport | None = None
    kind: str = "aggregate"

    @property
    def words(self) -> str:
        """What happened, as half a sentence."""
        if self.report is None:
            return self.refusal
        who = self.report.org_name[:80] if isinstance(self.report, AggregateReport) else self.report.reporter
        kind = "report" if self.kind == "aggregate" else "failure report"
        seen = f"{kind} {self.number}" if self.number is not None else "here already"
        return f"{seen}: {who or 'somebody'} about {self.report.domain}"


@dataclass(frozen=True, slots=True)
class Found:
    """A report that was read, or why it could not be; not kept yet. `kind` as in `Taken`."""

    name: str
    report: AggregateReport | FailureReport | None
    refusal: str = ""
    kind: str = "aggregate"


def read_reports(octets: bytes) -> tuple[Found, ...]:
    """What a mail or a file holds; nothing where no part of it looks like a report."""
    if not looks_like_mail(octets):
        try:
            return (Found("", read_file(octets)),)
        except ReportError as error:
            return (Found("", None, error.reason),)
    try:
        report = read_failure_mail(octets)
    except ReportError as error:
        return (Found("", None, error.reason, "failure"),)
    if report is not None:
        return (Found("", report, kind="failure"),)
    return tuple(Found(one.name, one.report, one.refusal) for one in read_mail(octets))


class ReportIntake:
    """Where both kinds go. Methods raise `StateError`."""

    def __init__(self, aggregate: ReportArchive, failure: FailureArchive) -> None:
        self._aggregate = aggregate
        self._failure = failure

    def ingest(self, octets: bytes, now: float, authenticated: str = "") -> tuple[Taken, ...]:
        """Keep what a mail or a file holds; nothing where no part of it looks like a report. `authenticated` is whose
        mail it came in.
        """
        return self.keep(read_reports(octets), now, authenticated)

    def keep(self, found: Iterable[Found], now: float, authenticated: str = "") -> tuple[Taken, ...]:
        """Keep what was read."""
        return tuple(
            Taken(one.name, None, one.refusal, kind=one.kind)
            if one.report is None
            else Taken(one.name, self._receive(one.report, now, authenticated), "", one.report, one.kind)
            for one in found
        )

    def _receive(self, report: AggregateReport | FailureReport, now: float, authenticated: str) -> int | None:
        if isinstance(report, FailureReport):
            return self._failure.receive(report, now, authenticated)
        return self._aggregate.receive(report, now, authenticated)

    def forget(self, before: float) -> None:
        """What came before a moment goes."""
        self._aggregate.forget(before)
        self._failure.forget(before)

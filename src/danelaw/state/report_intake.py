"""Reports of others taken in: whatever a mail or a file holds of either kind, each into its archive."""

from __future__ import annotations

from dataclasses import dataclass

from danelaw.dmarcreport import (
    AggregateReport,
    Attached,
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


class ReportIntake:
    """Where both kinds go. Methods raise `StateError`."""

    def __init__(self, aggregate: ReportArchive, failure: FailureArchive) -> None:
        self._aggregate = aggregate
        self._failure = failure

    def ingest(self, octets: bytes, now: float, authenticated: str = "") -> tuple[Taken, ...]:
        """Keep what a mail or a file holds; nothing where no part of it looks like a report. `authenticated` is whose
        mail it came in.
        """
        if not looks_like_mail(octets):
            try:
                found = (Attached("", read_file(octets)),)
            except ReportError as error:
                found = (Attached("", None, error.reason),)
            return self._keep(found, now, authenticated)
        try:
            report = read_failure_mail(octets)
        except ReportError as error:
            return (Taken("", None, error.reason, kind="failure"),)
        if report is not None:
            number = self._failure.receive(report, now, authenticated)
            return (Taken("", number, report=report, kind="failure"),)
        return self._keep(read_mail(octets), now, authenticated)

    def _keep(self, found: tuple[Attached, ...], now: float, authenticated: str) -> tuple[Taken, ...]:
        return tuple(
            Taken(one.name, None, one.refusal)
            if one.report is None
            else Taken(one.name, self._aggregate.receive(one.report, now, authenticated), "", one.report)
            for one in found
        )

    def forget(self, before: float) -> None:
        """What came before a moment goes."""
        self._aggregate.forget(before)
        self._failure.forget(before)

"""What the TLS reports of others come to: sessions, failures, reporters and days, added up by the database."""

from __future__ import annotations

from dataclasses import dataclass

from danelaw.state.reports_database import ReportsDatabase
from danelaw.state.tls_report_archive import DAY, TLSReportArchive


@dataclass(frozen=True, slots=True)
class DomainSum:
    """Sessions with one policy domain under one type of policy; `reports` told of them, `proved` of these signed."""

    domain: str
    policy_type: str
    successful: int
    failed: int
    reports: int
    proved: int
    reporters: int


@dataclass(frozen=True, slots=True)
class FailureSum:
    """Failed sessions of one kind with one server; `mx` is empty where reporters do not say. `reason` is that of one of
    them, `last` the end of the latest period, POSIX seconds.
    """

    domain: str
    policy_type: str
    mx: str
    result_type: str
    count: int
    reporters: int
    last: int
    reason: str


@dataclass(frozen=True, slots=True)
class ReporterSum:
    """What one organization reported; `authenticated` has signed it, or is empty."""

    organization: str
    authenticated: str
    reports: int
    successful: int
    failed: int
    last: int


@dataclass(frozen=True, slots=True)
class DaySum:
    """Sessions of one day, whose `begin` is in POSIX seconds; a report counts for the day in which its period began."""

    begin: int
    successful: int
    failed: int


_WHERE = "(?1 IS NULL OR domain = ?1) AND until >= ?2 AND (NOT ?3 OR authenticated <> '')"


class TLSReportSums:
    """Over reports about `domain` (None: all) whose period ended after `since`; only those somebody has proved to have
    sent with `proved`. Methods raise `StateError`.
    """

    def __init__(
        self, database: ReportsDatabase, *, domain: str | None = None, since: float = 0.0, proved: bool = False
    ) -> None:
        self._database = database
        self._is_there = TLSReportArchive(database).is_there()
        self._chosen = (domain, since, proved)

    def domains(self) -> tuple[DomainSum, ...]:
        """The most failures first."""
        return tuple(
            DomainSum(*row)  # type: ignore[arg-type]
            for row in self._rows(
                "SELECT domain, one.type, sum(one.successful), sum(one.failed), count(DISTINCT number),"
                " count(DISTINCT CASE WHEN authenticated <> '' THEN number END), count(DISTINCT organization)"
                f" FROM tls_received JOIN tls_received_policy one ON one.report = number WHERE {_WHERE}"
                " GROUP BY domain, one.type ORDER BY sum(one.failed) DESC, sum(one.successful) DESC, domain"
            )
        )

    def failures(self, most: int = 100) -> tuple[FailureSum, ...]:
        """The most frequent first."""
        return tuple(
            FailureSum(*row)  # type: ignore[arg-type]
            for row in self._rows(
                "SELECT domain, policy.type, one.mx, one.result_type, sum(one.count), count(DISTINCT organization),"
                " max(until), max(json_extract(one.facts, '$.failure_reason_code')) FROM tls_received"
                " JOIN tls_received_failure one ON one.report = number"
                " JOIN tls_received_policy policy ON policy.report = number AND policy.place = one.place"
                f" WHERE {_WHERE} GROUP BY domain, policy.type, one.mx, one.result_type"
                " ORDER BY sum(one.count) DESC, domain, one.mx LIMIT ?4",
                most,
            )
        )

    def reporters(self, most: int = 100) -> tuple[ReporterSum, ...]:
        """The most sessions first."""
        return tuple(
            ReporterSum(*row)  # type: ignore[arg-type]
            for row in self._rows(
                "SELECT organization, authenticated, count(*), sum(successful), sum(failed), max(until)"
                f" FROM tls_received WHERE {_WHERE} GROUP BY organization, authenticated"
                " ORDER BY sum(successful + failed) DESC, organization LIMIT ?4",
                most,
            )
        )

    def days(self, most: int = 366) -> tuple[DaySum, ...]:
        """The oldest first; days nobody reported on are not among them."""
        rows = self._rows(
            f"SELECT begin / {DAY} * {DAY} AS day, sum(successful), sum(failed) FROM tls_received WHERE {_WHERE}"
            " GROUP BY day ORDER BY day DESC LIMIT ?4",
            most,
        )
        return tuple(DaySum(*row) for row in reversed(rows))  # type: ignore[arg-type]

    def _rows(self, statement: str, *more: object) -> list[tuple[object, ...]]:
        return self._database.execute(statement, (*self._chosen, *more)) if self._is_there else []

"""What is counted for TLS reports of ours, the reports made of it, and where each of them went (RFC 8460 §4.1, §5)."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from typing import NamedTuple

from danelaw.state.reports_database import ReportsDatabase
from danelaw.tlsreport import FailureDetail, PolicyResult, PolicyType, ReportedPolicy, folded

DAY = 86_400
LEASE_SECONDS = 900.0
"""So long what was claimed belongs to who claimed it; a report is made and handed over in far less."""
_MOST_DETAILS = 500
_MOST_REMEMBERED = 100_000


class TLSKey(NamedTuple):
    """Sessions that are counted together: of one day (its first second), under one policy, with one end; `detail` is
    None for success.
    """

    begin: int
    policy: ReportedPolicy
    detail: FailureDetail | None


@dataclass(frozen=True, slots=True)
class TLSGathered:
    """What is counted for one policy domain on a day of which no report was made yet."""

    domain: str
    begin: int
    successful: int
    failed: int


@dataclass(frozen=True, slots=True)
class SentTLSReport:
    """A report of ours: `outcome` says what became of it, "" while it waits; `ended` when, in POSIX seconds."""

    number: int
    domain: str
    begin: int
    successful: int
    failed: int
    tries: int
    first_try: float | None
    ended: float | None
    outcome: str

    @property
    def until(self) -> int:
        """The last second of its day."""
        return self.begin + DAY - 1


@dataclass(frozen=True, slots=True)
class TLSDelivery:
    """A report on its way to one destination. `queued` is the queue id it goes or went out under, 0 for none."""

    report: int
    uri: str
    queued: int
    tries: int
    first_try: float | None
    ended: float | None
    outcome: str


class TLSGatheringStore:
    """Shared by all processes of a gateway and the command line. Methods raise `StateError`.

    At most `most` rows are gathered. Where there is no room for a detail it is counted without what is special to it;
    a tenth of the room is kept for that.
    """

    def __init__(self, database: ReportsDatabase, *, most: int = 200_000) -> None:
        self._database = database
        self._most = most

    def gather(self, counted: Mapping[TLSKey, int]) -> int:
        """Add a batch; gives how many sessions were not counted: no room, or the day's report is made already."""
        dropped = 0
        with self._database.together():
            total = self._database.number("SELECT count(*) FROM tls_observation")
            for key, count in counted.items():
                domain = key.policy.domain
                if self._database.execute(
                    "SELECT 1 FROM tls_report WHERE begin = ? AND domain = ?", (key.begin, domain)
                ):
                    dropped += count
                    continue
                policy = _policy_text(key.policy)
                if self._added(key.begin, domain, policy, key.detail, count):
                    continue
                detail = key.detail
                if detail is not None and (total >= self._most * 9 // 10 or self._crowded(key.begin, domain)):
                    detail = folded(detail)
                    if self._added(key.begin, domain, policy, detail, count):
                        continue
                if total >= self._most:
                    dropped += count
                    continue
                total += 1
                self._database.execute(
                    "INSERT INTO tls_observation VALUES (?, ?, ?, ?, ?)",
                    (key.begin, domain, policy, _detail_text(detail), count),
                )
        return dropped

    def _added(self, begin: int, domain: str, policy: str, detail: FailureDetail | None, count: int) -> bool:
        return bool(
            self._database.execute(
                "UPDATE tls_observation SET count = count + ? WHERE begin = ? AND domain = ? AND policy = ?"
                " AND detail = ? RETURNING 1",
                (count, begin, domain, policy, _detail_text(detail)),
            )
        )

    def _crowded(self, begin: int, domain: str) -> bool:
        found = self._database.number(
            "SELECT count(*) FROM (SELECT 1 FROM tls_observation WHERE begin = ? AND domain = ? LIMIT ?)",
            (begin, domain, _MOST_DETAILS),
        )
        return found >= _MOST_DETAILS

    def gathered(self) -> tuple[TLSGathered, ...]:
        """What is counted now, by domain and day."""
        rows = self._database.execute(
            "SELECT domain, begin, sum(iif(detail = '', count, 0)), sum(iif(detail = '', 0, count))"
            " FROM tls_observation o WHERE NOT EXISTS"
            " (SELECT 1 FROM tls_report r WHERE r.begin = o.begin AND r.domain = o.domain)"
            " GROUP BY domain, begin ORDER BY domain, begin"
        )
        return tuple(TLSGathered(*row) for row in rows)  # type: ignore[arg-type]

    def complete(self, ended_before: float, due: Callable[[int, str], float]) -> int:
        """Make a report of every day and domain that ended before a moment; gives how many. Nothing is added to them
        from now on. `due` says, from the day's first second and the domain, when it is to go, in POSIX seconds.
        """
        with self._database.together():
            rows = self._database.execute(
                "SELECT begin, domain, sum(iif(detail = '', count, 0)), sum(iif(detail = '', 0, count))"
                " FROM tls_observation o WHERE begin + ? <= ? AND NOT EXISTS"
                " (SELECT 1 FROM tls_report r WHERE r.begin = o.begin AND r.domain = o.domain)"
                " GROUP BY begin, domain",
                (DAY, ended_before),
            )
            for begin, domain, successful, failed in rows:
                self._database.execute(
                    "INSERT INTO tls_report (begin, domain, successful, failed, due, leased, tries, outcome)"
                    " VALUES (?, ?, ?, ?, ?, 0, 0, '')",
                    (begin, domain, successful, failed, due(int(str(begin)), str(domain))),
                )
        return len(rows)

    def results(self, begin: int, domain: str) -> tuple[PolicyResult, ...]:
        """What a report counts, policy by policy, always in the same order; nothing once it has ended."""
        found: dict[str, list[tuple[FailureDetail | None, int]]] = {}
        for policy, detail, count in self._database.execute(
            "SELECT policy, detail, count FROM tls_observation WHERE begin = ? AND domain = ?"
            " ORDER BY policy, count DESC, detail",
            (begin, domain),
        ):
            found.setdefault(str(policy), []).append((_detail_of(str(detail)), int(str(count))))
        return tuple(_result(_policy_of(policy), rows) for policy, rows in found.items())

    # reports of ours

    def claim(self, now: float) -> SentTLSReport | None:
        """A report that is due, for this process to look after: no other gets it while the lease runs."""
        rows = self._database.execute(
            "UPDATE tls_report SET leased = ? + ?, tries = tries + 1, first_try = coalesce(first_try, ?1)"
            " WHERE number = (SELECT number FROM tls_report WHERE ended IS NULL AND due <= ?1 AND leased <= ?1"
            f" ORDER BY due, number LIMIT 1) AND leased <= ?1 RETURNING {_REPORT}",
            (now, LEASE_SECONDS),
        )
        return _report(rows[0]) if rows else None

    def postpone(self, number: int, due: float) -> None:
        """Look after a report again then; the lease ends."""
        self._database.execute("UPDATE tls_report SET due = ?, leased = 0 WHERE number = ?", (due, number))

    def finish(self, report: SentTLSReport, outcome: str, now: float) -> None:
        """Nothing more is done for a report: what it counted is forgotten."""
        with self._database.together():
            self._database.execute(
                "UPDATE tls_report SET ended = ?, outcome = ? WHERE number = ?", (now, outcome, report.number)
            )
            self._database.execute(
                "DELETE FROM tls_observation WHERE begin = ? AND domain = ?", (report.begin, report.domain)
            )

    def deliveries(self, report: int) -> tuple[TLSDelivery, ...]:
        """Where a report goes."""
        rows = self._database.execute(f"SELECT {_DELIVERY} FROM tls_delivery WHERE report = ? ORDER BY uri", (report,))
        return tuple(TLSDelivery(*row) for row in rows)  # type: ignore[arg-type]

    def address(self, report: int, uris: Iterable[str]) -> tuple[TLSDelivery, ...]:
        """A report goes to these destinations; those known already stay as they are."""
        with self._database.together():
            for uri in uris:
                self._database.execute(
                    "INSERT OR IGNORE INTO tls_delivery VALUES (?, ?, 0, 0, NULL, NULL, '')", (report, uri)
                )
        return self.deliveries(report)

    def begin(self, delivery: TLSDelivery, queued: int, now: float) -> None:
        """Written before anything leaves: a try begins, by mail under this queue id."""
        self._database.execute(
            "UPDATE tls_delivery SET queued = ?, tries = tries + 1, first_try = coalesce(first_try, ?) WHERE report = ?"
            " AND uri = ?",
            (queued, now, delivery.report, delivery.uri),
        )

    def end(self, delivery: TLSDelivery, outcome: str, now: float) -> None:
        """A destination has it, or never will."""
        self._database.execute(
            "UPDATE tls_delivery SET ended = ?, outcome = ? WHERE report = ? AND uri = ?",
            (now, outcome, delivery.report, delivery.uri),
        )

    def note(self, delivery: TLSDelivery, outcome: str) -> None:
        """Why a try failed; the next one comes with the report's."""
        self._database.execute(
            "UPDATE tls_delivery SET outcome = ? WHERE report = ? AND uri = ?",
            (outcome, delivery.report, delivery.uri),
        )

    def hurry(self, now: float, domain: str | None = None) -> int:
        """Reports that wait are due at once; gives how many. Those somebody looks after now stay his: the lease is
        not touched.
        """
        rows = self._database.execute(
            "UPDATE tls_report SET due = min(due, ?) WHERE ended IS NULL AND (?2 IS NULL OR domain = ?2) RETURNING 1",
            (now, domain),
        )
        return len(rows)

    def reports(self, domain: str | None = None, most: int = 100) -> tuple[SentTLSReport, ...]:
        """The newest first."""
        rows = self._database.execute(
            f"SELECT {_REPORT} FROM tls_report WHERE (?1 IS NULL OR domain = ?1) ORDER BY number DESC LIMIT ?2",
            (domain, most),
        )
        return tuple(_report(row) for row in rows)

    def forget(self, before: float) -> None:
        """Reports that ended before a moment go, and the oldest where there are very many; never those of this day
        or the day before, so that none is made twice.
        """
        self._database.execute(
            "DELETE FROM tls_report WHERE ended IS NOT NULL AND begin < (SELECT max(begin) FROM tls_report) - ? AND"
            " (ended < ? OR number <= (SELECT max(number) FROM tls_report) - ?)",
            (DAY, before, _MOST_REMEMBERED),
        )
        self._database.execute("DELETE FROM tls_delivery WHERE report NOT IN (SELECT number FROM tls_report)")


_REPORT = "number, domain, begin, successful, failed, tries, first_try, ended, outcome"
_DELIVERY = "report, uri, queued, tries, first_try, ended, outcome"


def _report(row: tuple[object, ...]) -> SentTLSReport:
    return SentTLSReport(*row)  # type: ignore[arg-type]


def _result(policy: ReportedPolicy, rows: list[tuple[FailureDetail | None, int]]) -> PolicyResult:
    failures = tuple(replace(detail, count=count) for detail, count in rows if detail is not None)
    successful = sum(count for detail, count in rows if detail is None)
    return PolicyResult(policy, successful, sum(one.count for one in failures), failures)


def _policy_text(policy: ReportedPolicy) -> str:
    return _json([policy.type.value, policy.domain, policy.strings, policy.mx_hosts])


def _policy_of(text: str) -> ReportedPolicy:
    kind, domain, strings, mx_hosts = json.loads(text)
    return ReportedPolicy(PolicyType(kind), domain, tuple(strings), tuple(mx_hosts))


def _detail_text(detail: FailureDetail | None) -> str:
    """ "" for success; the count is beside it."""
    if detail is None:
        return ""
    return _json({name: value for name, value in asdict(detail).items() if value and name != "count"})


def _detail_of(text: str) -> FailureDetail | None:
    return FailureDetail(count=1, **json.loads(text)) if text else None


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))

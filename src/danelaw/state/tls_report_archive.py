"""TLS reports of others about domains of ours, kept to be added up (RFC 8460)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from danelaw.state.reports_database import ReportsDatabase
from danelaw.tlsreport import PolicyResult, TLSReport

DAY = 86_400
_SCHEMA = (
    """
CREATE TABLE IF NOT EXISTS tls_received (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    at REAL NOT NULL,
    via TEXT NOT NULL,
    organization TEXT NOT NULL,
    report_id TEXT NOT NULL,
    domain TEXT NOT NULL,
    begin INTEGER NOT NULL,
    until INTEGER NOT NULL,
    successful INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    rows INTEGER NOT NULL,
    authenticated TEXT NOT NULL,
    facts TEXT NOT NULL,
    UNIQUE (domain, organization, report_id, begin, authenticated)
)""",
    """
CREATE TABLE IF NOT EXISTS tls_received_policy (
    report INTEGER NOT NULL,
    place INTEGER NOT NULL,
    type TEXT NOT NULL,
    successful INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    facts TEXT NOT NULL,
    PRIMARY KEY (report, place)
) WITHOUT ROWID""",
    """
CREATE TABLE IF NOT EXISTS tls_received_failure (
    report INTEGER NOT NULL,
    place INTEGER NOT NULL,
    item INTEGER NOT NULL,
    result_type TEXT NOT NULL,
    mx TEXT NOT NULL,
    count INTEGER NOT NULL,
    facts TEXT NOT NULL,
    PRIMARY KEY (report, place, item)
) WITHOUT ROWID""",
)
_TABLES = ("tls_received_policy", "tls_received_failure")


@dataclass(frozen=True, slots=True)
class ReceivedTLSReport:
    """What one report of others says of one domain of ours. `via` is `mail`, `https` or `file`; `authenticated` has
    signed it, or is empty; `facts` hold contact, remarks, and the client of what was posted.
    """

    number: int
    at: float
    via: str
    organization: str
    report_id: str
    domain: str
    begin: int
    until: int
    successful: int
    failed: int
    authenticated: str
    facts: Mapping[str, Any]


class TLSReportArchive:
    """Shared by all processes of a gateway and the command line. Methods raise `StateError`.

    At most about `most` rows are kept, policies and failures, and a tenth of that for one domain. Where there is no
    room the oldest reports go, those first that nobody proves to have sent: they are what a flood consists of.
    """

    def __init__(self, database: ReportsDatabase, *, most: int = 200_000) -> None:
        self._database = database
        self._most = most
        self._made = False

    def receive(
        self, report: TLSReport, now: float, *, via: str, authenticated: str = "", client: str = ""
    ) -> dict[str, int | None]:
        """Keep a report, domain by domain; gives the number for each domain, None where it is here already.

        A report that nobody proves does not stand in the way of the same one with proof, and gives way to it.
        """
        self._make()
        facts = {"contact": report.contact, "remarks": list(report.remarks), "client": client}
        by_domain: dict[str, list[PolicyResult]] = {}
        for one in report.policies:
            by_domain.setdefault(one.policy.domain, []).append(one)
        found: dict[str, int | None] = {}
        with self._database.together():
            for domain, results in by_domain.items():
                number = self._receive(report, domain, results, now, via, authenticated, facts)
                found[domain] = number
                if number is not None:
                    self._make_room(number, domain, proved=bool(authenticated))
        return found

    def _receive(
        self, report: TLSReport, domain: str, results: list[PolicyResult], now: float, via: str, authenticated: str,
        facts: Mapping[str, Any],
    ) -> int | None:  # fmt: skip
        key = (domain, report.organization, report.report_id, report.begin)
        same = self._database.execute(
            "SELECT number, authenticated FROM tls_received"
            " WHERE domain = ? AND organization = ? AND report_id = ? AND begin = ?",
            key,
        )
        proofs = {proof for _, proof in same}
        if authenticated in proofs or (proofs and not authenticated):
            return None
        for number, proof in same:
            if not proof:
                self._drop(number)
        rows = self._database.execute(
            "INSERT INTO tls_received (at, via, organization, report_id, domain, begin, until, successful, failed,"
            " rows, authenticated, facts) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING number",
            (now, via, report.organization, report.report_id, domain, report.begin, report.end,
             sum(one.successful for one in results), sum(one.failed for one in results),
             sum(1 + len(one.failures) for one in results), authenticated, json.dumps(facts)),
        )  # fmt: skip
        number = rows[0][0]
        assert isinstance(number, int)
        for place, one in enumerate(results):
            self._keep(number, place, one)
        return number

    def _keep(self, number: int, place: int, one: PolicyResult) -> None:
        policy = json.dumps({"strings": one.policy.strings, "mx_hosts": one.policy.mx_hosts}, ensure_ascii=False)
        self._database.execute(
            "INSERT INTO tls_received_policy VALUES (?, ?, ?, ?, ?, ?)",
            (number, place, one.policy.type.value, one.successful, one.failed, policy),
        )
        for item, failure in enumerate(one.failures):
            self._database.execute(
                "INSERT INTO tls_received_failure VALUES (?, ?, ?, ?, ?, ?, ?)",
                (number, place, item, failure.result_type, failure.receiving_mx_hostname, failure.count,
                 json.dumps(asdict(failure), ensure_ascii=False)),
            )  # fmt: skip

    def received(self, domain: str | None = None, since: float = 0.0, most: int = 100) -> tuple[ReceivedTLSReport, ...]:
        """Reports whose period ended after `since`, the newest first."""
        if not self.is_there():
            return ()
        rows = self._database.execute(
            f"SELECT {_RECEIVED} FROM tls_received WHERE (?1 IS NULL OR domain = ?1) AND until >= ?2"
            " ORDER BY number DESC LIMIT ?3",
            (domain, since, most),
        )
        return tuple(_received(row) for row in rows)

    def forget(self, before: float) -> None:
        """What came before a moment goes."""
        self._make()
        with self._database.together():
            for (number,) in self._database.execute("SELECT number FROM tls_received WHERE at < ?", (before,)):
                self._drop(number)

    def is_there(self) -> bool:
        """False while no TLS report ever came."""
        return bool(self._database.execute("SELECT 1 FROM sqlite_master WHERE name = 'tls_received_failure'"))

    def _make(self) -> None:
        if not self._made:
            for statement in _SCHEMA:
                self._database.execute(statement)
            self._made = True

    def _drop(self, number: object) -> None:
        for table in _TABLES:
            self._database.execute(f"DELETE FROM {table} WHERE report = ?", (number,))
        self._database.execute("DELETE FROM tls_received WHERE number = ?", (number,))

    def _make_room(self, newest: int, domain: str, *, proved: bool) -> None:
        """What nobody proves never takes the place of what somebody does: where only that is left, it goes itself."""
        for wanted, most in ((domain, max(self._most // 10, 1)), (None, self._most)):
            surplus = -most + self._database.number(
                "SELECT sum(rows) FROM tls_received WHERE (?1 IS NULL OR domain = ?1)", (wanted,)
            )
            while surplus > 0:
                oldest = self._database.execute(
                    "SELECT number, rows FROM tls_received WHERE (?1 IS NULL OR domain = ?1)"
                    " AND (?3 OR authenticated = '') ORDER BY number = ?2, authenticated <> '', number LIMIT 1",
                    (wanted, newest, proved),
                )
                if not oldest or (oldest[0][0] == newest and proved):
                    break
                self._drop(oldest[0][0])
                assert isinstance(oldest[0][1], int)
                surplus -= oldest[0][1]


_RECEIVED = "number, at, via, organization, report_id, domain, begin, until, successful, failed, authenticated, facts"


def _received(row: tuple[object, ...]) -> ReceivedTLSReport:
    *front, facts = row
    return ReceivedTLSReport(*front, json.loads(str(facts)))  # type: ignore[arg-type, call-arg]

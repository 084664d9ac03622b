"""Reports of others about domains of ours, kept to be looked at."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from danelaw.dmarcreport import AggregateReport, ReportRecord
from danelaw.state.reports_database import ReportsDatabase


@dataclass(frozen=True, slots=True)
class Received:
    """A report of others about a domain of ours; `facts` hold the policy they saw, their address, remarks, and whether
    the mail it came in passed DMARC.
    """

    number: int
    at: float
    org_name: str
    report_id: str
    domain: str
    begin: int
    until: int
    records: int
    messages: int
    aligned: int
    facts: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Source:
    """What received reports say of one client and one domain in From."""

    source_ip: str
    header_from: str
    aligned: int
    unaligned: int
    reporters: int


class ReportArchive:
    """Shared by all processes of a gateway and the command line. Methods raise `StateError`.

    At most about `most` records are kept; the oldest reports go first.
    """

    def __init__(self, database: ReportsDatabase, *, most: int = 200_000) -> None:
        self._database = database
        self._most = most

    def receive(self, report: AggregateReport, now: float, authenticated: str = "") -> int | None:
        """Keep a report; gives its number, None for one that is here already. `authenticated` is whose mail it came in.

        The oldest go where there is no room.
        """
        facts = {
            "email": report.email,
            "extra_contact_info": report.extra_contact_info,
            "generator": report.generator,
            "policy": {name: getattr(report.policy, name) for name in _POLICY_FIELDS},
            "errors": list(report.errors),
            "remarks": list(report.remarks),
            "namespace": report.namespace,
            "authenticated": authenticated,
        }
        with self._database.together():
            if self._database.execute(
                "SELECT 1 FROM received WHERE domain = ? AND org_name = ? AND report_id = ? AND begin = ?",
                (report.domain, report.org_name, report.report_id, report.begin),
            ):
                return None
            rows = self._database.execute(
                "INSERT INTO received (at, org_name, report_id, domain, begin, until, records, messages, aligned,"
                " facts) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING number",
                (now, report.org_name, report.report_id, report.domain, report.begin, report.end, len(report.records),
                 report.messages, report.aligned, json.dumps(facts)),
            )  # fmt: skip
            number = rows[0][0]
            assert isinstance(number, int)
            for place, record in enumerate(report.records):
                self._database.execute(
                    "INSERT INTO received_record VALUES (?, ?, ?, ?, ?, ?, ?)",
                    (number, place, record.source_ip, record.header_from, record.count, record.aligned,
                     json.dumps(record.as_object(), ensure_ascii=False)),
                )  # fmt: skip
            self._make_room(number)
        return number

    def received(self, domain: str | None = None, most: int = 100) -> tuple[Received, ...]:
        """The newest first."""
        rows = self._database.execute(
            f"SELECT {_RECEIVED} FROM received WHERE (? IS NULL OR domain = ?1) ORDER BY number DESC LIMIT ?",
            (domain, most),
        )
        return tuple(_received(row) for row in rows)

    def one_received(self, number: int) -> Received | None:
        """One report of others."""
        rows = self._database.execute(f"SELECT {_RECEIVED} FROM received WHERE number = ?", (number,))
        return _received(rows[0]) if rows else None

    def received_records(self, number: int, *, unaligned: bool = False, most: int = 1_000) -> tuple[ReportRecord, ...]:
        """What it counts, the most frequent first; only what failed with `unaligned`."""
        rows = self._database.execute(
            "SELECT record FROM received_record WHERE report = ? AND aligned <= ? ORDER BY count DESC, place LIMIT ?",
            (number, 0 if unaligned else 1, most),
        )
        return tuple(ReportRecord.from_object(json.loads(str(record))) for (record,) in rows)

    def sources(
        self, domain: str | None = None, since: float = 0.0, *, unaligned: bool = False, most: int = 100
    ) -> tuple[Source, ...]:
        """Clients and domains of all received reports whose period ended after `since`, the most frequent first."""
        rows = self._database.execute(
            "SELECT source_ip, header_from, sum(count * one.aligned), sum(count * (1 - one.aligned)),"
            " count(DISTINCT org_name) FROM received_record one JOIN received ON received.number = one.report"
            " WHERE (?1 IS NULL OR domain = ?1) AND until >= ?2 GROUP BY source_ip, header_from"
            " HAVING (NOT ?3 OR sum(1 - one.aligned) > 0)"
            " ORDER BY CASE WHEN ?3 THEN sum(count * (1 - one.aligned)) ELSE sum(count) END DESC LIMIT ?4",
            (domain, since, unaligned, most),
        )
        return tuple(Source(*row) for row in rows)  # type: ignore[arg-type]

    def forget(self, before: float) -> None:
        """What came before a moment goes."""
        with self._database.together():
            self._database.execute(
                "DELETE FROM received_record WHERE report IN (SELECT number FROM received WHERE at < ?)", (before,)
            )
            self._database.execute("DELETE FROM received WHERE at < ?", (before,))

    def _make_room(self, newest: int) -> None:
        surplus = self._database.number("SELECT sum(records) FROM received") - self._most
        while surplus > 0:
            rows = self._database.execute(
                "DELETE FROM received WHERE number = (SELECT min(number) FROM received) AND number <> ?"
                " RETURNING number, records",
                (newest,),
            )
            if not rows:
                return
            self._database.execute("DELETE FROM received_record WHERE report = ?", (rows[0][0],))
            assert isinstance(rows[0][1], int)
            surplus -= rows[0][1]


_POLICY_FIELDS = ("domain", "p", "sp", "np", "adkim", "aspf", "fo", "testing", "discovery_method", "pct")
_RECEIVED = "number, at, org_name, report_id, domain, begin, until, records, messages, aligned, facts"


def _received(row: tuple[object, ...]) -> Received:
    return Received(*row[:-1], json.loads(str(row[-1])))  # type: ignore[arg-type,call-arg]

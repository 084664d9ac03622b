"""What is counted for DMARC reports of ours, and the reports made of it (RFC 9990 §3.1)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from danelaw.dmarcreport import ReportRecord
from danelaw.state.reports_database import ReportsDatabase

_MOST_REMEMBERED = 100_000
LEASE_SECONDS = 900.0
"""So long a report that was claimed belongs to who claimed it; it is made and handed over in far less."""


class Key(NamedTuple):
    """What is counted together: `record` is the JSON form without its count; `until` the period's last second."""

    begin: int
    until: int
    domain: str
    policy: str
    record: str


@dataclass(frozen=True, slots=True)
class Gathered:
    """What is counted for one domain in a period that is not over yet."""

    domain: str
    begin: int
    until: int
    records: int
    messages: int


@dataclass(frozen=True, slots=True)
class Report:
    """A report of ours: `outcome` says what became of it, "" while it waits; `ended` when, in POSIX seconds."""

    number: int
    domain: str
    begin: int
    until: int
    policy: str
    records: int
    messages: int
    tries: int
    ended: float | None
    outcome: str


def record_text(record: ReportRecord) -> str:
    """The record without its count, always the same for the same."""
    found = record.as_object()
    del found["count"]
    return json.dumps(found, ensure_ascii=False, separators=(",", ":"))


class GatheringStore:
    """Shared by all processes of a gateway and the command line. Methods raise `StateError`.

    At most `most` records are gathered, a tenth of them for one domain: mail of strangers must not fill the disk.
    """

    def __init__(self, database: ReportsDatabase, *, most: int = 200_000) -> None:
        self._database = database
        self._most = most

    def gather(self, counted: Mapping[Key, int]) -> int:
        """Add a batch; gives how many messages found no room."""
        dropped = 0
        with self._database.together():
            total = self._database.number("SELECT COALESCE(sum(records), 0) FROM gathering")
            for key, count in counted.items():
                known = self._database.execute(
                    "UPDATE observation SET count = count + ? WHERE begin = ? AND domain = ? AND record = ?"
                    " RETURNING 1",
                    (count, key.begin, key.domain, key.record),
                )
                if known:
                    continue
                mine = self._database.number(
                    "SELECT COALESCE(sum(records), 0) FROM gathering WHERE begin = ? AND domain = ?",
                    (key.begin, key.domain),
                )
                if total >= self._most or mine >= max(1, self._most // 10):
                    dropped += count
                    continue
                total += 1
                self._database.execute(
                    "INSERT INTO observation VALUES (?, ?, ?, ?)", (key.begin, key.domain, key.record, count)
                )
                # The last policy seen in a period is the one that is told (RFC 9990 §3.1).
                self._database.execute(
                    "INSERT INTO gathering VALUES (?, ?, ?, ?, 1) ON CONFLICT (begin, domain) DO UPDATE SET"
                    " records = records + 1, policy = excluded.policy",
                    (key.begin, key.domain, key.until, key.policy),
                )
        return dropped

    def gathered(self) -> tuple[Gathered, ...]:
        """What is counted now, by domain."""
        rows = self._database.execute(
            "SELECT domain, begin, until, records, (SELECT sum(count) FROM observation o WHERE o.begin = g.begin AND"
            " o.domain = g.domain) FROM gathering g ORDER BY domain, begin"
        )
        return tuple(Gathered(*row) for row in rows)  # type: ignore[arg-type]

    def complete(self, ended_before: float, now: float, *, domain: str | None = None, early: bool = False) -> int:
        """Make reports of the periods that ended before a moment, or with `early` of all there is; gives how many."""
        with self._database.together():
            rows = self._database.execute(
                "SELECT begin, domain, until, policy, records FROM gathering WHERE (?1 OR until < ?2)"
                " AND (?3 IS NULL OR domain = ?3)",
                (early, ended_before, domain),
            )
            for begin, name, until, policy, records in rows:
                assert isinstance(until, int)
                ((number,),) = self._database.execute(
                    "INSERT INTO report (domain, begin, until, policy, records, messages, due, tries, outcome)"
                    " VALUES (?, ?, ?, ?, ?, (SELECT sum(count) FROM observation WHERE begin = ?2 AND domain = ?1), ?,"
                    " 0, '') RETURNING number",
                    (name, begin, min(until, int(now)), policy, records, now),
                )
                self._database.execute(
                    "INSERT INTO report_record SELECT ?, record, count FROM observation WHERE begin = ? AND domain = ?",
                    (number, begin, name),
                )
                for table in ("observation", "gathering"):
                    self._database.execute(f"DELETE FROM {table} WHERE begin = ? AND domain = ?", (begin, name))
        return len(rows)

    # reports of ours

    def claim(self, now: float) -> Report | None:
        """A report that is due, for this process to send: no other gets it while the lease runs."""
        # Not due either so long: an older danelaw that is just being replaced knows of no leases.
        rows = self._database.execute(
            "UPDATE report SET due = ?1 + ?2, leased = ?1 + ?2, tries = tries + 1 WHERE number = (SELECT number FROM"
            " report WHERE ended IS NULL AND due <= ?1 AND leased <= ?1 ORDER BY due, number LIMIT 1) AND leased <= ?1"
            f" RETURNING {_REPORT}",
            (now, LEASE_SECONDS),
        )
        return _report(rows[0]) if rows else None

    def records(self, number: int) -> tuple[ReportRecord, ...]:
        """What a report of ours counts, the most frequent first; nothing once it has ended."""
        rows = self._database.execute(
            "SELECT record, count FROM report_record WHERE report = ? ORDER BY count DESC, record", (number,)
        )
        return tuple(ReportRecord.from_object(json.loads(str(record)) | {"count": count}) for record, count in rows)

    def postpone(self, number: int, due: float) -> None:
        """Try a report again then; the lease ends."""
        self._database.execute("UPDATE report SET due = ?, leased = 0 WHERE number = ?", (due, number))

    def finish(self, number: int, outcome: str, now: float) -> None:
        """A report was handed to the queue, or given up: what it counted is forgotten."""
        with self._database.together():
            self._database.execute("UPDATE report SET ended = ?, outcome = ? WHERE number = ?", (now, outcome, number))
            self._database.execute("DELETE FROM report_record WHERE report = ?", (number,))

    def hurry(self, now: float, domain: str | None = None) -> int:
        """Reports that wait are due at once; gives how many. Those somebody sends now stay his: the lease is not
        touched.
        """
        rows = self._database.execute(
            "UPDATE report SET due = min(due, ?) WHERE ended IS NULL AND (?2 IS NULL OR domain = ?2) RETURNING 1",
            (now, domain),
        )
        return len(rows)

    def reports(self, domain: str | None = None, most: int = 100) -> tuple[Report, ...]:
        """The newest first."""
        rows = self._database.execute(
            f"SELECT {_REPORT} FROM report WHERE (?1 IS NULL OR domain = ?1) ORDER BY number DESC LIMIT ?2",
            (domain, most),
        )
        return tuple(_report(row) for row in rows)

    def forget(self, before: float) -> None:
        """Reports that ended before a moment go, and the oldest where there are very many."""
        self._database.execute("DELETE FROM report WHERE ended < ?", (before,))
        self._database.execute(
            "DELETE FROM report WHERE ended IS NOT NULL AND number <= (SELECT max(number) FROM report) - ?",
            (_MOST_REMEMBERED,),
        )


_REPORT = "number, domain, begin, until, policy, records, messages, tries, ended, outcome"


def _report(row: tuple[object, ...]) -> Report:
    return Report(*row)  # type: ignore[arg-type]

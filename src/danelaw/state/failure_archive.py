"""Failure reports of others about domains of ours, kept to be looked at (RFC 9991)."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from typing import Any

from danelaw.dmarcreport import FailureReport
from danelaw.state.reports_database import ReportsDatabase


@dataclass(frozen=True, slots=True)
class ReceivedFailure:
    """A failure report that came `at` (POSIX seconds); `authenticated` is whose mail it came in, or ""."""

    number: int
    at: float
    authenticated: str
    report: FailureReport


class FailureArchive:
    """Shared by all processes of a gateway and the command line. Methods raise `StateError`.

    At most `most` are kept; the oldest go first. Persons and the larger part of the header are left out, unless
    `whole_header` is set (RFC 9991 §7.1).
    """

    def __init__(self, database: ReportsDatabase, *, most: int = 10_000, whole_header: bool = False) -> None:
        self._database = database
        self._most = most
        self._whole_header = whole_header

    def receive(self, report: FailureReport, now: float, authenticated: str = "") -> int | None:
        """Keep a report; gives its number, None for one that is here already."""
        digest = hashlib.sha256(repr(report).encode("utf-8", "surrogatepass")).digest()
        kept = report if self._whole_header else report.without_persons()
        with self._database.together():
            if self._database.execute("SELECT 1 FROM received_failure WHERE digest = ?", (digest,)):
                return None
            rows = self._database.execute(
                "INSERT INTO received_failure (at, digest, reporter, domain, source_ip, incidents, authenticated,"
                " facts) VALUES (?, ?, ?, ?, ?, ?, ?, ?) RETURNING number",
                (now, digest, kept.reporter, kept.domain, kept.source_ip, kept.incidents, authenticated, _text(kept)),
            )
            self._database.execute(
                "DELETE FROM received_failure WHERE number <="
                " (SELECT number FROM received_failure ORDER BY number DESC LIMIT 1 OFFSET ?)",
                (self._most,),
            )
        number = rows[0][0]
        assert isinstance(number, int)
        return number

    def received(self, domain: str | None = None, most: int = 100) -> tuple[ReceivedFailure, ...]:
        """The newest first."""
        if not self._is_there():
            return ()
        rows = self._database.execute(
            f"SELECT {_COLUMNS} FROM received_failure WHERE (?1 IS NULL OR domain = ?1) ORDER BY number DESC LIMIT ?2",
            (domain, most),
        )
        return tuple(_received(row) for row in rows)

    def one(self, number: int) -> ReceivedFailure | None:
        """One report."""
        if not self._is_there():
            return None
        rows = self._database.execute(f"SELECT {_COLUMNS} FROM received_failure WHERE number = ?", (number,))
        return _received(rows[0]) if rows else None

    def forget(self, before: float) -> None:
        """What came before a moment goes."""
        self._database.execute("DELETE FROM received_failure WHERE at < ?", (before,))

    def _is_there(self) -> bool:
        """A file that was only read since it was made by an older danelaw has no such table."""
        return bool(self._database.execute("SELECT 1 FROM sqlite_master WHERE name = 'received_failure'"))


_COLUMNS = "number, at, authenticated, facts"
_LISTS = ("failed", "recipients", "spf_dns", "remarks")


def _text(report: FailureReport) -> str:
    # Octets as text, one character each: any header comes back as it was.
    return json.dumps(asdict(report) | {"header": report.header.decode("latin-1")})


def _received(row: tuple[object, ...]) -> ReceivedFailure:
    number, at, authenticated, text = row
    assert isinstance(number, int)
    assert isinstance(at, float)
    facts: dict[str, Any] = json.loads(str(text))
    facts |= {name: tuple(facts[name]) for name in _LISTS} | {"header": facts["header"].encode("latin-1")}
    return ReceivedFailure(number, at, str(authenticated), FailureReport(**facts))

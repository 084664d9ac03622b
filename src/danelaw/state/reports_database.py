"""`reports.db` beside the spool: what is gathered for DMARC reports, what was sent, and what others reported to us."""

from __future__ import annotations

from pathlib import Path

from danelaw.state.database import StateDatabase

FILE_NAME = "reports.db"
_SCHEMA = """
CREATE TABLE gathering (
    begin INTEGER NOT NULL,
    domain TEXT NOT NULL,
    until INTEGER NOT NULL,
    policy TEXT NOT NULL,
    records INTEGER NOT NULL,
    PRIMARY KEY (begin, domain)
) WITHOUT ROWID;
CREATE TABLE observation (
    begin INTEGER NOT NULL,
    domain TEXT NOT NULL,
    record TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (begin, domain, record)
) WITHOUT ROWID;
CREATE TABLE report (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    domain TEXT NOT NULL,
    begin INTEGER NOT NULL,
    until INTEGER NOT NULL,
    policy TEXT NOT NULL,
    records INTEGER NOT NULL,
    messages INTEGER NOT NULL,
    due REAL NOT NULL,
    tries INTEGER NOT NULL,
    ended REAL,
    outcome TEXT NOT NULL,
    leased REAL NOT NULL DEFAULT 0
);
CREATE INDEX report_due ON report (ended, due);
CREATE TABLE report_record (
    report INTEGER NOT NULL,
    record TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (report, record)
) WITHOUT ROWID;
CREATE TABLE received (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    at REAL NOT NULL,
    org_name TEXT NOT NULL,
    report_id TEXT NOT NULL,
    domain TEXT NOT NULL,
    begin INTEGER NOT NULL,
    until INTEGER NOT NULL,
    records INTEGER NOT NULL,
    messages INTEGER NOT NULL,
    aligned INTEGER NOT NULL,
    facts TEXT NOT NULL,
    UNIQUE (domain, org_name, report_id, begin)
);
CREATE INDEX received_at ON received (at);
CREATE TABLE received_record (
    report INTEGER NOT NULL,
    place INTEGER NOT NULL,
    source_ip TEXT NOT NULL,
    header_from TEXT NOT NULL,
    count INTEGER NOT NULL,
    aligned INTEGER NOT NULL,
    record TEXT NOT NULL,
    PRIMARY KEY (report, place)
) WITHOUT ROWID;
"""
_FAILURES = """
CREATE TABLE IF NOT EXISTS received_failure (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    at REAL NOT NULL,
    digest BLOB NOT NULL UNIQUE,
    reporter TEXT NOT NULL,
    domain TEXT NOT NULL,
    source_ip TEXT NOT NULL,
    incidents INTEGER NOT NULL,
    authenticated TEXT NOT NULL,
    facts TEXT NOT NULL
)
"""
_TLS_SENDING = """
CREATE TABLE IF NOT EXISTS tls_observation (
    begin INTEGER NOT NULL,
    domain TEXT NOT NULL,
    policy TEXT NOT NULL,
    detail TEXT NOT NULL,
    count INTEGER NOT NULL,
    PRIMARY KEY (begin, domain, policy, detail)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS tls_report (
    number INTEGER PRIMARY KEY AUTOINCREMENT,
    begin INTEGER NOT NULL,
    domain TEXT NOT NULL,
    successful INTEGER NOT NULL,
    failed INTEGER NOT NULL,
    due REAL NOT NULL,
    leased REAL NOT NULL,
    tries INTEGER NOT NULL,
    first_try REAL,
    ended REAL,
    outcome TEXT NOT NULL,
    UNIQUE (begin, domain)
);
CREATE INDEX IF NOT EXISTS tls_report_due ON tls_report (ended, due);
CREATE TABLE IF NOT EXISTS tls_delivery (
    report INTEGER NOT NULL,
    uri TEXT NOT NULL,
    queued INTEGER NOT NULL,
    tries INTEGER NOT NULL,
    first_try REAL,
    ended REAL,
    outcome TEXT NOT NULL,
    PRIMARY KEY (report, uri)
) WITHOUT ROWID
"""


class ReportsDatabase(StateDatabase):
    """One connection; what a crash of the machine loses of it are counts of a few seconds, and nothing of what was
    written with `durable`.
    """

    def __init__(self, path: Path | str, *, read_only: bool = False, durable: bool = False) -> None:
        """Open or create. Raises `StateError`."""
        super().__init__(path, read_only=read_only, schema=_SCHEMA, durable=durable)
        if not read_only:
            # Files made before there were failure reports, or TLS reports, have no such tables.
            for statement in (_FAILURES, *_TLS_SENDING.split(";")):
                self.execute(statement)
            self._add_leases()

    def _add_leases(self) -> None:
        """Files made before reports were leased apart from when they are due have no such column. The default lets an
        older danelaw, which does not name it, go on with the file.
        """
        if not self._has_leases():
            with self.together():
                if not self._has_leases():  # else another process was quicker
                    self.execute("ALTER TABLE report ADD COLUMN leased REAL NOT NULL DEFAULT 0")

    def _has_leases(self) -> bool:
        return self.number("SELECT count(*) FROM pragma_table_info('report') WHERE name = 'leased'") > 0

    def number(self, statement: str, parameters: tuple[object, ...] = ()) -> int:
        """The one number that a statement gives, 0 for none."""
        ((found,),) = self.execute(statement, parameters)
        return found if isinstance(found, int) else 0

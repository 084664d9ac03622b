"""One row a domain, as CSV (RFC 4180) that no spreadsheet takes for formulas."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from datetime import UTC, datetime

from danelaw.adoption.facts import DomainFacts

COLUMNS = (
    "domain",
    "recipients",
    "mail",
    "level",
    "dnssec",
    "dane",
    "mta_sts",
    "tlsrpt",
    "tls",
    "requiretls",
    "providers",
    "hosts",
    "hosts_with_tlsa",
    "hosts_dane_valid",
    "hosts_dane_broken",
    "usages",
    "checked_at",
    "reason",
)
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n")


def header() -> str:
    """The first line."""
    return row(COLUMNS)


def line(facts: DomainFacts) -> str:
    """The line of one domain, in the order of `COLUMNS`."""
    hosts = facts.hosts
    return row(
        (
            facts.domain,
            facts.recipients,
            facts.mail,
            facts.level,
            facts.dnssec,
            facts.dane,
            facts.mta_sts,
            facts.tlsrpt,
            facts.tls,
            facts.requiretls,
            " ".join(facts.sites),
            " ".join(host.name for host in hosts),
            sum(host.tlsa in ("usable", "unusable") for host in hosts),
            sum(host.dane == "valid" for host in hosts),
            sum(host.dane == "broken" for host in hosts),
            ", ".join(sorted({usage for host in hosts for usage in host.usages})),
            datetime.fromtimestamp(facts.checked, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
            facts.reason,
        )
    )


def row(cells: Sequence[object]) -> str:
    """Cells as one line with CRLF. Text that a spreadsheet would run gets an apostrophe in front; controls go."""
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\r\n").writerow(
        [cell if isinstance(cell, int) else _safe(cell) for cell in cells]
    )
    return buffer.getvalue()


def _safe(cell: object) -> str:
    text = str(cell)
    guarded = f"'{text}" if text.startswith(_FORMULA) else text
    return "".join(c if c.isprintable() else " " for c in guarded)

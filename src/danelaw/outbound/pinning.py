"""What speaks against a pin besides the history: the last certificate of a destination that ends soon."""

from __future__ import annotations

import sqlite3
from collections.abc import Collection
from datetime import UTC, datetime

from cryptography import x509

from danelaw.queue import Attempt
from danelaw.spool.attempts import day_table, day_tables
from danelaw.spool.evidence import evidence_blob, evidence_of

ENDS_SOON = 7 * 86_400.0
"""Seconds before its end in which a certificate that is not renewed yet speaks against insisting on the next one."""
_LATEST = (
    "SELECT destination, record, max(time) FROM {table}"
    " WHERE time >= ? AND json_extract(record, '$[12]') = 'delivered' GROUP BY destination"
)


def certificate_ends(connection: sqlite3.Connection, destinations: Collection[str], since: float) -> dict[str, float]:
    """When the certificates end that these destinations showed last, in POSIX seconds; who showed none is not in it.

    The tries since `since` are looked at, the latest first. Reads whole days of tries: for a command, not for mail.
    """
    open_yet = set(destinations)
    found: dict[str, float] = {}
    for table in reversed(day_tables(connection)):
        if not open_yet or table < day_table(since):
            break
        for name, record, _ in connection.execute(_LATEST.format(table=table), (since,)):
            if name in open_yet and (end := _leaf_end(connection, Attempt.decode(record))) is not None:
                found[name] = end
                open_yet.discard(name)
    return found


def _leaf_end(connection: sqlite3.Connection, attempt: Attempt) -> float | None:
    """DNS responses come first, then the chain, the leaf before its issuers."""
    for digest in evidence_of(connection, attempt):
        blob = evidence_blob(connection, digest)
        if blob is None or blob[:1] != b"\x30":
            continue
        try:
            end: datetime = x509.load_der_x509_certificate(blob).not_valid_after_utc
        except ValueError:
            continue
        return end.astimezone(UTC).timestamp()
    return None

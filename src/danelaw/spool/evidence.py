"""Evidence in the spool: each piece is stored once, by its SHA-256, and stays as long as a try rests on it.

A try names its basis and its session, and these name DNS responses and certificates (`danelaw.queue.named_by`); tries
of older danelaws list them all. Nothing counts who names a piece, since that would cost every delivery: retention goes
by the day on which it was stored last, and a purge reads through what is there.
"""

from __future__ import annotations

import re
import sqlite3
import zlib
from collections.abc import Iterable

from danelaw.queue import Attempt, named_by
from danelaw.spool.attempts import day_tables

_DIGEST = re.compile(r'"([0-9a-f]{64})"', re.ASCII)


def evidence_blob(connection: sqlite3.Connection, digest: bytes) -> bytes | None:
    """The stored evidence with this SHA-256, None when it was forgotten by age."""
    row = connection.execute("SELECT data FROM evidence WHERE digest = ?", (digest,)).fetchone()
    return None if row is None else zlib.decompress(row[0])


def evidence_of(connection: sqlite3.Connection, attempt: Attempt) -> tuple[bytes, ...]:
    """SHA-256 digests of the DNS responses and certificates a try rests on, in this order, the leaf before its issuers.
    Nothing where its basis and its session are forgotten.
    """
    return attempt.evidence or _named_by(connection, [one for one in (attempt.basis, attempt.session) if one])


def forget_evidence(connection: sqlite3.Connection, named: Iterable[bytes]) -> int:
    """Remove evidence named by tries that are gone from the tables by now, with what that names. Returns how much.

    What another try names stays, and what a basis or session names that stays. One whose own tries were dropped with
    their day keeps its pieces until retention takes them all.
    """
    doomed = set(named)
    doomed.update(_named_by(connection, tuple(doomed)))
    for table in day_tables(connection):
        if not doomed:
            return 0
        for (record,) in connection.execute(f"SELECT record FROM {table}"):
            doomed.difference_update(map(bytes.fromhex, _DIGEST.findall(record)))
    for digest, data in connection.execute("SELECT digest, data FROM evidence") if doomed else ():
        if digest not in doomed and _is_record(data):
            doomed.difference_update(named_by(zlib.decompress(data)))
    return sum(connection.execute("DELETE FROM evidence WHERE digest = ?", (digest,)).rowcount for digest in doomed)


def _named_by(connection: sqlite3.Connection, records: Iterable[bytes]) -> tuple[bytes, ...]:
    found = (evidence_blob(connection, digest) for digest in records)
    return tuple(dict.fromkeys(one for octets in found if octets is not None for one in named_by(octets)))


def _is_record(data: bytes) -> bool:
    """Whether it may be a basis or a session: most pieces are neither, and need not be read to the end."""
    return zlib.decompressobj().decompress(data, 1) == b"{"

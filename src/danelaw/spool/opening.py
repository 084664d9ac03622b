"""Opening the database of a shard for writing, with all that must be durable before its first row."""

from __future__ import annotations

import contextlib
import secrets
from pathlib import Path

from danelaw.spool import database, logsize
from danelaw.spool.retention import SpoolSettings
from danelaw.spool.rows import Redaction
from danelaw.spool.writer import BatchWriter


def log_path(directory: Path) -> Path:
    """The write-ahead log of the shard in `directory`."""
    return directory / f"{database.DATABASE_NAME}-wal"


def open_batch_writer(directory: Path, settings: SpoolSettings) -> BatchWriter:
    """The writer of the shard in `directory`. Raises `SpoolError`, `SpoolVersion`."""
    connection = database.open_writer(directory / database.DATABASE_NAME)
    connection.execute("INSERT OR IGNORE INTO setting VALUES ('salt', ?)", (secrets.token_bytes(16),))
    salt = connection.execute("SELECT value FROM setting WHERE name = 'salt'").fetchone()[0]
    # Names too: of the database, the shard and the spool, which a start that was killed may have made.
    for one in (directory, *directory.parents[:2]):
        with contextlib.suppress(PermissionError):  # what lies above the spool may be closed to us
            database.sync_directory(one)
    logsize.prime(log_path(directory), settings.primed_log)
    return BatchWriter(connection, Redaction(settings.redact_addresses, salt))

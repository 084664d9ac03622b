"""Opening the database of a shard: one writing connection, any number of reading ones, one flock."""

from __future__ import annotations

import contextlib
import fcntl
import os
import sqlite3
from pathlib import Path

from danelaw.spool import schema
from danelaw.spool.errors import SpoolError, SpoolLocked
from danelaw.spool.faults import unreadable, unusable

DATABASE_NAME = "queue.db"
LOCK_NAME = "lock"
BUSY_TIMEOUT_MS = 50
PRIMED_OCTETS = 33 << 20
"""Size of the write-ahead log between two restarts; a longer one is cut to that (`danelaw.spool.logsize`)."""
# secure_delete: FAST wipes deleted rows where their page is written anyway. ON, many distributions' default, writes the
# pages of every delivered body once more: 10.4 instead of 8.0 KB of log per message.
_PRAGMAS = (
    "synchronous = FULL",
    "wal_autocheckpoint = 0",
    f"journal_size_limit = {PRIMED_OCTETS}",
    "cache_size = -8192",
    "temp_store = MEMORY",
    "secure_delete = FAST",
)


def shard_directory(spool: Path, shard: int) -> Path:
    """Where a shard lives below the spool directory."""
    return spool / f"shard-{shard:02d}"


def shards(spool: Path) -> tuple[int, ...]:
    """The numbers of the shards that exist below a spool directory, ascending."""
    numbers = []
    for entry in spool.glob("shard-*"):
        suffix = entry.name.removeprefix("shard-")
        if suffix.isdecimal() and (entry / DATABASE_NAME).exists():
            numbers.append(int(suffix))
    return tuple(sorted(numbers))


def lock_shard(directory: Path) -> int:
    """Take the shard for this process; returns the descriptor that holds the lock (close it to let go).

    Raises `SpoolLocked` naming the process that has it.
    """
    descriptor = os.open(directory / LOCK_NAME, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        holder = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
        os.close(descriptor)
        pid = int(holder) if holder.isdecimal() else None
        raise SpoolLocked(
            f"the spool {directory} is in use by process {pid if pid else 'unknown'}",
            pid=pid,
            advice="stop that danelaw first, or give this one a spool of its own",
        ) from None
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode("ascii"), 0)
    return descriptor


def last_alive(directory: Path) -> float | None:
    """When a process last worked on this shard, by its clock (POSIX seconds); None for a new one."""
    try:
        return (directory / LOCK_NAME).stat().st_mtime
    except OSError:
        return None


def still_alive(directory: Path, now: float) -> None:
    """Remember that a process works on this shard; what cannot be remembered is no fault."""
    with contextlib.suppress(OSError):
        os.utime(directory / LOCK_NAME, (now, now))


def open_writer(path: Path) -> sqlite3.Connection:
    """The writing connection, its schema up to date. Raises `SpoolVersion`, `SpoolError`.

    synchronous=FULL flushes the log at each COMMIT; on a slow disk `danelaw.spool.committer` turns that off and flushes
    by itself. Checkpoints flush log and database by themselves, in the order that matters. 4 KiB pages: 8 KiB doubled
    the bytes written per message at equal CPU. Automatic checkpoints are off since the commit thread decides when.
    """
    try:
        connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False, cached_statements=256)
        try:
            connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
            connection.execute("PRAGMA page_size = 4096")
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
            mode = connection.execute("PRAGMA journal_mode = WAL").fetchone()[0]
            if mode != "wal":
                raise SpoolError(f"the disk under {path.parent} cannot hold a write-ahead log (mode {mode})")
            for pragma in _PRAGMAS:
                connection.execute(f"PRAGMA {pragma}")
            schema.migrate(connection)
        except BaseException:
            connection.close()
            raise
    except sqlite3.DatabaseError as error:
        raise unusable(path.parent, error) from error
    return connection


def open_reader(path: Path) -> sqlite3.Connection:
    """A connection that only reads, beside a running server or without one. Raises `SpoolError`, `SpoolVersion`."""
    if not path.exists():
        raise SpoolError(f"there is no spool at {path.parent}", advice="give the spool's directory with --spool")
    try:
        connection = sqlite3.connect(
            f"file:{_quoted(path)}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
        )
        try:
            connection.execute("PRAGMA busy_timeout = 2000")
            connection.execute("PRAGMA query_only = ON")
            if schema.version(connection) < schema.VERSION:
                raise SpoolError(
                    "the spool was written by an older danelaw", advice="start the server once to upgrade it"
                )
        except BaseException:
            connection.close()
            raise
    except sqlite3.DatabaseError as error:
        raise unreadable(error) from error
    return connection


def make_directory(directory: Path) -> None:
    """Make a directory with all above it that are missing, each name durable. Raises `OSError`."""
    missing = [one for one in (directory, *directory.parents) if not one.exists()]
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    for made in missing:
        sync_directory(made.parent)


def sync_directory(directory: Path) -> None:
    """Flush a directory, so that names made or renamed in it survive a crash."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _quoted(path: Path) -> str:
    return str(path.resolve()).replace("%", "%25").replace("?", "%3f").replace("#", "%23")

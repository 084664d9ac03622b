"""Whose fault a failed transaction is, and the spool's words for it."""

from __future__ import annotations

import errno
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from danelaw.spool.errors import CommitFailed, SpoolError, SpoolFull

_DAMAGED = (
    "stop the gateway, copy the whole directory away, save what can be read with"
    " `sqlite3 queue.db .recover | sqlite3 new.db` and put new.db in its place; large bodies lie in bodies/ untouched"
)


def is_disk_fault(error: BaseException) -> bool:
    """True for what the disk or the database file did; False for a value SQLite cannot take."""
    if isinstance(
        error, sqlite3.IntegrityError | sqlite3.DataError | sqlite3.ProgrammingError | sqlite3.InterfaceError
    ):
        return False
    return isinstance(error, sqlite3.Error | OSError | CommitFailed)


def unreadable(error: sqlite3.Error) -> SpoolError:
    """A running gateway's database cannot be read."""
    return SpoolError(f"the spool cannot be read: {error}", advice=_DAMAGED if _is_damage(error) else None)


def unusable(directory: Path, error: sqlite3.Error | OSError) -> SpoolError:
    """The spool cannot even be opened: what is wrong with it and what to do."""
    if isinstance(error, OSError):
        return SpoolError(
            f"the spool {directory} cannot be used: {error.strerror or error}", advice="look at the directory and disk"
        )
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_READONLY, sqlite3.SQLITE_CANTOPEN):
        return SpoolError(
            f"the spool {directory} cannot be written: {error}",
            advice=f"make it writable for this user: is the disk mounted read-only? who owns it? ls -l {directory}",
        )
    if code == sqlite3.SQLITE_FULL:
        return SpoolFull(f"the disk under the spool {directory} is full", advice="free space there, then start again")
    return SpoolError(f"the spool {directory} is damaged: {error}", advice=_DAMAGED)


def _is_damage(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def typed(error: BaseException) -> SpoolError:
    """The spool's error for what SQLite or the system said."""
    if isinstance(error, SpoolError):
        return error
    if isinstance(error, sqlite3.Error):
        if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL:
            return SpoolFull("the spool's disk is full", advice="free space on the spool's disk; mail is answered 452")
        return CommitFailed(f"the spool could not be written: {error}", advice="look at the disk and the system's log")
    if isinstance(error, OSError):
        return storage_failure(error)
    return CommitFailed(f"the spool could not be written: {error!r}")


def storage_failure(error: OSError) -> CommitFailed | SpoolFull:
    """The spool's error for an operating system's: 452 for a full disk or quota, 451 for the rest."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return SpoolFull(f"no space left for a message body: {error.strerror}", advice="free space on the spool's disk")
    return CommitFailed(f"a message body could not be written: {error.strerror or error}")


@contextmanager
def reading() -> Iterator[None]:
    """While the spool is read: SQLite's errors become `SpoolError`."""
    try:
        yield
    except sqlite3.Error as error:
        raise unreadable(error) from error

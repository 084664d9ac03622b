"""Whose fault a failed transaction is, and the spool's words for it."""

from __future__ import annotations

import sqlite3

from danelaw.spool.bodies import storage_failure
from danelaw.spool.errors import CommitFailed, SpoolError, SpoolFull


def is_disk_fault(error: BaseException) -> bool:
    """True for what the disk or the database file did; False for a value SQLite cannot take."""
    if isinstance(
        error, sqlite3.IntegrityError | sqlite3.DataError | sqlite3.ProgrammingError | sqlite3.InterfaceError
    ):
        return False
    return isinstance(error, sqlite3.Error | OSError | CommitFailed)


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

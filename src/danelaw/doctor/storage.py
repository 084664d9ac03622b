"""Examinations of what lies in the spool: is every shard's database whole, and does its gateway have files to open?"""

from __future__ import annotations

import re
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path

from danelaw.config import Config
from danelaw.doctor.finding import Finding, Severity
from danelaw.spool import SpoolError, database
from danelaw.spool.faults import unreadable

_PATIENCE = 10.0
_STEPS = 100_000
_FEW_LEFT = 0.9
_SOFT_LIMIT = re.compile(r"^Max open files\s+(\d+)", re.MULTILINE)


def databases(config: Config, patience: float = _PATIENCE) -> list[Finding]:
    """Read every page of every shard, for at most `patience` seconds each; a running gateway goes on meanwhile."""
    spool = config.spool.directory
    return [_examined(database.shard_directory(spool, shard), patience) for shard in database.shards(spool)]


def _examined(shard: Path, patience: float) -> Finding:
    end = time.monotonic() + patience
    try:
        connection = database.open_reader(shard / database.DATABASE_NAME)
        try:
            connection.set_progress_handler(lambda: time.monotonic() > end, _STEPS)
            said = [str(row[0]) for row in connection.execute("PRAGMA quick_check(3)")]
        finally:
            connection.close()
    except SpoolError as error:
        return _damaged(shard, error)
    except sqlite3.OperationalError as error:
        if getattr(error, "sqlite_errorcode", 0) == sqlite3.SQLITE_INTERRUPT:
            what = f"{shard.name} is too large to read all of it in {patience:.0f} s; no fault was found until then"
            return Finding("spool-database", Severity.NOTE, what, f"sqlite3 {shard}/queue.db 'PRAGMA quick_check'")
        return _damaged(shard, unreadable(error))
    except sqlite3.DatabaseError as error:
        return _damaged(shard, unreadable(error))
    if said != ["ok"]:
        return _damaged(shard, unreadable(_corrupt(said[0])))
    return Finding("spool-database", Severity.OK, f"{shard.name}: every page can be read")


def _corrupt(words: str) -> sqlite3.Error:
    error = sqlite3.DatabaseError(" ".join(words.split()))
    error.sqlite_errorcode = sqlite3.SQLITE_CORRUPT
    return error


def _damaged(shard: Path, error: SpoolError) -> Finding:
    fix = error.advice or "look at the directory, its owner and the disk"
    return Finding("spool-database", Severity.ERROR, f"{shard}: {error.reason}", fix)


def open_files(config: Config, count: Callable[[int], tuple[int, int] | None] | None = None) -> list[Finding]:
    """Whether the gateway on this spool runs out of files. It cannot be asked then: its control socket needs one too.

    `count` gives the open and the allowed files of a process, None where that cannot be seen.
    """
    found = []
    for shard in database.shards(config.spool.directory):
        holder = _holder(database.shard_directory(config.spool.directory, shard))
        numbers = (count or _counted)(holder) if holder else None
        if numbers is not None and numbers[0] >= _FEW_LEFT * numbers[1]:
            what = f"process {holder} has {numbers[0]} of {numbers[1]} files open: clients are refused, mail out waits"
            fix = "raise LimitNOFILE in the service unit, or lower [limits] connections, then restart it"
            found.append(Finding("open-files-used", Severity.ERROR, what, fix))
    return found


def _holder(shard: Path) -> int | None:
    try:
        text = (shard / database.LOCK_NAME).read_text("ascii", "replace")[:20].strip()
    except OSError:
        return None
    return int(text) if text.isdecimal() else None


def _counted(process: int) -> tuple[int, int] | None:
    here = Path("/proc") / str(process)
    try:
        # The number may be another's by now, when no gateway runs.
        if b"danelaw" not in (here / "cmdline").read_bytes():
            return None
        limit = _SOFT_LIMIT.search((here / "limits").read_text("ascii", "replace"))
        return (sum(1 for _ in (here / "fd").iterdir()), int(limit[1])) if limit is not None else None
    except OSError:
        return None

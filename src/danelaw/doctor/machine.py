"""Examinations of this machine: clock, open files, the spool's disk."""

from __future__ import annotations

import os
import resource
import shutil
import statistics
import tempfile
import time
from datetime import UTC, datetime
from pathlib import Path

from danelaw.config import Config, format_size
from danelaw.doctor.finding import Finding, Severity

# Nobody runs this release before it was made, and a clock that far off breaks every signature and certificate.
_RELEASED = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
_FORTY_YEARS = 40 * 365.25 * 86400
_RESERVE_FILES = 256
_SLOW_FLUSH = 0.030
_FLUSHES = 16
_PAGE = b"\0" * 4096


def clock(now: float) -> list[Finding]:
    """Whether the clock can be right; `now` in POSIX seconds."""
    shown = datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%d %H:%M UTC") if 0 <= now < 2**33 else f"{now:.0f}"
    if _RELEASED <= now < _RELEASED + _FORTY_YEARS:
        return [Finding("clock", Severity.OK, f"it is {shown}")]
    return [
        Finding(
            "clock",
            Severity.ERROR,
            f"the clock says {shown}: every DNSSEC signature and certificate would look out of date",
            "set the clock and keep it right:  apt install systemd-timesyncd && timedatectl set-ntp true",
        )
    ]


def open_files(config: Config, limits: tuple[int, int] | None = None) -> list[Finding]:
    """Whether enough files may be open (`limits`: soft, hard; otherwise those of this process)."""
    _, hard = limits or resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = config.limits.connections + config.delivery.connections + _RESERVE_FILES
    allowed = "any number of" if hard == resource.RLIM_INFINITY else str(hard)
    if hard == resource.RLIM_INFINITY or hard >= needed:
        return [Finding("open-files", Severity.OK, f"{allowed} files may be open, {needed} can be needed")]
    return [
        Finding(
            "open-files",
            Severity.WARNING,
            f"only {allowed} files may be open, and {needed} can be needed: connections would be refused under load",
            f"set LimitNOFILE={needed} in the service unit, or lower [limits] connections",
        )
    ]


def spool(config: Config) -> list[Finding]:
    """Whether the spool can be written, has space, and how fast a flush to stable storage is."""
    directory = config.spool.directory
    where = directory if directory.is_dir() else _nearest(directory)
    if not os.access(where, os.W_OK | os.X_OK):
        return [
            Finding(
                "spool",
                Severity.ERROR,
                f"{directory} cannot be {'written' if where == directory else 'made'} by this user",
                f"mkdir -p {directory} && chown danelaw {directory}, or name another [spool] directory",
            )
        ]
    return [*_space(config, where), *_flush(where)]


def _nearest(path: Path) -> Path:
    return next((parent for parent in path.absolute().parents if parent.is_dir()), Path("/"))


def _space(config: Config, where: Path) -> list[Finding]:
    free, wanted = shutil.disk_usage(where).free, config.spool.min_free
    if free < wanted:
        what = f"{free >> 20} MiB free on the spool's disk, below min_free {format_size(wanted)}: mail gets 452"
        return [Finding("spool-space", Severity.ERROR, what, "free some space, or lower [spool] min_free")]
    if free < 4 * wanted:
        what = f"{free >> 20} MiB free on the spool's disk; at {format_size(wanted)} mail is answered with 452"
        return [Finding("spool-space", Severity.WARNING, what, "free some space soon")]
    return [Finding("spool-space", Severity.OK, f"{free >> 30} GiB free" if free >> 30 else f"{free >> 20} MiB free")]


def flush_seconds(directory: Path) -> float:
    """The median time to bring one page to stable storage there. Raises `OSError`."""
    times = []
    with tempfile.TemporaryFile(dir=directory) as file:
        for _ in range(_FLUSHES):
            file.write(_PAGE)
            file.flush()
            before = time.perf_counter()
            os.fdatasync(file.fileno())
            times.append(time.perf_counter() - before)
    return statistics.median(times)


def _flush(where: Path) -> list[Finding]:
    try:
        seconds = flush_seconds(where)
    except OSError as error:
        fix = "look at the disk (dmesg), or name another [spool] directory"
        return [Finding("spool-flush", Severity.ERROR, f"a test write to {where} failed: {error.strerror}", fix)]
    shown = f"one flush to the spool's disk takes {seconds * 1000:.2g} ms"
    if seconds > _SLOW_FLUSH:
        fix = "put the spool on a faster disk (SSD, or a controller with a battery); every acceptance waits for a flush"
        return [Finding("spool-flush", Severity.WARNING, shown, fix)]
    return [Finding("spool-flush", Severity.OK, shown)]

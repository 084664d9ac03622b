"""Dates as header fields write them (RFC 5322 §3.3), from POSIX seconds, independent of any locale."""

from __future__ import annotations

import time
from functools import lru_cache

_DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def format_date(posix: float, offset_minutes: int = 0) -> str:
    """`Mon, 23 Nov 2026 22:44:00 +0000`; `offset_minutes` is the distance of local time from UTC, east positive."""
    return _of_second(int(posix // 1), offset_minutes)


@lru_cache(maxsize=16)
def _of_second(posix: int, offset_minutes: int) -> str:
    moment = time.gmtime(posix + offset_minutes * 60)
    hours, minutes = divmod(abs(offset_minutes), 60)
    sign = "-" if offset_minutes < 0 else "+"
    return (
        f"{_DAYS[moment.tm_wday]}, {moment.tm_mday} {_MONTHS[moment.tm_mon - 1]} {moment.tm_year:04d} "
        f"{moment.tm_hour:02d}:{moment.tm_min:02d}:{moment.tm_sec:02d} {sign}{hours:02d}{minutes:02d}"
    )

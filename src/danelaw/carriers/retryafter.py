"""Retry-After: seconds, or a date (RFC 9110 §10.2.3)."""

from __future__ import annotations

import re
from email.utils import parsedate_to_datetime

LONGEST = 7 * 86_400.0
"""Seconds beyond which nobody is believed to mean it."""
_SECONDS = re.compile(r"[0-9]{1,9}", re.ASCII)


def seconds_of(value: str, now: float) -> float | None:
    """How long to wait from `now` (POSIX seconds), 0 for a moment that is over; None for what is no Retry-After."""
    text = value.strip()
    if _SECONDS.fullmatch(text):
        return min(float(text), LONGEST)
    if len(text) > 64:
        return None
    try:
        moment = parsedate_to_datetime(text).timestamp()
    except (ValueError, TypeError, OverflowError, IndexError):
        return None
    return min(max(0.0, moment - now), LONGEST)

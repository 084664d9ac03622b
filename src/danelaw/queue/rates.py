"""Rates: at most so many in any stretch of a period, spread over it, by a token bucket on the monotonic clock.

A plain bucket of 100 refilled with 100 a minute lets 200 pass within one minute. Here a rate of N per period P has a
bucket of b tokens refilled with N - b + 1 per period, so that no half-open stretch of length P ever sees more than N:
at most b at once and N - b after them. The bucket is kept as the time at which it is full again (the generic cell rate
algorithm of ITU-T I.371), in whole nanoseconds, so that nothing is lost or won by rounding.

A token may be taken in one process and used in another a moment later, so each has a *grace* D: it counts as taken at
its time T and is used within T and T + D, or never. For that P is longer here by D, and so a stretch of length P of
uses, which lies in a stretch of length P + D of tokens, keeps the rate too. b is a fortieth of N and D a fiftieth of P,
which leaves at least 95 % to a sender who always has something to send, and spreads what it sends.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

_SECOND = 1_000_000_000
_FORM = re.compile(r"([0-9]{1,9})/([0-9]{0,4})(s|sec|m|min|h|hour|d|day)", re.ASCII)
_UNITS = {"s": 1, "sec": 1, "m": 60, "min": 60, "h": 3600, "hour": 3600, "d": 86400, "day": 86400}


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `count` in any `period` seconds; `count` 0 means none at all."""

    count: int
    period: int

    def __post_init__(self) -> None:
        if self.count < 0 or self.period < 1:
            raise ValueError(f"{self.count} per {self.period} seconds is no rate")

    @classmethod
    def from_text(cls, text: str) -> Rate:
        """Read "100/min", "5/s", "2000/h", "50/day", "10/5min". Raises `ValueError`."""
        match = _FORM.fullmatch(text.replace(" ", ""))
        period = int(match[2] or 1) * _UNITS[match[3]] if match else 0
        if match is None or not 1 <= period <= 31 * 86400:
            raise ValueError(f'{text[:40]!r} is not a rate; write for instance "100/min", "2000/h" or "50/day"')
        return cls(int(match[1]), period)

    def to_text(self) -> str:
        """The form `from_text` reads: `100/min`."""
        for unit in ("day", "hour", "min", "s"):
            times, rest = divmod(self.period, _UNITS[unit])
            if times and not rest:
                return f"{self.count}/{times if times > 1 else ''}{unit}"
        raise AssertionError(self.period)

    @property
    def burst(self) -> int:
        """How many may pass at once after a rest."""
        return min(self.count, 1 + self.count // 40)

    @property
    def grace(self) -> float:
        """Seconds within which a token is used, from its time on."""
        return min(1.0, self.period / 50)

    @property
    def interval(self) -> int:
        """Nanoseconds in which one token comes back."""
        period = self.period * _SECOND + int(self.grace * _SECOND)
        return -(-period // max(1, self.count - self.burst + 1))


class Bucket:
    """What was used of a rate. Times are seconds on the monotonic clock; `full_at`, when nothing of it is used any
    more, is in nanoseconds.
    """

    __slots__ = ("full_at",)

    def __init__(self, full_at: int = 0) -> None:
        self.full_at = full_at

    def wait(self, rate: Rate, now: float) -> float:
        """Seconds until one more may pass: 0 for now, infinity for never."""
        if rate.count == 0:
            return math.inf
        at = _nanoseconds(now)
        earliest = self.full_at - (rate.burst - 1) * rate.interval
        # A microsecond more, so that the rounding of floats never wakes anybody too early.
        return 0.0 if at >= earliest else (earliest - at + 1000) / _SECOND

    def take(self, rate: Rate, now: float) -> None:
        """One passes at `now`, when `wait` is 0 or is over by then."""
        self.full_at = max(_nanoseconds(now), self.full_at) + rate.interval

    def full(self, now: float) -> bool:
        """True when nothing needs to be remembered."""
        return self.full_at <= _nanoseconds(now)


def _nanoseconds(seconds: float) -> int:
    return int(seconds * _SECOND)

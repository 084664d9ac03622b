"""When to try again, when to tell the sender, when to give up (RFC 5321 §4.5.4.1).

RFC 5321 asks for at least 30 minutes between tries and 4-5 days in all, and allows quicker tries at first: a
greylisting host and a rolled certificate are both right again within minutes.
"""

from __future__ import annotations

from dataclasses import dataclass

from danelaw.errors import DanelawError

DAY = 86400.0


class InvalidSchedule(DanelawError):
    """The numbers of a retry schedule make no sense."""


@dataclass(frozen=True, slots=True)
class RetrySchedule:
    """Back-off in seconds: `waits[n]` follows the n-th failed try, the last one repeats. Each wait is spread by up to
    ±`jitter` (a fraction). `lifetime` is how long a message is tried in all, `delay_notice` when the sender is told.

    Raises `InvalidSchedule`.
    """

    waits: tuple[float, ...] = (300.0, 600.0, 1200.0, 1800.0, 3600.0, 7200.0, 14400.0)
    jitter: float = 0.1
    lifetime: float = 5 * DAY
    delay_notice: float = 4 * 3600.0

    def __post_init__(self) -> None:
        if not self.waits or min(self.waits) <= 0:
            raise InvalidSchedule("a retry schedule needs at least one wait, all above zero seconds")
        if not 0 <= self.jitter < 1:
            raise InvalidSchedule(f"jitter is a fraction from 0 to below 1, not {self.jitter}")
        if self.lifetime <= 0:
            raise InvalidSchedule("the lifetime of a message must be above zero seconds")

    @classmethod
    def growing(cls, first: float, longest: float, factor: float, **others: float) -> RetrySchedule:
        """A schedule by formula: from `first` seconds each wait is `factor` times the one before, up to `longest`.

        With a factor of 1 every wait is the first. Raises `InvalidSchedule`.
        """
        if first <= 0 or longest < first:
            raise InvalidSchedule("the first wait must be above zero and not above the longest")
        waits = [first]
        while waits[-1] < longest and factor > 1:
            waits.append(min(longest, waits[-1] * factor))
        return cls(tuple(waits), **others)

    def expires(self, received_at: float) -> float:
        """When a message received then is given up."""
        return received_at + self.lifetime

    def wait(self, tries: int, spread: float) -> float:
        """Seconds to wait after the `tries`-th failed try (1 is the first); `spread` is a random number in 0 … 1."""
        base = self.waits[min(max(tries, 1), len(self.waits)) - 1]
        return base * (1 + self.jitter * (2 * spread - 1))

    def next_due(self, tries: int, now: float, expires: float, spread: float) -> float | None:
        """The time of the next try after the `tries`-th failed at `now`, never later than `expires`, so that giving
        up is an event of its own; None when the lifetime is over.
        """
        if now >= expires:
            return None
        return min(now + self.wait(tries, spread), expires)

    def notice_due(self, received_at: float, notified: bool, now: float) -> bool:
        """True when the sender should be told about the delay now (RFC 3461 §4.1 DELAY permitting)."""
        return not notified and now - received_at >= self.delay_notice

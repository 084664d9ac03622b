"""What the counters of one process were, second by second for two minutes and then by tens of seconds for an hour.

The rates of the live view come from here, so that who opens it sees at once what went before. A reading is taken once
a second whether anybody looks or not: it copies some forty numbers and costs about 20 µs.
"""

from __future__ import annotations

import asyncio
import resource
from collections import deque
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from danelaw.resolver.counts import ResolverCounts
    from danelaw.telemetry import Metrics
    from danelaw.telemetry.instruments import Histogram

SECONDS = 120
"""How far back the readings of each second go."""
HOUR = 3600
RATE_SECONDS = 10
"""Rates are over this time: one second alone is mostly chance."""
TIMING_SECONDS = 60
_COARSE = 10
_RATED = ("received", "received_octets", "sent", "sent_octets", "refused", "questions", "cached", "cpu")

Timings = dict[str, tuple[int, ...]]


class Reading(NamedTuple):
    """All counters at one moment, `at` in seconds of the loop's clock.

    `ends` are recipients by outcome and protection of a try, `timings` the buckets of histograms by name, `cpu` seconds
    of processor time.
    """

    at: float
    received: float
    received_octets: float
    sent: float
    sent_octets: float
    refused: float
    questions: float
    cached: float
    cpu: float
    ends: dict[tuple[str, ...], float]
    timings: Timings


class History:
    """The readings of one process; `keep` takes them, `report` sums them up."""

    def __init__(self, metrics: Metrics, resolver: ResolverCounts) -> None:
        self._metrics = metrics
        self._resolver = resolver
        self._timed: dict[str, Histogram] = {
            "loop_lag": metrics.loop_lag,
            "commit": metrics.spool_commit_seconds,
            "delivery": metrics.delivery_seconds,
            "look_up": metrics.resolver_seconds,
        }
        self._seconds: deque[Reading] = deque(maxlen=SECONDS + 1)
        self._hour: deque[Reading] = deque(maxlen=HOUR // _COARSE + 1)

    async def keep(self) -> None:
        """Take a reading each second, without end."""
        loop = asyncio.get_running_loop()
        while True:
            self.take(loop.time())
            await asyncio.sleep(1.0)

    def take(self, now: float) -> None:
        """Take a reading at `now`."""
        reading = self._reading(now)
        self._seconds.append(reading)
        if not self._hour or now - self._hour[-1].at >= _COARSE:
            self._hour.append(reading)

    def _reading(self, now: float) -> Reading:
        metrics = self._metrics
        ends = dict(metrics.outbound_recipients.samples())
        used = resource.getrusage(resource.RUSAGE_SELF)
        return Reading(
            now,
            metrics.inbound_messages.cell().value,
            metrics.inbound_bytes.cell().value,
            sum(number for labels, number in ends.items() if labels[0] == "delivered"),
            metrics.outbound_bytes.cell().value,
            sum(number for _, number in metrics.inbound_refusals.samples()),
            self._resolver.hits + self._resolver.misses,
            self._resolver.hits,
            used.ru_utime + used.ru_stime,
            ends,
            {name: tuple(histogram.counts) for name, histogram in self._timed.items()},
        )

    def report(self, now: float) -> dict[str, Any]:
        """The changes, as numbers that can be added to those of other processes. `now` by the loop's clock."""
        if not self._seconds:
            self.take(now)
        last = self._seconds[-1]
        lately, timed = self._before(RATE_SECONDS), self._before(TIMING_SECONDS)
        span = max(last.at - lately.at, 1e-9)
        hour = self._hour[0]
        return {
            "rates": {
                name: round(max(0.0, (getattr(last, name) - getattr(lately, name)) / span), 4) for name in _RATED
            },
            "totals": {"received": last.received, "sent": last.sent, "refused": last.refused},
            "history": {"received": self._each("received"), "sent": self._each("sent")},
            "ends": {"seconds": last.at - hour.at, "counts": _ends(last.ends, hour.ends)},
            "timings": {
                name: {"bounds": histogram.bounds, "counts": _minus(last.timings[name], timed.timings[name])}
                for name, histogram in self._timed.items()
            },
        }

    def _before(self, seconds: float) -> Reading:
        """The newest reading at least so much older than the last one, or else the first."""
        last = self._seconds[-1].at
        for reading in reversed(self._seconds):
            if last - reading.at >= seconds - 0.5:
                return reading
        return self._seconds[0]

    def _each(self, name: str) -> list[float]:
        """What was counted in each second, per second, oldest first."""
        readings = list(self._seconds)
        return [
            round(max(0.0, getattr(after, name) - getattr(before, name)) / max(after.at - before.at, 1e-9), 2)
            for before, after in pairwise(readings)
        ]


def _ends(last: dict[tuple[str, ...], float], first: dict[tuple[str, ...], float]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {"delivered": {}, "waiting": {}, "returned": {}}
    for labels, number in last.items():
        outcome, protection = labels
        difference = int(number - first.get(labels, 0.0))
        if difference > 0:
            found.setdefault(outcome, {})[protection] = difference
    return found


def _minus(after: tuple[int, ...], before: tuple[int, ...]) -> list[int]:
    return [one - other for one, other in zip(after, before, strict=True)]

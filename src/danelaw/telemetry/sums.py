"""The numbers of several processes as one: each process gives a snapshot, and here they are added up.

Counters must never fall while the gateway runs, or a rate over them would lie: what a process that is gone had counted
stays in the sum.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, TypeAlias

from danelaw.telemetry.instruments import Counter, Gauge, Histogram
from danelaw.telemetry.metrics import Metrics

Snapshot: TypeAlias = dict[str, Any]
"""Plain data, fit for JSON: by name, the samples of counters and gauges, the counts and the sum of histograms."""

# A gauge is added up, unless every process sees the same thing or the worst is meant.
_HIGHEST = frozenset(("danelaw_queue_oldest_seconds", "danelaw_overrides", "danelaw_trust_members", "danelaw_version"))
_LOWEST = frozenset(
    (
        "danelaw_resolver_healthy",
        "danelaw_spool_free_bytes",
        "danelaw_certificate_expiry_timestamp_seconds",
        "danelaw_start_timestamp_seconds",
    )
)


def snapshot(metrics: Metrics) -> Snapshot:
    """All numbers now."""
    metrics.refresh()
    found: Snapshot = {}
    for one in metrics.instruments():
        if isinstance(one, Histogram):
            found[one.name] = [list(one.counts), one.sum]
        else:
            found[one.name] = [[list(labels), value] for labels, value in one.samples()]
    return found


class Sums:
    """The sum over processes that come and go, each under a name of its own."""

    def __init__(self) -> None:
        self._latest: dict[str, Snapshot] = {}
        self._gone = Metrics()

    def update(self, name: str, taken: Snapshot) -> None:
        """A process's latest numbers."""
        self._latest[name] = taken

    def forget(self, name: str) -> None:
        """A process is gone: what it counted stays, what it measured does not."""
        last = self._latest.pop(name, None)
        if last is not None:
            _add(self._gone, last, gauges=False)

    @property
    def names(self) -> frozenset[str]:
        """The processes that count."""
        return frozenset(self._latest)

    def total(self) -> Metrics:
        """All of it together."""
        total = Metrics()
        for one in total.instruments():
            if isinstance(one, Gauge):
                one.clear()
        _add(total, snapshot(self._gone), gauges=False)
        for taken in self._latest.values():
            _add(total, taken, gauges=True)
        return total


def _add(total: Metrics, taken: Snapshot, *, gauges: bool) -> None:
    for one in total.instruments():
        found = taken.get(one.name)
        if found is None:
            continue
        if isinstance(one, Histogram):
            counts, amount = found
            one.counts = [mine + theirs for mine, theirs in zip(one.counts, counts, strict=True)]
            one.sum += amount
        elif isinstance(one, Counter):
            for labels, value in found:
                one.add(*labels, by=value)
        elif gauges:
            _gauge(one, found)


def _gauge(one: Gauge, found: Iterable[tuple[list[str], float]]) -> None:
    present = dict(one.samples())
    for labels, value in found:
        before = present.get(tuple(labels))
        if before is None:
            together = value
        elif one.name in _HIGHEST:
            together = max(before, value)
        elif one.name in _LOWEST:
            together = min(before, value)
        else:
            together = before + value
        one.set(together, *labels)

"""Metrics of shared state and caches: set when somebody looks, since they are counted where they arise."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from danelaw.caches import Caches
    from danelaw.shared import SharedStore
    from danelaw.telemetry import Metrics


def of_process(metrics: Metrics, shared: SharedStore, caches: Caches, late: int) -> None:
    """What one process counts; `late` are requests that were not answered in time."""
    metrics.shared_late.cell().value = late
    for space, counts in shared.calls().items():
        for how, number in counts.items():
            metrics.shared_calls.cell(space, how).value = number
    metrics.shared_lost.cell().value = shared.lost
    for name, numbers in caches.counts().items():
        for result, count in (
            ("hit", "hits"), ("miss", "misses"), ("stale", "stale"), ("joined", "joined"), ("failed", "failures"),
        ):  # fmt: skip
            metrics.cache_lookups.cell(name, result).value = numbers[count]
        metrics.cache_evicted.cell(name).value = numbers["evicted"]
        metrics.cache_entries.set(float(numbers["entries"]), name)
        metrics.cache_octets.set(float(numbers["octets"]), name)


def of_store(metrics: Metrics, listing: Mapping[str, Any]) -> None:
    """What the store counts, as `danelaw.shared.inspection.listed` gives it."""
    metrics.shared_octets.set(float(listing["octets"]))
    for row in listing["spaces"]:
        metrics.shared_keys.set(float(row["used_keys"]), row["name"])
        metrics.shared_refused.cell(row["name"]).value = row["refused"]
        metrics.shared_forgotten.cell(row["name"]).value = row["forgotten"]

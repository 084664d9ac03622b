"""The numbers of hooks as metrics: added up over versions, bounded in names, never going back when a version goes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Container, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from danelaw.scripting.running import Tally
    from danelaw.scripting.shadowing.differences import Differences
    from danelaw.telemetry import Metrics

MOST_NAMES = 500
OTHER = "other"
"""The label of hooks beyond `MOST_NAMES`: names come with every new version, and labels cost memory for ever."""


class HookNumbers:
    """What the hooks of all versions have done since the start."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        self._calls: Counter[tuple[str, str]] = Counter()
        self._seconds: dict[str, float] = {}
        self._names: set[str] = set()
        self._shadow: tuple[int, int, Counter[str]] = (0, 0, Counter())

    def retire(self, tallies: dict[tuple[str, str], Tally], used: Container[str]) -> None:
        """Take the tallies of versions that are not used any more out of the table, and keep their sums."""
        for key, tally in list(tallies.items()):
            if key[0] not in used and not tally.running and not tally.pending:
                self._add(self._calls, self._seconds, key[1], tally)
                del tallies[key]

    def retire_shadow(self, found: Differences) -> None:
        """A shadow ends: keep the sums of what it has found."""
        steps, dropped, by_kind = self._shadow
        self._shadow = (steps + found.steps, dropped + found.dropped, by_kind + _by_kind(found))

    def show(self, tallies: Iterable[tuple[tuple[str, str], Tally]], shadow: Differences | None) -> None:
        """Set the metrics."""
        metrics, calls, seconds = self._metrics, self._calls.copy(), dict(self._seconds)
        waiting: dict[str, tuple[int, int]] = dict.fromkeys(self._names, (0, 0))
        for (_, hook), tally in tallies:
            self._add(calls, seconds, hook, tally)
            name = self._label(hook)
            running, pending = waiting.get(name, (0, 0))
            waiting[name] = running + tally.running, pending + tally.pending
        for (name, outcome), count in calls.items():
            metrics.policy_calls.cell(name, outcome).value = count
        for name, took in seconds.items():
            metrics.policy_seconds.cell(name).value = took
        for name, (running, pending) in waiting.items():
            metrics.policy_running.set(float(running), name)
            metrics.policy_pending.set(float(pending), name)
        steps, dropped, by_kind = self._shadow
        if shadow is not None:
            steps, dropped, by_kind = steps + shadow.steps, dropped + shadow.dropped, by_kind + _by_kind(shadow)
        metrics.shadow_steps.cell().value = steps
        metrics.shadow_dropped.cell().value = dropped
        for what, count in by_kind.items():
            metrics.shadow_differences.cell(what).value = count

    def _add(self, calls: Counter[tuple[str, str]], seconds: dict[str, float], hook: str, tally: Tally) -> None:
        name = self._label(hook)
        seconds[name] = seconds.get(name, 0.0) + tally.seconds
        for outcome, count in tally.outcomes.items():
            calls[name, outcome] += count

    def _label(self, hook: str) -> str:
        if hook not in self._names:
            if len(self._names) >= MOST_NAMES:
                return OTHER
            self._names.add(hook)
        return hook


def _by_kind(found: Differences) -> Counter[str]:
    kinds: Counter[str] = Counter()
    for group in found.groups.values():
        kinds[group.what] += group.count
    return kinds

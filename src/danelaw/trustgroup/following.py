"""The standing of a member over time: a change is believed when it was seen again, and told once.

Certificates are renewed, servers restarted, zones signed anew: one bad look says little. So a breach counts after
`Watch.confirmations` looks in a row that found it, each after the short pause `recheck`, and so does its end. Looks
that could not tell change nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum


class Observation(Enum):
    """What one look at a member found."""

    KEPT = "kept"
    BROKEN = "broken"
    UNKNOWN = "cannot tell"
    LEFT = "left"


@dataclass(frozen=True, slots=True)
class Watch:
    """Seconds between looks: `every` as long as nothing changes, `recheck` while something seems to. `confirmations`
    are the looks in a row that make a change.
    """

    every: float = 21_600.0
    recheck: float = 600.0
    confirmations: int = 3


@dataclass(frozen=True, slots=True)
class MemberRecord:
    """What is believed of a member. `standing` is None before it was known for the first time; `since` when that began,
    `reason` what the last look found, `doubts` how many looks in a row have found `doubted` instead of the standing.
    Times in POSIX seconds.
    """

    standing: Observation | None = None
    since: float = 0.0
    reason: str = ""
    checked: float = 0.0
    due: float = 0.0
    doubted: Observation | None = None
    doubts: int = 0


@dataclass(frozen=True, slots=True)
class Change:
    """A member's standing is another one now."""

    before: Observation | None
    now: Observation
    at: float
    reason: str

    @property
    def breach(self) -> bool:
        """True where it stopped, or never began, to keep its promise."""
        return self.now is Observation.BROKEN


def follow(
    record: MemberRecord, found: Observation, reason: str, now: float, watch: Watch, spread: float = 0.5
) -> tuple[MemberRecord, Change | None]:
    """The record after one more look, and the change that is to be told, if any.

    `spread` is a number between 0 and 1, by which looks at many members are kept apart. That a member left, by its own
    DNS or its master's, is believed like everything else only when seen again.
    """
    looked = replace(record, checked=now, reason=reason)
    later = now + watch.every * (0.9 + 0.2 * spread)
    soon = now + min(watch.recheck, watch.every) * (0.9 + 0.2 * spread)
    if found is Observation.UNKNOWN:
        return replace(looked, due=soon if record.doubts or record.standing is None else min(later, now + 3600.0)), None
    if found is record.standing:
        return replace(looked, due=later, doubted=None, doubts=0), None
    doubts = record.doubts + 1 if found is record.doubted else 1
    if record.standing is None and found is Observation.KEPT:
        return replace(looked, standing=found, since=now, due=later, doubted=None, doubts=0), None
    if doubts < watch.confirmations:
        return replace(looked, due=soon, doubted=found, doubts=doubts), None
    changed = replace(looked, standing=found, since=now, due=later, doubted=None, doubts=0)
    return changed, Change(record.standing, found, now, reason)

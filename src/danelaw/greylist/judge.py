"""Whether a triplet passes now (RFC 6647 §2.3, §5)."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum


class Verdict(Enum):
    """`FIRST`: never seen, or long ago. `EARLY`: came again too soon. `PASSED`: came again as a mail server does.
    `KNOWN`: has passed before.
    """

    FIRST = "first"
    EARLY = "early"
    PASSED = "passed"
    KNOWN = "known"

    @property
    def lets_in(self) -> bool:
        """True when the recipient is accepted."""
        return self in (Verdict.PASSED, Verdict.KNOWN)


@dataclass(frozen=True, slots=True)
class Rules:
    """Seconds: a second try counts from `delay` to `window` after the first; what has passed is kept for `lifetime`
    after its last use.
    """

    delay: float
    window: float
    lifetime: float


@dataclass(frozen=True, slots=True)
class Record:
    """What is remembered of a triplet, in POSIX seconds: its first try, its last use, how often it passed."""

    first: float
    last: float
    passes: int = 0


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict, what to remember now, and for a refusal the seconds until a try may pass."""

    verdict: Verdict
    record: Record
    wait: float = 0.0


def judge(record: Record | None, now: float, rules: Rules) -> Judgement:
    """Judge a try at `now`. A clock that was set back counts as no time passed."""
    if record is not None and record.passes:
        if now - record.last <= rules.lifetime:
            return Judgement(Verdict.KNOWN, replace(record, last=max(now, record.last), passes=record.passes + 1))
        record = None
    if record is None or now - record.first > rules.window:
        return Judgement(Verdict.FIRST, Record(now, now), rules.delay)
    waited = max(0.0, now - record.first)
    if waited < rules.delay:
        return Judgement(Verdict.EARLY, replace(record, last=max(now, record.last)), rules.delay - waited)
    return Judgement(Verdict.PASSED, replace(record, last=max(now, record.last), passes=1))

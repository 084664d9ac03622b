"""From the results of all filters to one decision, by the operator's rules. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

from danelaw.filters.result import FilterResult, Verdict


class Action(IntEnum):
    """What is done with a message; where filters differ, the highest counts."""

    PASS = 0
    TAG = 1
    HOLD = 2
    DISCARD = 3
    DEFER = 4
    REFUSE = 5


_ACTIONS = {"note": Action.PASS, "tag": Action.TAG, "hold": Action.HOLD, "discard": Action.DISCARD,
            "defer": Action.DEFER, "refuse": Action.REFUSE, "accept": Action.PASS}  # fmt: skip
OnVerdict = Literal["note", "tag", "hold", "discard", "defer", "refuse"]


@dataclass(frozen=True, slots=True)
class Rule:
    """What the operator says about one filter: what a find, a wish for greylisting, a failure and a message it cannot
    take do; `weight` of its score in the sum.
    """

    on_found: OnVerdict = "refuse"
    on_greylist: Literal["note", "defer"] = "note"
    on_failure: Literal["accept", "refuse", "defer"] = "defer"
    on_too_large: Literal["accept", "hold", "refuse"] = "accept"
    weight: float = 1.0


@dataclass(frozen=True, slots=True)
class Thresholds:
    """Weighted sums of scores from which a message is tagged, held, refused; None: never by the sum."""

    tag: float | None = None
    hold: float | None = None
    refuse: float | None = None


@dataclass(frozen=True, slots=True)
class Judgement:
    """The decision: `because` of which filter's result (None: the sum alone), `reason` in words, the sum of scores
    (None when nobody gave one), and every result.
    """

    action: Action
    reason: str
    score: float | None
    results: tuple[FilterResult, ...]
    because: FilterResult | None = None


def combined(results: Sequence[FilterResult], rules: Mapping[str, Rule], thresholds: Thresholds) -> Judgement:
    """Weigh all results. The sharpest action wins, of equal ones the first filter's; the sum can only sharpen."""
    action, because = Action.PASS, None
    for result in results:
        wanted = action_of(result, rules.get(result.filter, Rule()))
        if wanted > action:
            action, because = wanted, result
    scores = [result.score * rules.get(result.filter, Rule()).weight for result in results if result.score is not None]
    # Rounded: sums of decimal fractions must reach the bounds people write.
    total = round(sum(scores), 4) if scores else None
    by_sum = _by_sum(total, thresholds)
    if total is not None and by_sum > action:
        return Judgement(by_sum, f"{total:g} points from {len(scores)} filters", total, tuple(results))
    reason = "" if because is None else f"{because.filter}: {because.reason or because.verdict.value}"
    return Judgement(action, reason, total, tuple(results), because)


def action_of(result: FilterResult, rule: Rule) -> Action:
    """What one result alone does under its rule."""
    match result.verdict:
        case Verdict.CLEAN:
            return Action.PASS
        case Verdict.TAG:
            return Action.TAG
        case Verdict.GREYLIST:
            return _ACTIONS[rule.on_greylist]
        case Verdict.FOUND:
            return _ACTIONS[rule.on_found]
        case Verdict.DEFER:
            return Action.DEFER
        case Verdict.HOLD:
            return Action.HOLD
        case Verdict.DISCARD:
            return Action.DISCARD
        case Verdict.TOO_LARGE:
            return _ACTIONS[rule.on_too_large]
        case Verdict.FAILED:
            return _ACTIONS[rule.on_failure]


def _by_sum(total: float | None, thresholds: Thresholds) -> Action:
    if total is None:
        return Action.PASS
    steps = ((thresholds.refuse, Action.REFUSE), (thresholds.hold, Action.HOLD), (thresholds.tag, Action.TAG))
    return next((action for bound, action in steps if bound is not None and total >= bound), Action.PASS)

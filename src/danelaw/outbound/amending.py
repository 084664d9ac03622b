"""What a step changes of a try that has ended: never of whom it reached, and never beyond the lifetime."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from danelaw.outbound.directing import SOONEST, Misdirection, in_one_line
from danelaw.outbound.outcome import Outcome, RecipientOutcome
from danelaw.outbound.steps import Amendment, Then
from danelaw.queue import RecipientState
from danelaw.queue.pages import HostVerdict
from danelaw.queue.values import MOST_CONTEXT

if TYPE_CHECKING:
    from danelaw.queue.pages import Work
    from danelaw.replies import BounceClass

_OPEN = (RecipientState.QUEUED, RecipientState.FAILED)
LONGEST_TEXT = 2000
"""Characters that a step may add to a notice."""


def amended(
    work: Work, outcome: Outcome, said: Amendment, step: str, classes: Mapping[str, BounceClass], now: float
) -> list[str]:
    """Do what `said` asks for, of step `step`; gives the addresses whose end is another now.

    `classes` are the bounce classes by name, `now` is POSIX seconds. Raises `Misdirection`; then nothing was changed.
    """
    _check(said, classes)
    if said.at is not None:
        said = replace(said, at=max(said.at, now + SOONEST))
    if said.context is not None:
        outcome.context = said.context
    if said == Amendment(context=said.context, because=said.because):
        return []
    if outcome.verdict is HostVerdict.DOWN:
        # What is decided about single messages is theirs: whether the queue sleeps, others will find out.
        outcome.verdict = HostVerdict.UNKNOWN
    changed = []
    for one in work.message.recipients:
        if said.recipients is not None and one.number not in said.recipients:
            continue
        end = outcome.recipients.get(one.number)
        if end is None:
            end = RecipientOutcome(one.number, RecipientState.QUEUED, "4.4.1", "", outcome.reason)
        if end.state in _OPEN:
            outcome.recipients[one.number] = _changed(end, said, step, classes)
            changed.append(one.forward_path)
    return changed


def _changed(end: RecipientOutcome, said: Amendment, step: str, classes: Mapping[str, BounceClass]) -> RecipientOutcome:
    because = f"{end.reason} ({step}: {in_one_line(said.because)})" if said.because else end.reason
    end = replace(end, reason=because, at=end.at if said.at is None else said.at)
    if said.text:
        end = replace(end, text="; ".join(word for word in (end.text, in_one_line(said.text, LONGEST_TEXT)) if word))
    if said.bounce:
        known = classes[said.bounce]
        end = replace(end, bounce=known.name, notice=known.notice, advice=known.advice)
    if said.then is Then.RETURN:
        return replace(end, state=RecipientState.FAILED, status=_with_class(end.status, "5"))
    if said.then is Then.RETRY:
        return replace(end, state=RecipientState.QUEUED, status=_with_class(end.status, "4"))
    if said.then is Then.HOLD:
        return replace(end, state=RecipientState.HELD, status=_with_class(end.status, "4"))
    return end


def _check(said: Amendment, classes: Mapping[str, BounceClass]) -> None:
    if said.bounce and said.bounce not in classes:
        raise Misdirection(f"there is no bounce class {said.bounce[:80]!r}")
    if said.at is not None and math.isnan(said.at):
        raise Misdirection("the time of the next try is none")
    if said.context is not None and len(said.context.encode("utf-8", "surrogatepass")) > MOST_CONTEXT:
        raise Misdirection(f"the context is larger than {MOST_CONTEXT} octets")


def _with_class(status: str, digit: str) -> str:
    """The same subject and detail of another class (RFC 3463 §2)."""
    return digit + status[1:] if status[1:2] == "." else f"{digit}.0.0"

"""A complete message before the steps: they look, change and rule."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from danelaw.inbound.arrival import Discard, Hold, Refuse
from danelaw.inbound.asking import NOT_EXAMINED, STEP_SECONDS, in_words
from danelaw.inbound.within import within

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from danelaw.inbound.arrival import Arrival
    from danelaw.inbound.asking import Journal
    from danelaw.inbound.steps import Step


async def examine(arrival: Arrival, steps: Sequence[Step], journal: Journal) -> Refuse | Discard | None:
    """Ask each step about the message, and those behind it about the copies it made. None: store it, held where
    `arrival.holds` has reasons. What is left in `arrival.copies` is to be stored also where it is to be discarded.

    A step that fails or takes too long gives 451: the client keeps the message.
    """
    for place, step in enumerate(steps, 1):
        known = len(arrival.copies)
        try:
            asked = step.message(arrival)
            ruling = await (asked if step.prompt else within(STEP_SECONDS, asked))
        except Exception as error:  # operators' steps too are asked here
            journal.step_failed(step.name, "message", in_words(error))
            return Refuse(NOT_EXAMINED, step.name)
        if isinstance(ruling, Refuse):
            return ruling
        for copy in arrival.copies[known:]:
            refusal = await _examine_copy(copy, steps[place:], journal)
            if refusal is not None:
                return refusal
        if isinstance(ruling, Hold):
            arrival.holds.append(ruling if ruling.step else replace(ruling, step=step.name))
        elif ruling is not None:
            return ruling
    if not arrival.recipients:
        return Discard("no recipient is left")
    return None


async def _examine_copy(copy: Arrival, steps: Sequence[Step], journal: Journal) -> Refuse | None:
    """What is discarded is no copy any more; the message it was made from says what became of it."""
    ruling = await examine(copy, steps, journal)
    if not isinstance(ruling, Discard):
        return ruling
    copy.copies[:] = [other for other in copy.copies if other is not copy]
    journal.discarded(copy, ruling)
    return None


def as_stored(arrival: Arrival, trace: bytes) -> Iterator[bytes]:
    """The message as it goes to the disk: our Received field, the fields that were added, and the content."""
    yield trace
    yield from reversed(arrival.added)
    yield from arrival.content.chunks()

"""A delivery with policy steps: they are asked before it, what they say is followed, and they are asked again after.

What a step may not do is kept to here: its time, what may be chosen together, that a demand only becomes stronger, that
who was reached stays reached, and that a message is not moved from queue to queue for ever.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from danelaw.errors import DanelawError
from danelaw.outbound.amending import amended
from danelaw.outbound.carried import note_carried
from danelaw.outbound.directing import SOONEST, Course, Misdirection, course_of, in_one_line
from danelaw.outbound.outcome import Outcome, RecipientOutcome
from danelaw.outbound.steps import Amendment, Carried, Directions, End, Hold, PendingDelivery, Return, TriedDelivery
from danelaw.queue import Attempt, Move, RecipientState
from danelaw.queue.pages import HostVerdict

if TYPE_CHECKING:
    from danelaw.outbound.courier import Courier
    from danelaw.outbound.steps import DeliveryStep
    from danelaw.queue import QueuedMessage
    from danelaw.queue.pages import Work

MOST_MOVES = 5
"""Times a message may be put into another queue without being tried; then it waits as after a failed try."""
_REMEMBERED = 10_000


class StepFailed(DanelawError):
    """A step raised, took too long, or asked for what cannot be done."""


@dataclass(slots=True)
class Moves:
    """How often messages were moved since their last try, of those moved last."""

    _counts: OrderedDict[int, int]

    @classmethod
    def none(cls) -> Moves:
        """Nothing was moved yet."""
        return cls(OrderedDict())

    def one_more(self, message: int) -> bool:
        """Count a move; False when that is too often."""
        count = self._counts.pop(message, 0) + 1
        if count > MOST_MOVES:
            return False
        self._counts[message] = count
        if len(self._counts) > _REMEMBERED:
            self._counts.popitem(last=False)
        return True

    def tried(self, message: int) -> None:
        """It is being tried."""
        if self._counts:
            self._counts.pop(message, None)


async def stepped(courier: Courier, work: Work, outcome: Outcome) -> Outcome:
    """Deliver with the steps of the courier; `outcome` is filled as `Courier.deliver` says."""
    started = courier.clock()
    course = Course()
    if courier.steps.before:
        try:
            course = await _directed(courier, work)
        except StepFailed as fault:
            _put_off(courier, work, outcome, fault.reason, started)
            return outcome
    outcome.context = course.context
    if course.end is not None:
        _end(courier, work, outcome, course.end, course.because, started)
    elif course.key is not None and course.key != work.key:
        _move(courier, work, outcome, course, started)
        return outcome
    else:
        courier.moves.tried(work.message.id)
        outcome = await _tried(courier, work, outcome, course)
    if courier.steps.after and (course.end is None or isinstance(course.end, Carried)):
        await ask_after(courier, work, outcome)
    return outcome


async def ask_after(courier: Courier, work: Work, outcome: Outcome) -> None:
    """Have the steps change what a try came to; whoever fails changes nothing."""
    for step in courier.steps.after:
        ends, attempts = dict(outcome.recipients), tuple(outcome.attempts)
        down = outcome.verdict is HostVerdict.DOWN
        message = _with_context(work, outcome)
        tried = TriedDelivery(message, work.key, courier.clock(), ends, attempts, down, outcome.reason)
        try:
            async with asyncio.timeout(step.seconds):
                said = await step.after(tried)
            if said is None:
                courier.metrics.delivery_steps.add(step.name, "after", "nothing")
                continue
            if not isinstance(said, Amendment):
                raise TypeError(f"it gave {said!r}, and an Amendment or None is expected")
            classes = courier.answers.classifier.file.classes
            changed = amended(work, outcome, said, step.name, classes, courier.clock())
        except Exception as error:
            _fault(courier, work, step, "after", _words(step, error))
            continue
        courier.metrics.delivery_steps.add(step.name, "after", "amended")
        if changed or said.because:
            courier.log.event("amended", id=work.message.id_text, step=step.name, to=changed, reason=said.because)


async def _directed(courier: Courier, work: Work) -> Course:
    """What all steps before a delivery come to together. Raises `StepFailed`."""
    course = Course()
    for step in courier.steps.before:
        message = work.message if course.context is None else replace(work.message, context=course.context)
        pending = PendingDelivery(message, course.key or work.key, courier.clock(), lambda: octets(courier, work))
        try:
            async with asyncio.timeout(step.seconds):
                said = await step.before(pending)
            if said is None:
                courier.metrics.delivery_steps.add(step.name, "before", "nothing")
                continue
            if not isinstance(said, Directions):
                raise TypeError(f"it gave {said!r}, and Directions or None are expected")
            course = course_of(course, work, said, courier.door.certificates, courier.carriers)
        except Exception as error:
            words = _words(step, error)
            _fault(courier, work, step, "before", words)
            raise StepFailed(words) from None
        courier.metrics.delivery_steps.add(step.name, "before", "ended" if said.end is not None else "directed")
        courier.log.event(
            "directed", id=work.message.id_text, step=step.name, what=course.words(work), reason=said.because
        )
        course.because = f"{step.name}: {in_one_line(said.because)}" if said.because else step.name
        if course.end is not None:
            break
    return course


async def _tried(courier: Courier, work: Work, outcome: Outcome, course: Course) -> Outcome:
    """A delivery by us, to as many recipients as one transaction may have; the others are next at once."""
    everybody = work.message.recipients
    some = everybody if course.most_recipients is None else everybody[: course.most_recipients]
    part = work if some is everybody else replace(work, message=replace(work.message, recipients=some))
    context = outcome.context
    outcome = await courier.carry(part, outcome, course.way)
    outcome.context = context
    if outcome.verdict is HostVerdict.DOWN and course.is_own:
        # Perhaps it is the way chosen that leads nowhere: the others of the queue must not wait for it.
        outcome.verdict = HostVerdict.UNKNOWN
    if outcome.verdict is not HostVerdict.DOWN:
        now = courier.clock()
        for one in everybody[len(some) :]:
            words = "the others of this message go first"
            outcome.recipients[one.number] = _waiting(one.number, words, at=now, counted=False)
    return outcome


def _move(courier: Courier, work: Work, outcome: Outcome, course: Course, started: float) -> None:
    """Into the queue they are to be delivered from, due at once."""
    assert course.key is not None
    if not courier.moves.one_more(work.message.id):
        reason = f"{course.because}: it was moved {MOST_MOVES} times and never tried"
        _put_off(courier, work, outcome, reason, started)
        return
    now = courier.clock()
    outcome.verdict = HostVerdict.UNKNOWN
    outcome.moves = tuple(Move(one.number, course.key) for one in work.message.recipients)
    words = f"put into the queue {course.key.to_text()} ({course.because})"
    outcome.attempts.append(_attempt(courier, work, "waiting", words, started))
    for one in work.message.recipients:
        outcome.recipients[one.number] = _waiting(one.number, words, at=now, counted=False)


def _end(courier: Courier, work: Work, outcome: Outcome, end: End, because: str, started: float) -> None:
    """What a step decided in place of a delivery."""
    if isinstance(end, Carried):
        note_carried(courier, work, outcome, in_one_line(end.by, 80) or because, end.ends, started)
        return
    outcome.verdict = HostVerdict.UNKNOWN
    reason = in_one_line(end.reason) or because
    word = "returned" if isinstance(end, Return) else "waiting"
    for one in work.message.recipients:
        if isinstance(end, Return):
            made = RecipientOutcome(one.number, RecipientState.FAILED, end.status, "", reason)
        elif isinstance(end, Hold):
            made = RecipientOutcome(one.number, RecipientState.HELD, "4.7.0", "", reason)
        else:
            made = _waiting(one.number, reason, at=max(end.until, courier.clock() + SOONEST), counted=False)
        outcome.recipients[one.number] = made
        courier.metrics.outbound_recipients.add(word, "nothing sent")
        event = "held" if isinstance(end, Hold) else word
        courier.log.event(event, id=work.message.id_text, to=one.forward_path, reason=reason)
    outcome.attempts.append(_attempt(courier, work, word, f"{reason} ({because})", started))


def _put_off(courier: Courier, work: Work, outcome: Outcome, reason: str, started: float) -> None:
    """As after a failed try: by the schedule, and counted."""
    outcome.verdict = HostVerdict.UNKNOWN
    for one in work.message.recipients:
        outcome.recipients[one.number] = _waiting(one.number, reason)
        courier.metrics.outbound_recipients.add("waiting", "nothing sent")
    outcome.attempts.append(_attempt(courier, work, "waiting", reason, started))
    courier.log.event("waiting", id=work.message.id_text, reason=reason)


def _waiting(number: int, reason: str, *, at: float = 0.0, counted: bool = True) -> RecipientOutcome:
    return RecipientOutcome(number, RecipientState.QUEUED, "4.3.5", "", reason, at=at, counted=counted)


def _attempt(courier: Courier, work: Work, word: str, reason: str, started: float) -> Attempt:
    numbers = tuple(one.number for one in work.message.recipients)
    return Attempt(
        started, work.key.next_hop, numbers, port=0, protection="nothing sent", outcome=word, reason=reason,
        duration=courier.clock() - started,
    )  # fmt: skip


def octets(courier: Courier, work: Work) -> Iterable[bytes]:
    """The message as it is stored."""
    return (work.body,) if work.body is not None else courier.spool.body_chunks(work.message)


def _with_context(work: Work, outcome: Outcome) -> QueuedMessage:
    return work.message if outcome.context is None else replace(work.message, context=outcome.context)


def _words(step: DeliveryStep, error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return f"step {step.name} did not end within {step.seconds:g} s"
    said = error.reason if isinstance(error, Misdirection) else f"{type(error).__name__}: {error}"
    return f"step {step.name} failed: {said[:500]}"


def _fault(courier: Courier, work: Work, step: DeliveryStep, when: str, words: str) -> None:
    courier.metrics.delivery_steps.add(step.name, when, "failed")
    courier.log.error("step-broken", id=work.message.id_text, step=step.name, reason=words)

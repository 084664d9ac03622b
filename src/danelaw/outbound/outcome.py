"""What one delivery came to, and what of it is written down."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from danelaw.queue import Attempt, Move, RecipientResult, RecipientState, Settlement
from danelaw.queue.pages import HostVerdict, Work

if TYPE_CHECKING:
    from danelaw.outbound.notices import Notices
    from danelaw.queue import RetrySchedule


# A member looked up on its Enum class costs eight times a global in Python 3.11, and these are on the hot path.
_HOST_VERDICT_DOWN = HostVerdict.DOWN
_RECIPIENT_STATE_QUEUED = RecipientState.QUEUED
_TOLD = (RecipientState.FAILED, RecipientState.RELAYED)


@dataclass(slots=True)
class RecipientOutcome:
    """How a try ended for one recipient.

    `state` is final, or QUEUED for "try again". `status` is an enhanced code such as `5.7.1`, `reply` the next hop's
    words ("" when it said nothing), `reason` ours, `host` the server that answered.
    `notice` and `advice` are the words of the reply's bounce class `bounce`, `wait` the least seconds before the next
    try. A policy step may set the next try itself, `at` (POSIX seconds, 0 for by schedule), and give a `text` that is
    added to the notice; what it put off was no try, and is not `counted` as one.
    """

    number: int
    state: RecipientState
    status: str
    reply: str = ""
    reason: str = ""
    host: str = ""
    notice: str = ""
    advice: str = ""
    wait: float = 0.0
    bounce: str = ""
    at: float = 0.0
    counted: bool = True
    text: str = ""


@dataclass(slots=True)
class Outcome:
    """One delivery. With `verdict` DOWN no host could be used: the queue sleeps and the message keeps its place.

    `moves` puts recipients into other queues, `context` in place of the message's: policy steps ask for both.
    """

    verdict: HostVerdict = HostVerdict.GOOD
    reason: str = ""
    recipients: dict[int, RecipientOutcome] = field(default_factory=dict)
    attempts: list[Attempt] = field(default_factory=list)
    evidence: list[bytes] = field(default_factory=list)
    moves: tuple[Move, ...] = ()
    context: str | None = None

    @property
    def calls_for_notice(self) -> bool:
        """True when a sender may have to be told: somebody failed, or was passed on to a host without DSN."""
        return any(end.state in _TOLD for end in self.recipients.values())

    @classmethod
    def all_recipients(
        cls, work: Work, state: RecipientState, status: str, reason: str, *, reply: str = "", host: str = ""
    ) -> Outcome:
        """The same end for every recipient."""
        outcome = cls(reason=reason)
        for item in work.message.recipients:
            outcome.recipients[item.number] = RecipientOutcome(item.number, state, status, reply, reason, host)
        return outcome

    def broke_off(self, work: Work, reason: str, now: float) -> None:
        """A defect of this program ended the try: who was reached stays reached, the others are tried again later."""
        self.verdict = HostVerdict.UNKNOWN
        for number in _numbers(work):
            end = self.recipients.get(number)
            if end is None or not end.state.final:
                self.recipients[number] = RecipientOutcome(number, _RECIPIENT_STATE_QUEUED, "4.3.0", "", reason)
        self.attempts.append(
            Attempt(
                now, work.key.next_hop, _numbers(work), outcome="waiting", reason=reason, protection="nothing sent",
                demand=work.key.demand,
            )
        )  # fmt: skip

    def do_without_notices(self, reason: str) -> None:
        """No notice can be made: nobody may be returned without one, so failures become tries to come."""
        for number, end in self.recipients.items():
            if end.state is RecipientState.FAILED:
                self.recipients[number] = RecipientOutcome(number, _RECIPIENT_STATE_QUEUED, "4.3.0", end.reply, reason)
            elif end.state is RecipientState.RELAYED:
                self.recipients[number] = replace(end, state=RecipientState.DELIVERED)


def _numbers(work: Work) -> tuple[int, ...]:
    return tuple(item.number for item in work.message.recipients)


def settlement_of(
    work: Work, outcome: Outcome, schedule: RetrySchedule, notices: Notices, now: float, spread: Callable[[], float]
) -> Settlement | None:
    """The transaction that writes an outcome down, its notices included; None when there is nothing to write."""
    message = work.message
    if outcome.verdict is _HOST_VERDICT_DOWN:
        if not outcome.attempts and outcome.context is None:
            return None
        found = Settlement(message, now, attempts=tuple(outcome.attempts), evidence=tuple(outcome.evidence))
        found.context = outcome.context
        return found
    results = []
    for queued in message.recipients:
        end = outcome.recipients.get(queued.number)
        if end is None:
            end = RecipientOutcome(queued.number, _RECIPIENT_STATE_QUEUED, "4.4.2", reason=outcome.reason)
        tries = queued.tries + end.counted
        due = 0.0
        if end.at and end.state is _RECIPIENT_STATE_QUEUED:
            due = max(now, min(end.at, message.expires))
        elif end.state is _RECIPIENT_STATE_QUEUED:
            chance = spread()
            due = schedule.next_due(tries, now, message.expires, chance) or now + schedule.wait(tries, chance)
            if end.wait:  # never longer than the longest pause the operator wants
                due = max(due, min(now + min(end.wait, schedule.waits[-1]), message.expires))
        results.append(RecipientResult(queued.number, end.state, due, tries, end.reply, end.reason))
    settlement = Settlement(message, now, tuple(results), tuple(outcome.attempts), evidence=tuple(outcome.evidence))
    settlement.moves, settlement.context = outcome.moves, outcome.context
    if outcome.calls_for_notice:
        if notices.owes(message):
            ends = outcome.recipients
            about = [(one, ends[one.number]) for one in message.recipients if one.number in ends]
            settlement.owed = notices.owed(message, about, now)
        else:
            settlement.notices = notices.for_outcome(message, outcome, now)
    return settlement

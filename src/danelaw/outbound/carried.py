"""What a step or a carrier delivered without SMTP: in the record, the log and the numbers like any other delivery."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from danelaw.outbound.outcome import Outcome, RecipientOutcome
from danelaw.queue import Attempt, QueuedRecipient, RecipientState
from danelaw.queue.pages import HostVerdict

if TYPE_CHECKING:
    from danelaw.outbound.courier import Courier
    from danelaw.queue.pages import Work

HANDED_OVER = "handed over"
"""The protection of what did not leave by SMTP: a program, folder or service of the operator's has it."""
_ENDS = frozenset(
    {
        RecipientState.DELIVERED,
        RecipientState.RELAYED,
        RecipientState.QUEUED,
        RecipientState.FAILED,
        RecipientState.HELD,
    }
)


def note_carried(
    courier: Courier,
    work: Work,
    outcome: Outcome,
    by: str,
    ends: Mapping[int, RecipientOutcome],
    started: float,
    verdict: HostVerdict = HostVerdict.UNKNOWN,
) -> None:
    """Fill `outcome` with what became of each recipient over the way called `by`; who is missing in `ends` waits."""
    outcome.verdict = verdict
    words: dict[str, list[int]] = {}
    for one in work.message.recipients:
        end = ends.get(one.number)
        if end is None or end.state not in _ENDS:
            end = RecipientOutcome(one.number, RecipientState.QUEUED, "4.3.0", "", f"{by} said nothing of it", by)
        elif end.number != one.number:
            end = RecipientOutcome(one.number, end.state, end.status, end.reply, end.reason, end.host)
        outcome.recipients[one.number] = end
        words.setdefault(_count(courier, work, one, end, by), []).append(one.number)
    for word, numbers in words.items():
        courier.metrics.came_of(work.key.demand, word, by=len(numbers))
        end = outcome.recipients[numbers[0]]
        outcome.attempts.append(
            Attempt(
                started, work.key.next_hop, tuple(numbers), by, port=0,
                protection=HANDED_OVER if word == "delivered" else "nothing sent",
                reply=end.reply, outcome=word, reason=end.reason, duration=courier.clock() - started,
                demand=work.key.demand,
            )
        )  # fmt: skip


def _count(courier: Courier, work: Work, one: QueuedRecipient, end: RecipientOutcome, by: str) -> str:
    """Log and count one recipient; gives the outcome in the word people see."""
    message = work.message
    if end.state in (RecipientState.DELIVERED, RecipientState.RELAYED):
        delay = courier.clock() - message.received_at
        courier.metrics.outbound_recipients.add("delivered", HANDED_OVER)
        courier.metrics.outbound_bytes.add(by=message.size)
        courier.metrics.delivery_seconds.observe(delay)
        courier.log.event(
            "delivered", id=message.id_text, to=one.forward_path, host=by, protection=HANDED_OVER,
            delay=round(delay, 3), reply=end.reply,
        )  # fmt: skip
        return "delivered"
    word = "returned" if end.state is RecipientState.FAILED else "waiting"
    courier.metrics.outbound_recipients.add(word, "nothing sent")
    event = "held" if end.state is RecipientState.HELD else word
    courier.log.event(
        event, id=message.id_text, to=one.forward_path, host=by, bounce=end.bounce or None,
        reason=end.reason or end.reply,
    )  # fmt: skip
    return word

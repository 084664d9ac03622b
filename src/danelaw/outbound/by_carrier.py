"""Deliveries over a carrier in place of SMTP, for queues whose next hop is `carrier:NAME`."""

from __future__ import annotations

from typing import TYPE_CHECKING

from danelaw.carriers import Addressee, CarrierDown, Given, Parcel, Result
from danelaw.outbound.carried import note_carried
from danelaw.outbound.outcome import Outcome, RecipientOutcome
from danelaw.queue import Attempt, RecipientState
from danelaw.queue.pages import HostVerdict
from danelaw.requiretls import SUPPORT_REQUIRED
from danelaw.routing import carrier_of
from danelaw.smtp import EnhancedStatusCode
from danelaw.tlspolicy import SenderDemand

if TYPE_CHECKING:
    from pathlib import Path

    from danelaw.outbound.courier import Courier
    from danelaw.queue import QueuedRecipient
    from danelaw.queue.pages import Work


async def by_carrier(courier: Courier, work: Work, outcome: Outcome) -> Outcome:
    """Hand the mail over; `outcome` is filled as `Courier.deliver` says."""
    started = courier.clock()
    name = carrier_of(work.key.next_hop) or ""
    carrier = courier.carriers.get(name)
    if carrier is None:
        return _down(courier, work, outcome, f"no [[carrier]] is called {name!r}", started)
    demand = SenderDemand.from_word(work.key.demand)
    if demand.requiretls and name not in courier.last_stops:
        # RFC 8689 §4.2.1: only to a server that offers it; what a carrier leads to does, where mail ends there.
        status = EnhancedStatusCode(*SUPPORT_REQUIRED).to_text()
        reason = f"{name} takes no mail that must go on under REQUIRETLS"
        failed = {
            one.number: RecipientOutcome(one.number, RecipientState.FAILED, status, "", reason)
            for one in work.message.recipients
        }
        note_carried(courier, work, outcome, name, failed, started)
        return outcome
    if demand.encrypted and name not in courier.last_stops:
        seen = f"nobody can see how {name} hands mail on"
        reason = f"{demand.value} is demanded, and {seen}; where mail ends there, last_stop = true says so"
        return _down(courier, work, outcome, reason, started)
    try:
        ends = await carrier.carry(_parcel(courier, work))
    except CarrierDown as down:
        return _down(courier, work, outcome, down.reason, started)
    made = {one.number: end_of(one, ends[one.number], name) for one in work.message.recipients if one.number in ends}
    note_carried(courier, work, outcome, name, made, started, HostVerdict.GOOD)
    return outcome


def _parcel(courier: Courier, work: Work) -> Parcel:
    message = work.message
    content: bytes | Path
    if work.body is not None:
        content = work.body
    elif message.body_file is None:
        content = courier.spool.read_body(message)
    else:
        content = courier.spool.body_path(message)
    return Parcel(
        id=message.id_text,
        reverse_path=message.reverse_path,
        addressees=tuple(Addressee(one.number, one.forward_path) for one in message.recipients),
        size=len(content) if isinstance(content, bytes) else message.size,
        content=content,
        received_at=message.received_at,
        expires=message.expires,
        # What lay in memory since it came in was never on its way before.
        tried=work.body is None,
    )


def end_of(queued: QueuedRecipient, given: Given, name: str) -> RecipientOutcome:
    """What a carrier did with a recipient, as the queue has it; `name` is the carrier's."""
    state = RecipientState.QUEUED
    if given.result is Result.DELIVERED:
        # Nobody there sends notices of delivery (RFC 3461 §5.2.2).
        state = RecipientState.RELAYED if "SUCCESS" in queued.notify else RecipientState.DELIVERED
    elif given.result is Result.REFUSED:
        state = RecipientState.FAILED
    return RecipientOutcome(queued.number, state, given.status, given.reply, given.reason, name, wait=given.wait)


def _down(courier: Courier, work: Work, outcome: Outcome, reason: str, started: float) -> Outcome:
    """The queue sleeps, as for a host that does not answer, and the message keeps its place."""
    outcome.verdict, outcome.reason = HostVerdict.DOWN, reason
    numbers = tuple(one.number for one in work.message.recipients)
    outcome.attempts.append(
        Attempt(
            started, work.key.next_hop, numbers, carrier_of(work.key.next_hop) or "", port=0,
            protection="nothing sent", outcome="waiting", reason=reason, duration=courier.clock() - started,
            demand=work.key.demand,
        )
    )  # fmt: skip
    for one in work.message.recipients:
        courier.metrics.outbound_recipients.add("waiting", "nothing sent")
        courier.metrics.came_of(work.key.demand, "waiting")
        courier.log.event(
            "waiting", id=work.message.id_text, to=one.forward_path, demand=work.key.demand or None, reason=reason
        )
    return outcome

"""A held message is released: what is left of arrival's steps look at it again before it goes on.

A hold lets the other steps speak, so they have seen the message; but days may have passed. Steps after the one that
held it which have `Stage.RELEASE` are asked once more. They may keep it, and may not change it: what people decided
about is what goes on.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from danelaw.address import ForwardPath, ReversePath
from danelaw.inbound.arrival import Arrival, Client, Content, Hold, Refuse, Ruling
from danelaw.inbound.steps import Stage, Steps
from danelaw.queue import HeldBy, RecipientState
from danelaw.smtp import Envelope, Recipient

if TYPE_CHECKING:
    from danelaw.queue import QueuedMessage


async def resume(steps: Steps, arrival: Arrival, after_step: str) -> tuple[HeldBy, ...]:
    """Who wants the message kept, and why; empty when it may go. `after_step` is the one that held it; a name that is
    no step's (an operator's hold) means that all are asked. What a step raises keeps the message too.
    """
    names = [step.name for step in steps.all]
    later = steps.all[names.index(after_step) + 1 :] if after_step in names else steps.all
    kept: list[HeldBy] = []
    for step in later:
        if Stage.RELEASE not in step.stages or (arrival.client.trusted and not step.for_trusted):
            continue
        try:
            ruling = await step.release(arrival)
        except Exception as error:  # a fault of a step must let nothing unexamined pass
            kept.append(HeldBy(step.name, f"it failed: {type(error).__name__}: {error}"))
            continue
        if ruling is not None:
            kept.append(HeldBy(step.name, _words(ruling)))
    return tuple(kept)


def stored_arrival(message: QueuedMessage, content: bytes | Path, *, trusted: bool = False) -> Arrival:
    """A message from the queue as steps know it, with its held recipients. `content` is as stored: our Received field
    and what steps added stand on top. Raises `HeaderTooLarge`, `MailboxError`.
    """
    reverse_path = ReversePath.from_text(f"<{message.reverse_path}>")
    recipients = [
        Recipient(ForwardPath.from_text(f"<{one.forward_path}>"))
        for one in message.recipients
        if one.state is RecipientState.HELD
    ]
    version, _, cipher = message.client_tls.partition(" ")
    client = Client(
        message.client_address,
        0,
        message.client_helo,
        True,
        (version, cipher) if version else None,
        trusted=trusted,
        user=message.client_user,
    )
    envelope = Envelope(
        reverse_path, tuple(recipients), message.smtputf8, envid=message.envid or None, requiretls=message.requiretls
    )
    return Arrival(
        message.id, message.received_at, client, envelope, Content(content, message.size), reverse_path, recipients
    )


def _words(ruling: Ruling) -> str:
    if isinstance(ruling, Refuse):
        return f"it would be refused: {ruling.reply.to_text()}"
    return ruling.reason if isinstance(ruling, Hold) else f"it would be discarded: {ruling.reason}"

"""What is said of a message whose fate is certain: one line of the log, and the client's reply."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from danelaw.smtp import EnhancedStatusCode, Reply
from danelaw.telemetry import Columns, Kind

if TYPE_CHECKING:
    from danelaw.inbound.arrival import Arrival, Discard
    from danelaw.queue import QueuedMessage
    from danelaw.telemetry import Log

_QUEUED = EnhancedStatusCode(2, 0, 0)
_KINDS = {
    "id": Kind.OWN,
    "client": Kind.OWN,
    "helo": Kind.FREE,
    "tls": Kind.FREE,
    "sender": Kind.FREE,
    "to": Kind.FREE,
    "recipients": Kind.NUMBER,
    "size": Kind.NUMBER,
    "message_id": Kind.FREE,
    "user": Kind.FREE,
}
_RECEIVED = Columns(**_KINDS)
_COPIED = Columns(**_KINDS, copies=Kind.OWN)
_COPY = Columns(**_KINDS, copy_of=Kind.OWN)


def received(log: Log, messages: Sequence[QueuedMessage]) -> Reply:
    """All messages that were made of one are on stable storage. Each has its line; the first one's names the others,
    and the reply names the first.
    """
    first = messages[0]
    ident = first.id_text
    if len(messages) == 1:
        log.row("received", _RECEIVED, *_values(first, ident))
        return _queued(ident)
    others = [message.id_text for message in messages[1:]]
    log.row("received", _COPIED, *_values(first, ident), ",".join(others))
    for message, other in zip(messages[1:], others, strict=True):
        log.row("received", _COPY, *_values(message, other), ident)
    return _queued(ident)


def discarded(log: Log, arrival: Arrival, ruling: Discard) -> Reply:
    """A message goes nowhere, as a step ruled; the reply is what would be said otherwise."""
    ident, sender = arrival.id_text, arrival.reverse_path.mailbox
    log.event(
        "discarded",
        id=ident,
        client=arrival.client.address,
        sender="" if sender is None else sender.to_text(),
        step=ruling.step or None,
        reason=ruling.reason,
    )
    return _queued(ident)


def _queued(ident: str) -> Reply:
    return Reply(250, _QUEUED, f"queued as {ident}")


def _values(message: QueuedMessage, ident: str) -> tuple[object, ...]:
    return (
        ident,
        message.client_address,
        message.client_helo,
        message.client_tls or None,
        message.reverse_path,
        message.recipients[0].forward_path,
        message.recipient_count if message.recipient_count > 1 else None,
        message.size,
        message.message_id or None,
        message.client_user or None,
    )

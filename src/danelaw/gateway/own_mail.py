"""Mail that the gateway itself writes, into its own queue like any other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from danelaw.address import Mailbox
from danelaw.queue import QueuedMessage, QueuedRecipient

if TYPE_CHECKING:
    from danelaw.gateway.gateway import Gateway


async def post(
    gateway: Gateway, content: bytes, to: Sequence[str], *, kind: str, message_id: str, now: float,
    reverse_path: str = "",
) -> str:  # fmt: skip
    """Queue a whole message and return its id; whether it is delivered is the queue's business, no notice comes back.

    `kind` stands where other mail has its client's name. Raises `MailboxError` for what is no address, `SpoolError`.
    """
    workshop, spool = gateway.parts.workshop, gateway.parts.spool
    recipients = tuple(
        QueuedRecipient(number, address, workshop.relay.key(Mailbox.from_text(address).domain, ""), "NEVER", due=now)
        for number, address in enumerate(to)
    )
    message = QueuedMessage(
        spool.new_id(), now, workshop.schedule.expires(now), reverse_path, recipients, len(content), len(recipients),
        smtputf8=not "".join(to).isascii(), body_kind="7BIT" if content.isascii() else "8BITMIME", client_helo=kind,
        message_id=message_id,
    )  # fmt: skip
    await spool.append(message, content)
    gateway.parts.engine.arrived(message, content, False)
    return message.id_text

"""Mail that the gateway itself writes, into its own queue like any other."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from danelaw.address import Mailbox
from danelaw.queue import QueuedMessage, QueuedRecipient
from danelaw.tlspolicy import SenderDemand

if TYPE_CHECKING:
    from danelaw.gateway.gateway import Gateway


async def post(
    gateway: Gateway,
    content: bytes,
    to: Sequence[str],
    *,
    kind: str,
    message_id: str,
    now: float,
    reverse_path: str = "",
    demand: SenderDemand = SenderDemand.NONE,
    lifetime: float | None = None,
    number: int | None = None,
) -> str:
    """Queue a whole message and return its id; whether it is delivered is the queue's business, no notice comes back.

    `kind` stands where other mail has the client's EHLO name. `lifetime` in seconds, when shorter than usual; `number`
    is the queue id to use, where it was made before. Raises `MailboxError` for what is no address, `SpoolError`.
    """
    workshop, spool = gateway.parts.workshop, gateway.parts.spool
    recipients = tuple(
        QueuedRecipient(
            place, address, workshop.relay.key(Mailbox.from_text(address).domain, demand.word), "NEVER", due=now
        )
        for place, address in enumerate(to)
    )
    expires = workshop.schedule.expires(now)
    message = QueuedMessage(
        spool.new_id() if number is None else number, now,
        expires if lifetime is None else min(expires, now + lifetime), reverse_path, recipients, len(content),
        len(recipients), smtputf8=not "".join(to).isascii(),
        body_kind="7BIT" if content.isascii() else "8BITMIME", client_helo=kind, message_id=message_id,
        tls_required_no=demand is SenderDemand.TLS_REQUIRED_NO,
    )  # fmt: skip
    await spool.append(message, content)
    gateway.parts.engine.arrived(message, content, False)
    return message.id_text

"""One message on its way in: from DATA to the moment the disk has it."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from danelaw.inbound.head import Head
from danelaw.queue import QueuedMessage, QueuedRecipient, id_to_text
from danelaw.requiretls import waives_tls
from danelaw.smtp import Reply
from danelaw.spool import SpoolError

if TYPE_CHECKING:
    from danelaw.inbound.conversation import Conversation
    from danelaw.inbound.intake import Intake
    from danelaw.inbound.relay import RelayPolicy
    from danelaw.smtp import EndOfMessage, Envelope, Recipient
    from danelaw.spool import BodyWriter

_NO_RELAY = Reply.of(550, "5.7.1", "relaying denied: this gateway does not take mail for that domain from your address")
_LOOP = Reply.of(554, "5.4.6", "mail loop: the message has passed through too many servers")


def refusal_of_recipient(relay: RelayPolicy, recipient: Recipient, trusted: bool) -> Reply | None:
    """Whether this client may send to this recipient (RFC 5321 §7.8); None means yes."""
    if trusted or recipient.forward_path.bare_postmaster or relay.accepts(recipient.forward_path.mailbox.domain):
        return None
    return _NO_RELAY


MANY = 200
"""Recipients made ready in one turn of the event loop."""


class Reception:
    """Receives one message. Small ones come whole in `end`; large ones are written while they arrive."""

    __slots__ = (
        "_failure",
        "_head",
        "_id",
        "_intake",
        "_received_at",
        "_session",
        "_trace",
        "_writer",
        "complete",
        "envelope",
    )

    def __init__(self, intake: Intake, session: Conversation, envelope: Envelope) -> None:
        self._intake = intake
        self._session = session
        self._received_at = intake.clock()
        self._id = intake.spool.new_id()
        self._writer: BodyWriter | None = None
        self._head: Head | None = None
        self._failure: SpoolError | None = None
        self._trace = b""
        self.envelope = envelope
        self.complete = False

    def chunk(self, data: bytes) -> None:
        """A piece of a large message: to the file at once. A fault of the disk is told at the message's end."""
        if self._failure is not None:
            return
        try:
            if self._writer is None:
                self._writer = self._intake.spool.body_writer(self._id)
                self._trace = self._received()
                self._writer.write(self._trace)
                self._head = Head(data)
            else:
                assert self._head is not None
                self._head.feed(data)
            self._writer.write(data)
        except SpoolError as error:
            self._failure = error

    def end(self, event: EndOfMessage) -> Reply | None:
        """The message is complete: refuse it now, or store it and let `Conversation.stored` be called later."""
        head = self._head
        if head is None:
            head = Head(event.body)
            self._trace = self._received()
        if head.received_count > self._intake.limits.hops:
            self.abandon()
            return _LOOP
        body = None if self._writer is not None else self._trace + event.body
        recipients = self.envelope.recipients
        if self._writer is None and len(recipients) <= MANY:
            self.complete = True
            self._store(self._message(event, head, self._queued(head, 0, MANY)), body)
            return None
        failure = None if self._writer is None else self._failure or self._intake.spool.refusal()
        if failure is not None:
            self.abandon()
            return self._intake.not_stored(self._message(event, head, self._queued(head, 0, 1)), failure)
        self.complete = True
        self._session.task = asyncio.get_running_loop().create_task(self._store_large(event, head, body))
        return None

    def abandon(self) -> None:
        """The message will not come to its end: remove what was written of it."""
        if self._writer is not None and not self.complete:
            self._writer.abort()
            self._writer = None

    def _received(self) -> bytes:
        envelope = self.envelope
        single = envelope.recipients[0].forward_path.mailbox.to_text() if len(envelope.recipients) == 1 else None
        trace = self._session.trace(smtputf8=envelope.smtputf8)
        return trace.to_bytes(id_to_text(self._id), self._received_at, single)

    def _queued(self, head: Head, first: int, upto: int) -> list[QueuedRecipient]:
        """Some of the recipients as the queue knows them."""
        envelope = self.envelope
        waives = waives_tls(head.tls_required, requiretls=envelope.requiretls)
        demand = "requiretls" if envelope.requiretls else "tls-required-no" if waives else ""
        now, relay = self._received_at, self._intake.relay
        recipients = []
        for number, item in enumerate(envelope.recipients[first:upto], first):
            to = item.forward_path.mailbox
            notify = "" if item.notify is None else item.notify.to_text()
            orcpt = "" if item.orcpt is None else item.orcpt.to_text()
            recipients.append(QueuedRecipient(number, to.to_text(), relay.key(to.domain, demand), notify, orcpt, now))
        return recipients

    def _message(self, event: EndOfMessage, head: Head, recipients: list[QueuedRecipient]) -> QueuedMessage:
        envelope, session, now = self.envelope, self._session, self._received_at
        mailbox = envelope.reverse_path.mailbox
        return QueuedMessage(
            self._id,
            now,
            self._intake.schedule.expires(now),
            "" if mailbox is None else mailbox.to_text(),
            tuple(recipients),
            event.size + len(self._trace),
            len(recipients),
            "8BITMIME" if event.eight_bit else "7BIT",
            envelope.smtputf8,
            envelope.ret.value if envelope.ret else "",
            envelope.envid or "",
            envelope.requiretls,
            waives_tls(head.tls_required, requiretls=envelope.requiretls),
            session.client_address,
            session.helo,
            " ".join(session.tls or ()),
            head.message_id,
        )

    def _store(self, message: QueuedMessage, body: bytes | None) -> None:
        intake, session = self._intake, self._session
        size, admission = message.size, intake.admission
        admission.under_way += 1
        ended = time.monotonic()
        claimed = intake.admit(message, size)

        def stored(error: SpoolError | None) -> None:
            admission.under_way -= 1
            admission.answered(max(time.monotonic() - ended, intake.pulse.lag))
            if error is None:
                session.stored(intake.accepted(message))
                intake.arrived(message, body, claimed)
            else:
                if claimed:
                    intake.abandoned(message, size)
                session.stored(intake.not_stored(message, error))

        intake.spool.append_soon(message, body, stored, claimed=claimed)

    async def _store_large(self, event: EndOfMessage, head: Head, body: bytes | None) -> None:
        """A large body is closed in a thread, many recipients are made ready in several turns of the event loop."""
        loop = asyncio.get_running_loop()
        recipients: list[QueuedRecipient] = []
        try:
            for first in range(0, len(self.envelope.recipients), MANY):
                recipients += self._queued(head, first, first + MANY)
                await asyncio.sleep(0)
            message = self._message(event, head, recipients)
            if self._writer is not None:
                message.body_file = await loop.run_in_executor(None, self._writer.close)
        except SpoolError as error:
            self._session.stored(self._intake.not_stored(message, error))
            return
        finally:
            self._session.task = None
        self._store(message, body)

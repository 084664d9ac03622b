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
        message = self._message(event, head)
        if self._writer is None:
            self.complete = True
            self._store(message, self._trace + event.body)
            return None
        failure = self._failure or self._intake.spool.refusal()
        if failure is not None:
            self.abandon()
            return self._intake.not_stored(message, failure)
        self.complete = True
        self._session.task = asyncio.get_running_loop().create_task(self._store_large(message, self._writer))
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

    def _message(self, event: EndOfMessage, head: Head) -> QueuedMessage:
        envelope, session = self.envelope, self._session
        waives = waives_tls(head.tls_required, requiretls=envelope.requiretls)
        demand = "requiretls" if envelope.requiretls else "tls-required-no" if waives else ""
        now, relay = self._received_at, self._intake.relay
        recipients = []
        for number, item in enumerate(envelope.recipients):
            to = item.forward_path.mailbox
            notify = "" if item.notify is None else item.notify.to_text()
            orcpt = "" if item.orcpt is None else item.orcpt.to_text()
            recipients.append(QueuedRecipient(number, to.to_text(), relay.key(to.domain, demand), notify, orcpt, now))
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
            waives,
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

    async def _store_large(self, message: QueuedMessage, writer: BodyWriter) -> None:
        loop = asyncio.get_running_loop()
        try:
            message.body_file = await loop.run_in_executor(None, writer.close)
        except SpoolError as error:
            self._session.stored(self._intake.not_stored(message, error))
            return
        finally:
            self._session.task = None
        self._store(message, None)

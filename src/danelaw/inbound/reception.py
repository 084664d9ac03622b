"""One message on its way in: from DATA to the moment the disk has it."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from danelaw.inbound.arrival import Arrival, Content, Refuse
from danelaw.inbound.asking import begin
from danelaw.inbound.consignment import MANY, Consignment
from danelaw.inbound.examination import as_stored, examine
from danelaw.inbound.head import Head
from danelaw.inbound.keeping import Copy
from danelaw.message import HeaderTooLarge
from danelaw.queue import QueuedMessage, QueuedRecipient, id_to_text
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
_HEADER_TOO_LARGE = Reply.of(552, "5.3.4", "the message's header is too large")


def refusal_of_recipient(relay: RelayPolicy, recipient: Recipient, trusted: bool) -> Reply | None:
    """Whether this client may send to this recipient (RFC 5321 §7.8); None means yes."""
    if trusted or recipient.forward_path.bare_postmaster or relay.accepts(recipient.forward_path.mailbox.domain):
        return None
    return _NO_RELAY


class Reception:
    """Receives one message. Small ones come whole in `end`; large ones are written while they arrive.

    Where steps will look at it, a large message is written without our Received field and copied below it afterwards:
    what comes to stand on top is not known before.
    """

    __slots__ = (
        "_copy",
        "_failure",
        "_head",
        "_id",
        "_intake",
        "_late",
        "_received_at",
        "_session",
        "_steps",
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
        self._steps = session.panel.about_message()
        self._writer: BodyWriter | None = None
        self._head: Head | None = None
        self._failure: SpoolError | None = None
        self._copy: Copy | None = None
        self._trace = b""
        self._late = False
        self.envelope = envelope
        self.complete = False

    def chunk(self, data: bytes) -> None:
        """A piece of a large message: to the file at once. A fault of the disk is told at the message's end."""
        if self._failure is not None:
            return
        try:
            if self._writer is None:
                examined = bool(self._steps)
                self._writer = self._intake.spool.body_writer(self._id, examined=examined)
                self._trace = self._received()
                if not examined:
                    self._copy = Copy(self._intake.room)
                    self._write(self._trace)
                self._head = Head(data)
            else:
                assert self._head is not None
                self._head.feed(data)
            self._write(data)
        except SpoolError as error:
            self._failure = error

    def _write(self, data: bytes) -> None:
        assert self._writer is not None
        self._writer.write(data)
        if self._copy is not None:
            self._copy.add(data)

    def _drop_copy(self) -> None:
        if self._copy is not None:
            self._copy.drop()

    def _in_memory(self, body: bytes | None) -> bytes | None:
        """The message for its first delivery, None where it is only in its file."""
        return body if body is not None or self._copy is None else self._copy.whole()

    def end(self, event: EndOfMessage) -> Reply | None:
        """The message is complete: refuse it now, or store it and let `Conversation.stored` be called later."""
        head = self._head
        if head is None:
            head = Head(event.body)
            self._trace = self._received()
        if head.received_count > self._intake.limits.hops:
            self.abandon()
            return _LOOP
        failure = self._failure
        if failure is None and self._steps:
            self.complete = True
            self._session.asking = begin(self._examine(event, head), self._steps)
            self._late = True
            return None
        size = event.size + len(self._trace)
        goods = Consignment(self._intake, self._session, self.envelope, head, size)
        if failure is None and self._writer is not None:
            failure = self._intake.spool.refusal()
        if failure is not None:
            self.abandon()
            return self._intake.not_stored(
                self._message(event, goods, goods.recipients(self._received_at, 0, 1)), failure
            )
        self.complete = True
        body = self._trace + event.body if self._writer is None else None
        if self._writer is None and not goods.many:
            self._store(self._message(event, goods, goods.recipients(self._received_at)), body)
        else:
            self._take(event, goods, body, self._writer)
        return None

    def abandon(self) -> None:
        """The message will not come to its end: remove what was written of it."""
        if self._writer is not None and not self.complete:
            self._writer.abort()
            self._writer = None
            self._drop_copy()

    def _received(self) -> bytes:
        envelope = self.envelope
        single = envelope.recipients[0].forward_path.mailbox.to_text() if len(envelope.recipients) == 1 else None
        trace = self._session.trace(smtputf8=envelope.smtputf8)
        return trace.to_bytes(id_to_text(self._id), self._received_at, single)

    def _message(self, event: EndOfMessage, goods: Consignment, recipients: list[QueuedRecipient]) -> QueuedMessage:
        return goods.message(self._id, self._received_at, recipients, eight_bit=event.eight_bit)

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
                intake.arrived(message, self._in_memory(body) if claimed else None, claimed)
            else:
                if claimed:
                    intake.abandoned(message, size)
                session.stored(intake.not_stored(message, error))
            self._drop_copy()

        intake.spool.append_soon(message, body, stored, claimed=claimed)

    def _take(self, event: EndOfMessage, goods: Consignment, body: bytes | None, writer: BodyWriter | None) -> None:
        """From here on the message is ours, whether the client waits for our word or not."""
        work = self._store_large(event, goods, body, writer)
        self._session.task = asyncio.get_running_loop().create_task(work)

    async def _store_large(
        self, event: EndOfMessage, goods: Consignment, body: bytes | None, writer: BodyWriter | None
    ) -> None:
        """A large body is closed in a thread, many recipients are made ready in several turns of the event loop."""
        recipients: list[QueuedRecipient] = []
        try:
            for first in range(0, len(goods.to), MANY):
                self._intake.pulse.rest_collector()
                recipients += goods.recipients(self._received_at, first, first + MANY)
                await asyncio.sleep(0)
            message = self._message(event, goods, recipients)
            if writer is not None:
                message.body_file = await asyncio.get_running_loop().run_in_executor(None, writer.close)
        except SpoolError as error:
            self._drop_copy()
            self._session.stored(self._intake.not_stored(message, error))
            return
        finally:
            self._session.task = None
        self._store(message, body)

    # before steps

    async def _examine(self, event: EndOfMessage, head: Head) -> None:
        """Let the steps look at the message, and store what they leave of it. Ends with the client."""
        session, intake = self._session, self._intake
        intake.examining += 1
        try:
            reply = await self._examined(event, head)
        except SpoolError as error:
            goods = Consignment(intake, session, self.envelope, head, event.size)
            reply = intake.not_stored(self._message(event, goods, goods.recipients(self._received_at, 0, 1)), error)
        finally:
            intake.examining -= 1
            session.asking = None
            if self._writer is not None:
                self._writer.abort()
                self._writer = None
        if reply is not None:
            session.stored(reply, late=self._late)

    async def _examined(self, event: EndOfMessage, head: Head) -> Reply | None:
        """None where the message is on its way to the disk. Raises `SpoolError`."""
        session, intake, envelope = self._session, self._intake, self.envelope
        try:
            source = event.body if self._writer is None else self._writer.look()
            content = Content(source, event.size)
        except HeaderTooLarge:
            intake.count_refusal(_HEADER_TOO_LARGE, "data")
            session.log_refusal(_HEADER_TOO_LARGE)
            return _HEADER_TOO_LARGE
        arrival = Arrival(
            self._id,
            self._received_at,
            session.client(),
            envelope,
            content,
            envelope.reverse_path,
            list(envelope.recipients),
        )
        ruling = await examine(arrival, self._steps, intake)
        if isinstance(ruling, Refuse):
            intake.count_refusal(ruling.reply, "data")
            session.log_refusal(ruling.reply, ruling.step)
            return ruling.reply
        size = arrival.content.size + len(self._trace) + sum(map(len, arrival.added))
        goods = Consignment(intake, session, envelope, head, size, arrival)
        if ruling is not None:
            return intake.discarded(self._message(event, goods, goods.recipients(self._received_at, 0, 1)), ruling)
        await self._store_examined(event, goods, arrival)
        return None

    async def _store_examined(self, event: EndOfMessage, goods: Consignment, arrival: Arrival) -> None:
        if arrival.content.in_memory and goods.size <= self._intake.spool.settings.inline_limit:
            body = b"".join(as_stored(arrival, self._trace))
            if goods.many:
                self._take(event, goods, body, None)
            else:
                self._store(self._message(event, goods, goods.recipients(self._received_at)), body)
            return
        failure = self._intake.spool.refusal()
        if failure is not None:
            raise failure
        writer = self._intake.spool.body_writer(self._id)

        def copy() -> None:
            for piece in as_stored(arrival, self._trace):
                writer.write(piece)

        copying = asyncio.get_running_loop().run_in_executor(None, copy)
        try:
            await asyncio.shield(copying)
        except asyncio.CancelledError:
            # The thread must be through before its descriptor is closed: the number may be another file's at once.
            await asyncio.wait([copying])
            writer.abort()
            raise
        self._take(event, goods, None, writer)

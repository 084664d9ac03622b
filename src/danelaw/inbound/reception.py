"""One message on its way in: from DATA to the moment the disk has it."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

from danelaw.inbound.arrival import Arrival, Content, Refuse
from danelaw.inbound.asking import begin
from danelaw.inbound.consignment import MANY, Consignment, Parcel
from danelaw.inbound.examination import as_stored, examine
from danelaw.inbound.head import Head
from danelaw.inbound.keeping import Copy
from danelaw.message import HeaderTooLarge
from danelaw.queue import QueuedMessage, QueuedRecipient, id_to_text
from danelaw.smtp import Reply
from danelaw.spool import Appended, SpoolError
from danelaw.telemetry.collector import REST

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

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
                self._head = self._looked_at(data)
                examined = bool(self._steps)
                self._writer = self._intake.spool.body_writer(self._id, examined=examined)
                self._trace = self._received()
                if not examined:
                    self._copy = Copy(self._intake.room)
                    self._write(self._trace)
            else:
                assert self._head is not None
                self._head.feed(data)
            self._write(data)
        except SpoolError as error:
            self._failure = error

    def _looked_at(self, first: bytes) -> Head:
        """The header as far as it is here; steps that do not want this message are not asked about it."""
        head = Head(first)
        if self._steps and head.whole:
            self._steps = tuple([step for step in self._steps if step.wants(head, self.envelope)])
        return head

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
            head = self._looked_at(event.body)
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
                self._message(event, self._id, goods, goods.recipients(self._received_at, 0, 1)), failure
            )
        self.complete = True
        if self._writer is None and not goods.many:
            message = self._message(event, self._id, goods, goods.recipients(self._received_at))
            self._store(((message, self._trace + event.body),))
        else:
            body = self._trace + event.body if self._writer is None else None
            self._take(event, [Parcel(self._id, goods, body, self._writer)])
        return None

    def abandon(self) -> None:
        """The message will not come to its end: remove what was written of it."""
        if self._writer is not None and not self.complete:
            self._writer.abort()
            self._writer = None
            self._drop_copy()

    def _received(self, number: int | None = None) -> bytes:
        """The Received field of the message, or of a copy with another id."""
        envelope = self.envelope
        single = envelope.recipients[0].forward_path.mailbox.to_text() if len(envelope.recipients) == 1 else None
        trace = self._session.trace(smtputf8=envelope.smtputf8)
        return trace.to_bytes(id_to_text(self._id if number is None else number), self._received_at, single)

    def _message(
        self, event: EndOfMessage, number: int, goods: Consignment, recipients: list[QueuedRecipient]
    ) -> QueuedMessage:
        return goods.message(number, self._received_at, recipients, eight_bit=event.eight_bit)

    def _store(self, parts: Sequence[tuple[QueuedMessage, bytes | None]]) -> None:
        """All of them or none: the message as it came, or whatever steps made of it."""
        intake, session = self._intake, self._session
        admission = intake.admission
        admission.under_way += 1
        ended = time.monotonic()
        items = tuple([Appended(message, body, intake.admit(message, message.size)) for message, body in parts])

        def stored(error: SpoolError | None) -> None:
            admission.under_way -= 1
            admission.answered(max(time.monotonic() - ended, intake.pulse.lag))
            if error is None:
                if self.envelope.requiretls or items[0].message.tls_required_no:
                    self._count_demand([item.message for item in items])
                session.stored(intake.accepted([item.message for item in items]))
                for message, body, claimed in items:
                    intake.arrived(message, self._in_memory(body) if claimed else None, claimed)
            else:
                for message, _, claimed in items:
                    if claimed:
                        intake.abandoned(message, message.size)
                session.stored(intake.not_stored(items[0].message, error))
            self._drop_copy()

        intake.spool.append_together_soon(items, stored)

    def _count_demand(self, messages: Sequence[QueuedMessage]) -> None:
        """What the client itself said by RFC 8689; requests in other forms are counted where they are read."""
        by, demand = ("parameter", "requiretls") if self.envelope.requiretls else ("waiver", "tls-required-no")
        recipients = sum(message.recipient_count for message in messages)
        self._intake.metrics.demand_requests.add(by, demand, by=recipients)

    def _take(self, event: EndOfMessage, parcels: list[Parcel]) -> None:
        """From here on the message is ours, whether the client waits for our word or not."""
        work = self._store_large(event, parcels)
        self._session.task = asyncio.get_running_loop().create_task(work)

    async def _store_large(self, event: EndOfMessage, parcels: list[Parcel]) -> None:
        """Large bodies are closed in a thread, many recipients are made ready in several turns of the event loop."""
        parts: list[tuple[QueuedMessage, bytes | None]] = []
        try:
            for parcel in parcels:
                message = self._message(event, parcel.id, parcel.goods, await self._ready(parcel.goods))
                parts.append((message, parcel.body))
                if parcel.writer is not None:
                    message.body_file = await asyncio.get_running_loop().run_in_executor(None, parcel.writer.close)
        except SpoolError as error:
            for parcel in parcels:
                if parcel.writer is not None:
                    parcel.writer.remove()
            self._drop_copy()
            self._session.stored(self._intake.not_stored(parts[0][0], error))
            return
        finally:
            self._session.task = None
        self._store(parts)

    async def _ready(self, goods: Consignment) -> list[QueuedRecipient]:
        recipients: list[QueuedRecipient] = []
        for first in range(0, len(goods.to), MANY):
            REST.begin()
            recipients += goods.recipients(self._received_at, first, first + MANY)
            await asyncio.sleep(0)
        return recipients

    # before steps

    async def _examine(self, event: EndOfMessage, head: Head) -> None:
        """Let the steps look at the message, and store what they leave of it. Ends with the client."""
        session, intake = self._session, self._intake
        intake.examining += 1
        try:
            reply = await self._examined(event, head)
        except SpoolError as error:
            goods = Consignment(intake, session, self.envelope, head, event.size)
            message = self._message(event, self._id, goods, goods.recipients(self._received_at, 0, 1))
            reply = intake.not_stored(message, error)
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
            new_id=intake.spool.new_id,
        )
        ruling = await examine(arrival, self._steps, intake)
        if isinstance(ruling, Refuse):
            intake.count_refusal(ruling.reply, "data")
            session.log_refusal(ruling.reply, ruling.step)
            return ruling.reply
        kept = arrival.copies
        if ruling is None:
            kept = [arrival, *kept]
        else:
            reply = intake.discarded(arrival, ruling)
            if not kept:
                return reply
        await self._store_examined(event, head, kept)
        return None

    async def _store_examined(self, event: EndOfMessage, head: Head, kept: list[Arrival]) -> None:
        parcels, writing = [], []
        for arrival in kept:
            trace = self._trace if arrival.id == self._id else self._received(arrival.id)
            size = arrival.content.size + len(trace) + sum(map(len, arrival.added))
            goods = Consignment(self._intake, self._session, arrival.envelope, head, size, arrival)
            octets = as_stored(arrival, trace)
            if arrival.content.in_memory and size <= self._intake.spool.settings.inline_limit:
                parcels.append(Parcel(arrival.id, goods, b"".join(octets)))
                continue
            writer = self._intake.spool.body_writer(arrival.id)
            writing.append((writer, octets))
            parcels.append(Parcel(arrival.id, goods, None, writer))
        if writing:
            await self._copy_to_files(writing)
        if writing or any(parcel.goods.many for parcel in parcels):
            self._take(event, parcels)
            return
        parts = []
        for parcel in parcels:
            message = self._message(event, parcel.id, parcel.goods, parcel.goods.recipients(self._received_at))
            parts.append((message, parcel.body))
        self._store(parts)

    async def _copy_to_files(self, writing: list[tuple[BodyWriter, Iterator[bytes]]]) -> None:
        """Raises `SpoolError`; then, and when the client leaves, no file is left."""
        failure = self._intake.spool.refusal()
        if failure is not None:
            raise failure

        def copy() -> None:
            for writer, octets in writing:
                for piece in octets:
                    writer.write(piece)

        copying = asyncio.get_running_loop().run_in_executor(None, copy)
        try:
            await asyncio.shield(copying)
        except BaseException:
            # The thread must be through before its descriptors are closed: their numbers may be other files' at once.
            await asyncio.wait([copying])
            for writer, _ in writing:
                writer.abort()
            raise

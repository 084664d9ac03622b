"""One transaction over a judged connection: MAIL, RCPT, DATA, and what the next hop said about each recipient.

`Transfer` knows what to do with each event. `transmit` drives it in a task and takes bodies of any size;
`danelaw.outbound.express` drives it from the connection's own callbacks.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from danelaw.address import ForwardPath, ReversePath
from danelaw.outbound.connection import ConnectionLost
from danelaw.outbound.transport_field import on_top
from danelaw.smtp import (
    Body,
    BodyDue,
    Clearance,
    ClientEvent,
    ConnectionClosed,
    Envelope,
    MessageAnswered,
    NextHopLacks,
    Notify,
    OriginalRecipient,
    Recipient,
    RemoteProtocolError,
    Reply,
    ReplyReceived,
    Ret,
    ServiceClosing,
    TransactionRefused,
    Verb,
)

if TYPE_CHECKING:
    from danelaw.outbound.connection import Connection
    from danelaw.queue import QueuedMessage, QueuedRecipient

# A member looked up on its Enum class costs eight times a global in Python 3.11, and these are on the hot path.
_VERB_MAIL = Verb.MAIL
_VERB_RCPT = Verb.RCPT
_CHUNK_WAIT_BYTES = 1 << 18


@dataclass(frozen=True, slots=True)
class Patience:
    """How long each step may take, in seconds (RFC 5321 §4.5.3.2)."""

    connect: float = 30.0
    handshake: float = 30.0
    greeting: float = 300.0
    command: float = 300.0
    data: float = 180.0
    accept: float = 600.0


@dataclass(slots=True)
class Transmission:
    """What came of it: the reply for each recipient by number; `lost` in words when the conversation broke off.

    `body_sent` tells that the whole message was sent before that, so that the next hop may have it all the same.
    `lacking`: nothing was sent, since the next hop does not offer what the message needs; the replies are ours.
    `relayed` are the recipients owed a "relayed" notice since the next hop lacks DSN (RFC 3461 §5.2.2).
    """

    replies: dict[int, Reply] = field(default_factory=dict)
    lost: str | None = None
    body_sent: bool = False
    answered: bool = False
    closing: bool = False
    lacking: bool = False
    relayed: frozenset[int] = frozenset()


@lru_cache(maxsize=8192)
def _forward_path(text: str) -> ForwardPath:
    return ForwardPath.from_text(f"<{text}>")


@lru_cache(maxsize=8192)
def _reverse_path(text: str) -> ReversePath:
    return ReversePath.from_text(f"<{text}>")


@lru_cache(maxsize=64)
def _notify(text: str) -> Notify | None:
    if not text:
        return None
    result = Notify(0)
    for word in text.split(","):
        result |= Notify[word]
    return result


def _recipient(queued: QueuedRecipient) -> Recipient:
    orcpt = OriginalRecipient.from_text(queued.orcpt) if queued.orcpt else None
    return Recipient(_forward_path(queued.forward_path), _notify(queued.notify), orcpt)


def envelope_of(message: QueuedMessage, recipients: Iterable[QueuedRecipient]) -> Envelope:
    """The envelope to send for some recipients of a queued message."""
    return Envelope(
        _reverse_path(message.reverse_path),
        tuple(_recipient(item) for item in recipients),
        message.smtputf8,
        Body.EIGHT_BIT_MIME if message.body_kind == "8BITMIME" else None,
        Ret(message.ret) if message.ret else None,
        message.envid or None,
        message.requiretls,
    )


class Transfer:
    """One message under way over one connection. `result` grows with each event that `take` is given."""

    __slots__ = ("_mail_refused", "_numbers", "_patience", "_phase_seconds", "connection", "result")

    def __init__(self, connection: Connection, patience: Patience) -> None:
        self.connection = connection
        self.result = Transmission()
        self._patience = patience
        self._phase_seconds = patience.command
        self._mail_refused = False
        self._numbers: dict[int, int] = {}

    def begin(
        self, clearance: Clearance, message: QueuedMessage, recipients: tuple[QueuedRecipient, ...], more: int = 0
    ) -> bool:
        """Queue the envelope. False: nothing is sent, since the next hop does not offer what the message needs. `more`
        octets are sent than the message was stored with.
        """
        result, protocol = self.result, self.connection.protocol
        envelope = envelope_of(message, recipients)
        try:
            protocol.mail(clearance, envelope, size=message.size + more, eight_bit=message.body_kind == "8BITMIME")
        except NextHopLacks as lack:
            result.replies = {item.number: lack.reply for item in recipients}
            result.answered = result.lacking = True
            return False
        for sent, queued in zip(envelope.recipients, recipients):  # noqa: B905 (made one from the other)
            self._numbers[id(sent)] = queued.number
        if not protocol.extensions.dsn:
            result.relayed = frozenset(item.number for item in recipients if "SUCCESS" in item.notify)
        self.connection.phase = "waiting for the replies to MAIL, RCPT and DATA"
        return True

    @property
    def seconds(self) -> float:
        """How long the server may take for the reply that is due now."""
        return self._phase_seconds

    def message_sent(self) -> None:
        """The whole message is on its way: from here on the next hop may have it, whatever happens."""
        self.result.body_sent = True
        self.connection.phase = "waiting for the reply to the end of data"
        self._phase_seconds = self._patience.accept

    def take(self, event: ClientEvent) -> bool:
        """Note what an event other than `BodyDue` says; True when it was the last of this transaction."""
        result = self.result
        match event:
            case MessageAnswered():
                result.answered = True
                for sent in event.recipients:
                    result.replies[self._numbers[id(sent)]] = event.reply
                return True
            case ReplyReceived():
                result.answered = True
                verb = event.command.verb
                self._mail_refused |= verb is _VERB_MAIL and event.reply.code >= 400
                # After a refused MAIL the replies to RCPT say nothing about recipients, mostly 503.
                if verb is _VERB_RCPT and not self._mail_refused:
                    result.replies[self._numbers[id(event.command.recipient)]] = event.reply
                return False
            case TransactionRefused():
                result.answered = True
                self._rest(event.reply)
                return True
            case ServiceClosing():
                # That the server goes away answers nothing: a kept connection may have ended long before.
                self._rest(event.reply)
                result.closing = True
                return True
            case ConnectionClosed():
                result.lost = "the server closed the connection"
                return True
            case _:
                raise AssertionError(f"unexpected {event!r} within a transaction")

    def _rest(self, reply: Reply) -> None:
        for number in self._numbers.values():
            self.result.replies.setdefault(number, reply)


async def transmit(
    connection: Connection,
    clearance: Clearance,
    message: QueuedMessage,
    recipients: tuple[QueuedRecipient, ...],
    body: bytes | Iterable[bytes],
    patience: Patience,
    *,
    screened: bool = False,
    field: bytes = b"",
) -> Transmission:
    """Send one message to these recipients, below `field`; network and protocol failures are part of the result.

    `screened`: `body` was not read back from anywhere since `inbound` found every line end in it to be CRLF.
    """
    transfer = Transfer(connection, patience)
    if not transfer.begin(clearance, message, recipients, len(field)):
        return transfer.result
    try:
        while True:
            event = await connection.event(transfer.seconds)
            if isinstance(event, BodyDue):
                transfer.result.answered = True
                await _send_body(transfer, on_top(field, body), patience, screened=screened)
            elif transfer.take(event):
                break
    except (ConnectionLost, RemoteProtocolError) as error:
        transfer.result.lost = error.reason
    return transfer.result


async def _send_body(transfer: Transfer, body: bytes | Iterable[bytes], patience: Patience, *, screened: bool) -> None:
    connection = transfer.connection
    protocol = connection.protocol
    connection.phase = "sending the message"
    if isinstance(body, bytes):
        protocol.send_message(body, screened=screened)
        connection.flush()
        transfer.message_sent()
        if len(body) > _CHUNK_WAIT_BYTES:
            await connection.drain(patience.data)
        return
    for chunk in body:
        protocol.send_chunk(chunk)
        connection.flush()
        await connection.drain(patience.data)
    protocol.finish_message()
    connection.flush()
    transfer.message_sent()

"""One transaction over a judged connection: MAIL, RCPT, DATA, and what the next hop said about each recipient."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from typing import TYPE_CHECKING

from danelaw.address import ForwardPath, ReversePath
from danelaw.outbound.connection import ConnectionLost
from danelaw.smtp import (
    Body,
    BodyDue,
    Clearance,
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


async def transmit(
    connection: Connection,
    clearance: Clearance,
    message: QueuedMessage,
    recipients: tuple[QueuedRecipient, ...],
    body: bytes | Iterable[bytes],
    patience: Patience,
) -> Transmission:
    """Send one message to these recipients; network and protocol failures are part of the result."""
    result = Transmission()
    envelope = envelope_of(message, recipients)
    numbers = {id(sent): queued.number for sent, queued in zip(envelope.recipients, recipients, strict=True)}
    protocol = connection.protocol
    try:
        protocol.mail(clearance, envelope, size=message.size, eight_bit=message.body_kind == "8BITMIME")
    except NextHopLacks as lack:
        result.replies = {item.number: lack.reply for item in recipients}
        result.answered = result.lacking = True
        return result
    if not protocol.extensions.dsn:
        result.relayed = frozenset(item.number for item in recipients if "SUCCESS" in item.notify)
    try:
        await _converse(connection, result, numbers, body, patience)
    except (ConnectionLost, RemoteProtocolError) as error:
        result.lost = error.reason
    return result


async def _converse(
    connection: Connection,
    result: Transmission,
    numbers: dict[int, int],
    body: bytes | Iterable[bytes],
    patience: Patience,
) -> None:
    replies = result.replies
    connection.phase = "waiting for the replies to MAIL, RCPT and DATA"
    timeout = patience.command
    mail_refused = False
    while True:
        connection.flush()  # without PIPELINING each reply releases the next command
        event = await connection.event(timeout)
        # That the server goes away answers nothing: a kept connection may have ended long before.
        result.answered |= not isinstance(event, ServiceClosing | ConnectionClosed)
        match event:
            case ReplyReceived():
                mail_refused |= event.command.verb is _VERB_MAIL and not event.reply.is_positive
                # After a refused MAIL the replies to RCPT say nothing about recipients, mostly 503.
                if event.command.verb is _VERB_RCPT and not event.reply.is_positive and not mail_refused:
                    replies[numbers[id(event.command.recipient)]] = event.reply
            case BodyDue():
                await _send_body(connection, result, body, patience)
                connection.phase = "waiting for the reply to the end of data"
                timeout = patience.accept
            case MessageAnswered():
                for sent in event.recipients:
                    replies[numbers[id(sent)]] = event.reply
                return
            case TransactionRefused():
                _rest(result, numbers, event.reply)
                return
            case ServiceClosing():
                _rest(result, numbers, event.reply)
                result.closing = True
                return
            case ConnectionClosed():
                result.lost = "the server closed the connection"
                return
            case _:
                raise AssertionError(f"unexpected {event!r} within a transaction")


def _rest(result: Transmission, numbers: dict[int, int], reply: Reply) -> None:
    for number in numbers.values():
        result.replies.setdefault(number, reply)


async def _send_body(
    connection: Connection, result: Transmission, body: bytes | Iterable[bytes], patience: Patience
) -> None:
    protocol = connection.protocol
    connection.phase = "sending the message"
    if isinstance(body, bytes):
        protocol.send_message(body)
        connection.flush()
        result.body_sent = True
        if len(body) > _CHUNK_WAIT_BYTES:
            await connection.drain(patience.data)
        return
    for chunk in body:
        protocol.send_chunk(chunk)
        connection.flush()
        await connection.drain(patience.data)
    protocol.finish_message()
    connection.flush()
    result.body_sent = True

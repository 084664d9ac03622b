"""What a client connection tells its owner. None of them needs an answer."""

from __future__ import annotations

from dataclasses import dataclass

from danelaw.smtp.commands import Command
from danelaw.smtp.envelope import Recipient
from danelaw.smtp.extensions import Extensions
from danelaw.smtp.reply import Reply


@dataclass(slots=True)
class GreetingReceived:
    """The server's first words. Go on with `ehlo` when `reply.code` is 220, else with `quit`."""

    reply: Reply


@dataclass(slots=True)
class HelloReceived:
    """EHLO or HELO was answered. `extensions` is empty after HELO or a refusal."""

    reply: Reply
    extensions: Extensions
    extended: bool


@dataclass(slots=True)
class ReplyReceived:
    """The reply to `command`; for RCPT, `command.recipient` says whose.

    Within a transaction only refusals are told: `BodyDue` names whom the server accepted.
    """

    command: Command
    reply: Reply


@dataclass(slots=True)
class HandshakeDue:
    """STARTTLS was answered with 220 and nothing else is in the way: do the handshake, then `tls_established`."""

    reply: Reply


@dataclass(slots=True)
class BodyDue:
    """The server waits for the message: call `send_message`, or `send_chunk` … `finish_message`.

    `recipients` are those it accepted; never empty.
    """

    recipients: tuple[Recipient, ...]


@dataclass(slots=True)
class TransactionRefused:
    """MAIL, every RCPT, or DATA was refused: nothing of the message was sent, and the connection can go on.

    `reply` is the one that decided. When DATA got a 354 all the same, an empty message was ended at once.
    """

    reply: Reply


@dataclass(slots=True)
class MessageAnswered:
    """The last word on the message: `reply.code` 250 means the server took it for all of `recipients`."""

    recipients: tuple[Recipient, ...]
    reply: Reply


@dataclass(slots=True)
class ServiceClosing:
    """421: the server closes the connection. `unanswered` are the commands that will get no reply."""

    reply: Reply
    unanswered: tuple[Command, ...]


@dataclass(slots=True)
class ConnectionClosed:
    """The server closed the connection. `unanswered` are the commands that got no reply, in order.

    With the end of a message among them the outcome is unknown: sending again may duplicate it.
    """

    unanswered: tuple[Command, ...]


ClientEvent = (
    GreetingReceived
    | HelloReceived
    | ReplyReceived
    | HandshakeDue
    | BodyDue
    | TransactionRefused
    | MessageAnswered
    | ServiceClosing
    | ConnectionClosed
)

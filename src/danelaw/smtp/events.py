"""What a server connection tells its owner.

Events marked *answer* stop the connection until `ServerConnection.reply` or `accept` was called; the others are
told and need nothing. The classes are immutable by convention only: frozen ones cost too much on the hot path.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum

from danelaw.address import AddressLiteral, Domain, ReversePath
from danelaw.smtp.envelope import Body, Envelope, Recipient, Ret
from danelaw.smtp.reply import Reply


class Signal(Enum):
    """What `next_event` returns when there is no event."""

    NEED_DATA = "need data"
    """Read from the network and call `receive_data`."""
    NEED_REPLY = "need reply"
    """The last event still waits for `reply` or `accept`."""


NEED_DATA = Signal.NEED_DATA
NEED_REPLY = Signal.NEED_REPLY


@dataclass(slots=True)
class CommandLine:
    """*answer* A command line before it is read, where `ServerConnection.screens` asks for that. After `accept` the
    connection reads it, and whatever it is comes as an event of its own; after `reply` it counts as an error.
    """

    line: bytes = field(repr=False)

    @property
    def text(self) -> str:
        """What may be shown of it: of AUTH only the mechanism, since a password may stand behind."""
        words = self.line.split(None, 2)
        line = b" ".join(words[:2]) if words and words[0].upper() == b"AUTH" else self.line
        return line.decode("utf-8", "replace")


@dataclass(slots=True)
class Hello:
    """*answer* EHLO or HELO. `name` is what the client wrote; `host` is its parsed form or None if it has none."""

    name: str
    host: Domain | AddressLiteral | None
    extended: bool
    """True for EHLO."""


@dataclass(slots=True)
class StartTLS:
    """*answer* STARTTLS. After `accept` look at `ServerConnection.awaiting_tls` before starting the handshake."""


@dataclass(slots=True)
class AuthRequested:
    """*answer* AUTH (RFC 4954 §4). `mechanism` is one that is offered; `initial_response` is decoded, None for none.

    Answer with `accept`, `ServerConnection.challenge`, or a refusal by `reply`.
    """

    mechanism: str
    initial_response: bytes | None = field(repr=False)


@dataclass(slots=True)
class AuthResponse:
    """*answer* The client's answer to a challenge, decoded. To be answered as `AuthRequested` is."""

    data: bytes = field(repr=False)


@dataclass(slots=True)
class AuthCancelled:
    """An exchange is over before its end: the client cancelled it, or sent what is no response. Drop it."""

    reply: Reply


@dataclass(slots=True)
class MailFrom:
    """*answer* MAIL. `size` is the SIZE parameter, already below the limit. `auth` is whoever submitted the message
    first as the client has it (RFC 4954 §5), empty for `<>`, None without the parameter.
    """

    reverse_path: ReversePath
    size: int | None
    body: Body | None
    smtputf8: bool
    ret: Ret | None
    envid: str | None
    requiretls: bool
    auth: str | None = None


@dataclass(slots=True)
class RcptTo:
    """*answer* RCPT. The owner may put another `recipient` in its place before it answers: that one is taken then."""

    recipient: Recipient


@dataclass(slots=True)
class DataRequested:
    """*answer* DATA, or the first BDAT of a message (`chunking`): the envelope is complete, data may be refused now.

    For a chunk, accepting sends nothing: its reply follows when its octets have come.
    """

    envelope: Envelope
    chunking: bool


@dataclass(slots=True)
class BodyChunk:
    """A piece of a large message: dots removed, CRLF only, never cut inside a line."""

    data: bytes


@dataclass(slots=True)
class EndOfMessage:
    """*answer* The message is complete and within all limits.

    `body` is the whole message unless it came in `BodyChunk` events (`streamed`); then it is empty.
    `size` counts octets of the message as kept. `cleaned` counts bare CR and LF that were replaced.
    `eight_bit` tells that there are octets above 127, `nul` that there are NUL octets.
    """

    body: bytes
    size: int
    envelope: Envelope
    streamed: bool = False
    cleaned: int = 0
    eight_bit: bool = False
    nul: bool = False


@dataclass(slots=True)
class MessageRefused:
    """The data was consumed and refused by the connection itself (`reply` is on its way): drop what was streamed."""

    reply: Reply


@dataclass(slots=True)
class CommandRefused:
    """A command was refused by the connection itself: syntax, sequence, limits. `line` is cut to 200 octets."""

    line: bytes
    reply: Reply


@dataclass(slots=True)
class Reset:
    """RSET, or EHLO in the middle of a transaction: drop the transaction and what BDAT has streamed of its message."""


@dataclass(slots=True)
class Quit:
    """QUIT was answered: send what `data_to_send` has, then close."""


@dataclass(slots=True)
class ConnectionBroken:
    """The conversation is over without QUIT: send what `data_to_send` has, then close.

    `reason` is in words; `reply` is what the client is told, None when it has gone.
    """

    reason: str
    reply: Reply | None


ServerEvent = (
    CommandLine
    | Hello
    | StartTLS
    | AuthRequested
    | AuthResponse
    | AuthCancelled
    | MailFrom
    | RcptTo
    | DataRequested
    | BodyChunk
    | EndOfMessage
    | MessageRefused
    | CommandRefused
    | Reset
    | Quit
    | ConnectionBroken
)

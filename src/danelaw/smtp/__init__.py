"""SMTP (RFC 5321) as two state machines without I/O.

**The conversation.** The server greets (220). The client says EHLO and learns what the server offers, says STARTTLS
where it can, and after the handshake both forget everything and begin with EHLO again (RFC 3207 §4.2). A transaction
is MAIL (who is told of failures), RCPT for every recipient, then DATA, 354, the message, and CRLF.CRLF; or the message
in counted chunks by BDAT (RFC 3030). The reply to the end of the message moves the responsibility: after 250 the
server must deliver or tell. A reply is three digits: 2 done, 3 go on, 4 try later, 5 never; the enhanced code
(RFC 3463) says about what. With PIPELINING (RFC 2920) commands are sent without waiting, and replies keep their order.

**Serving.** `ServerConnection`: `greet`, then for ever `receive_data`, `next_event` until `NEED_DATA`, `data_to_send`.
Events such as `RcptTo` wait for `accept` or `reply`, however late; the next one is given only then::

    connection = ServerConnection(settings)
    connection.greet()
    while not connection.closed:
        write(connection.data_to_send())
        connection.receive_data(read())
        while (event := connection.next_event()) is not NEED_DATA:
            if event is not NEED_REPLY:
                decide(event)                    # calls connection.accept() or connection.reply(…)

After `StartTLS` was accepted and `awaiting_tls` is true: send, do the handshake without reading in between, and call
`tls_established`. Octets that were buffered before the handshake end the connection on both sides.

**Sending.** `ClientConnection`: `ehlo`, `starttls` and `tls_established`, `mail(clearance, envelope)`, on `BodyDue`
`send_message`, and `MessageAnswered` is the verdict. `mail` takes only a `Clearance` bound to this connection.

**AUTH** (RFC 4954), where `ServerSettings.auth` names mechanisms: `AuthRequested` and `AuthResponse` carry the client's
octets, and are answered by `challenge`, `accept` or `reply`; what the octets mean is SASL's (`danelaw.sasl`). It is
forgotten at STARTTLS, and what the client sent for it is in no event that is shown.

**Line ends.** Only CRLF ends a line and only CRLF.CRLF ends a message (RFC 5321 §2.3.8, §4.1.1.4). A bare CR or LF in a
command is refused, in a message refused or cleaned (`BareNewlines`), and never sent.

**Tolerated** beyond the RFC: a space after the colon of `MAIL FROM:`; trailing white space; host names in EHLO that are
none; lines of messages above 1000 octets, by the limit; 8-bit data without BODY=8BITMIME, by setting; text of replies
that is not ASCII. **Refused** though some accept it: commands without angle brackets, parameters that were not
offered, NUL in messages (by setting), BDAT that cannot be read or is not offered (its chunk would be read as commands).
**Not done**: AUTH on the sending side, BINARYMIME, EXPN, any conversion of 8-bit or internationalised mail
(`danelaw.smtp.nexthop`).

Modules: `settings` (limits are arguments), `events` and `client_events`, `reply`, `status`, `envelope`, `xtext`,
`extensions`, `clearance`, `nexthop`; behind them `grammar`, `parameters`, `state` (the table), `message_reader`,
`body_writer`, `reply_reader`.
"""

from danelaw.smtp.clearance import Clearance
from danelaw.smtp.client import ClientConnection
from danelaw.smtp.client_events import (
    BodyDue,
    ClientEvent,
    ConnectionClosed,
    GreetingReceived,
    HandshakeDue,
    HelloReceived,
    MessageAnswered,
    ReplyReceived,
    ServiceClosing,
    TransactionRefused,
)
from danelaw.smtp.commands import Command, Verb
from danelaw.smtp.envelope import Body, Envelope, Notify, Recipient, Ret
from danelaw.smtp.errors import (
    BareNewline,
    ClearanceRefused,
    LocalProtocolError,
    MalformedReply,
    NextHopLacks,
    RemoteProtocolError,
    ReplyTooLong,
    SMTPError,
    StartTLSInjection,
    UnexpectedReply,
)
from danelaw.smtp.events import (
    NEED_DATA,
    NEED_REPLY,
    AuthCancelled,
    AuthRequested,
    AuthResponse,
    BodyChunk,
    CommandLine,
    CommandRefused,
    ConnectionBroken,
    DataRequested,
    EndOfMessage,
    Hello,
    MailFrom,
    MessageRefused,
    Quit,
    RcptTo,
    Reset,
    ServerEvent,
    Signal,
    StartTLS,
)
from danelaw.smtp.extensions import Extensions
from danelaw.smtp.nexthop import Need
from danelaw.smtp.reply import Reply
from danelaw.smtp.server import ServerConnection
from danelaw.smtp.settings import (
    USUAL_CLIENT_LIMITS,
    USUAL_LIMITS,
    BareNewlines,
    ClientLimits,
    ServerLimits,
    ServerSettings,
)
from danelaw.smtp.status import EnhancedStatusCode, StatusCodeError
from danelaw.smtp.xtext import OriginalRecipient, XtextError

__all__ = [
    "NEED_DATA",
    "NEED_REPLY",
    "USUAL_CLIENT_LIMITS",
    "USUAL_LIMITS",
    "AuthCancelled",
    "AuthRequested",
    "AuthResponse",
    "BareNewline",
    "BareNewlines",
    "Body",
    "BodyChunk",
    "BodyDue",
    "Clearance",
    "ClearanceRefused",
    "ClientConnection",
    "ClientEvent",
    "ClientLimits",
    "Command",
    "CommandLine",
    "CommandRefused",
    "ConnectionBroken",
    "ConnectionClosed",
    "DataRequested",
    "EndOfMessage",
    "EnhancedStatusCode",
    "Envelope",
    "Extensions",
    "GreetingReceived",
    "HandshakeDue",
    "Hello",
    "HelloReceived",
    "LocalProtocolError",
    "MailFrom",
    "MalformedReply",
    "MessageAnswered",
    "MessageRefused",
    "Need",
    "NextHopLacks",
    "Notify",
    "OriginalRecipient",
    "Quit",
    "RcptTo",
    "Recipient",
    "RemoteProtocolError",
    "Reply",
    "ReplyReceived",
    "ReplyTooLong",
    "Reset",
    "Ret",
    "SMTPError",
    "ServerConnection",
    "ServerEvent",
    "ServerLimits",
    "ServerSettings",
    "ServiceClosing",
    "Signal",
    "StartTLS",
    "StartTLSInjection",
    "StatusCodeError",
    "TransactionRefused",
    "UnexpectedReply",
    "Verb",
    "XtextError",
]

"""The server's side of an SMTP conversation, without I/O (RFC 5321 §4).

The owner feeds octets, takes events, answers those that want an answer, and sends what `data_to_send` has. An event
is given only after the one before was answered, however late, so policy may be slow and a pipelining client cannot
overtake it. What needs no policy is answered by the connection itself: see `danelaw.smtp.server_dialogue` and the table
`danelaw.smtp.state.ALLOWED`.
"""

from __future__ import annotations

import binascii

from danelaw.smtp import auth, offer, replies
from danelaw.smtp.envelope import Envelope
from danelaw.smtp.errors import CommandError, LocalProtocolError, RemoteProtocolError
from danelaw.smtp.events import (
    NEED_DATA,
    NEED_REPLY,
    AuthRequested,
    AuthResponse,
    CommandLine,
    DataRequested,
    EndOfMessage,
    Hello,
    MailFrom,
    RcptTo,
    ServerEvent,
    Signal,
    StartTLS,
)
from danelaw.smtp.reply import Reply
from danelaw.smtp.server_dialogue import Answerable, ServerDialogue
from danelaw.smtp.settings import ServerSettings
from danelaw.smtp.state import State
from danelaw.smtp.transaction import Transaction

# A member looked up on its Enum class costs eight times a global in Python 3.11, and these are on the hot path.
_STATE_AUTH = State.AUTH
_STATE_BDAT = State.BDAT
_STATE_BDAT_FAILED = State.BDAT_FAILED
_STATE_CLOSED = State.CLOSED
_STATE_CONNECTED = State.CONNECTED
_STATE_DATA = State.DATA
_STATE_GREETED = State.GREETED
_STATE_MAIL = State.MAIL
_STATE_RCPT = State.RCPT
_STATE_READY = State.READY
_STATE_TLS = State.TLS
_STATE_TURNED_AWAY = State.TURNED_AWAY
_READ_AHEAD = 256 * 1024
_ACCEPTED = {
    StartTLS: replies.READY_FOR_TLS,
    AuthRequested: replies.AUTHENTICATED,
    AuthResponse: replies.AUTHENTICATED,
    MailFrom: replies.SENDER_OK,
    RcptTo: replies.RECIPIENT_OK,
    DataRequested: replies.START_INPUT,
    EndOfMessage: replies.MESSAGE_OK,
}
_ACCEPTED_WIRE = {event: reply.to_wire() for event, reply in _ACCEPTED.items()}


class ServerConnection(ServerDialogue):
    """One client's connection.

    While `screens` is set, its owner is asked about each command line before it is read (`CommandLine`), but for BDAT
    and the lines of an authentication exchange.
    """

    __slots__ = ("_early", "_eof")

    def __init__(self, settings: ServerSettings, *, tls: bool = False) -> None:
        """`tls` True for a listener with implicit TLS (RFC 8314)."""
        super().__init__(settings, tls=tls)
        self._eof = self._early = False

    # What the owner may look at

    @property
    def state(self) -> State:
        """Where the conversation is."""
        return self._state

    @property
    def tls(self) -> bool:
        """Inside TLS."""
        return self._tls

    @property
    def authenticated(self) -> bool:
        """AUTH has succeeded, inside this TLS."""
        return self._authenticated

    @property
    def awaiting_tls(self) -> bool:
        """The 220 to STARTTLS is given: send it, do the handshake, call `tls_established`. No octets in between."""
        return self._state is _STATE_TLS

    @property
    def closed(self) -> bool:
        """Nothing more will be read: send `data_to_send` and close."""
        return self._state is _STATE_CLOSED

    @property
    def between_transactions(self) -> bool:
        """No message is under way, so a shutdown may say 421 now; a login that is being decided is no message."""
        pending = self._pending
        return self._transaction is None and (
            pending is None or isinstance(pending, CommandLine | AuthRequested | AuthResponse)
        )

    @property
    def wants_data(self) -> bool:
        """False while so much waits unread that the owner should stop reading from the network."""
        return len(self._lines) < _READ_AHEAD

    @property
    def commands(self) -> int:
        """How many commands the client gave."""
        return self._commands

    @property
    def within_data(self) -> bool:
        """Octets of a message are still to come, after DATA or of a chunk."""
        return (self._state is _STATE_DATA or self._chunk_left is not None) and self._pending is None

    @property
    def within_line(self) -> bool:
        """A command line has begun and not ended."""
        return len(self._lines) > 0 and self._pending is None and not self.within_data

    @property
    def early_talker(self) -> bool:
        """The client spoke before the greeting (RFC 5321 §4.3.1)."""
        return self._early

    @property
    def envelope(self) -> Envelope | None:
        """The transaction as accepted so far; None between transactions."""
        return None if self._transaction is None else self._transaction.envelope()

    # The network

    def receive_data(self, data: bytes) -> None:
        """Take octets from the network, in any chunks. After `closed` they are dropped.

        Raises `LocalProtocolError` while `awaiting_tls`: those octets belong to the handshake.
        """
        if self._state is _STATE_TLS:
            raise LocalProtocolError("octets after the 220 to STARTTLS belong to the TLS handshake")
        if self._state is _STATE_CONNECTED:
            self._early = True
        if self._state is not _STATE_CLOSED:
            self._lines.feed(data)

    def receive_eof(self) -> None:
        """The client closed its side. What it sent before is still worked through."""
        self._eof = True

    def data_to_send(self) -> bytes:
        """All replies since the last call, joined."""
        out = self._out
        if not out:
            return b""
        data = out[0] if len(out) == 1 else b"".join(out)
        out.clear()
        return data

    # Events and answers

    def next_event(self) -> ServerEvent | Signal:
        """The next event, `NEED_DATA`, or `NEED_REPLY` while the last event is unanswered."""
        events = self._events
        if not events:
            if self._pending is not None:
                return NEED_REPLY
            # A chunk of no octets (BDAT 0) is work although nothing new came.
            while (self._lines.fresh or self._chunk_left is not None) and self._step() and not events:
                pass
            if not events and self._eof and self._state is not _STATE_CLOSED:
                self._break("the client closed the connection", None)
            if not events:
                return NEED_DATA
        return events.popleft()

    def greet(self, reply: Reply | None = None) -> None:
        """Give the greeting; once, first. After a 554 of your own the client may only say QUIT; 421 closes."""
        if self._state is not _STATE_CONNECTED:
            raise LocalProtocolError("the greeting was given already")
        if reply is None:
            self._out.append(offer.greeting_wire(self._settings))
            self._state = _STATE_GREETED
            return
        self._out.append(reply.to_wire())
        self._state = _STATE_GREETED if reply.code == 220 else _STATE_TURNED_AWAY
        if reply.code == 421:
            self._finish()

    def reply(self, reply: Reply) -> None:
        """Answer the last event. 421 closes the connection. Raises `LocalProtocolError` when none waits.

        A positive answer to EHLO is given by `accept`, which lists the extensions.
        """
        event = self._answered()
        if isinstance(event, CommandLine):
            self._turn_down(event.line, reply)
        else:
            self._settle(event, reply.to_wire(), positive=reply.is_positive)
        if reply.code == 421:
            self._finish()

    def accept(self, text: str | None = None) -> None:
        """Answer the last event with success; `text` replaces the usual words, except in the reply to EHLO.

        Raises `LocalProtocolError` when no event waits.
        """
        event = self._answered()
        if isinstance(event, CommandLine):
            self._read(event.line)
            return
        if isinstance(event, Hello):
            if event.extended:
                wire = offer.ehlo_wire(self._settings, tls=self._tls)
            else:
                wire = Reply(250, None, self._settings.hostname.to_text()).to_wire()
        elif text is None:
            wire = _ACCEPTED_WIRE[type(event)]
        else:
            usual = _ACCEPTED[type(event)]
            wire = Reply(usual.code, usual.enhanced, text).to_wire()
        self._settle(event, wire, positive=True)

    def challenge(self, data: bytes) -> None:
        """Answer `AuthRequested` or `AuthResponse` with a challenge, in 334; `AuthResponse` or `AuthCancelled` follows.

        Raises `LocalProtocolError` when neither waits.
        """
        event = self._answered()
        if not isinstance(event, AuthRequested | AuthResponse):
            raise LocalProtocolError("only AUTH is answered with a challenge")
        self._out.append(b"334 " + binascii.b2a_base64(data, newline=False) + b"\r\n")
        self._state = _STATE_AUTH

    def close(self, reply: Reply) -> None:
        """Say this, mostly 421 for a shutdown or a time-out, whatever is under way, and end."""
        if self._state is not _STATE_CLOSED:
            if self._state is not _STATE_TLS:
                self._out.append(reply.to_wire())
            self._finish()

    def tls_established(self) -> None:
        """The handshake after STARTTLS succeeded: forget everything the client said (RFC 3207 §4.2)."""
        if self._state is not _STATE_TLS:
            raise LocalProtocolError("no TLS handshake is due")
        self._tls = True
        self._extended = self._authenticated = False
        self._state = _STATE_GREETED

    def _answered(self) -> Answerable:
        event = self._pending
        if event is None or self._events:
            raise LocalProtocolError("no event waits for an answer")
        self._pending = None
        return event

    def _read(self, line: bytes) -> None:
        """A command line that the owner lets pass."""
        try:
            self._command(line)
        except CommandError as error:
            self._refuse(auth.presentable(line), error.reply)
        except RemoteProtocolError as error:
            self._break(error.reason, error.reply)

    def _turn_down(self, line: bytes, reply: Reply) -> None:
        """One that it does not."""
        self._commands += 1
        if self._commands > self._settings.limits.commands:
            self._break("the client gave too many commands", replies.TOO_MANY_COMMANDS)
        else:
            self._refuse(auth.presentable(line), reply)

    def _settle(self, event: Answerable, wire: bytes, *, positive: bool) -> None:
        """Queue the answer and move on as it says."""
        if isinstance(event, RcptTo):
            transaction = self._open()
            if positive:
                transaction.add(event.recipient)
                self._state = _STATE_RCPT
            else:
                transaction.recipients_refused = True
        elif isinstance(event, MailFrom):
            if positive:
                self._transaction = Transaction(event)
                self._state = _STATE_MAIL
        elif isinstance(event, DataRequested):
            wire = self._settle_data(event, wire, positive=positive)
        elif isinstance(event, EndOfMessage):
            self._transaction = None
            self._state = _STATE_READY
        elif isinstance(event, AuthRequested | AuthResponse):
            self._settle_auth(wire, positive=positive)
            return
        elif isinstance(event, Hello):
            self._extended = positive and event.extended
            self._state = _STATE_READY if positive else _STATE_GREETED
        elif positive:
            if len(self._lines):
                self._break("octets followed STARTTLS in the clear", replies.TLS_INJECTION)
                return
            self._state = _STATE_TLS
        self._out.append(wire)

    def _settle_auth(self, wire: bytes, *, positive: bool) -> None:
        self._authenticated, self._state = positive, _STATE_READY
        self._out.append(wire)
        if not positive and wire.startswith(b"5"):
            self._auth_failures += 1
            if self._auth_failures >= self._settings.auth_failures:
                self._break("the client failed to authenticate too often", replies.TOO_MANY_FAILURES)

    def _settle_data(self, event: DataRequested, wire: bytes, *, positive: bool) -> bytes:
        transaction = self._open()
        if not event.chunking:
            if positive:
                transaction.read_data(self._settings)
                self._state = _STATE_DATA
            return wire
        if positive:
            transaction.read_chunks(self._settings)
            self._state = _STATE_BDAT
            return b""  # the reply to a chunk follows its octets
        self._chunk_dropped = True
        self._state = _STATE_BDAT_FAILED
        return wire

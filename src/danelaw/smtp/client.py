"""The client's side of an SMTP conversation, without I/O (RFC 5321 §4).

The owner calls a verb, sends what `data_to_send` has, feeds what comes back, and takes events until `NEED_DATA`.
`mail` sends a whole envelope, in one burst where the server offers PIPELINING and step by step where it does not;
the replies are attributed to their commands in order, and `BodyDue` or `TransactionRefused` sums them up. No
envelope leaves without a `Clearance` for this very connection.
"""

from __future__ import annotations

from danelaw.smtp import nexthop, sending
from danelaw.smtp.body_writer import BodyWriter
from danelaw.smtp.clearance import Clearance
from danelaw.smtp.client_dialogue import MESSAGE, NOTHING_OFFERED, ClientDialogue
from danelaw.smtp.client_events import ClientEvent
from danelaw.smtp.client_state import ClientState, Sending
from danelaw.smtp.commands import Command, Verb
from danelaw.smtp.envelope import Envelope
from danelaw.smtp.errors import BareNewline, LocalProtocolError, NextHopLacks
from danelaw.smtp.events import NEED_DATA, Signal
from danelaw.smtp.extensions import Extensions
from danelaw.smtp.settings import ClientLimits

_MAIL, _DATA, _BDAT = Command(Verb.MAIL), Command(Verb.DATA), Command(Verb.BDAT)


# A member looked up on its Enum class costs eight times a global in Python 3.11, and these are on the hot path.
_CLIENT_STATE_BODY = ClientState.BODY
_CLIENT_STATE_CLOSED = ClientState.CLOSED
_CLIENT_STATE_ENVELOPE = ClientState.ENVELOPE
_CLIENT_STATE_GREETED = ClientState.GREETED
_CLIENT_STATE_HANDSHAKE = ClientState.HANDSHAKE
_CLIENT_STATE_LEAVING = ClientState.LEAVING
_CLIENT_STATE_READY = ClientState.READY
_CLIENT_STATE_TURNED_AWAY = ClientState.TURNED_AWAY
_CLIENT_STATE_VERDICT = ClientState.VERDICT
_VERB_EHLO = Verb.EHLO
_VERB_HELO = Verb.HELO
_VERB_NOOP = Verb.NOOP
_VERB_QUIT = Verb.QUIT
_VERB_RCPT = Verb.RCPT
_VERB_RSET = Verb.RSET
_VERB_STARTTLS = Verb.STARTTLS


class ClientConnection(ClientDialogue):
    """One connection to a next hop. `connection_id` is what a `Clearance` must be bound to."""

    __slots__ = ("connection_id",)

    def __init__(self, connection_id: int, limits: ClientLimits, *, tls: bool = False) -> None:
        """`tls` True for a connection that is inside TLS from the start."""
        super().__init__(limits, tls=tls)
        self.connection_id = connection_id

    # What the owner may look at

    @property
    def state(self) -> ClientState:
        """Where the conversation is."""
        return self._state

    @property
    def extensions(self) -> Extensions:
        """As of the last EHLO; empty before, after HELO, and after STARTTLS."""
        return self._extensions

    @property
    def tls(self) -> bool:
        """Inside TLS."""
        return self._tls

    @property
    def idle(self) -> bool:
        """EHLO done, no transaction, no reply outstanding: the connection can take a message."""
        return self._state is _CLIENT_STATE_READY and not self._waiting

    @property
    def body_wanted(self) -> bool:
        """`send_message`, `send_chunk` and `finish_message` may be called."""
        return self._state is _CLIENT_STATE_BODY

    @property
    def closed(self) -> bool:
        """No further command can be sent."""
        return self._state is _CLIENT_STATE_CLOSED

    # The network

    def receive_data(self, data: bytes) -> None:
        """Take octets from the network. Problems are raised by `next_event`."""
        if self._state is not _CLIENT_STATE_CLOSED:
            self._replies.feed(data)

    def receive_eof(self) -> None:
        """The server closed its side; whole replies that came before are still read."""
        self._eof = True

    def data_to_send(self) -> bytes:
        """Everything queued since the last call, joined."""
        out = self._out
        if not out:
            return b""
        data = out[0] if len(out) == 1 else b"".join(out)
        out.clear()
        return data

    def next_event(self) -> ClientEvent | Signal:
        """The next event or `NEED_DATA`. Raises subclasses of `RemoteProtocolError`; the connection is closed then."""
        events = self._events
        while not events:
            if not self._read_reply() and not events:
                return NEED_DATA
        return events.popleft()

    # Verbs

    def ehlo(self, name: str) -> None:
        """Send EHLO with our host name or address literal."""
        self._need(_CLIENT_STATE_GREETED, _CLIENT_STATE_READY)
        self._hello(_VERB_EHLO, name)

    def helo(self, name: str) -> None:
        """Send HELO: to servers that refuse EHLO (RFC 5321 §3.2)."""
        self._need(_CLIENT_STATE_GREETED, _CLIENT_STATE_READY)
        self._hello(_VERB_HELO, name)

    def starttls(self) -> None:
        """Send STARTTLS. Raises `LocalProtocolError` inside TLS or when the server does not offer it."""
        self._need(_CLIENT_STATE_READY)
        if self._tls or not self._extensions.starttls:
            raise LocalProtocolError("the server does not offer STARTTLS")
        self._send(b"STARTTLS\r\n", Command(_VERB_STARTTLS))

    def tls_established(self) -> None:
        """The handshake succeeded: forget the extensions; send EHLO again (RFC 3207 §4.2).

        Raises `StartTLSInjection` when octets were fed since `HandshakeDue`.
        """
        self._need(_CLIENT_STATE_HANDSHAKE)
        self._check_injection()
        self._tls = True
        self._extensions = NOTHING_OFFERED
        self._state = _CLIENT_STATE_GREETED

    def mail(
        self,
        clearance: Clearance,
        envelope: Envelope,
        *,
        size: int | None = None,
        eight_bit: bool = True,
        chunking: bool = False,
        inquiry: bool = False,
    ) -> None:
        """Begin a transaction: MAIL, RCPT for every recipient, DATA; in one burst where PIPELINING is offered.

        `size` in octets; `eight_bit` whether the message has octets above 127; `chunking` use BDAT where the server
        offers it with PIPELINING; `inquiry` only ask whether the recipients are taken: no DATA is sent, and `withdraw`
        ends the transaction after `BodyDue`. Nothing is sent when it raises `ClearanceRefused`,
        `NextHopLacks` or `LocalProtocolError`.
        """
        offered = self._extensions
        sending.check_clearance(clearance, envelope, self.connection_id, tls=self._tls)
        self._need(_CLIENT_STATE_READY)
        if not envelope.recipients:
            raise LocalProtocolError("an envelope without recipients cannot be sent")
        lacks = nexthop.refusal(envelope, offered, size=size, eight_bit=eight_bit)
        if lacks is not None:
            raise NextHopLacks(lacks)
        requiretls = envelope.requiretls and clearance.requiretls and offered.requiretls and self._tls
        may_lack = envelope.reverse_path.is_null or clearance.without_extension
        if envelope.requiretls and not requiretls and not may_lack:
            raise NextHopLacks(nexthop.REQUIRETLS_MISSING)
        lines = [sending.mail_line(envelope, offered, size=size, eight_bit=eight_bit, requiretls=requiretls)]
        lines += [sending.rcpt_line(recipient, offered) for recipient in envelope.recipients]
        encoded = sending.wire(lines, smtputf8=envelope.smtputf8)
        commands = [_MAIL, *(Command(_VERB_RCPT, recipient) for recipient in envelope.recipients)]
        chunked = inquiry or (chunking and offered.chunking and offered.pipelining)
        if not chunked:
            encoded.append(b"DATA\r\n")
            commands.append(_DATA)
        if self._reset_due:
            encoded.insert(0, b"RSET\r\n")
            commands.insert(0, Command(_VERB_RSET))
            self._reset_due = False
        self._sending = Sending(chunked)
        self._state = _CLIENT_STATE_ENVELOPE
        if offered.pipelining:
            self._out.extend(encoded)
            self._waiting.extend(commands)
        else:
            self._sending.plan.extend(zip(encoded, commands, strict=True))
            self._send(*self._sending.plan.popleft())

    def send_message(self, body: bytes, *, screened: bool = False) -> None:
        """Send the whole message after `BodyDue`. Raises `BareNewline`, and then nothing is sent.

        `screened` tells that this process's own server read the body and found only CRLF in it.
        """
        transaction = self._body_due()
        writer = BodyWriter(stuff=not transaction.chunked)
        data = writer.push(body, screened=screened)
        end = writer.finish()
        if transaction.chunked:
            self._out.append(b"BDAT %d LAST\r\n" % len(data))
        self._out.append(data)
        self._out.append(end)
        self._await_verdict()

    def send_chunk(self, data: bytes) -> None:
        """Send a piece of the message after `BodyDue`, cut anywhere.

        Raises `BareNewline`: the connection is closed then, since the message cannot be taken back.
        """
        transaction = self._body_due()
        encoded = self._encode(transaction, data)
        if transaction.chunked and encoded:
            self._send(b"BDAT %d\r\n" % len(encoded), _BDAT)
        self._out.append(encoded)

    def finish_message(self) -> None:
        """End the message begun with `send_chunk`. Raises `BareNewline` as that does."""
        transaction = self._body_due()
        end = self._encode(transaction, None)
        self._out.append(b"BDAT 0 LAST\r\n" if transaction.chunked else end)
        self._await_verdict()

    def withdraw(self) -> None:
        """After `BodyDue` of an inquiry: no message follows. RSET is sent."""
        self._body_due()
        self._end_transaction(None)
        self.rset()

    def rset(self) -> None:
        """Forget a transaction that was refused (RFC 5321 §4.1.1.5); `mail` does it by itself where it is due."""
        self._need(_CLIENT_STATE_READY)
        self._reset_due = False
        self._send(b"RSET\r\n", Command(_VERB_RSET))

    def noop(self) -> None:
        """Keep the connection alive."""
        self._need(_CLIENT_STATE_READY)
        self._send(b"NOOP\r\n", Command(_VERB_NOOP))

    def quit(self) -> None:
        """Say goodbye. Not possible in the middle of a message: close the connection then."""
        self._need(_CLIENT_STATE_TURNED_AWAY, _CLIENT_STATE_GREETED, _CLIENT_STATE_READY)
        self._send(b"QUIT\r\n", Command(_VERB_QUIT))
        self._state = _CLIENT_STATE_LEAVING

    # Inside

    def _need(self, *states: ClientState) -> None:
        if self._state not in states:
            raise LocalProtocolError(f"not possible now: the conversation is {self._state.value}")
        if self._waiting:
            raise LocalProtocolError("not possible now: a reply is outstanding")

    def _hello(self, verb: Verb, name: str) -> None:
        if not name or not name.isascii() or not name.isprintable() or " " in name:
            raise LocalProtocolError(f"{name[:80]!r} is no host name to greet with")
        self._send(f"{verb.value} {name}\r\n".encode(), Command(verb))

    def _body_due(self) -> Sending:
        if self._state is not _CLIENT_STATE_BODY or self._sending is None:
            raise LocalProtocolError("the server does not wait for a message")
        return self._sending

    def _encode(self, transaction: Sending, data: bytes | None) -> bytes:
        if transaction.writer is None:
            transaction.writer = BodyWriter(stuff=not transaction.chunked)
        try:
            return transaction.writer.finish() if data is None else transaction.writer.push(data)
        except BareNewline:
            self._close()
            raise

    def _await_verdict(self) -> None:
        self._waiting.append(MESSAGE)
        self._state = _CLIENT_STATE_VERDICT

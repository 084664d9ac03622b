"""The client's side of an SMTP conversation, without I/O (RFC 5321 §4).

The owner calls a verb, sends what `data_to_send` has, feeds what comes back, and takes events until `NEED_DATA`.
`mail` sends a whole envelope, in one burst where the server offers PIPELINING and step by step where it does not;
the replies are attributed to their commands in order, and `BodyDue` or `TransactionRefused` sums them up. No
envelope leaves without a `Clearance` for this very connection.
"""

from __future__ import annotations

from collections import deque

from danelaw.smtp import nexthop, sending
from danelaw.smtp.body_writer import BodyWriter
from danelaw.smtp.clearance import Clearance
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
from danelaw.smtp.client_state import ClientState, Sending
from danelaw.smtp.commands import Command, Verb
from danelaw.smtp.envelope import Envelope
from danelaw.smtp.errors import (
    BareNewline,
    LocalProtocolError,
    NextHopLacks,
    RemoteProtocolError,
    StartTLSInjection,
    UnexpectedReply,
)
from danelaw.smtp.events import NEED_DATA, Signal
from danelaw.smtp.extensions import Extensions
from danelaw.smtp.reply import Reply
from danelaw.smtp.reply_reader import ReplyReader
from danelaw.smtp.settings import ClientLimits

_MAIL, _DATA, _BDAT, _MESSAGE = Command(Verb.MAIL), Command(Verb.DATA), Command(Verb.BDAT), Command(Verb.MESSAGE)
_NOTHING = Extensions()
_INJECTED = Reply.of(451, "4.7.0", "The next server, or somebody on the way, sent clear text before the TLS handshake")
_OUT_OF_STEP = Reply.of(451, "4.5.0", "The next server sent a reply that no command asked for")


class ClientConnection:
    """One connection to a next hop. `connection_id` is what a `Clearance` must be bound to."""

    __slots__ = (
        "_events",
        "_extensions",
        "_out",
        "_replies",
        "_reset_due",
        "_sending",
        "_state",
        "_tls",
        "_waiting",
        "connection_id",
    )

    def __init__(self, connection_id: int, limits: ClientLimits, *, tls: bool = False) -> None:
        """`tls` True for a connection that is inside TLS from the start."""
        self.connection_id = connection_id
        self._tls = tls
        self._extensions = _NOTHING
        self._replies = ReplyReader(limits)
        self._waiting: deque[Command] = deque([Command(Verb.GREETING)])
        self._events: deque[ClientEvent] = deque()
        self._out: list[bytes] = []
        self._state = ClientState.CONNECTED
        self._sending: Sending | None = None
        self._reset_due = False

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
        return self._state is ClientState.READY and not self._waiting

    @property
    def body_wanted(self) -> bool:
        """`send_message`, `send_chunk` and `finish_message` may be called."""
        return self._state is ClientState.BODY

    @property
    def closed(self) -> bool:
        """No further command can be sent."""
        return self._state is ClientState.CLOSED

    # The network

    def receive_data(self, data: bytes) -> None:
        """Take octets from the network. Problems are raised by `next_event`."""
        if self._state is not ClientState.CLOSED:
            self._replies.feed(data)

    def receive_eof(self) -> None:
        """The server closed its side; whole replies that came before are still read."""
        try:
            self._read_replies()
        finally:
            if self._state is not ClientState.CLOSED:
                self._events.append(ConnectionClosed(tuple(self._waiting)))
                self._close()

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
        if not self._events:
            self._read_replies()
            if not self._events:
                return NEED_DATA
        return self._events.popleft()

    # Verbs

    def ehlo(self, name: str) -> None:
        """Send EHLO with our host name or address literal."""
        self._need(ClientState.GREETED, ClientState.READY)
        self._hello(Verb.EHLO, name)

    def helo(self, name: str) -> None:
        """Send HELO: to servers that refuse EHLO (RFC 5321 §3.2)."""
        self._need(ClientState.GREETED, ClientState.READY)
        self._hello(Verb.HELO, name)

    def starttls(self) -> None:
        """Send STARTTLS. Raises `LocalProtocolError` inside TLS or when the server does not offer it."""
        self._need(ClientState.READY)
        if self._tls or not self._extensions.starttls:
            raise LocalProtocolError("the server does not offer STARTTLS")
        self._send(b"STARTTLS\r\n", Command(Verb.STARTTLS))

    def tls_established(self) -> None:
        """The handshake succeeded: forget the extensions; send EHLO again (RFC 3207 §4.2).

        Raises `StartTLSInjection` when octets were fed since `HandshakeDue`.
        """
        self._need(ClientState.HANDSHAKE)
        self._check_injection()
        self._tls = True
        self._extensions = _NOTHING
        self._state = ClientState.GREETED

    def mail(
        self,
        clearance: Clearance,
        envelope: Envelope,
        *,
        size: int | None = None,
        eight_bit: bool = True,
        chunking: bool = False,
    ) -> None:
        """Begin a transaction: MAIL, RCPT for every recipient, DATA; in one burst where PIPELINING is offered.

        `size` in octets; `eight_bit` whether the message has octets above 127; `chunking` use BDAT where the server
        offers it with PIPELINING. Raises `ClearanceRefused`, `NextHopLacks`, `LocalProtocolError`; nothing is sent then.
        """
        offered = self._extensions
        sending.check_clearance(clearance, envelope, self.connection_id, tls=self._tls)
        self._need(ClientState.READY)
        if not envelope.recipients:
            raise LocalProtocolError("an envelope without recipients cannot be sent")
        lacks = nexthop.refusal(envelope, offered, size=size, eight_bit=eight_bit)
        if lacks is not None:
            raise NextHopLacks(lacks)
        requiretls = envelope.requiretls and clearance.requiretls and offered.requiretls and self._tls
        if envelope.requiretls and not requiretls and not envelope.reverse_path.is_null:
            raise NextHopLacks(nexthop.REQUIRETLS_MISSING)
        lines = [sending.mail_line(envelope, offered, size=size, eight_bit=eight_bit, requiretls=requiretls)]
        lines += [sending.rcpt_line(recipient, offered) for recipient in envelope.recipients]
        encoded = sending.wire(lines, smtputf8=envelope.smtputf8)
        commands = [_MAIL, *(Command(Verb.RCPT, recipient) for recipient in envelope.recipients)]
        chunked = chunking and offered.chunking and offered.pipelining
        if not chunked:
            encoded.append(b"DATA\r\n")
            commands.append(_DATA)
        if self._reset_due:
            encoded.insert(0, b"RSET\r\n")
            commands.insert(0, Command(Verb.RSET))
            self._reset_due = False
        self._sending = Sending(chunked)
        self._state = ClientState.ENVELOPE
        if offered.pipelining:
            self._out.extend(encoded)
            self._waiting.extend(commands)
        else:
            self._sending.plan.extend(zip(encoded, commands, strict=True))
            self._send(*self._sending.plan.popleft())

    def send_message(self, body: bytes) -> None:
        """Send the whole message after `BodyDue`. Raises `BareNewline`, and then nothing is sent."""
        transaction = self._body_due()
        writer = BodyWriter(stuff=not transaction.chunked)
        data = writer.push(body)
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

    def rset(self) -> None:
        """Forget a transaction that was refused (RFC 5321 §4.1.1.5); `mail` does it by itself where it is due."""
        self._need(ClientState.READY)
        self._reset_due = False
        self._send(b"RSET\r\n", Command(Verb.RSET))

    def noop(self) -> None:
        """Keep the connection alive."""
        self._need(ClientState.READY)
        self._send(b"NOOP\r\n", Command(Verb.NOOP))

    def quit(self) -> None:
        """Say goodbye. Not possible in the middle of a message: close the connection then."""
        self._need(ClientState.TURNED_AWAY, ClientState.GREETED, ClientState.READY)
        self._send(b"QUIT\r\n", Command(Verb.QUIT))
        self._state = ClientState.LEAVING

    # Inside

    def _need(self, *states: ClientState) -> None:
        if self._state not in states:
            raise LocalProtocolError(f"not possible now: the conversation is {self._state.value}")
        if self._waiting:
            raise LocalProtocolError("not possible now: a reply is outstanding")

    def _send(self, data: bytes, command: Command) -> None:
        self._out.append(data)
        self._waiting.append(command)

    def _hello(self, verb: Verb, name: str) -> None:
        if not name or not name.isascii() or not name.isprintable() or " " in name:
            raise LocalProtocolError(f"{name[:80]!r} is no host name to greet with")
        self._send(f"{verb.value} {name}\r\n".encode(), Command(verb))

    def _body_due(self) -> Sending:
        if self._state is not ClientState.BODY or self._sending is None:
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
        self._waiting.append(_MESSAGE)
        self._state = ClientState.VERDICT

    def _close(self) -> None:
        self._state = ClientState.CLOSED
        self._waiting.clear()
        self._out.clear()
        self._sending = None

    def _check_injection(self) -> None:
        if self._replies.has_rest:
            self._close()
            raise StartTLSInjection("clear text arrived between the reply to STARTTLS and the TLS handshake", _INJECTED)

    # Replies

    def _read_replies(self) -> None:
        """Turn whole replies into events."""
        try:
            if self._state is ClientState.HANDSHAKE:
                self._check_injection()
            while self._state is not ClientState.CLOSED:
                reply = self._replies.next_reply()
                if reply is None:
                    return
                self._take(reply)
        except RemoteProtocolError:
            self._close()
            raise

    def _take(self, reply: Reply) -> None:
        """Attribute one reply."""
        if reply.code == 421:
            self._events.append(ServiceClosing(reply, tuple(self._waiting)))
            self._close()
            return
        if not self._waiting:
            raise UnexpectedReply(f"the server sent a reply that no command asked for: {reply.to_text()[:80]}", _OUT_OF_STEP)
        command = self._waiting.popleft()
        verb = command.verb
        if (reply.code < 400 and (reply.code >= 300) is not (verb is Verb.DATA)):
            raise UnexpectedReply(f"the server answered {verb.value} with {reply.to_text()[:80]}", _OUT_OF_STEP)
        if self._sending is not None and verb is not Verb.RSET:
            self._take_in_transaction(self._sending, command, reply)
        elif verb is Verb.EHLO or verb is Verb.HELO:
            extended = verb is Verb.EHLO
            self._extensions = Extensions.from_reply(reply) if extended and reply.is_positive else _NOTHING
            self._state = ClientState.READY if reply.is_positive else ClientState.GREETED
            self._events.append(HelloReceived(reply, self._extensions, extended))
        elif verb is Verb.GREETING:
            self._state = ClientState.GREETED if reply.code == 220 else ClientState.TURNED_AWAY
            self._events.append(GreetingReceived(reply))
        elif verb is Verb.STARTTLS and reply.is_positive:
            self._check_injection()
            self._state = ClientState.HANDSHAKE
            self._events.append(HandshakeDue(reply))
        else:
            self._events.append(ReplyReceived(command, reply))
            if verb is Verb.QUIT:
                self._close()
            elif verb is Verb.RSET and self._sending is not None:
                self._continue_envelope(self._sending)

    def _take_in_transaction(self, transaction: Sending, command: Command, reply: Reply) -> None:
        verb = command.verb
        if verb is Verb.MESSAGE:
            self._take_verdict(transaction, reply)
            return
        self._events.append(ReplyReceived(command, reply))
        if verb is Verb.BDAT:
            if not reply.is_positive and self._state is not ClientState.ENVELOPE:
                self._fail_chunk(transaction, reply)
            return
        transaction.note(command, reply)
        if verb is Verb.DATA and reply.is_positive and not transaction.accepted:
            # RFC 2920 §3.1: 354 without a recipient; the message is ended at once and comes to nothing.
            self._send(b".\r\n", _MESSAGE)
            self._state = ClientState.VERDICT
            return
        self._continue_envelope(transaction)

    def _continue_envelope(self, transaction: Sending) -> None:
        """Send the next command of the plan, or, when all is answered, say what came of it."""
        if transaction.plan and not transaction.hopeless:
            self._send(*transaction.plan.popleft())
            return
        transaction.plan.clear()
        if self._waiting:
            return
        if transaction.accepted and transaction.refused_by is None:
            self._state = ClientState.BODY
            self._events.append(BodyDue(tuple(transaction.accepted)))
            return
        self._reset_due = transaction.open
        self._end_transaction(TransactionRefused(transaction.reason()))

    def _take_verdict(self, transaction: Sending, reply: Reply) -> None:
        if transaction.failed:
            self._end_transaction(None)
        elif transaction.accepted:
            self._end_transaction(MessageAnswered(tuple(transaction.accepted), reply))
        else:
            self._end_transaction(TransactionRefused(transaction.reason()))

    def _fail_chunk(self, transaction: Sending, reply: Reply) -> None:
        """A chunk was refused: no more may be sent (RFC 3030 §2), and the message has its answer."""
        if not transaction.failed:
            transaction.failed = True
            self._reset_due = True
            self._events.append(MessageAnswered(tuple(transaction.accepted), reply))
        if self._state is ClientState.BODY:
            self._state = ClientState.VERDICT
        if not self._waiting:
            self._end_transaction(None)

    def _end_transaction(self, event: ClientEvent | None) -> None:
        self._sending = None
        self._state = ClientState.READY
        if event is not None:
            self._events.append(event)

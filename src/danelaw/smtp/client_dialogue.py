"""What a client makes of each reply: the inner half of `ClientConnection`.

Replies come in the order of the commands (RFC 5321 §4.1.1, RFC 2920 §3.1), so each is attributed to the command that
has waited longest. A reply that cannot be attributed ends the connection: everything after it would be guessed.
"""

from __future__ import annotations

from collections import deque

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
from danelaw.smtp.errors import RemoteProtocolError, StartTLSInjection, UnexpectedReply
from danelaw.smtp.extensions import Extensions
from danelaw.smtp.reply import Reply
from danelaw.smtp.reply_reader import ReplyReader
from danelaw.smtp.settings import ClientLimits

# A member looked up on its Enum class costs eight times a global in Python 3.11, and these are on the hot path.
_CLIENT_STATE_BODY = ClientState.BODY
_CLIENT_STATE_CLOSED = ClientState.CLOSED
_CLIENT_STATE_CONNECTED = ClientState.CONNECTED
_CLIENT_STATE_GREETED = ClientState.GREETED
_CLIENT_STATE_HANDSHAKE = ClientState.HANDSHAKE
_CLIENT_STATE_READY = ClientState.READY
_CLIENT_STATE_TURNED_AWAY = ClientState.TURNED_AWAY
_CLIENT_STATE_VERDICT = ClientState.VERDICT
_VERB_BDAT = Verb.BDAT
_VERB_DATA = Verb.DATA
_VERB_EHLO = Verb.EHLO
_VERB_GREETING = Verb.GREETING
_VERB_HELO = Verb.HELO
_VERB_MESSAGE = Verb.MESSAGE
_VERB_QUIT = Verb.QUIT
_VERB_RSET = Verb.RSET
_VERB_STARTTLS = Verb.STARTTLS
MESSAGE = Command(Verb.MESSAGE)
NOTHING_OFFERED = Extensions()
_INJECTED = Reply.of(451, "4.7.0", "The next server, or somebody on the way, sent clear text before the TLS handshake")
_OUT_OF_STEP = Reply.of(451, "4.5.0", "The next server sent a reply that no command asked for")


class ClientDialogue:
    """State, commands that wait for replies, and events of one conversation."""

    __slots__ = (
        "_eof",
        "_events",
        "_extensions",
        "_out",
        "_replies",
        "_reset_due",
        "_sending",
        "_state",
        "_tls",
        "_waiting",
    )

    def __init__(self, limits: ClientLimits, *, tls: bool) -> None:
        self._tls = tls
        self._eof = False
        self._extensions = NOTHING_OFFERED
        self._replies = ReplyReader(limits)
        self._waiting: deque[Command] = deque([Command(_VERB_GREETING)])
        self._events: deque[ClientEvent] = deque()
        self._out: list[bytes] = []
        self._state = _CLIENT_STATE_CONNECTED
        self._sending: Sending | None = None
        self._reset_due = False

    def _send(self, data: bytes, command: Command) -> None:
        self._out.append(data)
        self._waiting.append(command)

    def _close(self) -> None:
        self._state = _CLIENT_STATE_CLOSED
        self._waiting.clear()
        self._out.clear()
        self._sending = None

    def _check_injection(self) -> None:
        if self._replies.has_rest:
            self._close()
            raise StartTLSInjection("clear text arrived between the reply to STARTTLS and the TLS handshake", _INJECTED)

    def _read_reply(self) -> bool:
        """Read and attribute one reply; False when none is complete."""
        if self._state is _CLIENT_STATE_CLOSED:
            return False
        try:
            if self._state is _CLIENT_STATE_HANDSHAKE:
                self._check_injection()
            reply = self._replies.next_reply()
            if reply is not None:
                self._take(reply)
                return True
        except RemoteProtocolError:
            self._close()
            raise
        if self._eof:
            self._events.append(ConnectionClosed(tuple(self._waiting)))
            self._close()
        return False

    def _take(self, reply: Reply) -> None:
        """Attribute one reply."""
        if reply.code == 421:
            self._events.append(ServiceClosing(reply, tuple(self._waiting)))
            self._close()
            return
        if not self._waiting:
            raise UnexpectedReply(f"no command asked for the server's reply {reply.to_text()[:80]}", _OUT_OF_STEP)
        command = self._waiting.popleft()
        verb = command.verb
        if reply.code < 400 and (reply.code >= 300) is not (verb is _VERB_DATA):
            raise UnexpectedReply(f"the server answered {verb.value} with {reply.to_text()[:80]}", _OUT_OF_STEP)
        if self._sending is not None and verb is not _VERB_RSET:
            self._take_in_transaction(self._sending, command, reply)
        elif verb is _VERB_EHLO or verb is _VERB_HELO:
            extended = verb is _VERB_EHLO
            self._extensions = Extensions.from_reply(reply) if extended and reply.is_positive else NOTHING_OFFERED
            self._state = _CLIENT_STATE_READY if reply.is_positive else _CLIENT_STATE_GREETED
            self._events.append(HelloReceived(reply, self._extensions, extended))
        elif verb is _VERB_GREETING:
            self._state = _CLIENT_STATE_GREETED if reply.code == 220 else _CLIENT_STATE_TURNED_AWAY
            self._events.append(GreetingReceived(reply))
        elif verb is _VERB_STARTTLS and reply.is_positive:
            self._check_injection()
            self._state = _CLIENT_STATE_HANDSHAKE
            self._events.append(HandshakeDue(reply))
        else:
            self._events.append(ReplyReceived(command, reply))
            if verb is _VERB_QUIT:
                self._close()
            elif verb is _VERB_RSET and self._sending is not None:
                self._continue_envelope(self._sending)

    def _take_in_transaction(self, transaction: Sending, command: Command, reply: Reply) -> None:
        verb = command.verb
        if verb is _VERB_MESSAGE:
            self._take_verdict(transaction, reply)
            return
        if reply.code >= 400:
            self._events.append(ReplyReceived(command, reply))
        if verb is _VERB_BDAT:
            if not reply.is_positive and not transaction.failed:
                self._fail_chunk(transaction, reply)
            if transaction.failed and not self._waiting:
                self._end_transaction(None)
            return
        transaction.note(command, reply)
        if verb is _VERB_DATA and reply.code < 400:
            self._check_go_ahead(transaction)
        if transaction.plan or not self._waiting:
            self._continue_envelope(transaction)

    def _check_go_ahead(self, transaction: Sending) -> None:
        """354 came. Without a recipient the message is ended at once and comes to nothing (RFC 2920 §3.1)."""
        if transaction.accepted:
            if transaction.refused_by is not None:
                raise UnexpectedReply("the server refused MAIL and asked for the message all the same", _OUT_OF_STEP)
            return
        self._send(b".\r\n", MESSAGE)
        self._state = _CLIENT_STATE_VERDICT

    def _continue_envelope(self, transaction: Sending) -> None:
        """Send the next command of the plan, or, when all is answered, say what came of it."""
        if transaction.plan and not transaction.hopeless:
            self._send(*transaction.plan.popleft())
            return
        transaction.plan.clear()
        if self._waiting:
            return
        if transaction.accepted and transaction.refused_by is None:
            self._state = _CLIENT_STATE_BODY
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
        transaction.failed = True
        self._reset_due = True
        self._state = _CLIENT_STATE_VERDICT
        self._events.append(MessageAnswered(tuple(transaction.accepted), reply))

    def _end_transaction(self, event: ClientEvent | None) -> None:
        self._sending = None
        self._state = _CLIENT_STATE_READY
        if event is not None:
            self._events.append(event)

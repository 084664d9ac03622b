"""What a server does with each octet it reads: the inner half of `ServerConnection`.

A *step* reads one command line, one piece of message data, or nothing. It either answers by itself (syntax,
sequence, limits, NOOP, RSET, QUIT) or puts one event up for the owner to answer, and then nothing more is read.
"""

from __future__ import annotations

from collections import deque

from danelaw.smtp import auth, grammar, offer, replies
from danelaw.smtp.commands import Verb
from danelaw.smtp.errors import CommandError, RemoteProtocolError
from danelaw.smtp.events import (
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
    StartTLS,
)
from danelaw.smtp.line_reader import LineReader
from danelaw.smtp.message_reader import ChunkReader, DataReader
from danelaw.smtp.reply import Reply
from danelaw.smtp.settings import (
    AUTH_LINE,
    LINE_INCREMENT,
    LINE_INCREMENT_WITH_AUTH,
    MAX_LINE_INCREMENT,
    ServerSettings,
)
from danelaw.smtp.state import ALLOWED, State, refusal
from danelaw.smtp.transaction import Transaction

# A member looked up on its Enum class costs eight times a global in Python 3.11, and these are on the hot path.
_STATE_AUTH = State.AUTH
_STATE_BDAT_FAILED = State.BDAT_FAILED
_STATE_CLOSED = State.CLOSED
_STATE_CONNECTED = State.CONNECTED
_STATE_DATA = State.DATA
_STATE_GREETED = State.GREETED
_STATE_READY = State.READY
_VERB_AUTH = Verb.AUTH
_VERB_BDAT = Verb.BDAT
_VERB_DATA = Verb.DATA
_VERB_EHLO = Verb.EHLO
_VERB_HELO = Verb.HELO
_VERB_HELP = Verb.HELP
_VERB_MAIL = Verb.MAIL
_VERB_NOOP = Verb.NOOP
_VERB_QUIT = Verb.QUIT
_VERB_RCPT = Verb.RCPT
_VERB_RSET = Verb.RSET
_VERB_STARTTLS = Verb.STARTTLS
_VERB_VRFY = Verb.VRFY
Answerable = (
    CommandLine | Hello | StartTLS | AuthRequested | AuthResponse | MailFrom | RcptTo | DataRequested | EndOfMessage
)

_SHOWN_OCTETS = 200
_VERBS = {verb.value.encode(): verb for verb in Verb if verb not in (Verb.GREETING, Verb.MESSAGE)}
_NEEDS_LEAVE = frozenset({Verb.MAIL, Verb.RCPT, Verb.DATA, Verb.BDAT, Verb.VRFY, Verb.EXPN})
_NO_ARGUMENT = frozenset({Verb.STARTTLS, Verb.DATA, Verb.RSET, Verb.QUIT})
_READS_LINES = frozenset(State) - {State.CONNECTED, State.DATA, State.TLS, State.CLOSED}
# What browsers and proxies say first. A browser can be made to post an SMTP conversation as a form's body: whoever
# starts like this is never a mail client, and nothing after it is read.
_HTTP_WORDS = frozenset(
    b"GET POST PUT HEAD OPTIONS CONNECT DELETE PATCH TRACE PRI HOST: USER-AGENT: CONTENT-LENGTH: CONTENT-TYPE:".split()
)
_GOODBYE = replies.GOODBYE.to_wire()
_RESET_OK = replies.RESET_OK.to_wire()


class ServerDialogue:
    """State, transaction, replies and events of one conversation."""

    __slots__ = (
        "_auth_failures",
        "_authenticated",
        "_chunk_dropped",
        "_chunk_last",
        "_chunk_left",
        "_commands",
        "_errors",
        "_events",
        "_extended",
        "_lines",
        "_messages",
        "_out",
        "_pending",
        "_settings",
        "_state",
        "_tls",
        "_transaction",
        "screens",
    )

    def __init__(self, settings: ServerSettings, *, tls: bool) -> None:
        self._settings = settings
        self._tls = tls
        self._state = _STATE_CONNECTED
        longest = settings.limits.command_line + (AUTH_LINE if settings.auth else MAX_LINE_INCREMENT)
        self._lines = LineReader(longest)
        self._events: deque[ServerEvent] = deque()
        self._pending: Answerable | None = None
        self._out: list[bytes] = []
        self._extended = self._authenticated = False
        self._auth_failures = 0
        self._commands = self._errors = self._messages = 0
        self._transaction: Transaction | None = None
        self._chunk_left: int | None = None  # octets still to come of the BDAT chunk under way
        self._chunk_last = self._chunk_dropped = self.screens = False

    def _step(self) -> bool:
        """Work through the next line or piece of data; False when there is nothing to do before more octets come."""
        if self._state is _STATE_DATA:
            return self._step_data()
        if self._chunk_left is not None and self._state is not _STATE_CLOSED:
            return self._step_chunk(self._chunk_left)
        if self._state not in _READS_LINES:
            return False
        line: bytes | None = b""
        try:
            line = self._lines.next_line()
            if line is None:
                return False
            if self._state is _STATE_AUTH:
                self._put_up(AuthResponse(auth.response(line.rstrip(b" \t"))))
            elif self.screens and line[:4].upper() != b"BDAT":  # what follows BDAT is data whatever is said to it
                self._put_up(CommandLine(line.rstrip(b" \t")))
            else:
                self._command(line.rstrip(b" \t"))
        except CommandError as error:
            if self._state is _STATE_AUTH:
                self._cancel_auth(error.reply)
            else:
                self._refuse(auth.presentable(line or b""), error.reply)
        except RemoteProtocolError as error:
            self._break(error.reason, error.reply)
        return True

    # Commands

    def _command(self, line: bytes) -> None:
        limits = self._settings.limits
        self._commands += 1
        if self._commands > limits.commands:
            raise RemoteProtocolError("the client gave too many commands", replies.TOO_MANY_COMMANDS)
        word, _, argument = line.partition(b" ")
        word = word.upper()
        verb = _VERBS.get(word)
        if verb is None:
            if word in _HTTP_WORDS:
                raise RemoteProtocolError("the client speaks HTTP", replies.NOT_HTTP)
            raise CommandError(replies.UNKNOWN_COMMAND)
        if len(line) + 2 > limits.command_line:
            increments = LINE_INCREMENT_WITH_AUTH if self._settings.auth else LINE_INCREMENT
            if len(line) + 2 > limits.command_line + increments.get(word, 0):
                raise CommandError(replies.LINE_TOO_LONG)
        if verb is _VERB_BDAT:
            self._bdat(line, argument)
            return
        if (self._settings.tls_required or self._settings.auth_required) and verb in _NEEDS_LEAVE:
            auth.check_leave(self._settings, tls=self._tls, authenticated=self._authenticated)
        if verb is _VERB_STARTTLS and not self._settings.starttls:
            raise CommandError(replies.NOT_PROVIDED)
        if argument and verb in _NO_ARGUMENT:
            raise CommandError(replies.NO_ARGUMENT)
        if self._state not in ALLOWED[verb]:
            self._check_sequence(verb)
        if verb is _VERB_RCPT:
            self._rcpt(line)
        elif verb is _VERB_MAIL:
            self._mail(line)
        elif verb is _VERB_DATA:
            self._put_up(DataRequested(self._open().envelope(), False))
        elif verb is _VERB_EHLO or verb is _VERB_HELO:
            self._hello(argument, extended=verb is _VERB_EHLO)
        else:
            self._housekeeping(verb, argument)

    def _housekeeping(self, verb: Verb, argument: bytes) -> None:
        """The verbs that need no policy, and STARTTLS."""
        if verb is _VERB_QUIT:
            self._out.append(_GOODBYE)
            self._events.append(Quit())
            self._finish()
        elif verb is _VERB_RSET:
            self._out.append(_RESET_OK)
            self._reset()
        elif verb is _VERB_STARTTLS:
            if self._tls:
                raise CommandError(replies.TLS_ACTIVE)
            self._put_up(StartTLS())
        elif verb is _VERB_AUTH:
            self._put_up(
                auth.request(
                    argument,
                    self._settings,
                    extended=self._extended,
                    tls=self._tls,
                    authenticated=self._authenticated,
                )
            )
        elif verb is _VERB_NOOP:
            self._out.append(replies.NOOP_OK.to_wire())
        elif verb is _VERB_HELP:
            self._out.append(replies.HELP.to_wire())
        elif verb is _VERB_VRFY:
            if not grammar.text_of(argument):
                raise CommandError(replies.VRFY_SYNTAX)
            self._out.append(replies.VRFY.to_wire())
        else:
            raise CommandError(replies.EXPN)

    def _cancel_auth(self, reply: Reply) -> None:
        """The exchange ends without a verdict. What the client sent is shown to nobody: it may be a password."""
        if reply is replies.LINE_TOO_LONG:
            reply = replies.AUTH_LINE_TOO_LONG
        self._state = _STATE_READY
        self._events.append(AuthCancelled(reply))
        self._refuse(b"", reply)

    def _check_sequence(self, verb: Verb) -> None:
        transaction = self._transaction
        reply = refusal(
            verb, self._state, recipients_refused=transaction is not None and transaction.recipients_refused
        )
        if reply is not None:
            raise CommandError(reply)

    def _hello(self, argument: bytes, *, extended: bool) -> None:
        name, host = grammar.hello(argument)
        if self._transaction is not None:
            self._reset()
        self._put_up(Hello(name, host, extended))

    def _mail(self, line: bytes) -> None:
        settings = self._settings
        event = grammar.mail(line, self._parameters(), space_after_colon=settings.space_after_colon)
        if event.size is not None and event.size > settings.limits.message_size:
            raise CommandError(replies.TOO_BIG)
        self._messages += 1
        if self._messages > settings.limits.messages:
            raise RemoteProtocolError("the client sent too many messages", replies.TOO_MANY_MESSAGES)
        self._put_up(event)

    def _rcpt(self, line: bytes) -> None:
        settings = self._settings
        transaction = self._open()
        recipient = grammar.rcpt(
            line,
            self._parameters(),
            space_after_colon=settings.space_after_colon,
            smtputf8=transaction.smtputf8,
            postmaster_at=settings.hostname,
        )
        if transaction.recipient_count >= settings.limits.recipients:
            # RFC 5321 §4.5.3.1.10: the client sends the rest in another transaction, so this is no error of its.
            self._refuse(line, replies.TOO_MANY_RECIPIENTS, counts=False)
            return
        self._put_up(RcptTo(recipient))

    def _bdat(self, line: bytes, argument: bytes) -> None:
        """Read BDAT. Whatever its fate, the octets it announces are message data and never commands."""
        chunk = grammar.bdat(argument)
        if chunk is None:
            raise RemoteProtocolError("the client sent BDAT without a size", replies.BDAT_SYNTAX)
        if not self._settings.chunking:
            raise RemoteProtocolError("the client sent BDAT, which is not offered", replies.BDAT_NOT_OFFERED)
        octets, last = chunk
        self._chunk_left, self._chunk_last, self._chunk_dropped = octets, last, True
        auth.check_leave(self._settings, tls=self._tls, authenticated=self._authenticated)
        self._check_sequence(_VERB_BDAT)
        transaction = self._open()
        transaction.received += octets
        if transaction.received > self._settings.limits.message_size:
            self._state = _STATE_BDAT_FAILED
            self._refuse(line, replies.TOO_BIG, counts=False)
            if transaction.chunks is not None:
                self._events.append(MessageRefused(replies.TOO_BIG))
            return
        self._chunk_dropped = False
        if transaction.chunks is None:
            self._put_up(DataRequested(transaction.envelope(), True))

    # Message data

    def _step_data(self) -> bool:
        data = self._lines.take_all()
        reader = self._open().data
        assert reader is not None
        if not data:
            return False
        rest = reader.feed(data)
        self._hand_out(reader)
        if rest is not None:
            self._lines.put_back(rest)
            self._end_of_message(reader)
        return True

    def _step_chunk(self, left: int) -> bool:
        data = self._lines.take(left)
        if left and not data:
            return False
        left -= len(data)
        self._chunk_left = left or None
        if self._chunk_dropped:
            return True
        reader = self._open().chunks
        assert reader is not None
        reader.feed(data)
        if not left and self._chunk_last:
            reader.finish()
        self._hand_out(reader)
        if left:
            return True
        if self._chunk_last:
            self._end_of_message(reader)
        else:
            self._out.append(replies.CHUNK_OK.to_wire())
        return True

    def _hand_out(self, reader: DataReader | ChunkReader) -> None:
        if reader.chunks:
            self._events.extend(map(BodyChunk, reader.chunks))
            reader.chunks.clear()

    def _end_of_message(self, reader: DataReader | ChunkReader) -> None:
        fault = reader.fault()
        if fault is None:
            self._put_up(
                EndOfMessage(
                    reader.body,
                    reader.size,
                    self._open().envelope(),
                    reader.streamed,
                    reader.bare,
                    reader.eight_bit,
                    reader.nul,
                )
            )
            return
        self._out.append(fault.to_wire())
        self._events.append(MessageRefused(fault))
        self._transaction = None
        self._state = _STATE_READY

    # Common moves

    def _parameters(self) -> frozenset[str]:
        return offer.parameters(self._settings, tls=self._tls) if self._extended else offer.NOTHING

    def _open(self) -> Transaction:
        assert self._transaction is not None, "the state says that a transaction is open"
        return self._transaction

    def _put_up(self, event: Answerable) -> None:
        self._pending = event
        self._events.append(event)

    def _reset(self) -> None:
        self._transaction = None
        if self._state is not _STATE_GREETED:
            self._state = _STATE_READY
        self._events.append(Reset())

    def _refuse(self, line: bytes, reply: Reply, *, counts: bool = True) -> None:
        self._out.append(reply.to_wire())
        self._events.append(CommandRefused(line[:_SHOWN_OCTETS], reply))
        self._errors += counts
        if self._errors > self._settings.limits.errors:
            self._break("the client made too many errors", replies.TOO_MANY_ERRORS)

    def _break(self, reason: str, reply: Reply | None) -> None:
        if reply is not None:
            self._out.append(reply.to_wire())
        self._events.append(ConnectionBroken(reason, reply))
        self._finish()

    def _finish(self) -> None:
        self._state = _STATE_CLOSED
        self._transaction = self._pending = None
        self._lines.clear()

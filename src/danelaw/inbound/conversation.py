"""What is said with one client: events of the SMTP machine to decisions, and their answers."""

from __future__ import annotations

import asyncio
from abc import abstractmethod
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, assert_never

from danelaw.inbound.arrival import Client
from danelaw.inbound.asking import begin, first_refusal, hesitate
from danelaw.inbound.demanding import DEMAND
from danelaw.inbound.ledger import client_network
from danelaw.inbound.logging_in import LoggingIn
from danelaw.inbound.pace import IDLE, Pace
from danelaw.inbound.reception import Reception, refusal_of_recipient
from danelaw.inbound.tracing import trace_of
from danelaw.message import Received
from danelaw.smtp import (
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
    Recipient,
    Reply,
    Reset,
    ServerConnection,
    ServerEvent,
    StartTLS,
)

if TYPE_CHECKING:
    from danelaw.inbound.ceilings import Visit
    from danelaw.inbound.intake import Intake
    from danelaw.inbound.login import Login
    from danelaw.inbound.steps import Step
    from danelaw.smtp import ServerSettings

_UNKNOWN_COMMAND = (500, 502)


class Conversation(LoggingIn):
    """One client's facts and the message under way. `Session` adds the network.

    `task` is what still runs for this client (a handshake, a large body on its way to the disk). `asking` is the steps
    being asked about it: that ends with the client. `visit` counts what a client under ceilings asks for,
    `octets` what it sent. `user` is as whom it logged in, `login` how it is doing so;
    `users_only` tells that nobody sends here who has not.
    """

    __slots__ = (
        "client_port",
        "extended",
        "memory",
        "octets",
        "pace",
        "reception",
        "task",
        "tls",
    )

    def __init__(self, intake: Intake, settings: ServerSettings, *, tls: bool) -> None:
        self.intake = intake
        self.connection = ServerConnection(settings, tls=tls)
        self.reception: Reception | None = None
        self.task: asyncio.Task[None] | None = None
        self.asking: asyncio.Task[None] | None = None
        self.panel = intake.steps.others
        self.client_address = ""
        self.client_port = 0
        self.helo = ""
        self.extended = False
        self.tls: tuple[str, str] | None = None
        self.trusted = False
        self.user = ""
        self.users_only = settings.auth_required
        self.login: Login | None = None
        self.visit: Visit | None = None
        self.octets = 0
        self.pace: Pace | None = None
        self.memory: dict[str, Any] | None = None

    @property
    def waiting_for_disk(self) -> bool:
        """A message came to its end and is not on stable storage yet."""
        return self.reception is not None and self.reception.complete

    def trace(self, *, smtputf8: bool) -> Received:
        """What all Received fields of this client have in common since its last EHLO. Its host name stands there where
        a step has verified it (RFC 5321 §4.4); it is not looked up for that.
        """
        intake, address, user = self.intake, self.client_address, self.user != ""
        if user and intake.config.submission.hide_client:
            return trace_of(intake.hostname, "", None, intake.hostname, self.extended, self.tls, smtputf8, user)
        name = None if intake.steps.known_name is None else intake.steps.known_name(address)
        return trace_of(self.helo, address, name, intake.hostname, self.extended, self.tls, smtputf8, user)

    def handle(self, event: ServerEvent) -> None:
        """Decide about one event and answer it, now or, for a complete message, once the disk has it."""
        match event:
            case MailFrom():
                self._mail(event)
            case RcptTo():
                self._recipient(event)
            case DataRequested():
                self.reception = Reception(self.intake, self, event.envelope)
                self.connection.accept()
            case BodyChunk():
                assert self.reception is not None
                self.reception.chunk(event.data)
            case EndOfMessage():
                self._end_of_message(event)
            case CommandLine():
                self._command_line(event)
            case Hello():
                self._hello(event)
            case StartTLS():
                self.answer_refusal(None if self.visit is None else self.visit.handshake(), "other")
            case AuthRequested():
                assert self.intake.logins is not None
                self.login = self.intake.logins.begin(event.mechanism)
                self.next_of_login(self.login, self.login.start(event.initial_response))
            case AuthResponse():
                assert self.login is not None
                self.next_of_login(self.login, self.login.respond(event.data))
            case AuthCancelled():
                self.login = None
            case MessageRefused() | CommandRefused():
                self._refused(event)
            case Reset():
                self.drop_reception()
            case ConnectionBroken():
                self.drop_reception()
                self.intake.log.event("disconnected", client=self.client_address, reason=event.reason)
            case Quit():
                pass
            case _:
                assert_never(event)

    def client(self) -> Client:
        """This client as steps see it."""
        if self.memory is None:
            self.memory = {}
        return Client(
            self.client_address,
            self.client_port,
            self.helo,
            self.extended,
            self.tls,
            self.trusted,
            self.local_address,
            self.user,
            self.memory,
        )

    def ask(
        self,
        steps: tuple[Step, ...],
        stage: str,
        question: Callable[[Step], Coroutine[Any, Any, Reply | None]],
        say: Callable[[Reply | None, str], None],
    ) -> None:
        """Ask steps, which may take their time, and `say` the first no and whose it is. The client must wait."""
        late = False

        async def asked() -> None:
            refusal, step = await first_refusal(steps, stage, question, self.intake)
            if refusal is not None and self.panel.refusal:
                await hesitate(self.panel.refusal, self.client(), self.intake)
            self.asking = None
            if not self.connection.closed:
                say(refusal, step)
                if late:
                    self.go_on()

        self.asking = begin(asked(), steps)
        late = True

    @property
    @abstractmethod
    def local_address(self) -> str:
        """The address it connected to."""

    @abstractmethod
    def go_on(self) -> None:
        """An answer was given that came late: send it and read on."""

    def too_slow(self, now: float, *, reading: bool) -> bool:
        """Whether the client does not get on with what it has begun; judged only while we are `reading`."""
        connection, intake = self.connection, self.intake
        judged = reading and self.task is None and self.asking is None
        judged = judged and not (connection.closed or self.waiting_for_disk)
        # The number of commands so far says whether it is still the same line or message.
        begun = judged and (connection.within_line or connection.within_data)
        unfinished = connection.commands + 1 if begun else IDLE
        if self.pace is None:
            if unfinished == IDLE:
                return False
            self.pace = Pace()
        slow = self.pace.too_slow(intake.floor, now, self.octets, unfinished, line=connection.within_line)
        if not slow or intake.ceilings.exempts(self.client_address):
            return False
        intake.ceilings.note("progress", client_network(self.client_address), intake.floor.rate)
        return True

    @abstractmethod
    def stored(self, reply: Reply, *, late: bool = True) -> None:
        """The message's fate is on stable storage, or it was refused: tell the client and, if this comes `late`, after
        the event was handled, read on.
        """

    def drop_reception(self) -> None:
        """Forget the message under way, unless it is complete: then it is ours."""
        if self.reception is not None and not self.reception.complete:
            self.reception.abandon()
            self.reception = None

    def answer_refusal(self, refusal: Reply | None, stage: str) -> None:
        """See `LoggingIn`."""
        if refusal is None:
            self.connection.accept()
        else:
            self.intake.count_refusal(refusal, stage)
            self.connection.reply(refusal)
            self._erred(refusal)

    def _erred(self, reply: Reply) -> None:
        """One error too many of a client under ceilings ends the connection."""
        if self.visit is not None and reply.code >= 500 and (refusal := self.visit.erred()) is not None:
            self.connection.close(refusal)

    def _command_line(self, event: CommandLine) -> None:
        client, line = self.client(), event.text

        def say(refusal: Reply | None, step: str) -> None:
            if refusal is None:
                self.connection.accept()
            else:
                self.log_refusal(refusal, step)
                self.connection.reply(refusal)

        self.ask(self.panel.command, "command", lambda step: step.command(client, line), say)

    def _hello(self, event: Hello) -> None:
        self.helo, self.extended = event.name, event.extended
        if not self.panel.helo:
            self.connection.accept()
            return
        client = self.client()

        def say(refusal: Reply | None, step: str) -> None:
            if refusal is not None:
                self.log_refusal(refusal, step)
            self.answer_refusal(refusal, "other")

        self.ask(self.panel.helo, "helo", lambda step: step.helo(client), say)

    def _mail(self, event: MailFrom) -> None:
        refusal = self.intake.refusal_of_transaction(event, self.visit)
        if refusal is not None or not self.panel.mail:
            self.answer_refusal(refusal, "mail")
            return
        client = self.client()

        def say(refusal: Reply | None, step: str) -> None:
            if refusal is not None:
                self.log_refusal(refusal, step)
            self.answer_refusal(refusal, "mail")

        self.ask(self.panel.mail, "mail", lambda step: step.transaction(client, event), say)

    def _recipient(self, event: RcptTo) -> None:
        if self.trusted and self.intake.asking is not None:
            meant = self.intake.asking.recipient(event.recipient)
            if isinstance(meant, Reply):
                self.log_refusal(meant, DEMAND, event.recipient)
                self.answer_refusal(meant, "rcpt")
                return
            event.recipient = meant  # from here on nobody sees the tag
        refusal = refusal_of_recipient(self.intake.relay, event.recipient, self.trusted)
        relaying = refusal
        if relaying is not None and self.panel.relay:
            refusal = None  # a step may know better
        elif refusal is not None:
            self.log_refusal(refusal, to=event.recipient)
        if refusal is None and self.visit is not None:
            refusal = self.visit.recipient()
        if refusal is None and (self.panel.recipient or relaying is not None):
            self._ask_about(event, relaying)
            return
        if refusal is not None:
            self._witness(event.recipient, refusal)
            if self.panel.refusal:
                self._refuse_slowly(refusal)
                return
        self.answer_refusal(refusal, "rcpt")

    def _refuse_slowly(self, refusal: Reply) -> None:
        async def hesitated() -> None:
            await hesitate(self.panel.refusal, self.client(), self.intake)
            self.asking = None
            if not self.connection.closed:
                self.answer_refusal(refusal, "rcpt")
                self.go_on()

        self.asking = asyncio.get_running_loop().create_task(hesitated())

    def _ask_about(self, event: RcptTo, relaying: Reply | None) -> None:
        """Ask steps about a recipient; `relaying` is what relaying rules have against it, None for nothing."""
        envelope = self.connection.envelope
        assert envelope is not None
        client, recipient, path = self.client(), event.recipient, envelope.reverse_path

        def say(refusal: Reply | None, step: str) -> None:
            if refusal is not None:
                self.log_refusal(refusal, step, recipient)
                self._witness(recipient, refusal, step)
            self.answer_refusal(refusal, "rcpt")

        over = () if relaying is None else self.panel.relay

        def question(step: Step) -> Coroutine[Any, Any, Reply | None]:
            if relaying is not None and step in over:
                return step.relay(client, path, recipient, relaying)
            return step.recipient(client, path, recipient)

        steps = (*over, *(step for step in self.panel.recipient if step not in over))
        self.ask(steps, "rcpt", question, say)

    def _witness(self, recipient: Recipient, refusal: Reply, by: str = "") -> None:
        for step in self.panel.witnesses:
            if step.name != by:
                step.recipient_refused(self.client(), recipient, refusal)

    def log_refusal(self, refusal: Reply, step: str = "", to: Recipient | None = None) -> None:
        """Write a refusal down, and which step's it is."""
        self.intake.log.event(
            "refused",
            client=self.client_address,
            to=None if to is None else to.forward_path.mailbox.to_text(),
            step=step or None,
            reply=refusal.to_text(),
        )

    def _refused(self, event: MessageRefused | CommandRefused) -> None:
        self.intake.count_refusal(event.reply, "data" if isinstance(event, MessageRefused) else "other")
        if isinstance(event, MessageRefused):
            self.drop_reception()
            self.intake.log.event("refused", client=self.client_address, reply=event.reply.to_text())
        elif event.reply.code in _UNKNOWN_COMMAND:
            for step in self.panel.witnesses:
                step.command_refused(self.client(), event.line.decode("utf-8", "surrogateescape"))
        self._erred(event.reply)

    def _end_of_message(self, event: EndOfMessage) -> None:
        reception = self.reception
        assert reception is not None
        if self.visit is not None:
            self.visit.received(event.size)
        refusal = reception.end(event)
        if refusal is not None:
            self.reception = None
            self.intake.log.event("refused", client=self.client_address, reply=refusal.to_text())
            self.answer_refusal(refusal, "data")

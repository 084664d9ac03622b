"""One client's connection: octets to the SMTP machine, its replies to the network, TLS and PROXY header between.

No task exists before a message's end but for a TLS handshake; everything up to there happens inside `data_received`.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, cast

from danelaw.errors import DanelawError
from danelaw.inbound.conversation import Conversation
from danelaw.inbound.handshakes import tls_facts
from danelaw.smtp import NEED_DATA, NEED_REPLY, Reply

if TYPE_CHECKING:
    from danelaw.inbound.arrival import Client
    from danelaw.inbound.intake import Intake
    from danelaw.inbound.listener import Listener

_SHUTTING_DOWN = Reply.of(421, "4.3.2", "this gateway is going down for maintenance; try again soon")
_TOO_SLOW = Reply.of(421, "4.4.2", "too long without a command; closing the connection")
_TOO_LONG = Reply.of(421, "4.7.0", "this connection has lasted too long; open a new one")
_NO_PROGRESS = Reply.of(421, "4.4.2", "too slow; closing the connection")
_FAREWELL_SECONDS = 10.0  # for the last words to reach a client that does not read
_AT_A_TURN = 100  # commands of one client: a thousand RCPT sent at once must not hold up the others
_LINGER_SECONDS = 2.0
_DISK_SECONDS = 60.0
_STEPS_SECONDS = 600.0


class Session(Conversation, asyncio.Protocol):
    """The protocol of one accepted connection.

    `deadline` (loop time) is looked at by the intake's sweep, so that no timer is set per read. Reading stops while
    the client does not take our replies, and while it sends more than is worked through.
    """

    __slots__ = (
        "_early",
        "_full",
        "_greeting_due",
        "_lingering",
        "_listener",
        "_loop",
        "_paused",
        "_proxy",
        "_spoke_early",
        "_transport",
        "deadline",
        "ends",
        "entered",
        "look_at",
        "row",
    )

    def __init__(self, intake: Intake, listener: Listener) -> None:
        super().__init__(intake, listener.settings, tls=listener.implicit_tls)
        self._listener = listener
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._proxy = listener.proxy_reader()
        self._paused = self._full = self._lingering = self._greeting_due = self._spoke_early = False
        self._early: list[bytes] | None = None
        self.entered = False
        self.deadline = self.ends = self.look_at = float("inf")
        self.row = 0

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet, or refuse, unless a PROXY header or a TLS handshake must come first."""
        transport = cast("asyncio.Transport", transport)
        self._transport = transport
        peer = transport.get_extra_info("peername")
        if not peer:  # it is gone already
            transport.abort()
            return
        self.client_address, self.client_port = str(peer[0]), int(peer[1])
        now = self._loop.time()
        self.ends = now + self.intake.session_seconds
        self.deadline = now + self.intake.command_seconds
        self.look_at = now + self.intake.floor.look_seconds
        self.intake.sessions.add(self)
        if self._proxy is None:
            self._enter()
        elif not self._listener.proxy_expected_from(self.client_address):
            self.intake.log.event("refused", client=self.client_address, reason="no load balancer of ours")
            transport.abort()

    def data_received(self, data: bytes) -> None:
        """Octets from the client."""
        if self._lingering:
            return  # the last word is said
        if self._proxy is not None:
            self._read_proxy_header(data)
            return
        if self._early is not None:
            self._early.append(data)
            return
        if self._listener.implicit_tls and self.tls is None:
            self._begin_tls(data)
            return
        self.octets += len(data)
        self.connection.receive_data(data)
        if self._greeting_due:
            self._spoke_early = True
        else:
            self._advance()
        # Octets pile up only while an answer is due: the disk has a message, or steps are asked.
        if (self.reception is not None or self.asking is not None) and not self.connection.wants_data:
            self._full = True
            self._stop_reading()

    def eof_received(self) -> bool:
        """The client closed its side: a message whose end was received is still stored."""
        if self._lingering or self._greeting_due or self.login is not None:
            return False  # a client that leaves before it is greeted or let in keeps nobody waiting
        self.connection.receive_eof()
        self._advance()
        return self.task is not None or self.asking is not None or self.waiting_for_disk

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the client; what was streamed of an unfinished message goes."""
        self.intake.leave(self)
        if self.asking is not None:
            self.asking.cancel()
        for step in self.panel.leaving:
            step.left(self.client())
        self.drop_reception()
        self._transport = None

    def pause_writing(self) -> None:
        """The client does not take our replies: take no more commands from it either."""
        self._paused = True
        self._stop_reading()

    def resume_writing(self) -> None:
        """The client reads again."""
        self._paused = False
        self._read_on()

    # for the intake

    def expire(self, now: float) -> None:
        """The client was silent for too long, or the connection has lasted too long."""
        if self.waiting_for_disk:
            self.deadline = now + _DISK_SECONDS
            return
        if self._mute or self.connection.closed:
            self.abort()
            return
        self.connection.close(_TOO_LONG if now >= self.ends else _TOO_SLOW)
        self._advance()

    def look(self, now: float, *, judge: bool) -> None:
        """See whether the client gets on. Without `judge` it is only looked at: we did not read for a while."""
        self.look_at = now + self.intake.floor.look_seconds
        reading = judge and not (self._full or self._paused or self._greeting_due or self._mute)
        if self.too_slow(now, reading=reading):
            self.connection.close(_NO_PROGRESS)
            self._advance()

    def shut_down(self, *, gently: bool = False) -> bool:
        """Say 421 if no message is under way. Returns whether the session has ended. `gently` lets a client that
        nothing can be said to yet come so far.
        """
        if self._transport is None:
            return True
        if gently and self._mute:
            return False
        if self.waiting_for_disk or not self.connection.between_transactions:
            return False
        if self._mute:
            self.abort()
        elif not self.connection.closed:
            self._lingering = True
            self.connection.close(_SHUTTING_DOWN)
            self._advance()
        return True

    @property
    def _mute(self) -> bool:
        """Nothing can be said to this client: a PROXY header or a TLS handshake is due."""
        return (
            self._proxy is not None
            or self.connection.awaiting_tls
            or (self._listener.implicit_tls and self.tls is None)
            or not self.entered
            or self._greeting_due
        )

    def abort(self) -> None:
        """Drop the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def stored(self, reply: Reply, *, late: bool = True) -> None:
        """See `Conversation`."""
        self.reception = None
        if self._transport is None:
            return  # the client left without waiting for the 250; it may send the message again
        self.connection.reply(reply)
        if late:
            self.go_on()

    def go_on(self) -> None:
        """An answer was given that came late: send it and read on."""
        self._advance()
        if self._full and self.connection.wants_data:
            self._full = False
            self._read_on()

    @property
    def local_address(self) -> str:
        """The address it connected to."""
        return f"{self._listener.address}:{self._listener.port}"

    # beginning

    def _enter(self, first: bytes = b"") -> None:
        """Count the client in. `first` are octets that came behind the PROXY header."""
        self.entered = True
        refusal = self.intake.enter(self)
        self.panel = self.intake.steps.panel(trusted=self.trusted, users=self.users_only)
        self.connection.screens = self.panel.command != ()
        if self._listener.implicit_tls:
            if refusal is None and self.visit is not None:
                refusal = self.visit.handshake()
            if refusal is not None:
                self.abort()  # nothing can be said before the handshake
            elif first:
                self._begin_tls(first)
            return
        if refusal is None and self.intake.let_wait(self):
            if first:
                self.connection.receive_data(first)
            return
        self.welcome(refusal, first)

    def welcome(self, refusal: Reply | None, first: bytes = b"") -> None:
        """Greet the client, or refuse it."""
        if self.connection.closed:
            return
        self._greet(refusal)
        if first:
            self.data_received(first)

    def _greet(self, refusal: Reply | None = None) -> None:
        """Greet, once the steps have looked at the client."""
        if refusal is not None or not self.panel.connect:
            self.connection.greet(refusal)
            self._advance()
            return
        client = self.client()
        self._greeting_due = True
        self.deadline = self._loop.time() + _STEPS_SECONDS

        def say(refusal: Reply | None, step: str) -> None:
            self._greeting_due = False
            if refusal is None and self._spoke_early:
                refusal, step = self._first_word_against(client)
            if refusal is not None:
                self.log_refusal(refusal, step)
                self.intake.count_refusal(refusal, "connect")
            self.connection.greet(refusal)

        self.ask(self.panel.connect, "connect", lambda step: step.connect(client), say)
        if not self._greeting_due:
            self._advance()

    def _first_word_against(self, client: Client) -> tuple[Reply | None, str]:
        for step in self.panel.connect:
            refusal = step.spoke_early(client)
            if refusal is not None:
                return refusal, step.name
        return None, ""

    def _read_proxy_header(self, data: bytes) -> None:
        assert self._proxy is not None
        try:
            header = self._proxy.receive(data)
        except DanelawError as error:
            self.intake.log.event("refused", client=self.client_address, reason=error.reason)
            self.abort()
            return
        if header is None:
            return
        self._proxy = None
        if header.source is not None:
            self.client_address, self.client_port = header.source
        self._enter(header.rest)

    # octets out

    def _advance(self) -> None:
        next_event, handle = self.connection.next_event, self.handle
        for _ in range(_AT_A_TURN):
            event = next_event()
            if event is NEED_DATA or event is NEED_REPLY:
                break
            handle(event)  # type: ignore[arg-type]
        else:
            asyncio.get_running_loop().call_soon(self._go_on)
        if self.connection.awaiting_tls:
            self._begin_tls()
        else:
            self._write()

    def _go_on(self) -> None:
        """What a client sent at once is worked through in several turns of the event loop, when it is much."""
        if self._transport is not None and not self.connection.awaiting_tls:
            self._advance()

    def _write(self) -> None:
        transport = self._transport
        if transport is None:
            return
        connection = self.connection
        out = connection.data_to_send()
        if out:
            transport.write(out)
        intake = self.intake
        now = intake.now
        if self.asking is not None:
            self.deadline = now + _STEPS_SECONDS
        elif self.reception is not None:
            # The transaction under way at the end of the session's time may finish.
            self.deadline = min(now, self.ends) + intake.data_seconds
        elif connection.between_transactions:
            self.deadline = min(now + intake.command_seconds, self.ends)
        else:
            self.deadline = min(now, self.ends) + intake.command_seconds
        if connection.closed and not self.waiting_for_disk:
            self.deadline = now + _FAREWELL_SECONDS
            if self._lingering and transport.can_write_eof():
                self.deadline = now + _LINGER_SECONDS
                # The client may be speaking at this very moment: closing over unread octets would reset the
                # connection, and the 421 with it. It reads the end, and closes its side.
                transport.write_eof()
                transport.resume_reading()
            else:
                transport.close()

    def _stop_reading(self) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.pause_reading()

    def _read_on(self) -> None:
        transport = self._transport
        if transport is not None and not (self._paused or self._full or transport.is_closing()):
            transport.resume_reading()

    # TLS

    def _begin_tls(self, first: bytes = b"") -> None:
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        # Reading stops before 220 goes out: the ClientHello must not reach this protocol in the clear.
        transport.pause_reading()
        # A client may send its EHLO together with the last octets of the handshake: TLS then hands that on before
        # the task that waits for the handshake runs again.
        self._early = []
        out = self.connection.data_to_send()
        if out:
            transport.write(out)
        self.deadline = float("inf")  # the handshake has a time-out of its own
        self.task = self._loop.create_task(self._upgrade(transport, first))

    async def _upgrade(self, transport: asyncio.Transport, first: bytes) -> None:
        try:
            secured = await self.intake.start_tls(transport, self, first)
        except BaseException as error:
            transport.abort()
            # A protocol that was to be wrapped in TLS is not told when the handshake fails.
            self.connection_lost(None)
            if not isinstance(error, DanelawError):
                raise
            self.intake.tls_failed(self, error)
            return
        finally:
            self.task = None
        self._transport = secured
        self._paused = False
        self.tls = tls_facts(secured)
        self.intake.tls_established(self.tls)
        if self._listener.implicit_tls:
            self._greet()
        else:
            self.forget_what_was_said()
            self.connection.tls_established()
            self._advance()
        early, self._early = self._early or (), None
        for data in early:
            if self._transport is not None:
                self.data_received(data)

"""One client's connection: octets to the SMTP machine, its events to decisions, its replies to the network.

No task exists before a message's end; everything up to there happens inside `data_received`.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, assert_never, cast

from danelaw.errors import DanelawError
from danelaw.inbound.reception import Reception, refusal_of_recipient
from danelaw.smtp import (
    BodyChunk,
    CommandRefused,
    ConnectionBroken,
    DataRequested,
    EndOfMessage,
    Hello,
    MailFrom,
    MessageRefused,
    Quit,
    RcptTo,
    Reply,
    Reset,
    ServerConnection,
    ServerEvent,
    Signal,
    StartTLS,
)

if TYPE_CHECKING:
    from danelaw.inbound.intake import Intake, Listener

_SHUTTING_DOWN = Reply.of(421, "4.3.2", "this gateway is going down for maintenance; try again soon")
_TOO_SLOW = Reply.of(421, "4.4.2", "too long without a command; closing the connection")
_TOO_LONG = Reply.of(421, "4.7.0", "this connection has lasted too long; open a new one")


class Session(asyncio.Protocol):
    """The protocol of one accepted connection."""

    __slots__ = (
        "_intake",
        "_listener",
        "_proxy",
        "_reception",
        "_transport",
        "client_address",
        "client_port",
        "connection",
        "deadline",
        "ends",
        "entered",
        "extended",
        "helo",
        "task",
        "tls",
        "trusted",
    )

    def __init__(self, intake: Intake, listener: Listener) -> None:
        self._intake = intake
        self._listener = listener
        self._transport: asyncio.Transport | None = None
        self._reception: Reception | None = None
        self.task: asyncio.Task[None] | None = None
        self._proxy = listener.proxy_reader()
        self.connection = ServerConnection(listener.settings, tls=listener.implicit_tls)
        self.client_address = ""
        self.client_port = 0
        self.helo = ""
        self.extended = False
        self.entered = False
        self.tls: tuple[str, str] | None = None
        self.trusted = False
        self.deadline = self.ends = float("inf")

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Greet, or refuse, unless a PROXY header must come first."""
        transport = cast("asyncio.Transport", transport)
        first = self._transport is None
        self._transport = transport
        if not first:
            return
        peer = transport.get_extra_info("peername")
        self.client_address, self.client_port = str(peer[0]), int(peer[1])
        now = asyncio.get_running_loop().time()
        self.ends = now + self._intake.limits.session_time.total_seconds()
        self.deadline = now + self._intake.limits.command_timeout.total_seconds()
        self._intake.sessions.add(self)
        if self._proxy is None:
            self._welcome()
        elif not self._listener.proxy_expected_from(self.client_address):
            self._intake.log.event("refused", client=self.client_address, reason="no load balancer of ours")
            transport.abort()

    def data_received(self, data: bytes) -> None:
        """Octets from the client."""
        if self._proxy is not None:
            rest = self._read_proxy_header(data)
            if not rest:
                return
            data = rest
        self.connection.receive_data(data)
        self._advance()

    def eof_received(self) -> bool:
        """The client closed its side: a message whose end was received is still stored."""
        self.connection.receive_eof()
        self._advance()
        return self.task is not None or self._waiting_for_disk

    def connection_lost(self, exc: Exception | None) -> None:
        """Forget the client; what was streamed of an unfinished message goes."""
        self._intake.leave(self)
        if self._reception is not None and not self._reception.complete:
            self._reception.abandon()
            self._reception = None
        self._transport = None

    # for the intake's sweep

    def expire(self, now: float) -> None:
        """The client was silent for too long, or the connection has lasted too long."""
        if self._waiting_for_disk:
            self.deadline = now + 60
            return
        if self._proxy is not None or self._transport is None:
            self._abort()
            return
        self.connection.close(_TOO_LONG if now >= self.ends else _TOO_SLOW)
        self._advance()

    def shut_down(self) -> bool:
        """Say 421 if no message is under way. Returns whether the session has ended."""
        if self._transport is None:
            return True
        if self._waiting_for_disk or not self.connection.between_transactions:
            return False
        self.connection.close(_SHUTTING_DOWN)
        self._advance()
        return True

    @property
    def _waiting_for_disk(self) -> bool:
        return self._reception is not None and self._reception.complete

    # the conversation

    def _welcome(self) -> None:
        self.entered = True
        refusal = self._intake.enter(self)
        self.trusted = refusal is None and self._intake.relay.trusts(self.client_address)
        transport = self._transport
        assert transport is not None
        if self._listener.implicit_tls:
            self.tls = _tls_facts(transport)
        self.connection.greet(refusal)
        self._advance()

    def _read_proxy_header(self, data: bytes) -> bytes:
        assert self._proxy is not None
        try:
            header = self._proxy.receive(data)
        except DanelawError as error:
            self._intake.log.event("refused", client=self.client_address, reason=error.reason)
            self._abort()
            return b""
        if header is None:
            return b""
        self._proxy = None
        if header.source is not None:
            self.client_address, self.client_port = header.source
        rest = header.rest
        self._welcome()
        return rest

    def _advance(self) -> None:
        connection = self.connection
        while True:
            event = connection.next_event()
            if isinstance(event, Signal):
                break
            self._handle(event)
            if connection.awaiting_tls:
                self._begin_tls()
                return
        self._write()

    def _write(self) -> None:
        transport = self._transport
        if transport is None:
            return
        out = self.connection.data_to_send()
        if out:
            transport.write(out)
        loop_time = asyncio.get_running_loop().time()
        limits = self._intake.limits
        in_data = self._reception is not None
        self.deadline = min(
            loop_time + (limits.data_timeout if in_data else limits.command_timeout).total_seconds(), self.ends
        )
        if self.connection.closed and not self._waiting_for_disk:
            transport.close()

    def _handle(self, event: ServerEvent) -> None:
        match event:
            case MailFrom():
                self._mail(event)
            case RcptTo():
                refusal = refusal_of_recipient(self._intake.relay, event.recipient, self.trusted)
                self._answer(refusal, "rcpt")
            case DataRequested():
                self._reception = Reception(self._intake, self, event.envelope)
                self.connection.accept()
            case BodyChunk():
                assert self._reception is not None
                self._reception.chunk(event.data)
            case EndOfMessage():
                self._end_of_message(event)
            case Hello():
                self.helo, self.extended = event.name, event.extended
                self.connection.accept()
            case StartTLS():
                self.connection.accept()
            case MessageRefused() | CommandRefused():
                self._refused(event)
            case Reset():
                self._drop_reception()
            case ConnectionBroken():
                self._drop_reception()
                self._intake.log.event("disconnected", client=self.client_address, reason=event.reason)
            case Quit():
                pass
            case _:
                assert_never(event)

    def _answer(self, refusal: Reply | None, stage: str) -> None:
        if refusal is None:
            self.connection.accept()
        else:
            self._intake.count_refusal(refusal, stage)
            self.connection.reply(refusal)

    def _mail(self, event: MailFrom) -> None:
        self._answer(self._intake.refusal_of_transaction(event), "mail")

    def _refused(self, event: MessageRefused | CommandRefused) -> None:
        self._intake.count_refusal(event.reply, "data" if isinstance(event, MessageRefused) else "other")
        if isinstance(event, MessageRefused):
            self._drop_reception()
            self._intake.log.event("refused", client=self.client_address, reply=event.reply.to_text())

    def _drop_reception(self) -> None:
        if self._reception is not None:
            self._reception.abandon()
            self._reception = None

    def _end_of_message(self, event: EndOfMessage) -> None:
        reception = self._reception
        assert reception is not None
        refusal = reception.end(event)
        if refusal is not None:
            self._reception = None
            self._answer(refusal, "data")

    def stored(self, reply: Reply) -> None:
        """The message's fate is on stable storage, or it was refused: tell the client and read on."""
        self._reception = None
        if self._transport is None:
            return  # the client left without waiting for the 250; it may send the message again
        self.connection.reply(reply)
        self._advance()

    # TLS

    def _begin_tls(self) -> None:
        transport = self._transport
        assert transport is not None
        # Reading stops before 220 goes out: the ClientHello must not reach this protocol in the clear.
        transport.pause_reading()
        transport.write(self.connection.data_to_send())
        self.task = asyncio.get_running_loop().create_task(self._upgrade(transport))

    async def _upgrade(self, transport: asyncio.Transport) -> None:
        try:
            secured = await self._intake.start_tls(transport, self)
        except DanelawError as error:
            self._intake.tls_failed(self, error)
            transport.abort()
            return
        finally:
            self.task = None
        self._transport = secured
        self.tls = _tls_facts(secured)
        self.helo = ""
        self.connection.tls_established()
        self._advance()

    def _abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()


def _tls_facts(transport: asyncio.Transport) -> tuple[str, str] | None:
    """Version and cipher of a protected transport."""
    tls = transport.get_extra_info("ssl_object")
    cipher = tls.cipher() if tls is not None else None
    return (str(tls.version()), str(cipher[0])) if cipher else None

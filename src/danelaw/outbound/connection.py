"""One connection to a next hop: the sans-IO client, a transport, and one reader at a time: a task, or a function."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import cast

from danelaw.errors import DanelawError
from danelaw.smtp import NEED_DATA, ClientConnection, ClientEvent, ClientLimits

_NEVER = float("inf")


class ConnectionLost(DanelawError):
    """The next hop's connection ended or fell silent while a reply was due."""


class Connection(asyncio.Protocol):
    """Runs a `ClientConnection` over a transport.

    `event(timeout)` gives the next event; only one task may wait. `listener` is called instead whenever `event_now`
    may have something to say, for a conversation without a task of its own. `deadline` is the loop time at which a
    waiting reader is failed by `Sweep`, so that no timer is set per read.
    """

    __slots__ = ("_can_write", "_lost", "_transport", "_waiter", "deadline", "listener", "phase", "protocol", "sweep")

    def __init__(self, connection_id: int, limits: ClientLimits) -> None:
        self.protocol = ClientConnection(connection_id, limits)
        self.deadline = float("inf")
        self.phase = "connecting"
        self.sweep: Sweep | None = None
        self.listener: Callable[[], None] | None = None
        self._transport: asyncio.Transport | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._lost: str | None = None
        self._can_write: asyncio.Future[None] | None = None

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Called by the loop, again after the TLS handshake with the protected transport."""

        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """Feed the machine and wake the reader."""
        self.protocol.receive_data(data)
        if self.listener is not None:
            self.listener()
        else:
            self._wake()

    def eof_received(self) -> bool:
        """The server closed its side; the reader learns of it in order."""
        self.protocol.receive_eof()
        self._wake()
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        """Network errors become words for the attempt record; what we ended ourselves keeps its own reason."""
        if self._lost is None:
            words = getattr(exc, "strerror", None) or exc
            self._lost = f"connection lost: {words}" if exc else "connection closed"
            if exc is None:
                self.protocol.receive_eof()
        self._wake()
        if self._can_write is not None and not self._can_write.done():
            self._can_write.set_result(None)

    def pause_writing(self) -> None:
        """The transport's buffer is full."""
        self._can_write = asyncio.get_running_loop().create_future()

    def resume_writing(self) -> None:
        """The transport's buffer has room again."""
        if self._can_write is not None and not self._can_write.done():
            self._can_write.set_result(None)
        self._can_write = None

    # for the delivery

    def secured(self, transport: asyncio.Transport) -> None:
        """The TLS handshake is done: speak through `transport` from now on."""
        self._transport = transport
        self.protocol.tls_established()

    @property
    def transport(self) -> asyncio.Transport:
        """The transport. Raises `ConnectionLost` before and after its life."""
        if self._transport is None or self._lost is not None:
            raise ConnectionLost(self._lost or "not connected")
        return self._transport

    @property
    def local_address(self) -> str:
        """Our address as the network has it, "" when the connection is gone."""
        name = self._transport.get_extra_info("sockname") if self._transport is not None else None
        return str(name[0]).partition("%")[0] if name else ""

    @property
    def usable(self) -> bool:
        """True when a new transaction may begin on it."""
        return self._lost is None and self.protocol.idle and not self.protocol.closed

    @property
    def ended(self) -> bool:
        """True once the connection is gone."""
        return self._lost is not None

    def flush(self) -> None:
        """Write what the machine has queued. Raises `ConnectionLost`."""
        data = self.protocol.data_to_send()
        if data:
            self.transport.write(data)

    async def drain(self, timeout: float) -> None:
        """Wait until the transport takes more. Raises `ConnectionLost` when it does not within `timeout` seconds."""
        if self._can_write is not None:
            # Not as the reader's waiter: a reply that comes early does not mean that more may be written.
            self.deadline = self.deadline_in(timeout)
            await self._can_write
            self.deadline = _NEVER
            self.transport  # noqa: B018 - raises when the connection was lost meanwhile

    def event_now(self, timeout: float) -> ClientEvent | None:
        """The next event, or None: what the machine has to say is sent, and the server has `timeout` seconds.

        Raises `ConnectionLost` on time-outs and network errors, `RemoteProtocolError` for a broken conversation.
        """
        event = self.protocol.next_event()
        if event is not NEED_DATA:
            self.deadline = _NEVER
            return cast("ClientEvent", event)
        if self._lost is not None:
            raise ConnectionLost(self._lost)
        self.flush()
        self.deadline = self.deadline_in(timeout)
        return None

    async def event(self, timeout: float) -> ClientEvent:
        """The next event, waiting at most `timeout` seconds. Raises as `event_now` does."""
        while True:
            event = self.event_now(timeout)
            if event is not None:
                return event
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter

    def deadline_in(self, seconds: float) -> float:
        """The loop time so long from the last sweep, which is exact enough for time-outs and costs nothing."""
        return seconds + (self.sweep.now if self.sweep is not None else asyncio.get_running_loop().time())

    def expire(self) -> None:
        """Fail the waiting reader: its time is over."""
        self.deadline = float("inf")
        if self._lost is None:
            self._lost = f"no answer in time ({self.phase})"
        if self._transport is not None:
            self._transport.abort()
        self._wake()
        self.resume_writing()

    def close(self) -> None:
        """Close politely when possible: QUIT is sent, its reply not awaited."""
        if self._transport is None or self._lost is not None:
            return
        try:
            if self.protocol.idle:
                self.protocol.quit()
                self.flush()
        except (DanelawError, OSError):
            pass
        self._transport.close()

    def abort(self) -> None:
        """Drop the connection at once."""
        if self._transport is not None:
            self._transport.abort()

    def _wake(self) -> None:
        if self.listener is not None:
            self.listener()
            return
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.done():
            waiter.set_result(None)


class Sweep:
    """Watches the deadlines of all connections with one look per second instead of a timer per read."""

    def __init__(self, interval: float = 1.0) -> None:
        self.now = 0.0
        self._connections: set[Connection] = set()
        self._interval = interval
        self._handle: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return len(self._connections)

    def add(self, connection: Connection) -> None:
        """Watch it from now on."""
        self._connections.add(connection)
        connection.sweep = self
        if self._handle is None:
            self.now = asyncio.get_running_loop().time()
            self._handle = asyncio.get_running_loop().call_later(self._interval, self._look)

    def discard(self, connection: Connection) -> None:
        """Watch it no longer."""
        self._connections.discard(connection)

    def _look(self) -> None:
        loop = asyncio.get_running_loop()
        now = self.now = loop.time()
        # Those that ended by themselves, or were closed after their last message, are watched no longer.
        self._connections = {item for item in self._connections if not item.ended}
        self._handle = loop.call_later(self._interval, self._look) if self._connections else None
        for connection in [item for item in self._connections if item.deadline < now]:
            connection.expire()

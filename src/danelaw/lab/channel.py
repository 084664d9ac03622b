"""A connection of the lab's servers: bytes over a socket, with TLS put on at any moment.

Own code over `ssl.MemoryBIO`, so that a scenario can do what no TLS library offers: bytes between 220 and the
handshake, garbage in place of a handshake, a close at any point.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import weakref
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

_CHUNK = 65536
_SNI: weakref.WeakKeyDictionary[ssl.SSLObject, str] = weakref.WeakKeyDictionary()


def _note_sni(tls: ssl.SSLObject | ssl.SSLSocket, name: str | None, _context: ssl.SSLContext) -> None:
    if name is not None and isinstance(tls, ssl.SSLObject):
        _SNI[tls] = name


class Closed(ConnectionError):
    """The other side has gone, or has sent what cannot be understood."""


@dataclass(frozen=True, slots=True)
class TLSFacts:
    """What a handshake agreed on."""

    version: str
    cipher: str
    sni: str | None


class Channel:
    """One connected, non-blocking socket. Every read has a limit; `Closed` ends the conversation."""

    def __init__(self, connection: socket.socket) -> None:
        self._socket = connection
        self._loop = asyncio.get_running_loop()
        self._buffer = bytearray()
        self._tls: ssl.SSLObject | None = None
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.facts: TLSFacts | None = None

    @property
    def buffered(self) -> bytes:
        """What has arrived and was not read yet."""
        return bytes(self._buffer)

    async def _receive_raw(self) -> bytes:
        try:
            data = await self._loop.sock_recv(self._socket, _CHUNK)
        except OSError as error:
            raise Closed(str(error)) from None
        if not data:
            raise Closed("end of stream")
        return data

    async def _send_raw(self, data: bytes) -> None:
        try:
            await self._loop.sock_sendall(self._socket, data)
        except OSError as error:
            raise Closed(str(error)) from None

    async def receive(self) -> bytes:
        """Some bytes, at least one."""
        if self._buffer:
            data = bytes(self._buffer)
            self._buffer.clear()
            return data
        if self._tls is None:
            return await self._receive_raw()
        while True:
            try:
                data = self._tls.read(_CHUNK)
            except ssl.SSLWantReadError:
                await self._flush()
                self._incoming.write(await self._receive_raw())
                continue
            except ssl.SSLError as error:
                raise Closed(str(error)) from None
            if not data:
                raise Closed("end of TLS")
            return data

    async def send(self, data: bytes) -> None:
        """All of `data`."""
        if self._tls is None:
            await self._send_raw(data)
            return
        try:
            self._tls.write(data)
        except ssl.SSLError as error:
            raise Closed(str(error)) from None
        await self._flush()

    async def _flush(self) -> None:
        data = self._outgoing.read()
        if data:
            await self._send_raw(data)

    async def line(self, limit: int = 4096) -> bytes:
        """One line without its CRLF."""
        return (await self.until(b"\r\n", limit))[:-2]

    async def until(self, end: bytes, limit: int) -> bytes:
        """Everything up to and with `end`."""
        searched = 0
        while (found := self._buffer.find(end, max(searched - len(end), 0))) < 0:
            searched = len(self._buffer)
            if searched > limit:
                raise Closed("longer than allowed")
            await self._fill()
        data = bytes(self._buffer[: found + len(end)])
        del self._buffer[: found + len(end)]
        return data

    async def exactly(self, count: int) -> bytes:
        """`count` bytes."""
        while len(self._buffer) < count:
            await self._fill()
        data = bytes(self._buffer[:count])
        del self._buffer[:count]
        return data

    async def _fill(self) -> None:
        kept = bytes(self._buffer)
        self._buffer.clear()
        self._buffer += kept + await self.receive()

    def push_back(self, data: bytes) -> None:
        """Put bytes in front of what is read next."""
        self._buffer[:0] = data

    async def start_tls(self, context: ssl.SSLContext, *, server_name: str | None = None, client: bool = False) -> None:
        """Make the handshake. What a client sent early counts as part of it, and spoils it unless it is TLS."""
        if not client:
            # All connections of a context share its callback: the name is kept per SSLObject.
            context.sni_callback = _note_sni
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        if self._buffer and not client:
            self._incoming.write(bytes(self._buffer))
        self._buffer.clear()
        tls = context.wrap_bio(
            self._incoming, self._outgoing, server_side=not client, server_hostname=server_name if client else None
        )
        while True:
            try:
                tls.do_handshake()
                break
            except ssl.SSLWantReadError:
                await self._flush()
                self._incoming.write(await self._receive_raw())
            except ssl.SSLError as error:
                await self._flush()
                raise Closed(str(error)) from None
        self._tls = tls
        await self._flush()
        cipher = tls.cipher()
        self.facts = TLSFacts(tls.version() or "", cipher[0] if cipher else "", _SNI.pop(tls, None))

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


Conversation = Callable[[Channel], Awaitable[None]]


class Listener:
    """Accepts connections and holds a conversation on each; `close` ends all of them."""

    def __init__(self, conversation: Conversation) -> None:
        self._conversation = conversation
        self._socket: socket.socket | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.address = ("", 0)

    def bind(self, host: str, port: int = 0, *, refuse: bool = False) -> None:
        """Take the address; with `refuse` nobody listens there, so that connections are refused."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        bound = socket.socket(family, socket.SOCK_STREAM)
        bound.setblocking(False)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        bound.bind((host, port))
        self._socket = bound
        self.address = bound.getsockname()[:2]
        if not refuse:
            bound.listen(128)
            self._spawn(self._accept(bound))

    def _spawn(self, work: Awaitable[None]) -> None:
        task = asyncio.ensure_future(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _accept(self, bound: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        while True:
            connection, _ = await loop.sock_accept(bound)
            connection.setblocking(False)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._spawn(self._converse(Channel(connection)))

    async def _converse(self, channel: Channel) -> None:
        try:
            await self._conversation(channel)
        except Closed:
            return
        finally:
            channel.close()

    async def close(self) -> None:
        """Stop listening and end every conversation."""
        tasks = tuple(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._socket is not None:
            self._socket.close()

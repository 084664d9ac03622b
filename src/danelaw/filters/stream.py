"""Connections to servers of filters, over TCP or a Unix socket, with a limit on everything read."""

from __future__ import annotations

import asyncio
import os
import re
import socket
from dataclasses import dataclass
from types import TracebackType
from typing import cast

from danelaw.filters.result import FilterError

_HOST_PORT = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::([0-9]{1,5}))?\Z", re.ASCII)

_BUFFER = 256 * 1024


@dataclass(frozen=True, slots=True)
class ServerAddress:
    """Where a server listens: host and port, or the path of a Unix socket."""

    host: str
    port: int
    path: str = ""

    @classmethod
    def from_text(cls, text: str, default_port: int | None = None) -> ServerAddress:
        """Read `127.0.0.1:783`, `[::1]:783`, `host.example:783` or `unix:/run/clamd.sock`. Raises `ValueError`."""
        path = text.removeprefix("unix:") if text.startswith(("unix:", "/")) else ""
        if path:
            if not path.startswith("/") or "\0" in path or len(path.encode()) > 107:
                raise ValueError(f'{text!r} is no path of a socket; write "unix:/run/clamav/clamd.ctl"')
            return cls("", 0, path)
        match = _HOST_PORT.match(text)
        port = int(match[3]) if match is not None and match[3] else default_port
        if match is None or port is None or not 0 < port < 65536:
            raise ValueError(f'{text!r} is no server; write "127.0.0.1:783", "[::1]:783" or "unix:/path/of/socket"')
        return cls(match[1] or match[2], port)

    def __str__(self) -> str:
        if self.path:
            return f"unix:{self.path}"
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


class _Wire(asyncio.Protocol):
    """Octets in, with a bounded buffer; whoever sends waits while the transport's buffer is full."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.transport: asyncio.Transport | None = None
        self.buffer = bytearray()
        self.ended = self.lost = False
        self.fault: OSError | None = None
        self._reader: asyncio.Future[None] | None = None
        self._writers: list[asyncio.Future[None]] = []
        self._full = self._paused = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's transports are no subclass of asyncio's.
        self.transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.buffer += data
        if len(self.buffer) > _BUFFER and not self._paused and self.transport is not None:
            self._paused = True
            self.transport.pause_reading()
        self._wake_reader()

    def eof_received(self) -> bool:
        self.ended = True
        self._wake_reader()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended = self.lost = True
        if isinstance(exc, OSError):
            self.fault = exc
            self._last_words()
        self._wake_reader()
        self.resume_writing()

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        for waiting in self._writers:
            if not waiting.done():
                waiting.set_result(None)
        self._writers.clear()

    def _last_words(self) -> None:
        """What the other side said before it hung up on our octets: the fault of a write came before the read."""
        shown = None if self.transport is None else self.transport.get_extra_info("socket")
        if shown is None or len(self.buffer) > _BUFFER:
            return
        try:
            with socket.socket(fileno=os.dup(shown.fileno())) as left:
                left.setblocking(False)
                while len(self.buffer) <= _BUFFER and (data := left.recv(65536)):
                    self.buffer += data
        except OSError:
            return

    async def room(self) -> None:
        """Wait until there is room for more octets."""
        if self._full and not self.ended:
            waiting = self.loop.create_future()
            self._writers.append(waiting)
            await waiting
        if self.fault is not None:
            raise self.fault

    async def octets(self) -> None:
        """Wait until octets or the end have come."""
        if not self.buffer and not self.ended:
            self._reader = self.loop.create_future()
            try:
                await self._reader
            finally:
                self._reader = None

    def taken(self) -> None:
        """The buffer has room again."""
        if self._paused and len(self.buffer) <= _BUFFER and self.transport is not None:
            self._paused = False
            self.transport.resume_reading()

    def _wake_reader(self) -> None:
        if self._reader is not None and not self._reader.done():
            self._reader.set_result(None)


class Stream:
    """One connection; `async with` closes it. What goes wrong is a `FilterError`; time is the caller's affair."""

    def __init__(self, transport: asyncio.Transport, wire: _Wire) -> None:
        self._transport = transport
        self._wire = wire

    @classmethod
    async def open(cls, server: ServerAddress) -> Stream:
        """Connect."""
        loop = asyncio.get_running_loop()
        try:
            if server.path:
                return cls(*await loop.create_unix_connection(_Wire, server.path))
            return cls(*await loop.create_connection(_Wire, server.host, server.port))
        except OSError as error:
            raise FilterError(_words(error)) from None

    async def __aenter__(self) -> Stream:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Drop the connection, whatever is under way."""
        self._transport.abort()

    def leave(self, last: bytes) -> None:
        """Send some last octets without waiting, then close; nothing is read any more."""
        if not self._transport.is_closing():
            self._transport.write(last)
        self._transport.close()

    @property
    def usable(self) -> bool:
        """The other side has not ended it."""
        return not self._wire.ended and not self._transport.is_closing()

    async def send(self, data: bytes) -> None:
        """Send, and wait until most of it is on its way, so that a slow reader costs no memory."""
        if self._wire.lost or self._transport.is_closing():
            raise FilterError(_words(self._wire.fault) if self._wire.fault else "it hangs up")
        try:
            self._transport.write(data)
            await self._wire.room()
        except OSError as error:
            raise FilterError(_words(error)) from None

    def end(self) -> None:
        """Say that nothing more will be sent."""
        if not self._transport.is_closing():
            self._transport.write_eof()

    async def read(self, largest: int = 65536) -> bytes:
        """What is there, at least one octet; empty at the end."""
        wire = self._wire
        await wire.octets()
        if not wire.buffer and wire.fault is not None:
            raise FilterError(_words(wire.fault))
        data = bytes(memoryview(wire.buffer)[:largest])
        del wire.buffer[:largest]
        wire.taken()
        return data

    async def read_all(self, largest: int) -> bytes:
        """Everything until the other side ends; more than `largest` octets are an error. A connection that is reset
        behind an answer has ended: whether the answer is whole its form must tell.
        """
        parts: list[bytes] = []
        size = 0
        while data := await self._or_end(answered=bool(parts)):
            size += len(data)
            if size > largest:
                raise FilterError(f"its answer is longer than {largest} octets")
            parts.append(data)
        return b"".join(parts)

    async def _or_end(self, *, answered: bool) -> bytes:
        try:
            return await self.read()
        except FilterError:
            if answered:
                return b""
            raise


def _words(error: OSError) -> str:
    # asyncio writes the address into strerror; the number gives the plain words.
    return os.strerror(error.errno) if error.errno and error.errno > 0 else str(error) or type(error).__name__

"""Connections to servers of filters, over TCP or a Unix socket, with a limit on everything read."""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass
from types import TracebackType

from danelaw.filters.result import FilterError

_HOST_PORT = re.compile(r"(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+))(?::([0-9]{1,5}))?\Z", re.ASCII)


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


class Stream:
    """One connection; `async with` closes it. What goes wrong is a `FilterError`; time is the caller's affair."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @classmethod
    async def open(cls, server: ServerAddress) -> Stream:
        """Connect."""
        try:
            if server.path:
                return cls(*await asyncio.open_unix_connection(server.path))
            return cls(*await asyncio.open_connection(server.host, server.port))
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
        transport = self._writer.transport
        if transport.is_closing() or transport.get_write_buffer_size() == 0:
            transport.close()
        else:
            transport.abort()

    def leave(self, last: bytes) -> None:
        """Send some last octets without waiting, then close; nothing is read any more."""
        self._writer.write(last)
        self._writer.transport.close()

    @property
    def usable(self) -> bool:
        """The other side has not ended it."""
        return not self._writer.transport.is_closing() and not self._reader.at_eof()

    async def send(self, data: bytes) -> None:
        """Send, and wait until most of it is on its way, so that a slow reader costs no memory."""
        try:
            self._writer.write(data)
            await self._writer.drain()
        except OSError as error:
            raise FilterError(_words(error)) from None

    def end(self) -> None:
        """Say that nothing more will be sent."""
        try:
            if self._writer.can_write_eof():
                self._writer.write_eof()
        except OSError as error:
            raise FilterError(_words(error)) from None

    async def read(self, largest: int = 65536) -> bytes:
        """What is there, at least one octet; empty at the end."""
        try:
            return await self._reader.read(largest)
        except OSError as error:
            raise FilterError(_words(error)) from None

    async def read_all(self, largest: int) -> bytes:
        """Everything until the other side ends; more than `largest` octets are an error."""
        parts, size = [], 0
        while data := await self.read():
            size += len(data)
            if size > largest:
                raise FilterError(f"its answer is longer than {largest} octets")
            parts.append(data)
        return b"".join(parts)


def _words(error: OSError) -> str:
    return error.strerror or str(error) or type(error).__name__

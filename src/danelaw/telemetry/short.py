"""A server for one short answer per connection: socket, clients and their time. HTTP is its subclasses' matter."""

from __future__ import annotations

import asyncio
import socket
from abc import ABC, abstractmethod


class ShortAnswerServer(ABC):
    """At most `clients` at once, each for `seconds`; a request's head of at most `head` octets. What a subclass does in
    `opened`, such as a TLS handshake, is part of a client's time.
    """

    def __init__(self, *, clients: int, seconds: float, head: int) -> None:
        self._most = clients
        self._seconds = seconds
        self._head = head
        self._server: asyncio.Server | None = None
        self._clients: set[asyncio.Task[None]] = set()

    async def start(self, host: str, port: int) -> tuple[str, int]:
        """Listen; gives the address and port in use (port 0 picks one). Raises `OSError`."""
        self._server = await asyncio.start_server(self._serve, host, port, limit=self._head)
        name = self._server.sockets[0].getsockname()
        return name[0], name[1]

    async def start_on(self, listening: socket.socket) -> None:
        """Serve on a socket that listens already."""
        self._server = await asyncio.start_server(self._serve, sock=listening, limit=self._head)

    async def close(self) -> None:
        """Stop listening and end open connections."""
        if self._server is not None:
            self._server.close()
            for task in tuple(self._clients):
                task.cancel()
            await asyncio.gather(*self._clients, return_exceptions=True)
            await self._server.wait_closed()
            self._server = None

    async def opened(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Called once a connection counts; gives what to speak through from now on."""
        return reader, writer

    @abstractmethod
    async def respond(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        """Read one request and give the whole response; `writer` is for who must say something before the request has
        come whole. `IncompleteReadError` ends the connection without a response.
        """

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        if len(self._clients) >= self._most:
            writer.close()
            return
        self._clients.add(task)
        try:
            async with asyncio.timeout(self._seconds):
                reader, writer = await self.opened(reader, writer)
                writer.write(await self.respond(reader, writer))
                await writer.drain()
        except (TimeoutError, ConnectionError, asyncio.CancelledError, asyncio.IncompleteReadError):
            writer.transport.abort()
        finally:
            self._clients.discard(task)
            writer.close()

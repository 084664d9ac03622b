"""Attackers in the path: proxies between the gateway and a real mail host that change what passes through.

They see everything in clear and note each envelope they get hold of.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Coroutine
from typing import Any

from danelaw.lab.channel import Channel, Closed
from danelaw.lab.received import Journal, SessionSeen

_MAX_LINE = 1 << 20
_HELLO = (b"EHLO ", b"HELO ")


async def _connect(address: tuple[str, int]) -> Channel:
    loop = asyncio.get_running_loop()
    connection = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    connection.setblocking(False)
    try:
        await loop.sock_connect(connection, address)
    except OSError as error:
        connection.close()
        raise Closed(str(error)) from None
    return Channel(connection)


class StrippingProxy:
    """Removes STARTTLS from the EHLO reply and answers the command itself, so that everything stays in clear."""

    def __init__(self, name: str, server: tuple[str, int], journal: Journal) -> None:
        self._name, self._server, self._journal = name, server, journal

    async def converse(self, client: Channel) -> None:
        """Stand between `client` and the real server for one connection."""
        seen = self._journal.begun(self._name)
        server = await _connect(self._server)
        try:
            await _both_ways(self._upstream(client, server, seen), self._downstream(client, server))
        finally:
            server.close()

    async def _upstream(self, client: Channel, server: Channel, seen: SessionSeen) -> None:
        while True:
            line = await client.line(_MAX_LINE)
            _note(self._journal, self._name, line)
            seen.hello |= line[:5].upper() in _HELLO
            if line.upper() == b"STARTTLS":
                seen.asked = True
                await client.send(b"502 5.5.1 command not implemented\r\n")
            else:
                await server.send(line + b"\r\n")

    async def _downstream(self, client: Channel, server: Channel) -> None:
        held = b""
        while True:
            line = await server.line(_MAX_LINE)
            if line[:3] == b"250" and line[4:].upper() == b"STARTTLS":
                # As the last line it leaves the one before it as the last.
                if line[3:4] == b" " and held:
                    await client.send(b"250 " + held[4:] + b"\r\n")
                    held = b""
                continue
            if held:
                await client.send(held + b"\r\n")
            held = b""
            if line[:4] == b"250-":
                held = line
            else:
                await client.send(line + b"\r\n")


class ImpersonatingProxy:
    """Ends TLS itself with a certificate of its own, speaks TLS to the real server, and passes everything on."""

    def __init__(self, name: str, server: tuple[str, int], context: ssl.SSLContext, journal: Journal) -> None:
        self._name, self._server, self._context, self._journal = name, server, context, journal
        self._towards_server = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        self._towards_server.check_hostname = False
        self._towards_server.verify_mode = ssl.CERT_NONE

    async def converse(self, client: Channel) -> None:
        """Stand between `client` and the real server for one connection."""
        seen = self._journal.begun(self._name)
        server = await _connect(self._server)
        try:
            await self._greet(client, server, seen)
            await _both_ways(self._pass(client, server, noting=True), self._pass(server, client, noting=False))
        finally:
            server.close()

    async def _greet(self, client: Channel, server: Channel, seen: SessionSeen) -> None:
        """Pass everything until STARTTLS, then make both handshakes."""
        await client.send(await _reply(server))
        while True:
            line = await client.line(_MAX_LINE)
            _note(self._journal, self._name, line)
            seen.hello |= line[:5].upper() in _HELLO
            seen.asked |= line.upper() == b"STARTTLS"
            await server.send(line + b"\r\n")
            reply = await _reply(server)
            await client.send(reply)
            if line.upper() == b"STARTTLS" and reply.startswith(b"220"):
                await server.start_tls(self._towards_server, client=True)
                await client.start_tls(self._context)
                seen.secured = True
                return

    async def _pass(self, source: Channel, target: Channel, *, noting: bool) -> None:
        while True:
            data = await source.receive()
            if noting:
                for line in data.split(b"\r\n"):
                    _note(self._journal, self._name, line)
            await target.send(data)


async def _reply(server: Channel) -> bytes:
    """A whole reply of one or more lines."""
    lines = []
    while True:
        line = await server.line(_MAX_LINE)
        lines.append(line + b"\r\n")
        if line[3:4] != b"-":
            return b"".join(lines)


def _note(journal: Journal, name: str, line: bytes) -> None:
    if line[:5].upper() in (b"MAIL ", b"RCPT "):
        journal.envelopes.append((name, "attacker", line.decode("utf-8", "replace")))


async def _both_ways(*directions: Coroutine[Any, Any, None]) -> None:
    """Run until either side ends."""
    tasks = [asyncio.create_task(direction) for direction in directions]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

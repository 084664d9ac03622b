"""One query over one socket: UDP with a port of its own, or TCP (RFC 7766)."""

from __future__ import annotations

import asyncio
import socket
from enum import Enum

from danelaw.resolver.wire import Belongs, Query

# Replies that do not belong: a few are late or stray, many are somebody guessing (RFC 5452 §9.1, §4.6).
MAX_STRAY_REPLIES = 16
_BUFFER = 65_535


class Transport(Enum):
    """How a query travels."""

    UDP = "UDP"
    TCP = "TCP"


class ExchangeFailed(Exception):
    """This attempt is over; the text says why. Never leaves the package."""


class ForgerySuspected(ExchangeFailed):
    """Somebody guesses ids: go by TCP (RFC 5452 §9.1)."""


async def udp(server: tuple[str, int], query: Query) -> bytes:
    """Send one datagram from a fresh socket and wait for the reply that belongs to it.

    The socket is connected, so the kernel drops datagrams from any other address or port. Waits for ever:
    the caller owns the clock. Raises `ExchangeFailed`.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[bytes] = loop.create_future()
    strays = 0

    def readable() -> None:
        nonlocal strays
        try:
            wire = sock.recv(_BUFFER)
        except BlockingIOError:
            return
        except OSError as error:
            if not done.done():
                done.set_exception(ExchangeFailed(_words(error)))
            return
        if query.belongs(wire) is not Belongs.NO:
            if not done.done():
                done.set_result(wire)
            return
        strays += 1
        if strays > MAX_STRAY_REPLIES and not done.done():
            done.set_exception(ForgerySuspected("many replies with a wrong id or question: somebody may be forging"))

    try:
        sock = socket.socket(_family(server[0]), socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
    except OSError as error:
        raise ExchangeFailed(_words(error)) from None
    with sock:
        try:
            sock.connect(server)
            sock.send(query.wire)
        except OSError as error:
            raise ExchangeFailed(_words(error)) from None
        loop.add_reader(sock.fileno(), readable)
        try:
            return await done
        finally:
            loop.remove_reader(sock.fileno())


async def tcp(server: tuple[str, int], query: Query) -> bytes:
    """Send one query over a connection of its own and read one reply. Raises `ExchangeFailed`."""
    try:
        reader, writer = await asyncio.open_connection(*server)
    except OSError as error:
        raise ExchangeFailed(_words(error)) from None
    try:
        writer.write(len(query.wire).to_bytes(2, "big") + query.wire)
        size = int.from_bytes(await reader.readexactly(2), "big")
        wire = await reader.readexactly(size)
    except asyncio.IncompleteReadError:
        raise ExchangeFailed("the connection was closed before the answer was complete") from None
    except OSError as error:
        raise ExchangeFailed(_words(error)) from None
    finally:
        writer.transport.abort()
    if query.belongs(wire) is Belongs.NO:
        raise ExchangeFailed("the reply does not belong to the question")
    return wire


async def exchange(transport: Transport, server: tuple[str, int], query: Query) -> bytes:
    """Send by either transport. Raises `ExchangeFailed`."""
    return await (udp(server, query) if transport is Transport.UDP else tcp(server, query))


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def _words(error: OSError) -> str:
    if isinstance(error, ConnectionRefusedError):
        return "nothing listens there (connection refused)"
    return (error.strerror or str(error) or type(error).__name__).lower()

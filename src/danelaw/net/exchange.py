"""One HTTPS exchange on a connection of its own, which leaves nothing open however it ends.

Imported when the first one is made, since aiohttp is large.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.connector import Connection

from danelaw.net.dialer import Routes


class _Pinned(AbstractResolver):
    """Our validated addresses in place of any other look-up."""

    def __init__(self, addresses: tuple[str, ...], routes: Routes) -> None:
        self._addresses = addresses
        self._routes = routes

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        targets = [self._routes.get((address, port), (address, port)) for address in self._addresses]
        return [
            ResolveResult(
                hostname=host,
                host=target,
                port=target_port,
                family=socket.AF_INET6 if ":" in target else socket.AF_INET,
                proto=0,
                flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
            )
            for target, target_port in targets
        ]

    async def close(self) -> None:
        pass


class _Connector(aiohttp.TCPConnector):
    """Remembers its connections: aiohttp forgets those it has begun to close."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.transports: list[asyncio.BaseTransport] = []

    async def connect(self, *arguments: Any, **named: Any) -> Connection:
        connection = await super().connect(*arguments, **named)
        if connection.transport is not None:
            self.transports.append(connection.transport)
        return connection


@contextlib.asynccontextmanager
async def one_exchange(
    addresses: tuple[str, ...], routes: Routes, context: ssl.SSLContext, fields: Mapping[str, str]
) -> AsyncIterator[aiohttp.ClientSession]:
    """A session for one request to these addresses, `routes` redirecting them as in `dial`; `fields` are in its header.

    No redirect is followed on its own, no proxy, cookie or compression used, and there is no time-out. When left,
    sockets are closed at once: a peer that does not answer TLS's goodbye could keep one open for half a minute.
    """
    connector = _Connector(
        resolver=_Pinned(addresses, routes), ssl=context, use_dns_cache=False, force_close=True, limit=1
    )
    session = aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
        headers={"Accept-Encoding": "identity", "User-Agent": "danelaw", **fields},
        timeout=aiohttp.ClientTimeout(total=None),
    )
    try:
        async with session:
            yield session
    finally:
        for transport in connector.transports:
            if isinstance(transport, asyncio.WriteTransport):
                transport.abort()
        await asyncio.sleep(0)  # the loop closes sockets in its next turn

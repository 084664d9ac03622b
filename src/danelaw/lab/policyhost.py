"""MTA-STS policy hosts: HTTPS servers that give one file, or do one of the things they must not (RFC 8461 §3.3)."""

from __future__ import annotations

import asyncio
import ssl

from danelaw.lab.channel import Channel
from danelaw.lab.scenario import PolicyHost

_PATH = "/.well-known/mta-sts.txt"
_TOO_LARGE = 70_000
_MAX_REQUEST = 16_384


class PolicyServer:
    """Serves the policy of one domain. `fetched` counts complete answers with a policy in them."""

    def __init__(self, policy: str, kind: PolicyHost, context: ssl.SSLContext) -> None:
        self.policy = policy
        self._kind = kind
        self._context = context
        self.fetched = 0

    async def converse(self, channel: Channel) -> None:
        """Answer one request on one connection."""
        await channel.start_tls(self._context)
        head = (await channel.until(b"\r\n\r\n", _MAX_REQUEST)).decode("latin-1")
        words = head.split("\r\n", 1)[0].split()
        if len(words) != 3 or words[0] != "GET":
            await channel.send(_answer("405 Method Not Allowed", "only GET\n"))
        elif words[1] == "/moved.txt":
            await channel.send(_answer("200 OK", self.policy))
        elif words[1] != _PATH:
            await channel.send(_answer("404 Not Found", "nothing here\n"))
        else:
            await self._policy(channel)

    async def _policy(self, channel: Channel) -> None:
        kind = self._kind
        if kind is PolicyHost.NOT_FOUND:
            await channel.send(_answer("404 Not Found", "nothing here\n"))
        elif kind is PolicyHost.REDIRECTS:
            await channel.send(_answer("301 Moved Permanently", "", headers="Location: /moved.txt\r\n"))
        elif kind is PolicyHost.TOO_LARGE:
            await channel.send(_answer("200 OK", self.policy + "x: y\r\n" * (_TOO_LARGE // 6)))
        elif kind is PolicyHost.HTML:
            await channel.send(_answer("200 OK", self.policy, content_type="text/html"))
        elif kind is PolicyHost.MALFORMED:
            await channel.send(_answer("200 OK", "<html>Welcome</html>\n"))
        elif kind is PolicyHost.SLOW:
            await self._drip(channel)
        else:
            await channel.send(_answer("200 OK", self.policy))
            self.fetched += 1

    async def _drip(self, channel: Channel) -> None:
        """Begin an answer and never finish it."""
        await channel.send(b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 200\r\n\r\n")
        while True:
            await channel.send(b"v")
            await asyncio.sleep(1)


def _answer(status: str, body: str, *, content_type: str = "text/plain", headers: str = "") -> bytes:
    data = body.encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(data)}\r\n{headers}"
    return (head + "Connection: close\r\n\r\n").encode() + data

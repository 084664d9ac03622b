"""A collector of reports: an HTTPS server of the lab that takes whatever is posted to it (RFC 8460 §5.4)."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from dataclasses import dataclass

from danelaw.lab.channel import Channel

_MAX_REQUEST = 16_384
_MAX_BODY = 16 << 20


@dataclass(frozen=True, slots=True)
class Post:
    """A request: `head` is its first line and fields, `media_type` what the body claims to be."""

    host: str
    path: str
    media_type: str
    body: bytes
    head: str


class Collector:
    """Serves one host name. `answer` says the status line to a request, None to hang up on it."""

    def __init__(self, name: str, context: ssl.SSLContext) -> None:
        self.name = name
        self.posts: list[Post] = []
        self.answer: Callable[[Post], str | None] = lambda post: "201 Created"
        self._context = context

    async def converse(self, channel: Channel) -> None:
        """Take one request on one connection."""
        await channel.start_tls(self._context)
        head = (await channel.until(b"\r\n\r\n", _MAX_REQUEST)).decode("latin-1")
        line, *lines = head.split("\r\n")
        words = line.split()
        fields = {name.lower(): value.strip() for name, _, value in (one.partition(":") for one in lines)}
        length = fields.get("content-length", "")
        if len(words) != 3 or words[0] != "POST" or not length.isdecimal() or int(length) > _MAX_BODY:
            await channel.send(_answer("405 Method Not Allowed"))
            return
        body = await channel.exactly(int(length))
        post = Post(fields.get("host", ""), words[1], fields.get("content-type", ""), body, head)
        self.posts.append(post)
        status = self.answer(post)
        if status is not None:
            await channel.send(_answer(status))


def _answer(status: str) -> bytes:
    return f"HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n".encode()

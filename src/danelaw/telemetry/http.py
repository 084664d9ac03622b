"""A very small HTTP/1.1 server (RFC 9112) for /metrics, /healthy and /ready: GET and HEAD, one answer, close."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import TypeAlias

from danelaw.telemetry.metrics import Metrics
from danelaw.telemetry.short import ShortAnswerServer

Probe: TypeAlias = Callable[[], str | None]
"""Says in words what is not right, or None."""

_OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"
_TEXT = "text/plain; charset=utf-8"


class HTTPServer(ShortAnswerServer):
    """Answers /metrics (numbers), /healthy (this process works) and /ready (mail may be sent to it).

    `healthy` and `ready` name probes; each gives None or, in words, what is not right. There is no access
    control: listen on loopback or a private network.
    """

    def __init__(
        self,
        metrics: Metrics,
        *,
        healthy: Mapping[str, Probe] | None = None,
        ready: Mapping[str, Probe] | None = None,
        gather: Callable[[], Awaitable[Metrics]] | None = None,
    ) -> None:
        """`gather` is awaited before each answer, for numbers that other processes keep; its result is shown."""
        super().__init__(clients=32, seconds=10.0, head=8192)
        self._metrics = metrics
        self._gather = gather
        self._probes = {"/healthy": dict(healthy or {}), "/ready": {**(healthy or {}), **(ready or {})}}

    async def respond(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        """Answer /metrics, /healthy and /ready."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return response(HTTPStatus.BAD_REQUEST, "the request ended early\n")
        except asyncio.LimitOverrunError:
            return response(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "the request is too large\n")
        if self._gather is not None:
            self._metrics = await self._gather()
        return self.answer(head)

    def answer(self, head: bytes) -> bytes:
        """The whole response to a request head of at most 8 KiB."""
        words = head.split(b"\r\n", 1)[0].split(b" ")
        if len(words) != 3 or not words[2].startswith(b"HTTP/1."):
            return response(HTTPStatus.BAD_REQUEST, "this is not HTTP/1.1\n")
        method, target = words[0], words[1].split(b"?", 1)[0].decode("latin-1")
        if method not in (b"GET", b"HEAD"):
            return response(HTTPStatus.METHOD_NOT_ALLOWED, "only GET and HEAD\n", extra="Allow: GET, HEAD\r\n")
        without_body = method == b"HEAD"
        if target == "/metrics":
            return response(HTTPStatus.OK, self._metrics.to_openmetrics(), _OPENMETRICS, without_body=without_body)
        if target in self._probes:
            return self._probed(target, without_body)
        return response(HTTPStatus.NOT_FOUND, "try /metrics, /healthy or /ready\n", without_body=without_body)

    def _probed(self, target: str, without_body: bool) -> bytes:
        found = {name: probe() for name, probe in self._probes[target].items()}
        wrong = [f"{name}: {words}" for name, words in found.items() if words is not None]
        if wrong:
            return response(HTTPStatus.SERVICE_UNAVAILABLE, "\n".join(wrong) + "\n", without_body=without_body)
        return response(HTTPStatus.OK, target[1:] + "\n", without_body=without_body)


def response(
    status: HTTPStatus, body: str | bytes, kind: str = _TEXT, *, extra: str = "", without_body: bool = False
) -> bytes:
    """One response with its length, after which the connection closes."""
    data = body.encode() if isinstance(body, str) else body
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\nContent-Type: {kind}\r\nContent-Length: {len(data)}\r\n"
        f"Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n{extra}Connection: close\r\n\r\n"
    ).encode("ascii")
    return head if without_body else head + data

"""The HTTP server of the safety API: who may ask, how much, and what is answered. The rest is `SafetyService`.

It speaks HTTP without TLS: listen on loopback or put a TLS front before it. Connections are kept, bounded in number
altogether and per client, and each request has a time.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from danelaw.config.values import Network
from danelaw.queue.rates import Rate
from danelaw.safety.allowance import Allowance, caller_of
from danelaw.safety.enquiry import MOST_BODY, Enquiry, EnquiryError, Subject
from danelaw.safety.http import MOST_HEAD, Request, RequestError, refusal, request_of, response
from danelaw.safety.openapi import document_text
from danelaw.safety.service import SafetyService, TooBusy
from danelaw.safety.tokens import Tokens, within

_PATH, _OPENAPI = "/v1/safety", "/v1/openapi.json"
_METHODS = {_PATH: ("GET", "HEAD", "POST"), _OPENAPI: ("GET", "HEAD")}
_REQUEST_SECONDS = 10.0
_IDLE_SECONDS = 30.0
_MOST_CLIENTS = 256
_MOST_PER_CLIENT = 64
# Who is refused waits for it: a flood of refusals then costs a bounded number of connections, and next to no work.
_REFUSED_SECONDS = 0.25
_WAITING = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.TOO_MANY_REQUESTS})
_CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Who may ask what. `tokens` gives those that hold now; clients in `allow` need none. `rate` counts addresses asked
    about, `live_rate` those that need a look-up. `deadline` in seconds is the usual one, `longest` the longest.
    """

    tokens: Callable[[], Tokens]
    allow: tuple[Network, ...]
    rate: Rate
    live_rate: Rate
    bulk: int
    deadline: float
    longest: float
    origins: frozenset[str] = frozenset()


class SafetyWeb:
    """Serves one socket. `count` is told of every answer by HTTP status and state (`fresh`, `cached`, `partial`)."""

    def __init__(
        self,
        service: SafetyService,
        terms: Terms,
        *,
        count: Callable[[int, str], None] = lambda status, state: None,
        broken: Callable[[BaseException], None] = lambda error: None,
    ) -> None:
        self._service = service
        self._terms = terms
        self._count = count
        self._broken = broken
        self._asked = Allowance(terms.rate, terms.bulk)
        self._live = Allowance(terms.live_rate)
        self._clients: Counter[str] = Counter()
        self._tasks: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> tuple[str, int]:
        """Listen; gives the address and port in use (port 0 picks one). Raises `OSError`."""
        self._server = await asyncio.start_server(self._serve, host, port, limit=MOST_HEAD)
        name = self._server.sockets[0].getsockname()
        return name[0], name[1]

    async def start_on(self, listening: socket.socket) -> None:
        """Serve on a socket that listens already."""
        self._server = await asyncio.start_server(self._serve, sock=listening, limit=MOST_HEAD)

    async def close(self) -> None:
        """Stop listening, end open connections and look-ups."""
        if self._server is not None:
            self._server.close()
            for task in tuple(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            await self._server.wait_closed()
            self._server = None
        await self._service.close()

    # connections

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        peer = writer.get_extra_info("peername")
        address = str(peer[0]) if peer else ""
        caller = caller_of(address)
        if len(self._tasks) >= _MOST_CLIENTS or self._clients[caller] >= _MOST_PER_CLIENT:
            writer.close()
            return
        self._tasks.add(task)
        self._clients[caller] += 1
        try:
            while await self._one(reader, writer, address):
                pass
        except (TimeoutError, ConnectionError, asyncio.CancelledError, asyncio.IncompleteReadError):
            writer.transport.abort()
        finally:
            self._tasks.discard(task)
            self._clients[caller] -= 1
            if not self._clients[caller]:
                del self._clients[caller]
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, address: str) -> bool:
        """One request; True when another may follow."""
        try:
            async with asyncio.timeout(_IDLE_SECONDS):
                first = await reader.readexactly(1)
            async with asyncio.timeout(_REQUEST_SECONDS):
                head = first + await reader.readuntil(b"\r\n\r\n")
                request = request_of(head, MOST_BODY)
                if request.length and request.fields.get("expect", b"").lower() == b"100-continue":
                    writer.write(_CONTINUE)
                body = await reader.readexactly(request.length) if request.length else b""
        except asyncio.LimitOverrunError:
            error = RequestError(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, "the request's head is too large")
            return await self._end(writer, error)
        except RequestError as error:
            return await self._end(writer, error)
        answer = await self._answer(request, body, address)
        async with asyncio.timeout(_REQUEST_SECONDS):
            writer.write(answer)
            await writer.drain()
        return request.keep

    async def _end(self, writer: asyncio.StreamWriter, error: RequestError) -> bool:
        """What cannot be framed ends the connection: nobody knows where the next request begins."""
        self._count(error.status.value, "")
        await asyncio.sleep(_REFUSED_SECONDS)
        async with asyncio.timeout(_REQUEST_SECONDS):
            writer.write(refusal(error, keep=False))
            await writer.drain()
        return False

    # requests

    async def _answer(self, request: Request, body: bytes, address: str) -> bytes:
        bare = request.method == "HEAD"
        try:
            status, found, state = await self._asked_for(request, body, address)
        except RequestError as error:
            self._count(error.status.value, "")
            if error.status in _WAITING:
                await asyncio.sleep(_REFUSED_SECONDS)
            return refusal(error, keep=request.keep, without_body=bare)
        except Exception as error:  # a defect must not leave the client without a word
            self._broken(error)
            self._count(HTTPStatus.INTERNAL_SERVER_ERROR.value, "")
            told = RequestError(HTTPStatus.INTERNAL_SERVER_ERROR, "something went wrong here")
            return refusal(told, keep=request.keep, without_body=bare)
        self._count(status.value, state)
        return response(status, found, keep=request.keep, fields=self._cors(request), without_body=bare)

    async def _asked_for(self, request: Request, body: bytes, address: str) -> tuple[HTTPStatus, Any, str]:
        methods = _METHODS.get(request.path)
        if methods is None:
            raise RequestError(HTTPStatus.NOT_FOUND, "there is nothing here", advice=f"try {_PATH} or {_OPENAPI}")
        if request.method == "OPTIONS" and self._cors(request):
            return HTTPStatus.NO_CONTENT, "", ""
        if request.method not in methods:
            allow = {"Allow": ", ".join(methods)}
            raise RequestError(HTTPStatus.METHOD_NOT_ALLOWED, f"only {allow['Allow']}", fields=allow)
        if request.path == _OPENAPI:
            return HTTPStatus.OK, document_text(), ""
        caller = self._caller(request, address)
        try:
            enquiry = self._enquiry(request, body)
        except EnquiryError as error:
            self._take(self._asked, caller, 1, "addresses")  # reading it has cost something
            raise RequestError(HTTPStatus.BAD_REQUEST, error.reason, advice=error.advice) from None
        self._take(self._asked, caller, len(enquiry.texts), "addresses")
        seconds = min(self._terms.deadline if enquiry.deadline is None else enquiry.deadline, self._terms.longest)
        if not enquiry.single:
            answers = await asyncio.gather(*(self._of_many(text, caller, seconds) for text in enquiry.texts))
            return HTTPStatus.OK, {"answers": answers}, "bulk"
        try:
            answer = await self._one_subject(enquiry.texts[0], caller, seconds)
        except EnquiryError as error:
            raise RequestError(HTTPStatus.BAD_REQUEST, error.reason, advice=error.advice) from None
        return HTTPStatus.OK, answer, str(answer["state"])

    def _enquiry(self, request: Request, body: bytes) -> Enquiry:
        if request.method != "POST":
            return Enquiry.from_query(request.query)
        kind = request.fields.get("content-type", b"").partition(b";")[0].strip().lower()
        if kind != b"application/json":
            raise RequestError(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "the body must be application/json")
        return Enquiry.from_json(body, self._terms.bulk)

    async def _one_subject(self, text: str, caller: str, seconds: float) -> dict[str, Any]:
        """Raises `EnquiryError`, and `RequestError` where too much is asked."""
        subject = Subject.from_text(text)
        if not self._service.knows(subject):
            self._take(self._live, caller, 1, "look-ups")
        try:
            return await self._service.answer(subject, seconds)
        except TooBusy as error:
            raise RequestError(
                HTTPStatus.SERVICE_UNAVAILABLE, error.reason, advice=error.advice, fields={"Retry-After": "2"}
            ) from None

    async def _of_many(self, text: str, caller: str, seconds: float) -> dict[str, Any]:
        """One of a list: what is wrong with it is its own answer."""
        try:
            return await self._one_subject(text, caller, seconds)
        except (EnquiryError, RequestError) as error:
            return {"asked": text[:512], "error": error.reason, "advice": error.advice}

    def _caller(self, request: Request, address: str) -> str:
        """In whose name the request is counted. Raises `RequestError` for one that may not ask."""
        token = request.bearer
        if token is not None:
            name = self._terms.tokens().name_of(token)
            if name is not None:
                return f"token {name}"
        elif within(address, self._terms.allow):
            return caller_of(address)
        raise RequestError(
            HTTPStatus.UNAUTHORIZED,
            "this token is not known here" if token is not None else "a token is needed",
            advice="send Authorization: Bearer TOKEN",
            fields={"WWW-Authenticate": 'Bearer realm="danelaw"'},
        )

    def _take(self, allowance: Allowance, caller: str, count: int, what: str) -> None:
        wait = allowance.take(caller, count, time.monotonic())
        if wait:
            raise RequestError(
                HTTPStatus.TOO_MANY_REQUESTS,
                f"too many {what} in a short time",
                advice=f"ask again in {wait:.0f} s" if wait >= 1 else "ask again in a moment",
                fields={"Retry-After": str(max(1, round(wait)))},
            )

    def _cors(self, request: Request) -> Mapping[str, str]:
        """The fields that let a page of a configured origin read the answer; none for any other."""
        origin = request.fields.get("origin", b"").decode("latin-1")
        if origin not in self._terms.origins:
            return {}
        return {
            "Access-Control-Allow-Origin": origin,
            "Access-Control-Allow-Headers": "Authorization, Content-Type",
            "Access-Control-Allow-Methods": "GET, POST",
            "Vary": "Origin",
        }

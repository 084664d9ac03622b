"""The web server behind the links of digests: GET asks, POST acts, once.

Scanners open every link in a mail: a GET only ever shows a page with a button. What the button sends is the token;
there is no session and no cookie. One short answer per connection, behind the TLS front of the site.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from danelaw.errors import DanelawError
from danelaw.gateway.parts import digest_store
from danelaw.quarantine import pages
from danelaw.quarantine.request import MOST_HEAD, Request, RequestError, form
from danelaw.quarantine.tokens import Action, Token, TokenError
from danelaw.queue import id_to_text
from danelaw.spool import quarantine as held
from danelaw.spool.shards import in_each
from danelaw.state import FILE_NAME, HoldRuleStore, StateDatabase
from danelaw.telemetry import ShortAnswerServer

if TYPE_CHECKING:
    from sqlite3 import Connection

    from danelaw.address import SocketAddress
    from danelaw.config import Config
    from danelaw.state import DigestStore
    from danelaw.telemetry import Log

Act = Callable[[str, dict[str, Any], str], Awaitable[dict[str, Any]]]
"""Carries out `quarantine.release` or `.delete` with arguments, for a caller; gives the result."""

_OPERATIONS = {Action.RELEASE: "release", Action.ALLOW: "release", Action.DELETE: "delete"}
_GONE = "The message is not held any more: it was delivered, deleted or returned"


class _Target(NamedTuple):
    page: pages.HeldMessage
    sender: str


class QuarantineWeb(ShortAnswerServer):
    """Serves one socket, `listen` unless it is given one. `directory` is the spool's, `clock` gives POSIX seconds."""

    def __init__(
        self,
        listen: SocketAddress,
        directory: Path,
        store: DigestStore,
        rules: HoldRuleStore,
        act: Act,
        log: Log,
        clock: Callable[[], float],
    ) -> None:
        super().__init__(clients=64, seconds=15.0, head=MOST_HEAD)
        self._listen = listen
        self._directory = directory
        self._store = store
        self._rules = rules
        self._act = act
        self._log = log
        self._clock = clock

    async def listen(self) -> tuple[str, int]:
        """Listen where `[quarantine.web]` says; gives address and port. Raises `DanelawError`."""
        try:
            return await self.start(*self._listen.pair)
        except OSError as error:
            raise DanelawError(
                f"cannot listen on {self._listen} for [quarantine.web]: {error.strerror or error}",
                advice="choose another port",
            ) from None

    async def close(self) -> None:
        """Stop listening, end open connections, close the stores."""
        await super().close()
        self._store.close()
        self._rules.close()

    async def respond(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        """One request, one page."""
        try:
            head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.LimitOverrunError:
            return pages.response(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, pages.failed("The request is too large"))
        try:
            request = Request.from_head(head)
            body = await reader.readexactly(request.length) if request.length else b""
            return await self.answer(request, body)
        except RequestError as error:
            allow = "Allow: GET, HEAD, POST\r\n" if error.status is HTTPStatus.METHOD_NOT_ALLOWED else ""
            return pages.response(error.status, pages.failed(_sentence(error.reason)), extra=allow)
        except DanelawError as error:
            self._log.error("quarantine-web", reason=error.reason, advice=error.advice)
            return pages.response(
                HTTPStatus.SERVICE_UNAVAILABLE, pages.failed("It cannot be done now", "Try again later.")
            )

    async def answer(self, request: Request, body: bytes) -> bytes:
        """The whole response. Raises `RequestError`, and `DanelawError` for what the gateway cannot do now."""
        posted = request.method == "POST"
        text = form(body).get("token", "") if posted else request.last_segment
        try:
            token = Token.opened(text, self._store.verifying_keys(), self._clock())
        except TokenError as error:
            status = HTTPStatus.GONE if error.advice else HTTPStatus.NOT_FOUND
            page = pages.failed(_sentence(error.reason), error.advice and _sentence(error.advice) + ".")
            return pages.response(status, page, without_body=request.method == "HEAD")
        target = await asyncio.to_thread(self._target, token)
        if self._store.spent(token.nonce):
            page = pages.failed("This link was used before: each works once")
            return pages.response(HTTPStatus.GONE, page, without_body=request.method == "HEAD")
        if target is None:
            return pages.response(HTTPStatus.GONE, pages.failed(_GONE), without_body=request.method == "HEAD")
        if posted:
            return await self._do(token, target)
        page = pages.question(text, token.action, target.page)
        return pages.response(HTTPStatus.OK, page, without_body=request.method == "HEAD")

    async def _do(self, token: Token, target: _Target) -> bytes:
        if not self._store.spend(token.nonce, float(token.expires), self._clock()):
            return pages.response(HTTPStatus.GONE, pages.failed("This link was used before: each works once"))
        who = f"digest link of {target.page.recipient}"
        arguments = {
            "filter": f"id:{id_to_text(token.message)}", "recipient": token.recipient,
            "why": f"{token.action.name.lower()} in a digest",
        }  # fmt: skip
        try:
            result = await self._act(_OPERATIONS[token.action], arguments, who)
        except BaseException:
            self._store.unspend(token.nonce)
            raise
        if result.get("kept"):
            return pages.response(HTTPStatus.OK, pages.kept("It was looked at again, and found to be dangerous."))
        if not result["recipients"]:
            return pages.response(HTTPStatus.GONE, pages.failed(_GONE))
        if token.action is Action.ALLOW and target.sender:
            self._rules.allow(target.page.recipient, target.sender, who, self._clock())
        return pages.response(HTTPStatus.OK, pages.done(token.action))

    def _target(self, token: Token) -> _Target | None:
        """The message a token is about, while its recipient is held."""
        found = in_each(self._directory, lambda connection: self._look(connection, token))
        return next((one for one in found if one is not None), None)

    def _look(self, connection: Connection, token: Token) -> _Target | None:
        chosen = held.chosen({"filter": f"id:{id_to_text(token.message)}", "recipient": token.recipient}, "show")
        for message in held.held_page(connection, chosen, self._clock(), token.message - 1, 1):
            row = held.row(connection, message, self._clock())
            page = pages.HeldMessage(
                recipient=message.recipients[0].forward_path,
                author=row["author"] or message.reverse_path,
                subject=row["subject"],
                reason="; ".join(hold["reason"] for hold in row["holds"]),
                received=datetime.fromtimestamp(message.received_at).strftime("%Y-%m-%d %H:%M"),
            )
            return _Target(page, message.reverse_path)
        return None


def quarantine_web(config: Config, act: Act, log: Log, clock: Callable[[], float]) -> QuarantineWeb | None:
    """The server that `[quarantine.web]` asks for, with connections of its own to what is remembered."""
    section = config.quarantine
    if section.web.listen is None:
        return None
    directory = config.spool.directory
    store = digest_store(config)
    rules = HoldRuleStore(StateDatabase(directory / FILE_NAME))
    return QuarantineWeb(section.web.listen, directory, store, rules, act, log, clock)


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]

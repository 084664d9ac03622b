"""Hooks in any language: a server is asked by POST at steps of a mail's life, and answers with a verdict and changes.

What goes over the line is what `danelaw.policy.wire` says, as JSON; the message itself goes as octets beside it, in a
second part of `multipart/form-data` (RFC 7578), and only where that is wanted. Such hooks are asked by the `Runner`
like any other: in order, within their time, with a breaker, and with a failure policy for whatever is no answer.
Connections are kept; certificates are verified; there are no redirects, proxies of the environment, or cookies.
"""

from __future__ import annotations

import os
import ssl
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from danelaw.errors import DanelawError
from danelaw.policy import Context, FailurePolicy, Hook, Verdict, wire
from danelaw.policy.forms import Given
from danelaw.scripting.driving import in_task
from danelaw.scripting.errors import HookFailed

if TYPE_CHECKING:
    import aiohttp

    from danelaw.config.http_hooks import HTTPHook

LARGEST_ANSWER = 8 << 20
"""Octets of an answer: files that it attaches come in it as base64."""
_MOST_FIELDS = 1000
_UNWATCHED = 3600.0  # seconds of work: this is our own code, and the guard would break connections in use


class HTTPHooks:
    """All servers of `[[policy.http_hook]]`; `hooks` are to be asked with those of the policy's files."""

    def __init__(self, sections: Iterable[HTTPHook]) -> None:
        self._servers = [_Server(one) for one in sections]
        self.hooks = tuple(hook for server in self._servers for hook in server.hooks())

    async def close(self) -> None:
        """Close all connections."""
        for server in self._servers:
            await server.close()


class _Server:
    """One server, asked for several steps over the same connections."""

    def __init__(self, section: HTTPHook) -> None:
        self.section = section
        self._session: aiohttp.ClientSession | None = None
        self._token: tuple[int, str] = (0, "")

    def hooks(self) -> list[Hook]:
        section = self.section
        return [
            Hook(
                point=point,
                name=f"http:{section.name}@{point}",
                function=_Question(self, point),
                module=section.url,
                order=section.order,
                seconds=section.time.total_seconds(),
                cpu=_UNWATCHED,
                on_failure=FailurePolicy(section.on_failure),
                is_coroutine=True,
            )
            for point in section.at
        ]

    async def ask(self, asked: dict[str, Any], message: bytes | None) -> Any:
        """POST, and what comes back as JSON; None for nothing to say. A kept connection that the server closes at that
        very moment is tried once more, anew. Raises `HookFailed` for what is no answer.
        """
        import aiohttp

        await in_task()
        try:
            for is_last in (False, True):
                try:
                    return await self._exchange(asked, message)
                except (aiohttp.ServerDisconnectedError, ConnectionResetError):
                    if is_last:
                        raise
        except (aiohttp.ClientError, OSError) as error:
            raise HookFailed(f"{self.section.url} does not answer: {_words(error)}") from None

    async def _exchange(self, asked: dict[str, Any], message: bytes | None) -> Any:
        import aiohttp

        session = self._session or self._open()
        body: Any = wire.to_octets(asked)
        headers = dict(self.section.headers)
        if token := self._bearer():
            headers["Authorization"] = f"Bearer {token}"
        if message is None:
            headers["Content-Type"] = "application/json"
        else:
            form = aiohttp.FormData()
            form.add_field("request", body.decode("ascii"), content_type="application/json")
            form.add_field("message", message, content_type="message/rfc822", filename="message.eml")
            body = form
        async with session.post(self.section.url, data=body, headers=headers, allow_redirects=False) as response:
            return await _answer_in(response)

    def _open(self) -> aiohttp.ClientSession:
        import aiohttp

        # cafile None means the system's; either way names and chains are checked.
        context = ssl.create_default_context(cafile=self.section.ca_file)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=self.section.at_once, ssl=context, keepalive_timeout=30.0),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            headers={"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "danelaw"},
            timeout=aiohttp.ClientTimeout(total=None),
        )
        return self._session

    def _bearer(self) -> str:
        """The token, read anew when its file has changed."""
        path = self.section.secret
        if path is None:
            return ""
        try:
            changed = os.stat(path).st_mtime_ns
            if self._token[0] != changed:
                self._token = (changed, path.read_text("ascii").strip())
        except (OSError, UnicodeError) as error:
            raise HookFailed(f"the token in {path} cannot be read: {error}") from None
        if not self._token[1].isprintable() or len(self._token[1]) > 4096:
            raise HookFailed(f"{path} holds no token: it has more than one line, or is too long")
        return self._token[1]

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()


class _Question:
    """What a hook's function is to the `Runner`: given a context, it gives a verdict."""

    def __init__(self, server: _Server, point: str) -> None:
        self._server = server
        self._point = point

    async def __call__(self, context: Context) -> Verdict | None:
        section, given = self._server.section, wire.given_of(context)
        asked = wire.context_to_object(self._point, context)
        asked["context"].pop("edits", None)  # the message below is as they have left it
        asked["hook"] = section.name
        message = None
        if given is not None and section.body != "none":
            is_whole = section.body == "whole" and given.mail.size <= section.largest
            asked["message"] = {"size": given.mail.size, "header": _header(given), "whole": is_whole}
            message = given.mail.to_bytes() if is_whole else None
        said = await self._server.ask(asked, message)
        if said is None:
            return None
        try:
            answer = wire.answer_from_object(self._point, said, given)
            wire.carry_out(answer, context)
        except DanelawError as error:
            raise HookFailed(f"{section.url} answers what cannot be: {error.reason}") from None
        return answer.verdict


def _header(given: Given) -> list[list[str]]:
    return [list(one) for one in given.mail.fields()[:_MOST_FIELDS]]


async def _answer_in(response: aiohttp.ClientResponse) -> Any:
    """The JSON of an answer. Raises `HookFailed`."""
    if response.status == 204:
        return None
    if response.status != 200:
        raise HookFailed(f"{response.url} answers {response.status}")
    if response.headers.get("Content-Encoding", "identity").strip().lower() not in ("", "identity"):
        raise HookFailed(f"{response.url} answers compressed, which was not asked for")
    if response.content_type != "application/json":
        raise HookFailed(f"{response.url} answers {response.content_type[:60]}, not application/json")
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > LARGEST_ANSWER:
            raise HookFailed(f"{response.url} answers more than {LARGEST_ANSWER} octets")
    try:
        return wire.from_octets(bytes(body), LARGEST_ANSWER)
    except DanelawError as error:
        raise HookFailed(f"{response.url}: {error.reason}") from None


def _words(error: Exception) -> str:
    if isinstance(error, OSError) and error.errno and error.errno > 0:
        return os.strerror(error.errno)
    return (str(error) or type(error).__name__)[:200]


__all__ = ["LARGEST_ANSWER", "HTTPHooks"]

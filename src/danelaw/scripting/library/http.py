"""HTTP for scripts, over aiohttp: addresses from the gateway's own resolver, certificates verified, no redirects, no
proxies, cookies or compression, and connections that are kept between calls.

Scripts are trusted, the URLs they are led to are not always: `[policy.http]` confines which hosts and addresses may be
asked, and an address is judged when the connection is made, not when the name was looked at.
"""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from danelaw.errors import DanelawError
from danelaw.policy import HTTPResponse, LibraryError
from danelaw.policy.notes import JSON
from danelaw.scripting.driving import in_task
from danelaw.scripting.library.call import library_call
from danelaw.scripting.library.reach import Reach, Unreachable

if TYPE_CHECKING:
    import aiohttp
    from aiohttp.abc import AbstractResolver

_MOST_CONNECTIONS = 100
_KEPT_SECONDS = 30.0
_LONGEST_SECONDS = 300.0
_MOST_OCTETS = 64 << 20
_HIDDEN = frozenset({"headers"})


class HTTPClient:
    """`policy.library.HTTP`. `reach` says which hosts may be asked; `trust` gives the context that verifies them,
    wanted when the first connection is made.
    """

    def __init__(
        self,
        reach: Reach,
        trust: Callable[[], ssl.SSLContext],
        connections_per_host: int = 10,
    ) -> None:
        self._reach = reach
        self._connections_per_host = connections_per_host
        self._trust = trust
        self._session: aiohttp.ClientSession | None = None

    @library_call("http.request", hides=_HIDDEN)
    async def request(
        self,
        method: str,
        url: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: bytes = b"",
        json: JSON = None,
        seconds: float = 5.0,
        max_octets: int = 1 << 20,
    ) -> HTTPResponse:
        """Ask once, and give the whole answer."""
        return await self._request(method, url, query, headers, body, json, seconds, max_octets)

    @library_call("http.get", hides=_HIDDEN)
    async def get(
        self,
        url: str,
        *,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        seconds: float = 5.0,
    ) -> HTTPResponse:
        """GET."""
        return await self._request("GET", url, query, headers, b"", None, seconds)

    @library_call("http.post", hides=_HIDDEN)
    async def post(
        self, url: str, *, json: JSON = None, body: bytes = b"", headers: Mapping[str, str] | None = None,
        seconds: float = 5.0,
    ) -> HTTPResponse:  # fmt: skip
        """POST."""
        return await self._request("POST", url, None, headers, body, json, seconds)

    async def close(self) -> None:
        """Close all connections; calls under way fail."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def _request(
        self, method: str, url: str, query: Mapping[str, str] | None, headers: Mapping[str, str] | None, body: bytes,
        json: JSON, seconds: float, max_octets: int = 1 << 20,
    ) -> HTTPResponse:  # fmt: skip
        import aiohttp
        from yarl import URL

        await in_task()
        try:
            whole = URL(url)
            if query:
                whole = whole.update_query({str(name): str(value) for name, value in query.items()})
        except (TypeError, ValueError) as error:
            raise LibraryError(f"{url[:80]!r} is no URL: {error}") from None
        if whole.scheme not in ("http", "https") or not whole.host:
            raise LibraryError(f"{url[:80]!r} is no URL of HTTP", advice='write "https://host/path"')
        self._reach.check_host(whole.host)
        what: dict[str, Any] = {"headers": dict(headers or {})}
        if json is not None:
            what["json"] = json
        elif body:
            what["data"] = body
        try:
            async with asyncio.timeout(min(seconds, _LONGEST_SECONDS)):
                return await self._exchange(method.upper(), whole, what, min(max_octets, _MOST_OCTETS))
        except TimeoutError:
            raise LibraryError(f"{whole.host} did not answer within {seconds:g} s") from None
        except (aiohttp.ClientError, OSError) as error:
            raise LibraryError(f"no answer of {whole.host}: {_words(error)}") from None
        except (TypeError, ValueError) as error:
            raise LibraryError(f"{method[:20]} {whole.host} cannot be asked: {error}"[:300]) from None

    async def _exchange(self, method: str, url: Any, what: dict[str, Any], max_octets: int) -> HTTPResponse:
        session = self._session or self._open()
        async with session.request(method, url, allow_redirects=False, **what) as response:
            fields: dict[str, str] = {}
            for name, value in response.headers.items():
                key = name.lower()
                fields[key] = f"{fields[key]}, {value}" if key in fields else value
            if fields.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
                raise LibraryError(f"the answer of {url.host} is compressed, which was not asked for")
            body = bytearray()
            async for chunk in response.content.iter_any():
                body += chunk
                if len(body) > max_octets:
                    raise LibraryError(f"the answer of {url.host} is larger than {max_octets} octets")
            return HTTPResponse(response.status, fields, bytes(body))

    def _open(self) -> aiohttp.ClientSession:
        import aiohttp

        try:
            context = self._trust()
        except DanelawError as error:
            raise LibraryError(error.reason, advice=error.advice) from None
        connector = aiohttp.TCPConnector(
            resolver=_resolver(self._reach),
            ssl=context,
            use_dns_cache=False,
            limit=_MOST_CONNECTIONS,
            limit_per_host=self._connections_per_host,
            keepalive_timeout=_KEPT_SECONDS,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            trust_env=False,
            headers={"Accept-Encoding": "identity", "User-Agent": "danelaw"},
            timeout=aiohttp.ClientTimeout(total=None),
        )
        return self._session


def _resolver(reach: Reach) -> AbstractResolver:
    """The addresses that may be reached, in place of any other look-up."""
    import socket

    from aiohttp.abc import AbstractResolver, ResolveResult

    class Reaching(AbstractResolver):
        async def resolve(
            self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
        ) -> list[ResolveResult]:
            try:
                targets = await reach.targets(host, port)
            except Unreachable as error:
                raise OSError(error.reason) from None
            return [
                ResolveResult(
                    hostname=host,
                    host=target,
                    port=target_port,
                    family=socket.AF_INET6 if ipaddress.ip_address(target).version == 6 else socket.AF_INET,
                    proto=0,
                    flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
                )
                for target, target_port in targets
            ]

        async def close(self) -> None:
            pass

    return Reaching()


def _words(error: BaseException) -> str:
    import aiohttp

    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"its certificate is not valid: {_verified(error.certificate_error)}"
    if isinstance(error, aiohttp.ClientConnectorError):
        inner = error.os_error
        if isinstance(inner, ssl.SSLCertVerificationError):
            return f"its certificate is not valid: {_verified(inner)}"
        return str(inner.strerror or inner)[:200]
    return str(error or type(error).__name__)[:200]


def _verified(error: BaseException) -> str:
    return str(getattr(error, "verify_message", "") or error)[:200]

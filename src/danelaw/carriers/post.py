"""The message as the body of an HTTP request, its envelope beside it; the status says what became of it."""

from __future__ import annotations

import asyncio
import ipaddress
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from danelaw.carriers.parcel import Addressee, CarrierDown, Given, Parcel, Result
from danelaw.carriers.retryafter import seconds_of

if TYPE_CHECKING:
    import ssl

    import aiohttp
    from aiohttp.abc import AbstractResolver

LONGEST_ENVELOPE = 6000
"""Octets of the field with the envelope: servers take 8 KiB of a field; more recipients go in further requests."""
LONGEST_ANSWER = 4096
_LATER = frozenset({408, 425, 429})
_PERMANENT = {400: "5.6.0", 401: "5.7.8", 403: "5.7.1", 404: "5.1.1", 410: "5.1.6", 413: "5.3.4", 415: "5.6.1"}
AddressesOf = Callable[[str], Awaitable[Sequence[str]]]
"""The addresses of a host name. Raises `DanelawError` in words."""


class Post:
    """`url` is where to; `token` goes into an Authorization field as a bearer token (RFC 6750). `context` verifies the
    server of an https URL. One request may take `seconds`. `clock` gives POSIX seconds.
    """

    def __init__(
        self,
        name: str,
        url: str,
        addresses: AddressesOf,
        context: ssl.SSLContext | None,
        clock: Callable[[], float],
        *,
        token: str = "",
        seconds: float = 60.0,
        at_once: int = 20,
    ) -> None:
        self.name = name
        self._url = url
        self._addresses = addresses
        self._context = context
        self._clock = clock
        self._token = token
        self._seconds = seconds
        self._at_once = at_once
        self._session: aiohttp.ClientSession | None = None

    async def carry(self, parcel: Parcel) -> Mapping[int, Given]:
        """Send it, to many addressees in several requests. Raises `CarrierDown`."""
        ends: dict[int, Given] = {}
        for some in portions(parcel):
            try:
                given = await self._send(parcel, some)
            except CarrierDown:
                if not ends:
                    raise
                break  # who is missing waits
            ends.update(dict.fromkeys([one.number for one in some], given))
        return ends

    async def close(self) -> None:
        """Close kept connections."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def _send(self, parcel: Parcel, addressees: Sequence[Addressee]) -> Given:
        import aiohttp

        session = self._opened()
        try:
            async with (
                asyncio.timeout(self._seconds),
                session.post(
                    self._url,
                    data=_body(parcel),
                    headers=self._fields(parcel, addressees),
                    allow_redirects=False,
                ) as response,
            ):
                said = await _beginning(response)
                return self._given(response.status, said, response.headers.get("Retry-After", ""))
        except TimeoutError:
            return Given(Result.LATER, "4.4.2", "", f"no answer within {self._seconds:g} s", 0.0)
        except aiohttp.ClientConnectorError as error:
            raise CarrierDown(f"no connection to {_host(self._url)}: {error.strerror or error}") from None
        except (aiohttp.ClientError, OSError, ValueError) as error:
            return Given(Result.LATER, "4.4.2", "", f"{_host(self._url)} broke off: {error or type(error).__name__}")

    def _opened(self) -> aiohttp.ClientSession:
        if self._session is None:
            import aiohttp

            self._session = aiohttp.ClientSession(
                connector=aiohttp.TCPConnector(
                    resolver=_resolver(self._addresses),
                    ssl=self._context if self._context is not None else True,
                    use_dns_cache=False,
                    limit=self._at_once,
                ),
                cookie_jar=aiohttp.DummyCookieJar(),
                auto_decompress=False,
                trust_env=False,
                timeout=aiohttp.ClientTimeout(total=None),
            )
        return self._session

    def _fields(self, parcel: Parcel, addressees: Sequence[Addressee]) -> dict[str, str]:
        fields = {
            "Content-Type": "message/rfc822",
            "Content-Length": str(parcel.size),
            "User-Agent": "danelaw",
            "Accept-Encoding": "identity",
            "Danelaw-Envelope": _envelope(parcel, addressees),
            "Idempotency-Key": f'"{parcel.id}-{"-".join(str(one.number) for one in addressees)}"',
        }
        if self._token:
            fields["Authorization"] = f"Bearer {self._token}"
        return fields

    def _given(self, status: int, said: str, retry_after: str) -> Given:
        reply = f"HTTP {status} {said}".rstrip()
        host = _host(self._url)
        if 200 <= status < 300:
            return Given(Result.DELIVERED, "2.0.0", reply, f"{host} took it")
        if 400 <= status < 500 and status not in _LATER:
            return Given(Result.REFUSED, _PERMANENT.get(status, "5.0.0"), reply, f"{host} refused it: {reply}")
        wait = seconds_of(retry_after, self._clock()) or 0.0
        moved = ", and redirects are not followed" if 300 <= status < 400 else ""
        return Given(Result.LATER, "4.3.0", reply, f"{host} did not take it{moved}: {reply}", wait)


def portions(parcel: Parcel) -> Iterator[list[Addressee]]:
    """The addressees in portions whose envelope fits into a field; the same ones together at each try."""
    portion: list[Addressee] = []
    room = LONGEST_ENVELOPE - len(_envelope(parcel, ()))
    left = room
    for one in parcel.addressees:
        needed = len(json.dumps(one.address)) + 2
        if portion and needed > left:
            yield portion
            portion, left = [], room
        portion.append(one)
        left -= needed
    if portion:
        yield portion


def _envelope(parcel: Parcel, addressees: Sequence[Addressee]) -> str:
    """ASCII, as a field's value must be."""
    return json.dumps(
        {"id": parcel.id, "from": parcel.reverse_path, "to": [one.address for one in addressees]},
        separators=(",", ":"),
    )


async def _body(parcel: Parcel) -> AsyncIterator[bytes]:
    for chunk in parcel.chunks():
        yield chunk


async def _beginning(response: aiohttp.ClientResponse) -> str:
    """The first line of an answer; no more of it is read than is looked at."""
    octets = b""
    async for chunk in response.content.iter_any():
        octets += chunk
        if len(octets) >= LONGEST_ANSWER:
            response.close()
            break
    line = octets[:LONGEST_ANSWER].decode("utf-8", "replace").strip().partition("\n")[0]
    return "".join(character for character in line if character.isprintable())[:200]


def _host(url: str) -> str:
    return url.partition("://")[2].partition("/")[0].rpartition("@")[2]


def _resolver(addresses_of: AddressesOf) -> AbstractResolver:
    """Our own look-ups in place of the machine's."""
    import socket

    from aiohttp.abc import AbstractResolver, ResolveResult

    from danelaw.errors import DanelawError

    class Own(AbstractResolver):
        async def resolve(
            self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
        ) -> list[ResolveResult]:
            try:
                found = await addresses_of(host)
            except DanelawError as error:
                raise OSError(None, error.reason) from None
            return [
                ResolveResult(
                    hostname=host,
                    host=address,
                    port=port,
                    family=socket.AF_INET6 if ipaddress.ip_address(address).version == 6 else socket.AF_INET,
                    proto=0,
                    flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV,
                )
                for address in found
            ]

        async def close(self) -> None:
            pass

    return Own()

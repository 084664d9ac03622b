"""Fetching OpenPGP keys from a Web Key Directory over HTTPS (draft-koch-openpgp-webkey-service-19 §3.1).

As for MTA-STS policies: only addresses our own resolver gave, a certificate that is valid for the host, no redirect,
proxy, cookie or compression. aiohttp is imported when the first key is fetched.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING

import dns.rdatatype
from dns.rdtypes.IN.A import A
from dns.rdtypes.IN.AAAA import AAAA

from danelaw.address import Domain, Mailbox
from danelaw.dnsdata import Answer, Lookup, Question
from danelaw.keydiscovery import (
    LARGEST_KEY_RING,
    KeyReport,
    WebKeyPlace,
    no_web_key,
    web_key,
    web_key_failed,
    web_key_places,
)
from danelaw.net.dialer import NO_ROUTES, Routes
from danelaw.net.fetch import Asks, verifying_context
from danelaw.pkix import Roots

if TYPE_CHECKING:
    import aiohttp

FETCH_SECONDS = 15.0
"""For everything."""
_MOST_ADDRESSES = 8
_NO_KEY = frozenset({404, 410})


async def fetch_web_key(
    mailbox: Mailbox,
    *,
    resolver: Asks,
    roots: Roots,
    now: float,
    routes: Routes = NO_ROUTES,
    timeout: float = FETCH_SECONDS,
    may_connect: Callable[[str], bool] = lambda address: True,
) -> KeyReport:
    """The keys of an address on the web; `now` in POSIX seconds. Never raises for what DNS or servers do.

    The direct method is tried only where the sub-domain of the advanced one does not exist. `may_connect` says of an
    IP address whether it may be connected to; `routes` redirects (address, port) pairs as in `dial`.
    """
    places = web_key_places(mailbox)
    for place in places:
        answers = await resolver.run(_addresses(place.host))
        failed = next((answer for answer in answers if answer.failed), None)
        addresses = [one.address for answer in answers for one in answer.records if isinstance(one, A | AAAA)]
        if not addresses:
            if failed is not None:
                return web_key_failed(place, f"{place.host} cannot be looked up: {_why(failed)}", now)
            continue
        allowed = tuple(address for address in addresses if may_connect(address))[:_MOST_ADDRESSES]
        if not allowed:
            return web_key_failed(place, f"{place.host} is at {addresses[0]}, which is not connected to", now)
        try:
            async with asyncio.timeout(timeout):
                return await _fetch(place, allowed, mailbox, roots, routes, now)
        except TimeoutError:
            return web_key_failed(place, f"{place.host} did not answer within {timeout:g} s", now)
    return no_web_key(places[-1] if places else None, f"{mailbox.domain} has no web server", now)


def _addresses(host: Domain) -> Lookup[tuple[Answer, ...]]:
    name = host.to_dns()
    return (yield (Question(name, dns.rdatatype.AAAA), Question(name, dns.rdatatype.A)))


def _why(answer: Answer) -> str:
    return answer.reason or answer.status.value


async def _fetch(
    place: WebKeyPlace, addresses: tuple[str, ...], mailbox: Mailbox, roots: Roots, routes: Routes, now: float
) -> KeyReport:
    import aiohttp
    from yarl import URL

    from danelaw.net.exchange import one_exchange

    opened = one_exchange(addresses, routes, verifying_context(roots), {"Accept": "application/octet-stream"})
    try:
        async with opened as session, session.get(URL(place.url, encoded=True), allow_redirects=False) as response:
            return await _answered(place, response, mailbox, now)
    except aiohttp.ClientConnectorCertificateError as error:
        return web_key_failed(place, f"the certificate of {place.host} is not valid: {error.certificate_error}", now)
    except aiohttp.ClientConnectorError as error:
        if isinstance(error.os_error, ssl.SSLCertVerificationError):
            words = error.os_error.verify_message
            return web_key_failed(place, f"the certificate of {place.host} is not valid: {words}", now)
        return web_key_failed(place, f"no connection to {place.host}: {error.os_error.strerror or error}", now)
    except (aiohttp.ClientError, OSError, ValueError) as error:
        return web_key_failed(place, f"{place.host} broke the HTTP exchange: {type(error).__name__}", now)


async def _answered(place: WebKeyPlace, response: aiohttp.ClientResponse, mailbox: Mailbox, now: float) -> KeyReport:
    if response.status in _NO_KEY:
        return no_web_key(place, f"the web key directory of {mailbox.domain} has no key of this address", now)
    if response.status != 200:
        moved = ", and redirects are not followed" if 300 <= response.status < 400 else ""
        return web_key_failed(place, f"{place.host} answers with HTTP status {response.status}{moved}", now)
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        return web_key_failed(place, f"{place.host} compresses the key, which was not asked for", now)
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > LARGEST_KEY_RING:
            return web_key_failed(place, f"{place.host} gives more than {LARGEST_KEY_RING} octets", now)
    return web_key(place, bytes(body), mailbox, now)

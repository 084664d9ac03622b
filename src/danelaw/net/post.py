"""Posting a document over HTTPS to an address that strangers named (RFC 8460 §5.4).

The request goes only to addresses our own resolver gave, and to none within our own networks; with no redirect, proxy,
cookie or compression. aiohttp is imported when the first document is.
"""

from __future__ import annotations

import asyncio
import ipaddress
import ssl
from dataclasses import dataclass
from functools import lru_cache

from danelaw.address import Domain
from danelaw.errors import DanelawError
from danelaw.net.dialer import NO_ROUTES, Routes
from danelaw.net.fetch import Asks, addresses_of, verifying_context, words_of
from danelaw.pkix import Roots

POST_TIMEOUT = 60.0
"""Seconds for everything."""
_MOST_ANSWER = 65_536


class PostError(DanelawError):
    """The document was not taken, or it is not known that it was."""


@dataclass(frozen=True, slots=True)
class Posted:
    """The document was taken with this HTTP `status`; `doubt` says what is wrong with the host's certificate."""

    status: int
    doubt: str = ""


async def post(
    url: str,
    host: Domain,
    port: int,
    body: bytes,
    media_type: str,
    *,
    resolver: Asks,
    roots: Roots,
    routes: Routes = NO_ROUTES,
    timeout: float = POST_TIMEOUT,
) -> Posted:
    """Post a document to `url`, whose host and port are given beside it. Raises `PostError`.

    Any status of the class 2xx means that it was taken (RFC 8460 §5.4). A certificate that does not verify stops
    nothing: §3 allows that, and §7 gives the reason, a host that is set up wrongly is what reports are about.
    """
    try:
        async with asyncio.timeout(timeout):
            addresses = _outside(host, await addresses_of(host, resolver), port, routes)
            try:
                return Posted(await _post(url, host, addresses, body, media_type, verifying_context(roots), routes))
            except _Untrusted as error:
                status = await _post(url, host, addresses, body, media_type, _unverified(), routes)
                return Posted(status, error.reason)
    except TimeoutError:
        raise PostError(f"{host} did not answer within {timeout:g} s") from None
    except PostError:
        raise
    except DanelawError as error:
        raise PostError(error.reason) from None


class _Untrusted(DanelawError):
    """The certificate does not verify; nothing was sent."""


def _outside(host: Domain, addresses: tuple[str, ...], port: int, routes: Routes) -> tuple[str, ...]:
    """Those of the addresses that lie in the public network: whoever writes a DNS record must not reach ours."""
    found = tuple(one for one in addresses if (one, port) in routes or ipaddress.ip_address(one).is_global)
    if not found:
        raise PostError(f"{host} has no address in the public network")
    return found


async def _post(
    url: str, host: Domain, addresses: tuple[str, ...], body: bytes, media_type: str, context: ssl.SSLContext,
    routes: Routes,
) -> int:  # fmt: skip
    import aiohttp

    from danelaw.net.exchange import one_exchange

    try:
        async with (
            one_exchange(addresses, routes, context, {"Content-Type": media_type}) as session,
            session.post(url, data=body, allow_redirects=False) as response,
        ):
            await response.content.read(_MOST_ANSWER)
            if not 200 <= response.status < 300:
                moved = ", and redirects are not followed" if 300 <= response.status < 400 else ""
                raise PostError(f"{host} answers with HTTP status {response.status}{moved}")
            return response.status
    except aiohttp.ClientConnectorCertificateError as error:
        raise _Untrusted(f"its certificate is not valid: {words_of(error.certificate_error)}") from None
    except aiohttp.ClientConnectorError as error:
        if isinstance(error.os_error, ssl.SSLCertVerificationError):
            raise _Untrusted(f"its certificate is not valid: {error.os_error.verify_message}") from None
        raise PostError(f"no connection to {host}: {words_of(error.os_error)}") from None
    except (aiohttp.ClientError, OSError) as error:
        raise PostError(f"{host} broke the HTTP exchange: {words_of(error)}") from None


@lru_cache(maxsize=1)
def _unverified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context

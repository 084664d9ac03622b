"""Fetching MTA-STS policies over HTTPS (RFC 8461 §3.3).

The request goes only to addresses our own resolver gave, with no redirect, proxy, cache, cookie or compression;
the certificate must be PKIX-valid for the policy host by DNS-ID. aiohttp is imported when the first policy is.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol, TypeVar

import dns.rdatatype
from dns.rdtypes.IN.A import A
from dns.rdtypes.IN.AAAA import AAAA

from danelaw.address import Domain
from danelaw.dnsdata import Answer, Lookup, Question
from danelaw.errors import DanelawError
from danelaw.mtasts import MAX_POLICY_SIZE, policy_host, policy_url
from danelaw.net.dialer import NO_ROUTES, Routes
from danelaw.pkix import Roots

if TYPE_CHECKING:
    import aiohttp

FETCH_TIMEOUT = 60.0
"""Seconds for everything (RFC 8461 §3.3 suggests one minute)."""
FETCH_ERROR = "sts-policy-fetch-error"
WEBPKI_INVALID = "sts-webpki-invalid"
_MAX_ADDRESSES = 8

T = TypeVar("T")


class Asks(Protocol):
    """What is needed of `danelaw.resolver.Resolver`."""

    async def run(self, lookup: Lookup[T]) -> T:
        """Drive a look-up."""
        ...


class PolicyFetchError(DanelawError):
    """No policy could be fetched; `tlsrpt` is the result type (RFC 8460 §4.3.2.2)."""

    def __init__(self, reason: str, tlsrpt: str = FETCH_ERROR) -> None:
        super().__init__(reason)
        self.tlsrpt = tlsrpt


async def fetch_policy(
    domain: Domain,
    *,
    resolver: Asks,
    roots: Roots,
    routes: Routes = NO_ROUTES,
    timeout: float = FETCH_TIMEOUT,
    may_connect: Callable[[str], bool] = lambda address: True,
) -> bytes:
    """Fetch the policy document of a policy domain; `timeout` in seconds covers everything.

    Returns the body, at most `MAX_POLICY_SIZE` octets, for `danelaw.mtasts.after_fetch`. `routes` redirects
    (address, port) pairs as in `dial`; `may_connect` says of an IP address whether it may be connected to. Raises
    `PolicyFetchError`.
    """
    try:
        host = policy_host(domain)
        async with asyncio.timeout(timeout):
            found = await addresses_of(host, resolver)
            addresses = tuple(filter(may_connect, found))
            if not addresses:
                raise PolicyFetchError(f"{host} is at {found[0]}, which is not connected to")
            return await _fetch(domain, host, addresses, roots, routes)
    except TimeoutError:
        raise PolicyFetchError(f"{policy_url(domain)} did not answer within {timeout:g} s") from None
    except ValueError as error:  # a domain so long that the name of its policy host is none
        raise PolicyFetchError(f"no policy host for {domain}: {error}") from None


def _lookup_addresses(host: Domain) -> Lookup[tuple[Answer, ...]]:
    name = host.to_dns()
    return (yield (Question(name, dns.rdatatype.AAAA), Question(name, dns.rdatatype.A)))


async def addresses_of(host: Domain, resolver: Asks) -> tuple[str, ...]:
    """Some addresses of a host. Raises `PolicyFetchError` in words."""
    answers = await resolver.run(_lookup_addresses(host))
    found = [rdata.address for answer in answers for rdata in answer.records if isinstance(rdata, A | AAAA)]
    if found:
        return tuple(found[:_MAX_ADDRESSES])
    failed = next((answer for answer in answers if answer.failed), None)
    if failed is not None:
        raise PolicyFetchError(f"{host} cannot be looked up: {failed.reason or failed.status.value}")
    raise PolicyFetchError(f"{host} has no address")


async def _fetch(domain: Domain, host: Domain, addresses: tuple[str, ...], roots: Roots, routes: Routes) -> bytes:
    import aiohttp

    from danelaw.net.exchange import one_exchange

    # A connection per fetch: policies are fetched once a day per domain, so keeping connections gains nothing.
    opened = one_exchange(addresses, routes, verifying_context(roots), {"Accept": "text/plain"})
    try:
        async with opened as session, session.get(policy_url(domain), allow_redirects=False) as response:
            _check_head(response)
            return await _body(response)
    except aiohttp.ClientConnectorCertificateError as error:
        raise _untrusted(host, error.certificate_error) from None
    except aiohttp.ClientConnectorError as error:
        if isinstance(error.os_error, ssl.SSLCertVerificationError):
            raise _untrusted(host, error.os_error) from None
        raise PolicyFetchError(f"no connection to {host}: {words_of(error.os_error)}") from None
    except (aiohttp.ClientError, OSError) as error:
        raise PolicyFetchError(f"{host} broke the HTTP exchange: {words_of(error)}") from None


def _check_head(response: aiohttp.ClientResponse) -> None:
    """Status 200 and text/plain, nothing compressed (RFC 8461 §3.2, §3.3). Raises `PolicyFetchError`."""
    if response.status != 200:
        moved = ", and redirects must not be followed" if 300 <= response.status < 400 else ""
        raise PolicyFetchError(f"{response.url} answers with HTTP status {response.status}{moved}")
    if response.content_type.lower() != "text/plain" or "Content-Type" not in response.headers:
        raise PolicyFetchError(f"{response.url} has the media type {response.content_type[:60]!r}, not text/plain")
    encoding = response.headers.get("Content-Encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        raise PolicyFetchError(f"{response.url} is compressed ({encoding[:20]!r}), which was not asked for")


async def _body(response: aiohttp.ClientResponse) -> bytes:
    """At most `MAX_POLICY_SIZE` octets. Raises `PolicyFetchError` when there are more."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > MAX_POLICY_SIZE:
            raise PolicyFetchError(f"{response.url} is larger than {MAX_POLICY_SIZE} octets")
    return bytes(body)


def verifying_context(roots: Roots) -> ssl.SSLContext:
    """A context that lets a handshake succeed only with a certificate valid for the host name by these roots.

    DNS-IDs only (RFC 8461 §3.3), TLS 1.2 or later. Remembered for the last roots, since it takes milliseconds.
    """
    if _context_of and _context_of[0][0] is roots:
        return _context_of[0][1]
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.hostname_checks_common_name = False
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(cadata=b"".join(roots.certificates))
    _context_of[:] = [(roots, context)]
    return context


_context_of: list[tuple[Roots, ssl.SSLContext]] = []


def _untrusted(host: Domain, error: Exception) -> PolicyFetchError:
    message = str(getattr(error, "verify_message", "") or error)
    return PolicyFetchError(f"the certificate of {host} is not valid: {message}", WEBPKI_INVALID)


def words_of(error: Exception) -> str:
    """A failure of the network or of TLS in words."""
    reason = getattr(error, "reason", None) if isinstance(error, ssl.SSLError) else getattr(error, "strerror", None)
    return str(reason or error or type(error).__name__)

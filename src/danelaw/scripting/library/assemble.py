"""The parts of the library, made from the gateway's."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from danelaw.net.fetch import verifying_context
from danelaw.pkix import Roots
from danelaw.policy import Library
from danelaw.scripting.library.absent import Absent
from danelaw.scripting.library.dns import ResolverDNS
from danelaw.scripting.library.http import HTTPClient
from danelaw.scripting.library.records import GatewayLog, GatewayMeasures, SecretFiles
from danelaw.scripting.library.state import SharedState

if TYPE_CHECKING:
    from danelaw.config import Config
    from danelaw.outbound.destination import Surveyor
    from danelaw.outbound.opening import Door
    from danelaw.resolver import Resolver
    from danelaw.shared import SharedStore
    from danelaw.telemetry import Log, Metrics


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What of a gateway its library works with."""

    config: Config
    resolver: Resolver
    log: Log
    metrics: Metrics
    surveyor: Surveyor
    door: Door
    roots: Roots
    clock: Callable[[], float]
    shared: SharedStore


@dataclass(frozen=True, slots=True)
class OpenLibrary:
    """A library whose connections are to be closed with the gateway."""

    library: Library
    closings: tuple[Callable[[], Awaitable[None]], ...]

    async def close(self) -> None:
        """Close connections, threads and files; calls under way fail."""
        await asyncio.gather(*(closing() for closing in self.closings), return_exceptions=True)


def open_library(means: Means) -> OpenLibrary:
    """What `[policy]` lets scripts use; nothing is connected yet. Raises `DanelawError` for what cannot be made."""
    policy = means.config.policy
    absent: Any = Absent
    http = HTTPClient(policy.http, means.resolver, lambda: _trust(means), means.config.lab.dial)
    library = Library(
        dns=ResolverDNS(means.resolver),
        http=http,
        callahead=absent("call-ahead"),
        ldap=absent("a directory"),
        sql=absent("a database"),
        tls=absent("looking at TLS"),
        certificates=absent("looking at certificates"),
        files=absent("looking at files"),
        secrets=SecretFiles(policy.secrets),
        measures=GatewayMeasures(means.metrics),
        log=GatewayLog(means.log),
        state=SharedState(means.shared),
    )
    return OpenLibrary(library, (http.close,))


def _trust(means: Means) -> ssl.SSLContext:
    """Whom HTTPS trusts: the gateway's roots, and those of `[policy.http] ca_file`. Raises `RootsError`."""
    more = means.config.policy.http.ca_file
    if more is None:
        return verifying_context(means.roots)
    ours = Roots.from_file(more)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    context.load_verify_locations(cadata=b"".join((*means.roots.certificates, *ours.certificates)))
    return context

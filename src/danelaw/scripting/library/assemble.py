"""The parts of the library, made from the gateway's."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from danelaw.inbound.relay import RelayPolicy
from danelaw.net.fetch import verifying_context
from danelaw.outbound.callahead import CallAhead
from danelaw.pkix import Roots
from danelaw.policy import Library
from danelaw.scripting.library.callahead import CACHE, GatewayCallAhead, is_refused
from danelaw.scripting.library.certificates import CertificateReader
from danelaw.scripting.library.dns import ResolverDNS
from danelaw.scripting.library.files import FileExaminer
from danelaw.scripting.library.http import HTTPClient
from danelaw.scripting.library.ldap import Directories
from danelaw.scripting.library.reach import Reach
from danelaw.scripting.library.records import GatewayLog, GatewayMeasures, SecretFiles
from danelaw.scripting.library.sql import Databases
from danelaw.scripting.library.state import SharedState
from danelaw.scripting.library.tls import MailHostProbe

if TYPE_CHECKING:
    from danelaw.caches import Caches
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
    caches: Caches


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
    reach = Reach(policy.http.hosts, policy.http.forbidden_networks, means.resolver, means.config.lab.dial)
    http = HTTPClient(reach, lambda: _trust(means), policy.http.connections_per_host)
    files = FileExaminer()
    directories, databases = Directories(policy.ldap), Databases(policy.database)
    library = Library(
        dns=ResolverDNS(means.resolver),
        http=http,
        callahead=_call_ahead(means),
        ldap=directories,
        sql=databases,
        tls=MailHostProbe(means.surveyor, means.door, means.roots, means.clock),
        certificates=CertificateReader(reach),
        files=files,
        secrets=SecretFiles(policy.secrets),
        measures=GatewayMeasures(means.metrics),
        log=GatewayLog(means.log),
        state=SharedState(means.shared),
    )
    return OpenLibrary(library, (http.close, directories.close, databases.close, files.close))


def _call_ahead(means: Means) -> GatewayCallAhead:
    settings = means.config.call_ahead
    answers = means.caches.cache(
        CACHE,
        ttl=settings.remember_known.total_seconds(),
        negative_ttl=settings.remember_unknown.total_seconds(),
        negative=is_refused,
    )
    asking = CallAhead(means.surveyor, means.door, means.roots, means.clock)
    return GatewayCallAhead(asking, RelayPolicy(means.config).next_hop, settings, answers)


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

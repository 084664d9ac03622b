"""With what `danelaw check` and `danelaw survey` examine: how connections are opened, how policies are fetched."""

from __future__ import annotations

from typing import TYPE_CHECKING

from danelaw.errors import DanelawError

if TYPE_CHECKING:
    from danelaw.address import Domain
    from danelaw.cli.check_options import Routes
    from danelaw.config import Config
    from danelaw.outbound.opening import Door
    from danelaw.pkix import Roots
    from danelaw.resolver import Resolver
    from danelaw.state import FetchPolicy, StateDatabase, STSStore

# A person waits for the answer, so a silent server gets less time than in a delivery.
_REPLY_SECONDS = 20.0


def sts_store(
    config: Config | None, database: StateDatabase, resolver: Resolver, roots: Roots | None, routes: Routes
) -> STSStore:
    """MTA-STS with what `database` remembers; without public CAs no policy can be vouched for."""
    from functools import partial

    from danelaw.net.fetch import fetch_policy
    from danelaw.state import STSStore

    fetch: FetchPolicy = _without_roots
    if roots is not None:
        fetch = partial(fetch_policy, resolver=resolver, roots=roots, routes=routes, timeout=_REPLY_SECONDS)
    wait = config is not None and config.mta_sts.on_txt_error == "wait"
    return STSStore(database, resolver, fetch, wait_on_txt_error=wait)


async def _without_roots(domain: Domain) -> bytes:
    """A policy nobody can vouch for is no policy; the page says why."""
    raise DanelawError(
        f"no public CA could vouch for the policy of {domain}: this machine has no bundle of root certificates",
        advice="install ca-certificates, or give --roots CA.pem",
    )


def door(config: Config | None, routes: Routes, connect_seconds: float) -> Door:
    """How a delivery of this gateway would connect, with less patience; `connect_seconds` for the connection."""
    import socket

    from danelaw.gateway.settings import local_addresses
    from danelaw.net import tls
    from danelaw.outbound.connection import Sweep
    from danelaw.outbound.local_addresses import LocalAddresses
    from danelaw.outbound.opening import Door
    from danelaw.outbound.transmission import Patience

    patience = Patience(
        connect=connect_seconds,
        handshake=_REPLY_SECONDS,
        greeting=_REPLY_SECONDS,
        command=_REPLY_SECONDS,
    )
    return Door(
        opportunistic=tls.client_context(minimum=config.tls.minimum_version if config is not None else "1.2"),
        verified=tls.client_context(minimum="1.2"),
        patience=patience,
        sweep=Sweep(),
        addresses=local_addresses(config) if config is not None else LocalAddresses(_host_name(socket.gethostname())),
        routes=routes,
    )


def _host_name(name: str) -> str:
    """What to say in EHLO: this machine's name where it is one."""
    from danelaw.address import Domain, DomainError

    try:
        return Domain.from_text(name).ascii
    except DomainError:
        return "localhost"

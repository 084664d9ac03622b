"""`danelaw check`: how a domain's mail would be protected now. Sends nothing."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import click

from danelaw.cli import check_options
from danelaw.cli.check_options import Routes
from danelaw.cli.network import network, network_options
from danelaw.cli.options import config_option, output, output_options

if TYPE_CHECKING:
    from danelaw.config import Config
    from danelaw.outbound.checkup import Checkup
    from danelaw.outbound.destination import Survey
    from danelaw.outbound.opening import Door
    from danelaw.pkix import Roots
    from danelaw.resolver import Resolver, ResolverSettings
    from danelaw.routing import NextHop
    from danelaw.state import StateDatabase, STSStore, TrustRoll
    from danelaw.tlspolicy import Override

DEMANDS = ("encrypted", "verified", "dane", "requiretls", "requiretls+dane", "tls-required-no")
"""As `tlspolicy.SenderDemand.word` spells them."""
# A person waits for the answer, so a silent server gets less time than in a delivery.
_CONNECT_SECONDS = 10.0


@click.command()
@click.argument("domain")
@network_options
@click.option("--port", type=click.IntRange(1, 65535), help="SMTP port, also of the TLSA question.  [default: 25]")
@click.option(
    "--roots",
    "roots_file",
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
    metavar="CA.pem",
    help="Public CAs to trust, instead of this machine's.",
)
@click.option(
    "--demand",
    type=click.Choice(DEMANDS),
    help="What the sender of the mail, or a policy script, demands.",
)
@click.option("--no-sts", is_flag=True, help="Leave MTA-STS aside.")
@click.option("--route", "routes", multiple=True, metavar="A:P=A:P", help="Connect elsewhere, for a lab; repeatable.")
@click.option("--timeout", type=click.FloatRange(0.1, 300), default=_CONNECT_SECONDS, help="Seconds to connect.")
@config_option
@output_options
def command(
    domain: str,
    servers: tuple[str, ...],
    anchor_file: Path | None,
    at: str | None,
    port: int | None,
    roots_file: Path | None,
    demand: str | None,
    no_sts: bool,
    routes: tuple[str, ...],
    timeout: float,
    config_file: Path | None,
    as_json: bool,
    ascii_only: bool,
) -> int:
    """Say how mail for DOMAIN would be protected. Sends nothing.

    DOMAIN may also be "[host]" or "[address]". Looks up MX, addresses, TLSA and MTA-STS, connects to every server as
    far as the end of the TLS handshake, and judges as a delivery would. Needs no configuration; one is used
    when --config names it or, without --server, when it is found in its usual place.

    The JSON form is described in docs/schemas/check.md.

    Exit status: 0 verified on all servers, 10 verified on some, 20 encrypted only, 30 clear text, 40 mail waits,
    50 no mail here, 60 cannot tell.
    """
    config = check_options.configuration(config_file, usual_place=not servers)
    asked = network(servers, anchor_file, at)
    wanted = Wanted(
        next_hop=check_options.next_hop(domain, port, config),
        resolver=check_options.resolver_settings(asked, servers, anchor_file, config),
        roots=check_options.roots(roots_file, config),
        clock=asked.clock,
        routes=check_options.routes(routes, config),
        sts=not no_sts and (config is None or config.mta_sts.enabled),
        config=config,
        connect_seconds=timeout,
        demand=demand or "",
    )
    started = time.monotonic()
    checkup = asyncio.run(examine(domain, wanted))
    out = output(ascii_only)
    if as_json:
        out.json(checkup.to_json())
    else:
        from danelaw.cli.check_page import show

        show(out, checkup, wanted.clock(), time.monotonic() - started)
    return checkup.exit_status


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to examine and with which means; `clock` gives the POSIX seconds of judgement."""

    next_hop: NextHop
    resolver: ResolverSettings
    roots: Roots | None
    clock: Callable[[], float]
    routes: Routes = field(default_factory=dict)
    sts: bool = True
    config: Config | None = None
    connect_seconds: float = _CONNECT_SECONDS
    demand: str = ""


@dataclass(frozen=True, slots=True)
class Means:
    """What surveys are made with: everything a gateway would have, where there is one."""

    resolver: Resolver
    overrides: tuple[Override, ...]
    sts: STSStore | None
    trust: TrustRoll
    door: Door

    async def survey(self, wanted: Wanted, next_hop: NextHop, *, sts_always: bool = False) -> Survey:
        """Survey a destination as a delivery would."""
        from danelaw.outbound.destination import survey
        from danelaw.tlspolicy import SenderDemand

        return await survey(
            next_hop,
            self.resolver,
            self.sts,
            self.overrides,
            SenderDemand.from_word(wanted.demand),
            now=wanted.clock(),
            sts_always=sts_always,
            groups=self.trust,
        )


@contextlib.asynccontextmanager
async def means(wanted: Wanted) -> AsyncIterator[Means]:
    """Open them, and close them again."""
    from danelaw.cli.check_means import door, sts_store
    from danelaw.config.trusting import trust_groups
    from danelaw.resolver import Resolver
    from danelaw.state import TrustRoll

    groups = trust_groups(wanted.config.trust_group) if wanted.config is not None else ()
    resolver = Resolver(wanted.resolver, clock=wanted.clock)
    database, overrides = _state(wanted)
    store = sts_store(wanted.config, database, resolver, wanted.roots, wanted.routes) if wanted.sts else None
    try:
        opening = door(wanted.config, wanted.routes, wanted.connect_seconds)
        yield Means(resolver, overrides, store, TrustRoll(groups, resolver), opening)
    finally:
        if store is not None:
            await store.close()
        database.close()
        await resolver.close()


async def examine(domain: str, wanted: Wanted) -> Checkup:
    """Survey a destination and probe its hosts. Never raises for what DNS, HTTPS or servers do."""
    from danelaw.cli.check_network import blocked
    from danelaw.config import Doctor
    from danelaw.outbound.checkup import Checkup
    from danelaw.outbound.nameservers import examine_name_servers
    from danelaw.outbound.probe import probe
    from danelaw.routing import SMTP_PORT

    async with means(wanted) as using:
        found = await using.survey(wanted, wanted.next_hop, sts_always=using.sts is not None)
        probes, name_servers = await asyncio.gather(
            probe(found, using.door, wanted.roots, wanted.clock),
            examine_name_servers(found, using.resolver, wanted.routes),
        )
        ours = None
        if wanted.next_hop.port == SMTP_PORT:
            doctor = wanted.config.doctor if wanted.config is not None else Doctor()
            ours = await blocked(probes, doctor.port25_hosts, using.resolver, wanted.routes)
        return Checkup(domain, found, probes, ours, name_servers)


def _state(wanted: Wanted) -> tuple[StateDatabase, tuple[Override, ...]]:
    """The gateway's memory when it can be read, so that remembered policies and overrides count; else an empty one."""
    from danelaw.state import FILE_NAME, OverrideStore, StateDatabase, StateError, configured_overrides

    if wanted.config is None:
        return StateDatabase(":memory:"), ()
    path = wanted.config.spool.directory / FILE_NAME
    try:
        database = StateDatabase(path, read_only=True)
    except StateError:
        database = StateDatabase(":memory:")
    return database, OverrideStore(database, configured_overrides(wanted.config.override)).all(wanted.clock())

"""The parts of a gateway, made from the configuration in the order they need each other."""

from __future__ import annotations

import asyncio
import functools
import os
import resource
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from danelaw.config.reporting import signing_key
from danelaw.config.trusting import trust_groups
from danelaw.gateway import settings
from danelaw.gateway.carrying import carriers_of
from danelaw.gateway.numbers import commit_observer, counted_fetch
from danelaw.gateway.policy_parts import connect, library_of, scripts_of
from danelaw.gateway.reporting import Reporting
from danelaw.gateway.shards import Shards, Workshop
from danelaw.gateway.shared_here import SharedHere
from danelaw.gateway.slots import DirectSlots, most
from danelaw.gateway.steps import steps_of
from danelaw.gateway.submitting import asking_of, first_steps, logins_of
from danelaw.gateway.tls_counting import TLSCounting
from danelaw.inbound.demanding import Asking
from danelaw.inbound.intake import Intake
from danelaw.inbound.ledger import Ledger
from danelaw.inbound.relay import RelayPolicy
from danelaw.inbound.steps import Steps
from danelaw.net import tls
from danelaw.net.certificates import ClientCertificates, ServerCertificates
from danelaw.outbound.connection import Sweep
from danelaw.outbound.destination import Surveyor
from danelaw.outbound.opening import Door
from danelaw.pkix import Roots
from danelaw.resolver import Resolver
from danelaw.shared import SharedStore
from danelaw.spool import database
from danelaw.spool.shards import lock_spool
from danelaw.state import (
    FILE_NAME,
    DigestStore,
    HoldRuleStore,
    OverrideStore,
    StateDatabase,
    TrustRoll,
    configured_overrides,
)

if TYPE_CHECKING:
    from pathlib import Path

    from danelaw.config import Config
    from danelaw.gateway.place import Place
    from danelaw.inbound.ceilings import Ceilings
    from danelaw.inbound.login import Logins
    from danelaw.inbound.steps import Steps
    from danelaw.outbound.engine import Engine
    from danelaw.scripting import Scripts
    from danelaw.scripting.library import OpenLibrary
    from danelaw.spool import Spool
    from danelaw.state import STSStore
    from danelaw.telemetry import Log, Metrics


@dataclass(slots=True)
class Parts:
    """Everything that runs, for `Gateway` to start, show and stop. `lock` holds the spool where no supervisor does.

    `steps` are arrival's, asked again when held mail is released; `shared_here` is the store of shared state where no
    supervisor has it.
    """

    shards: Shards
    state: StateDatabase
    resolver: Resolver
    sts: STSStore | None
    overrides: OverrideStore
    surveyor: Surveyor
    certificates: ServerCertificates | None
    door: Door
    workshop: Workshop
    intake: Intake
    hold_rules: HoldRuleStore
    digests: DigestStore | None
    steps: Steps
    trust: TrustRoll
    reporting: Reporting | None = None
    counting: TLSCounting | None = None
    lock: int = -1
    scripts: Scripts | None = None
    library: OpenLibrary | None = None
    shared_here: SharedHere | None = None

    @property
    def spool(self) -> Spool:
        """Where new mail goes."""
        return self.shards.home.spool

    @property
    def engine(self) -> Engine:
        """What delivers new mail."""
        return self.shards.home.engine


def assemble(
    config: Config, log: Log, metrics: Metrics, place: Place | None = None, clock: Callable[[], float] = time.time
) -> Parts:
    """Make all parts; nothing listens or delivers yet. Raises `DanelawError` for whatever cannot be made.

    To be called on the running event loop. `clock` gives POSIX seconds to all of them. Without a `place` among workers
    the gateway has the spool for itself and works on every shard in it.
    """
    # What can be wrong with the configuration comes before the spool is locked.
    certificates = ServerCertificates(config.certificate) if config.certificate else None
    resolver = Resolver(settings.resolver_settings(config), clock=clock)
    trust = TrustRoll(trust_groups(config.trust_group), resolver)
    roots = Roots.from_file(config.tls.roots_file) if config.tls.roots_file else Roots.system()
    door = _door(config, clock)
    reporting, counting = _reports(config, log, metrics)
    ceilings = settings.ceilings(config, Ledger.private(os.urandom(16)) if place is None else place.ledger())
    logins = logins_of(config, ceilings, log, metrics)
    directory = config.spool.directory
    lock = lock_spool(directory) if place is None else -1
    scripts: Scripts | None = None
    try:
        shared_here = SharedHere(directory, config.server.shared_state, log, clock) if place is None else None
        state = StateDatabase(directory / FILE_NAME)
        sts = _sts_store(config, state, resolver, roots, log, metrics)
        overrides = OverrideStore(state, configured_overrides(config.override))
        hold_rules = HoldRuleStore(StateDatabase(directory / FILE_NAME))
        digests = _digests(config)
        conduct = settings.conduct(config)
        workshop = Workshop(
            config=config,
            surveyor=Surveyor(resolver, sts, overrides, trust),
            door=door,
            roots=roots,
            relay=RelayPolicy(config),
            schedule=settings.retry_schedule(config),
            conduct=conduct,
            permits=(place and place.permits) or settings.direct_permits(conduct, clock),
            slots=(place and place.slots) or DirectSlots(most(config), time.monotonic),
            log=log,
            metrics=metrics,
            shared=_shared(place, shared_here),
            place=place,
            carriers=carriers_of(config, resolver, roots, clock),
            clock=clock,
            observe=commit_observer(metrics),
            sessions=counting,
        )
        scripts = scripts_of(workshop, library := library_of(workshop, resolver, roots), resolver)
        first = first_steps(config, logins, ceilings, asking := asking_of(config, metrics))
        steps = steps_of(workshop, resolver, hold_rules, scripts, reporting, first, trust=trust)
        connect(scripts, steps, workshop)
        shards = _shards(workshop, directory, place)
    except BaseException:
        _give_back(lock, scripts)
        raise
    intake = _intake(workshop, shards, certificates, place, steps, ceilings, logins, asking)
    return Parts(
        shards, state, resolver, sts, overrides, workshop.surveyor, certificates, door, workshop, intake, hold_rules,
        digests, steps, trust, reporting, counting, lock, scripts, library, shared_here,
    )  # fmt: skip


def _give_back(lock: int, scripts: Scripts | None) -> None:
    if scripts is not None:
        scripts.release()
    if lock >= 0:
        os.close(lock)


def _reports(config: Config, log: Log, metrics: Metrics) -> tuple[Reporting | None, TLSCounting | None]:
    """What counts for DMARC reports, and for TLS reports. Raises `DanelawError` for a key that cannot be used."""
    section = config.reports
    if not section.signs:
        return None, None
    key = signing_key(section)
    return (
        Reporting(config, log, metrics, key) if section.sends else None,
        TLSCounting(config, log, metrics, key) if section.tls_send else None,
    )


def _shared(place: Place | None, here: SharedHere | None) -> SharedStore:
    if here is not None:
        return here.shared
    assert place is not None
    assert place.shared is not None
    return SharedStore(place.shared)


def _digests(config: Config) -> DigestStore | None:
    section = config.quarantine.digest
    return digest_store(config) if section.domains or section.owners else None


def digest_store(config: Config) -> DigestStore:
    """Keys of digests' links and who was told what, through a connection of its own."""
    links_last = config.quarantine.digest.links_last.total_seconds()
    return DigestStore(StateDatabase(config.spool.directory / FILE_NAME), links_last, secrets.token_bytes)


def _shards(workshop: Workshop, directory: Path, place: Place | None) -> Shards:
    if place is not None:
        return Shards(workshop, place.home, place.hold)
    home, *others = database.shards(directory) or (0,)
    found = Shards(workshop, home)
    try:
        for number in others:
            found.take(number)
    except BaseException:
        found.close_now()
        raise
    return found


def _intake(
    workshop: Workshop, shards: Shards, certificates: ServerCertificates | None, place: Place | None, steps: Steps,
    ceilings: Ceilings, logins: Logins | None, asking: Asking,
) -> Intake:  # fmt: skip
    engine = shards.home.engine
    admitted = settings.within_descriptors(workshop.config, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    if admitted is not workshop.config:
        workshop.log.warning(
            "connections",
            reason=f"open files allow only {admitted.limits.connections} clients at once",
            advice="raise LimitNOFILE in the service unit, or lower [limits] connections",
        )
    intake = Intake(
        admitted,
        relay=workshop.relay,
        spool=shards.home.spool,
        schedule=workshop.schedule,
        log=workshop.log,
        metrics=workshop.metrics,
        certificates=certificates,
        ceilings=ceilings,
        admit=engine.scheduler.admit,
        abandoned=engine.scheduler.abandoned,
        arrived=engine.arrived,
        steps=steps,
        logins=logins,
        asking=asking,
        terms=settings.retention(workshop.config),
        clock=workshop.clock,
        open_listener=None if place is None else place.open_listener,
    )
    if place is not None:
        intake.crowd = place.crowd
    return intake


def _sts_store(
    config: Config, state: StateDatabase, resolver: Resolver, roots: Roots, log: Log, metrics: Metrics
) -> STSStore | None:
    if not config.mta_sts.enabled:
        return None
    from danelaw.net import fetch
    from danelaw.state import STSStore

    fetcher = functools.partial(
        fetch.fetch_policy,
        resolver=resolver,
        roots=roots,
        routes=config.lab.dial,
        timeout=config.mta_sts.fetch_timeout.total_seconds(),
    )
    return STSStore(
        state,
        resolver,
        counted_fetch(fetcher, metrics),
        wait_on_txt_error=config.mta_sts.on_txt_error == "wait",
        on_trouble=lambda domain, words: log.warning("mta-sts", domain=str(domain), reason=words),
    )


def _door(config: Config, clock: Callable[[], float]) -> Door:
    return Door(
        addresses=settings.local_addresses(config, clock),
        opportunistic=tls.client_context(minimum=config.tls.minimum_version),
        verified=tls.client_context(minimum="1.2"),
        patience=settings.patience(config),
        sweep=Sweep(),
        routes=config.lab.dial,
        certificates=ClientCertificates(
            {one.name: one for one in config.client_certificate}, minimum=config.tls.minimum_version
        ),
    )


async def close(parts: Parts) -> None:
    """Close everything that holds files or sockets; mail in the spool stays where it is."""
    for step in parts.steps.all:
        step.close()
    if parts.scripts is not None:
        await parts.scripts.close()
    if parts.library is not None:
        await parts.library.close()
    await parts.resolver.close()
    if parts.sts is not None:
        await parts.sts.close()
    await parts.shards.close()
    for carrier in parts.workshop.carriers.values():
        await carrier.close()
    parts.state.close()
    parts.hold_rules.close()
    if parts.digests is not None:
        parts.digests.close()
    if parts.reporting is not None:
        parts.reporting.close()
    if parts.counting is not None:
        parts.counting.close()
    if parts.lock >= 0:
        os.close(parts.lock)
    await asyncio.sleep(0)

"""The parts of a gateway, made from the configuration in the order they need each other."""

from __future__ import annotations

import asyncio
import functools
import resource
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from danelaw.gateway import settings
from danelaw.gateway.numbers import counted_fetch
from danelaw.inbound.intake import Intake
from danelaw.inbound.relay import RelayPolicy
from danelaw.net import tls
from danelaw.net.certificates import ServerCertificates
from danelaw.outbound.connection import Sweep
from danelaw.outbound.courier import Courier
from danelaw.outbound.destination import Surveyor
from danelaw.outbound.engine import Engine
from danelaw.outbound.notices import Notices
from danelaw.outbound.opening import Door
from danelaw.outbound.pool import Pool
from danelaw.pkix import Roots
from danelaw.queue.pages import SchedulerSettings
from danelaw.queue.scheduler import Scheduler
from danelaw.resolver import Resolver
from danelaw.spool import Spool
from danelaw.state import FILE_NAME, OverrideStore, StateDatabase, configured_overrides

if TYPE_CHECKING:
    from danelaw.config import Config
    from danelaw.queue import RetrySchedule
    from danelaw.state import STSStore
    from danelaw.telemetry import Log, Metrics


@dataclass(slots=True)
class Parts:
    """Everything that runs, for `Gateway` to start, show and stop."""

    spool: Spool
    state: StateDatabase
    resolver: Resolver
    sts: STSStore | None
    overrides: OverrideStore
    surveyor: Surveyor
    certificates: ServerCertificates | None
    engine: Engine
    intake: Intake


def assemble(config: Config, log: Log, metrics: Metrics, clock: Callable[[], float] = time.time) -> Parts:
    """Make all parts; nothing listens or delivers yet. Raises `DanelawError` for whatever cannot be made.

    `clock` gives POSIX seconds to all of them. To be called on the running event loop.
    """
    # What can be wrong with the configuration comes before the spool is locked.
    certificates = ServerCertificates(config.certificate) if config.certificate else None
    resolver = Resolver(settings.resolver_settings(config), clock=clock)
    roots = Roots.from_file(config.tls.roots_file) if config.tls.roots_file else Roots.system()
    spool = Spool.open(config.spool.directory, settings=settings.spool_settings(config), clock=clock)
    try:
        state = StateDatabase(config.spool.directory / FILE_NAME)
    except BaseException:
        spool.close_now()
        raise
    sts = _sts_store(config, state, resolver, roots, log, metrics)
    overrides = OverrideStore(state, configured_overrides(config.override))
    surveyor = Surveyor(resolver, sts, overrides)
    relay, schedule = RelayPolicy(config), settings.retry_schedule(config)
    engine = _engine(config, spool, surveyor, roots, relay, schedule, log, metrics, clock)
    admitted = settings.within_descriptors(config, resource.getrlimit(resource.RLIMIT_NOFILE)[0])
    if admitted is not config:
        log.warning(
            "connections",
            reason=f"open files allow only {admitted.limits.connections} clients at once",
            advice="raise LimitNOFILE in the service unit, or lower [limits] connections",
        )
    intake = Intake(
        admitted,
        relay=relay,
        spool=spool,
        schedule=schedule,
        log=log,
        metrics=metrics,
        certificates=certificates,
        admit=engine.scheduler.admit,
        abandoned=engine.scheduler.abandoned,
        arrived=engine.arrived,
        clock=clock,
    )
    return Parts(spool, state, resolver, sts, overrides, surveyor, certificates, engine, intake)


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


def _engine(
    config: Config,
    spool: Spool,
    surveyor: Surveyor,
    roots: Roots,
    relay: RelayPolicy,
    schedule: RetrySchedule,
    log: Log,
    metrics: Metrics,
    clock: Callable[[], float],
) -> Engine:
    delivery = config.delivery
    gate, answers = settings.gate(config, clock), settings.answers(config, log, metrics)
    scheduler = Scheduler(
        SchedulerSettings(
            slots=delivery.connections,
            destination_concurrency=delivery.connections_per_destination,
            backoff=schedule,
        ),
        gate,
    )
    door = Door(
        helo=str(delivery.helo or config.hostname),
        opportunistic=tls.client_context(minimum=config.tls.minimum_version),
        verified=tls.client_context(minimum="1.2"),
        patience=settings.patience(config),
        sweep=Sweep(),
        source_ipv4=delivery.source_ipv4,
        source_ipv6=delivery.source_ipv6,
        routes=config.lab.dial,
    )
    courier = Courier(
        surveyor=surveyor,
        door=door,
        pool=Pool(delivery.idle.total_seconds(), delivery.messages_per_connection),
        roots=roots,
        spool=spool,
        log=log,
        metrics=metrics,
        families=delivery.families,
        own_names=frozenset({str(config.hostname)}),
        gate=gate,
        answers=answers,
        clock=clock,
    )
    notices = Notices(
        str(config.hostname),
        spool,
        schedule,
        relay.next_hop,
        scheduler.reason,
        log,
        metrics,
        sender_address=config.bounce_from,
    )
    return Engine(spool, scheduler, courier, notices, schedule, log, metrics, clock=clock)


async def close(parts: Parts) -> None:
    """Close everything that holds files or sockets; mail in the spool stays where it is."""
    await parts.resolver.close()
    if parts.sts is not None:
        await parts.sts.close()
    await parts.spool.close()
    parts.state.close()
    await asyncio.sleep(0)

"""Is this machine fit to carry mail? Every finding says what is wrong and what to do.

`examine(config, resolver, now)` runs every check and gives `Finding`s, worst first; `danelaw doctor` shows them,
and the gateway logs those above a note when it starts. The checks are plain functions in `machine` (clock, open
files, the spool's disk), `storage` (its databases, the files its gateway has open), `certificate` (the listeners'),
`users` (who may log in), `network` (resolver, port 25, reverse DNS), `lists` (DNS lists), `reports` (the keys
that sign them and mail) and `filters` (filter engines). What only a running gateway can know it says itself
(`danelaw.gateway.health`). In a closed network what cannot be tried says so and is no fault.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from danelaw.doctor import certificate, filters, lists, machine, network, reports, storage, users
from danelaw.doctor.finding import Finding, Severity

if TYPE_CHECKING:
    from danelaw.config import Config
    from danelaw.resolver import Resolver

__all__ = ["Finding", "Severity", "examine", "examine_machine", "examine_network"]

_ORDER = (Severity.ERROR, Severity.WARNING, Severity.NOTE, Severity.OK)


def examine_machine(config: Config, now: float) -> tuple[Finding, ...]:
    """What can be said without the network; blocks for a few flushes of the disk. `now` in POSIX seconds."""
    return (
        *machine.clock(now),
        *machine.spool(config),
        *storage.databases(config),
        *machine.open_files(config),
        *storage.open_files(config),
        *certificate.certificates(config, now),
        *users.users(config),
    )


async def examine_network(config: Config, resolver: Resolver) -> tuple[Finding, ...]:
    """Resolver first; the rest only when names can be looked up."""
    report = await resolver.probe()
    found = network.from_probe(report)
    if not report.usable:
        return (*found, Finding("port-25", Severity.NOTE, "not tested: no resolver works", "repair the resolver first"))
    parts = await asyncio.gather(
        network.port25(config, resolver),
        network.reverse_dns(config, resolver),
        lists.dns_lists(config, resolver),
        reports.report_key(config, resolver),
        reports.dkim_keys(config, resolver),
    )
    return (*found, *(finding for part in parts for finding in part))


async def examine(config: Config, resolver: Resolver, now: float) -> tuple[Finding, ...]:
    """Everything, worst first."""
    here = await asyncio.to_thread(examine_machine, config, now)
    found = (*here, *await filters.filters(config), *await examine_network(config, resolver))
    return tuple(sorted(found, key=lambda finding: _ORDER.index(finding.severity)))

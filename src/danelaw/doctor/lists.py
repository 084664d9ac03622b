"""Examination of the DNS lists: do they answer this resolver, and do they list what they must and nothing else?"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from danelaw.dnslist import DNSList, ReturnCodes, look_up_tests
from danelaw.doctor.finding import Finding, Severity

if TYPE_CHECKING:
    from danelaw.config import Config
    from danelaw.config.front import DNSListEntry
    from danelaw.resolver import Resolver


async def dns_lists(config: Config, resolver: Resolver) -> list[Finding]:
    """The test entries of every `[[dns_list]]` (RFC 5782 §5)."""
    return list(await asyncio.gather(*(_dns_list(entry, resolver) for entry in config.dns_list)))


async def _dns_list(entry: DNSListEntry, resolver: Resolver) -> Finding:
    dns_list = DNSList(entry.zone, ReturnCodes.from_text(entry.codes))
    tests = await resolver.run(look_up_tests(dns_list, domains=entry.of != "client"))
    if tests.fault is None:
        return Finding("dns-list", Severity.OK, f"{entry.shown} answers, and has its test entries (RFC 5782 §5)")
    fix = "see whether it still serves you: its site, your key, a resolver of your own; or take its [[dns_list]] out"
    return Finding("dns-list", Severity.WARNING, f"{entry.shown}: {tests.fault}", fix)

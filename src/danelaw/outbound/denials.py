"""Do the name servers of MX hosts serve their TLSA records and deny what is not there, each one of them, provably?

A resolver asks any of a zone's servers: one that serves old records, or whose denials cannot be proved, makes mail late
for whoever happens to ask it. Each server's own responses are judged by the same validator as all DNS here; what the
chain of trust takes besides comes from the usual resolver. Part of `danelaw advise`, never of a delivery.
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from dataclasses import replace
from typing import Protocol

import dns.name
import dns.rcode
import dns.rdatatype

from danelaw.address import Domain
from danelaw.dane import Authority
from danelaw.dnsdata import Answer, Question
from danelaw.outbound.nameservers import MAX_ZONES, Routes, Runs, TLSAAnswers, ZoneReport, examine_owners, examine_zone
from danelaw.resolver import ask_directly

DEADLINE = 20.0
"""Seconds for everything."""
_ABSENT = dns.name.from_text("_25._tcp.danelaw-asks-for-what-is-not-there", None)
_DNS_PORT = 53


class Asks(Runs, Protocol):
    """What this module needs of `danelaw.resolver.Resolver`."""

    async def ask(self, question: Question) -> Answer:
        """The answer to one question."""

    async def ask_of(self, server: tuple[str, int], question: Question) -> Answer:
        """What one authoritative server says, validated."""


async def examine_zones(hosts: Sequence[Domain], port: int, resolver: Asks, routes: Routes) -> tuple[ZoneReport, ...]:
    """Ask every name server of the zones of these MX hosts for TLSA records, and for what is not there.

    Never raises for what DNS does. `routes` redirects (address, 53) for a lab.
    """

    async def look(owner: dns.name.Name, authority: Authority, routes: Routes) -> ZoneReport:
        report = await examine_zone(owner, authority, routes)
        if authority.zone is None or not report.servers:
            return report
        served = await resolver.ask(Question(owner, dns.rdatatype.TLSA))
        addresses = {server.to_text(omit_final_dot=True).lower(): found for server, found in authority.servers}
        flaws = await asyncio.gather(
            *(
                _flaws(addresses.get(server.name, ()), owner, authority.zone, served, resolver, routes)
                if server.tlsa is TLSAAnswers.ANSWERS
                else _nothing()
                for server in report.servers
            )
        )
        servers = tuple(replace(server, flaws=found) for server, found in zip(report.servers, flaws, strict=True))
        return replace(report, servers=servers)

    prefix = dns.name.from_text(f"_{port}._tcp", None)
    owners = [prefix.concatenate(host.to_dns()) for host in hosts]
    return await examine_owners(owners[: 2 * MAX_ZONES], resolver, routes, look, DEADLINE)


async def _nothing() -> tuple[str, ...]:
    return ()


async def _flaws(
    addresses: Sequence[str], owner: dns.name.Name, zone: dns.name.Name, served: Answer, resolver: Asks, routes: Routes
) -> tuple[str, ...]:
    """Of all addresses of one server that can be heard, each flaw once."""
    found: list[str] = []
    for address in addresses:
        server = routes.get((address, _DNS_PORT), (address, _DNS_PORT))
        found += await _flaws_at(server, owner, zone, served, resolver)
    return tuple(dict.fromkeys(found))


async def _flaws_at(
    server: tuple[str, int], owner: dns.name.Name, zone: dns.name.Name, served: Answer, resolver: Asks
) -> list[str]:
    base = owner.parent().parent()
    node = Question(owner.parent(), dns.rdatatype.TXT)
    of_host = Question(base, dns.rdatatype.TLSA)
    absent = Question(_ABSENT.concatenate(zone), dns.rdatatype.TLSA)
    records, between, of_type, of_name = await asyncio.gather(
        *(resolver.ask_of(server, one) for one in (served.question, node, of_host, absent))
    )
    found: list[str] = []
    if records.failed:
        found.append(f"its TLSA answer is no good: {_why(records)}")
    elif not served.failed and _set(records) != _set(served):
        found.append("serves other TLSA records than the zone's other servers")
    # What it claims, proved or not: some resolvers believe it.
    claims = await ask_directly(server, node, lambda: secrets.randbelow(65_536)) if between.failed else None
    denies = between.nxdomain or (claims is not None and claims.rcode == dns.rcode.NXDOMAIN)
    if between.failed and not denies:
        found.append(f"fails on {_name(between)}, the name above the TLSA records: {_why(between)}")
    elif denies and served.records:
        found.append(
            f"says that {_name(between)} does not exist, though the TLSA records are below it (RFC 8020 §2): resolvers "
            "that believe it find none"
        )
    if of_type.failed:
        found.append(f"cannot prove that a name has no TLSA record: {_why(of_type)}")
    if of_name.failed:
        found.append(f"cannot prove that a name does not exist: {_why(of_name)}")
    return found


def _set(answer: Answer) -> frozenset[str]:
    return frozenset(record.to_text().lower() for record in answer.records)


def _name(answer: Answer) -> str:
    return answer.question.name.to_text(omit_final_dot=True)


def _why(answer: Answer) -> str:
    return answer.reason or answer.status.value

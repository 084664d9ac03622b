"""Do all name servers of a host's zone answer TLSA questions? Part of `danelaw check`, never of a delivery.

A server that answers other questions but drops TLSA makes mail late now and then, for everybody whose resolver happens
to ask it. Only a server that was heard is accused: where none can be reached from here, they are "not asked".
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any, Protocol, TypeAlias, TypeVar

import dns.name
import dns.rcode
import dns.rdatatype

from danelaw.dane import Authority, lookup_authority
from danelaw.dnsdata import Lookup, Question
from danelaw.outbound.destination import Survey
from danelaw.resolver import DirectReply, ask_directly

T = TypeVar("T")
Routes = Mapping[tuple[str, int], tuple[str, int]]
Look: TypeAlias = "Callable[[dns.name.Name, Authority, Routes], Awaitable[ZoneReport]]"
MAX_ZONES = 3
"""Zones examined per destination; most have one."""
DEADLINE = 6.0
"""Seconds for everything; what is not known by then was not asked."""
_DNS_PORT = 53
_CONTROL_TRIES = 2
_FINE = (dns.rcode.NOERROR, dns.rcode.NXDOMAIN)


class Runs(Protocol):
    """What this module needs of `danelaw.resolver.Resolver`."""

    async def run(self, lookup: Lookup[T]) -> T:
        """Drive a look-up to its result."""


class TLSAAnswers(Enum):
    """What a name server does with TLSA questions; ordered from good to bad, unknown last."""

    ANSWERS = "answers"
    REFUSES = "refuses"
    SILENT = "no answer"
    NOT_ASKED = "not asked"


@dataclass(frozen=True, slots=True)
class NameServerReport:
    """One name server; `tries` TLSA questions were sent to the address that decided, `reason` is in words. `flaws` say
    what is wrong with its records and denials, where that was looked at (`danelaw.outbound.denials`).
    """

    name: str
    tlsa: TLSAAnswers
    tries: int = 0
    reason: str = ""
    flaws: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The form of docs/schemas/check.md."""
        found = {"name": self.name, "tlsa": self.tlsa.value, "tries": self.tries, "reason": self.reason}
        return found | ({"flaws": list(self.flaws)} if self.flaws else {})


@dataclass(frozen=True, slots=True)
class ZoneReport:
    """The name servers of one zone, asked for the TLSA records `owner`. `error`: why none is known."""

    zone: str
    owner: str
    servers: tuple[NameServerReport, ...]
    error: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The form of docs/schemas/check.md."""
        servers = [server.to_json() for server in self.servers]
        return {"zone": self.zone, "owner": self.owner, "servers": servers, "error": self.error}


async def examine_name_servers(survey: Survey, resolver: Runs, routes: Routes) -> tuple[ZoneReport, ...]:
    """Ask every name server of the zones in which TLSA was sought. Never raises for what DNS does.

    `routes` redirects (address, 53) like the addresses of mail hosts, for a lab.
    """
    return await examine_owners(_owners(survey), resolver, routes, examine_zone, DEADLINE)


async def examine_owners(
    owners: Sequence[dns.name.Name], resolver: Runs, routes: Routes, look: Look, seconds: float
) -> tuple[ZoneReport, ...]:
    """`look` at each zone in which these owner names of TLSA records are; `MAX_ZONES` at most, within `seconds`."""
    try:
        async with asyncio.timeout(seconds):
            return await _examine(owners, resolver, routes, look)
    except TimeoutError:
        words = f"not finished in {seconds:g} s"
        return tuple(ZoneReport(_text(_base(owner)), _text(owner), (), words) for owner in owners[:1])


async def _examine(
    owners: Sequence[dns.name.Name], resolver: Runs, routes: Routes, look: Look
) -> tuple[ZoneReport, ...]:
    authorities = await asyncio.gather(*(resolver.run(lookup_authority(_base(owner))) for owner in owners))
    chosen: dict[dns.name.Name | None, tuple[dns.name.Name, Authority]] = {}
    for owner, authority in zip(owners, authorities, strict=True):
        chosen.setdefault(authority.zone, (owner, authority))
    return tuple(await asyncio.gather(*(look(*pair, routes) for pair in tuple(chosen.values())[:MAX_ZONES])))


def _owners(survey: Survey) -> list[dns.name.Name]:
    """The names at which TLSA was asked for, of the first hosts; of hosts in one zone one does."""
    asked = [
        answer.question.name
        for plan in survey.hosts
        for answer in plan.records.answers
        if answer.question.rdtype == dns.rdatatype.TLSA
    ]
    by_zone = {_likely_zone(_base(owner)): owner for owner in reversed(asked)}
    return list(reversed(by_zone.values()))[: 2 * MAX_ZONES]


def _likely_zone(base: dns.name.Name) -> dns.name.Name:
    """One name for all hosts beside each other, so that forty hosts of one domain cost one look-up."""
    return base.parent() if len(base) > 3 else base


def _base(owner: dns.name.Name) -> dns.name.Name:
    """The TLSA base domain: the owner without `_PORT._tcp`."""
    return owner.parent().parent()


async def examine_zone(owner: dns.name.Name, authority: Authority, routes: Routes) -> ZoneReport:
    """Ask all name servers of one zone whether they answer TLSA questions."""
    if authority.zone is None:
        return ZoneReport(_text(_base(owner)), _text(owner), (), authority.error)
    control = Question(authority.zone, dns.rdatatype.SOA)
    question = Question(owner, dns.rdatatype.TLSA)
    reports = await asyncio.gather(
        *(_server(_text(name), addresses, control, question, routes) for name, addresses in authority.servers)
    )
    return ZoneReport(_text(authority.zone), _text(owner), tuple(reports))


async def _server(
    name: str, addresses: Iterable[str], control: Question, question: Question, routes: Routes
) -> NameServerReport:
    """The worst of what its addresses do; those that cannot be reached from here do not count beside others."""
    targets = [routes.get((address, _DNS_PORT), (address, _DNS_PORT)) for address in addresses]
    if not targets:
        return NameServerReport(name, TLSAAnswers.NOT_ASKED, reason="its address cannot be looked up")
    found = await asyncio.gather(*(_address(name, target, control, question) for target in targets))
    order = (TLSAAnswers.SILENT, TLSAAnswers.REFUSES, TLSAAnswers.ANSWERS, TLSAAnswers.NOT_ASKED)
    return min(found, key=lambda report: order.index(report.tlsa))


async def _address(name: str, target: tuple[str, int], control: Question, question: Question) -> NameServerReport:
    """Ask for TLSA, and beside it for SOA, which shows whether the server can be heard from here at all."""
    asking = asyncio.ensure_future(ask_directly(target, question, _new_id))
    try:
        heard = await ask_directly(target, control, _new_id, tries=_CONTROL_TRIES)
        if not asking.done() and heard.rcode != dns.rcode.NOERROR:
            return NameServerReport(name, TLSAAnswers.NOT_ASKED, reason=_unheard(heard))
        return _verdict(name, heard, await asking)
    finally:
        asking.cancel()


def _verdict(name: str, heard: DirectReply, reply: DirectReply) -> NameServerReport:
    if reply.rcode in _FINE:
        return NameServerReport(name, TLSAAnswers.ANSWERS, reply.tries)
    if heard.rcode != dns.rcode.NOERROR:
        return NameServerReport(name, TLSAAnswers.NOT_ASKED, reason=_unheard(heard))
    if reply.rcode is None:
        words = f"does not answer TLSA queries ({reply.tries} tries), though it answers others"
        return NameServerReport(name, TLSAAnswers.SILENT, reply.tries, words)
    words = f"answers TLSA queries with {dns.rcode.to_text(dns.rcode.Rcode(reply.rcode))}"
    return NameServerReport(name, TLSAAnswers.REFUSES, reply.tries, words)


def _unheard(heard: DirectReply) -> str:
    if heard.rcode is None:
        return f"cannot be reached from here: {heard.reason}"
    return f"does not serve the zone: {dns.rcode.to_text(dns.rcode.Rcode(heard.rcode))}"


def _new_id() -> int:
    return secrets.randbelow(65536)


def _text(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True).lower()

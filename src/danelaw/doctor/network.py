"""Examinations of the network: resolver, port 25 outbound, the name of our own address."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Sequence
from typing import TYPE_CHECKING

import dns.reversename

from danelaw.config import Config
from danelaw.dnsdata import Question
from danelaw.doctor.finding import Finding, Severity
from danelaw.resolver import Severity as ProbeSeverity

if TYPE_CHECKING:
    from danelaw.resolver import ProbeReport, Resolver

_SECONDS = 6.0
_FAMILIES = {"ipv4": (4, "A", "192.0.2.1"), "ipv6": (6, "AAAA", "2001:db8::1")}
_SHOWN = {"ipv4": "IPv4", "ipv6": "IPv6"}
_SEVERITIES = {
    ProbeSeverity.NOTE: Severity.NOTE,
    ProbeSeverity.WARNING: Severity.WARNING,
    ProbeSeverity.ERROR: Severity.ERROR,
}


def from_probe(report: ProbeReport) -> list[Finding]:
    """What the resolver's own probe found: answers, DNSSEC, TCP, clock against signatures."""
    found = [
        Finding(f"resolver-{item.code}", _SEVERITIES[item.severity], item.what, item.fix) for item in report.findings
    ]
    if report.usable:
        found.insert(0, Finding("resolver", Severity.OK, f"{', '.join(report.fit)}: DNSSEC passes through"))
    return found


async def port25(config: Config, resolver: Resolver) -> list[Finding]:
    """Whether this network lets port 25 out, tried on hosts nobody here depends on, for each family in use."""
    if not config.doctor.port25_hosts:
        return []
    findings = await asyncio.gather(*(_port25(config, resolver, family) for family in config.delivery.families))
    if not any(finding.severity is Severity.OK for finding in findings) and not any(
        finding.check == "port-25-blocked" for finding in findings
    ):
        return [
            Finding(
                "port-25",
                Severity.NOTE,
                "not tested: none of the test hosts has an address that can be looked up or reached from here",
                "name mail servers of your choice in [doctor] port25_hosts, or set it to [] in a closed network",
            )
        ]
    return list(findings)


async def _port25(config: Config, resolver: Resolver, family: str) -> Finding:
    shown = _SHOWN[family]
    if own_address(family) is None:
        return Finding(
            "port-25-no-route",
            Severity.NOTE,
            f"this machine has no {shown} to the outside",
            f"nothing to do, or leave {family} out of [delivery] families",
        )
    hosts = config.doctor.port25_hosts
    version, kind, _ = _FAMILIES[family]
    answers = await asyncio.gather(*(resolver.ask(Question.from_text(host.ascii, kind)) for host in hosts))
    addresses = [record.to_text() for answer in answers for record in answer.records][: len(hosts) * 2]
    if not addresses:
        what = f"not tested over {shown}: none of the test hosts has an IPv{version} address that can be looked up"
        return Finding("port-25-no-address", Severity.NOTE, what, "name other hosts in [doctor] port25_hosts")
    outcomes = await asyncio.gather(*(greeting(address, 25) for address in addresses))
    if any(outcomes):
        return Finding("port-25", Severity.OK, f"port 25 is open to the outside over {shown}")
    return Finding(
        "port-25-blocked",
        Severity.WARNING,
        f"none of {len(addresses)} unrelated mail servers answers on port 25 over {shown}: this network blocks it",
        "ask your provider to open port 25 outbound, or send through a smarthost: [delivery] next_hop",
    )


async def greeting(address: str, port: int) -> bool:
    """Whether a mail server says its 220 or 554 there; nothing is said to it but QUIT."""
    try:
        async with asyncio.timeout(_SECONDS):
            reader, writer = await asyncio.open_connection(address, port, limit=4096)
            try:
                line = await reader.readline()
                writer.write(b"QUIT\r\n")
                return line[:3] in (b"220", b"554", b"421")
            finally:
                writer.close()
    except (OSError, TimeoutError, ValueError):
        return False


def own_address(family: str) -> str | None:
    """The address the system would send from, without sending anything; None without a route."""
    version, _, elsewhere = _FAMILIES[family]
    with socket.socket(socket.AF_INET if version == 4 else socket.AF_INET6, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((elsewhere, 25))
        except OSError:
            return None
        return str(probe.getsockname()[0])


async def reverse_dns(config: Config, resolver: Resolver) -> list[Finding]:
    """Whether the addresses we send from have names, and names that lead back; many servers refuse mail otherwise."""
    usual = config.delivery.helo or config.hostname
    sources: list[tuple[str, str]] = []
    for family in config.delivery.families:
        own = [one for one in config.delivery.local_addresses if (":" in one.address) is (family == "ipv6")]
        sources += [(one.address, (one.helo or usual).ascii) for one in own]
        if not own and (address := own_address(family)) is not None:
            sources.append((address, usual.ascii))
    return list(await asyncio.gather(*(_reverse(resolver, address, helo) for address, helo in sources)))


async def _reverse(resolver: Resolver, address: str, helo: str) -> Finding:
    if not ipaddress.ip_address(address).is_global:
        what = f"not tested: {address} is a private address, so mail leaves from another one"
        fix = "see that the public address has a name: danelaw dns ADDRESS-IN-REVERSE PTR"
        return Finding("reverse-dns", Severity.NOTE, what, fix)
    answer = await resolver.ask(Question(dns.reversename.from_address(address), Question.from_text(".", "PTR").rdtype))
    names = [record.to_text().rstrip(".").lower() for record in answer.records]
    if answer.failed:
        return Finding(
            "reverse-dns", Severity.NOTE, f"not tested: the name of {address} cannot be looked up", answer.reason
        )
    if not names:
        fix = f"ask whoever gives you {address} for a PTR record with {helo}"
        return Finding("reverse-dns", Severity.WARNING, f"{address} has no name; many servers refuse such mail", fix)
    if not await _leads_back(resolver, names, address):
        fix = f"publish an address record {names[0]} → {address}"
        return Finding("reverse-dns", Severity.WARNING, f"{address} is {names[0]}, which does not lead back to it", fix)
    if helo not in names:
        fix = f'set helo = "{names[0]}" in [delivery] (or for the address), or have the PTR record changed'
        return Finding("reverse-dns", Severity.NOTE, f"{address} is {names[0]}, but EHLO says {helo}", fix)
    return Finding("reverse-dns", Severity.OK, f"{address} is {helo}, both ways")


async def _leads_back(resolver: Resolver, names: Sequence[str], address: str) -> bool:
    kind = "AAAA" if ":" in address else "A"
    wanted = ipaddress.ip_address(address)
    answers = await asyncio.gather(*(resolver.ask(Question.from_text(name, kind)) for name in names[:4]))
    return any(ipaddress.ip_address(record.to_text()) == wanted for answer in answers for record in answer.records)

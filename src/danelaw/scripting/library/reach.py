"""Which hosts and addresses scripts may reach over HTTP, and where they are."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from typing import TYPE_CHECKING

import dns.rdatatype
from dns.rdtypes.IN.A import A
from dns.rdtypes.IN.AAAA import AAAA

from danelaw.address import Domain
from danelaw.dnsdata import Answer, Lookup, Question
from danelaw.errors import DanelawError
from danelaw.net.dialer import NO_ROUTES, Routes
from danelaw.net.forbidden import leads_into
from danelaw.policy import LibraryError

if TYPE_CHECKING:
    from danelaw.config.values import Network
    from danelaw.resolver import Resolver

_MOST_ADDRESSES = 8
_LOCALHOST = ("127.0.0.1", "::1")


class Unreachable(LibraryError):
    """A host without an address that may be reached."""


class Reach:
    """`hosts` are names or, with a dot in front, all names below one; empty for any. Addresses in `forbidden` are never
    connected to, whatever name leads there.
    """

    def __init__(
        self, hosts: Sequence[str], forbidden: Sequence[Network], resolver: Resolver, routes: Routes = NO_ROUTES
    ) -> None:
        self._hosts = frozenset(hosts)
        self._forbidden = tuple(forbidden)
        self._resolver = resolver
        self._routes = routes

    def check_host(self, host: str) -> None:
        """Raises `LibraryError` for a host, or a written address, that may not be asked."""
        address = _address(host)
        if self._hosts and not self._names(host):
            raise LibraryError(f"[policy.http] does not allow {host[:100]}", advice="add it to hosts there")
        if address is not None and self._forbids(address):
            raise LibraryError(f"[policy.http] forbids the address {address}")

    async def targets(self, host: str, port: int) -> list[tuple[str, int]]:
        """Where to connect to, at most eight places. Raises `Unreachable`."""
        if host.rstrip(".").lower() == "localhost":  # RFC 6761 §6.3: no question for DNS
            found: Sequence[str] = _LOCALHOST
        else:
            found = await self._look_up(host)
        allowed = [one for one in found if not self._forbids(ipaddress.ip_address(one))]
        if not allowed:
            raise Unreachable(f"[policy.http] forbids the addresses of {host}" if found else f"{host} has no address")
        return [self._routes.get((one, port), (one, port)) for one in allowed[:_MOST_ADDRESSES]]

    async def _look_up(self, host: str) -> list[str]:
        try:
            name = Domain.from_text(host)
        except DanelawError as error:
            raise Unreachable(error.reason) from None
        answers = await self._resolver.run(_addresses(name))
        found = [rdata.address for answer in answers for rdata in answer.records if isinstance(rdata, A | AAAA)]
        failed = next((answer for answer in answers if answer.failed), None)
        if not found and failed is not None:
            raise Unreachable(f"{host} cannot be looked up: {failed.reason or failed.status.value}")
        return found

    def _forbids(self, address: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
        return leads_into(str(address), self._forbidden)

    def _names(self, host: str) -> bool:
        name = host.rstrip(".").lower()
        if name in self._hosts:
            return True
        labels = name.split(".")
        return any("." + ".".join(labels[at:]) in self._hosts for at in range(1, len(labels)))


def _addresses(host: Domain) -> Lookup[tuple[Answer, ...]]:
    name = host.to_dns()
    return (yield (Question(name, dns.rdatatype.AAAA), Question(name, dns.rdatatype.A)))


def _address(host: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return None

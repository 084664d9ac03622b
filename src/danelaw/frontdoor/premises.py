"""What the steps at the front door share."""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from danelaw.clientname.reverse import IPAddress
    from danelaw.config import Config
    from danelaw.dnsdata import Lookup
    from danelaw.smtp import Recipient
    from danelaw.telemetry import Log, Metrics

T = TypeVar("T")
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class Resolves(Protocol):
    """What is needed of `danelaw.resolver.Resolver`."""

    async def run(self, lookup: Lookup[T]) -> T:
        """Drive a look-up to its result."""


@dataclass(slots=True)
class Premises:
    """Configuration, DNS, numbers; `clock` gives POSIX seconds."""

    config: Config
    resolver: Resolves
    metrics: Metrics
    log: Log
    clock: Callable[[], float]

    async def look_up(self, lookup: Lookup[T], seconds: float) -> T | None:
        """The result, None when it takes longer."""
        try:
            async with asyncio.timeout(seconds):
                return await self.resolver.run(lookup)
        except TimeoutError:
            return None


def address_of(text: str) -> IPAddress:
    """A client's address, without zone and without IPv6 clothes around an IPv4 one."""
    address = ipaddress.ip_address(text.partition("%")[0])
    return getattr(address, "ipv4_mapped", None) or address


def within(address: IPAddress, networks: Iterable[_Network]) -> bool:
    """True when one of the networks holds the address."""
    return any(address.version == network.version and address in network for network in networks)


def is_postmaster(recipient: Recipient) -> bool:
    """Somebody must stay reachable for those who are refused wrongly (RFC 5321 §4.5.1, RFC 2142 §5)."""
    localpart = recipient.forward_path.mailbox.localpart.content.lower()
    return recipient.forward_path.bare_postmaster or localpart in ("postmaster", "abuse")

"""Who may send through this gateway, and where each recipient's mail goes next."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from danelaw.address import AddressLiteral, Domain
from danelaw.config import Config

_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class DomainTable:
    """Values by domain, where `.example.org` stands for every name below example.org and the most specific wins."""

    def __init__(self, entries: Iterable[tuple[str, str | None]]) -> None:
        self._entries = {pattern.lower(): value for pattern, value in entries}

    def __contains__(self, domain: str) -> bool:
        return self._match(domain) is not None

    def get(self, domain: str) -> str | None:
        """The value of the most specific entry that covers `domain`, None when there is none or it has no value."""
        pattern = self._match(domain)
        return None if pattern is None else self._entries[pattern]

    def _match(self, domain: str) -> str | None:
        if domain in self._entries:
            return domain
        at = domain.find(".")
        while at >= 0:
            suffix = domain[at:]
            if suffix in self._entries:
                return suffix
            at = domain.find(".", at + 1)
        return None


class RelayPolicy:
    """The operator's rules on relaying (RFC 5321 §7.8): trusted networks reach everything, others our domains only."""

    def __init__(self, config: Config) -> None:
        self._networks: tuple[_Network, ...] = tuple(config.relay.networks)
        self._domains = DomainTable(
            (str(item.name), None if item.next_hop is None else str(item.next_hop)) for item in config.domain
        )
        self._routes = DomainTable((str(item.domain), str(item.next_hop)) for item in config.route)
        self._default = None if config.delivery.next_hop is None else str(config.delivery.next_hop)
        self._hostname = str(config.hostname)

    def trusts(self, client_address: str) -> bool:
        """True when this client may relay to any destination. The address is an IP address in text form."""
        address = ipaddress.ip_address(client_address.partition("%")[0])
        mapped = getattr(address, "ipv4_mapped", None)
        if mapped is not None:
            address = mapped
        return any(address.version == network.version and address in network for network in self._networks)

    def accepts(self, domain: Domain | AddressLiteral) -> bool:
        """True when mail for this domain is taken from anybody. Address literals never are."""
        return isinstance(domain, Domain) and domain.ascii in self._domains

    def next_hop(self, domain: Domain | AddressLiteral) -> str:
        """The next hop of a recipient domain in `routing.NextHop` text form: the domain's own entry, a route,
        the smarthost, else the domain itself (its MX) or the address of a literal.
        """
        if isinstance(domain, AddressLiteral):
            return domain.to_text()
        name = domain.ascii
        return self._domains.get(name) or self._routes.get(name) or self._default or name

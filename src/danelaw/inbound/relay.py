"""Who may send through this gateway, and where each recipient's mail goes next."""

from __future__ import annotations

import ipaddress

from danelaw.address import AddressLiteral, Domain
from danelaw.config import Config
from danelaw.config.ways import Ways
from danelaw.inbound.tenants import Tenants
from danelaw.queue import RoutingKey

_REMEMBERED = 10_000
_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class RelayPolicy:
    """The operator's rules on relaying (RFC 5321 §7.8): trusted networks reach everything, others our domains only."""

    def __init__(self, config: Config) -> None:
        self._networks: tuple[_Network, ...] = tuple(config.relay.networks)
        self._ways = Ways(config)
        self.tenants = Tenants(config.tenant)
        self._keys: dict[tuple[Domain | AddressLiteral, str, str, str, int], RoutingKey] = {}
        self._trusted: dict[str, bool] = {}

    def trusts(self, client_address: str) -> bool:
        """True when this client may relay to any destination. The address is an IP address in text form."""
        known = self._trusted.get(client_address)
        if known is None:
            if len(self._trusted) >= _REMEMBERED:
                self._trusted.clear()
            known = self._trusted[client_address] = self._is_trusted(client_address)
        return known

    def _is_trusted(self, client_address: str) -> bool:
        address = ipaddress.ip_address(client_address.partition("%")[0])
        mapped = getattr(address, "ipv4_mapped", None)
        if mapped is not None:
            address = mapped
        return any(address.version == network.version and address in network for network in self._networks)

    def accepts(self, domain: Domain | AddressLiteral) -> bool:
        """True when mail for this domain is taken from anybody. Address literals never are."""
        return isinstance(domain, Domain) and self._ways.own(domain.ascii) is not None

    def key(
        self, domain: Domain | AddressLiteral, demand: str, tenant: str = "", job: str = "", priority: int = 0
    ) -> RoutingKey:
        """The routing key of a recipient domain under a sender's demand, for mail of a tenant and a job."""
        key = self._keys.get((domain, demand, tenant, job, priority))
        if key is None:
            if len(self._keys) >= _REMEMBERED:
                self._keys.clear()
            key = RoutingKey(self.next_hop(domain), demand, tenant, job, priority)
            self._keys[domain, demand, tenant, job, priority] = key
        return key

    def next_hop(self, domain: Domain | AddressLiteral) -> str:
        """The next hop of a recipient domain in `routing.NextHop` text form: the domain's own entry, a route,
        the smarthost, else the domain itself (its MX) or the address of a literal.
        """
        if isinstance(domain, AddressLiteral):
            return domain.to_text()
        return self._ways.to(domain.ascii).next_hop or domain.ascii

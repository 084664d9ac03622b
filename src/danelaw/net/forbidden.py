"""Networks that are never connected to for others' sake, whatever name or form of address leads there."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

_LAST_32 = (1 << 32) - 1
# RFC 4291 §2.5.5: IPv4-compatible and IPv4-mapped addresses; RFC 6052 §2.1: the well-known prefix of NAT64.
_IPV4_AT_THE_END = tuple(map(IPv6Network, ("::/96", "::ffff:0:0/96", "64:ff9b::/96")))

PRIVATE: tuple[IPv4Network | IPv6Network, ...] = tuple(
    map(
        ip_network,
        (
            "0.0.0.0/8", "10.0.0.0/8", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "172.16.0.0/12",
            "192.0.0.0/24", "192.0.2.0/24", "192.168.0.0/16", "198.18.0.0/15", "198.51.100.0/24", "203.0.113.0/24",
            "224.0.0.0/4", "240.0.0.0/4", "::/127", "64:ff9b:1::/48", "100::/64", "2001:db8::/32", "3fff::/20",
            "fc00::/7", "fe80::/10", "fec0::/10", "ff00::/8",
        ),
    )
)  # fmt: skip
"""The special-purpose registries (RFC 6890) and their later entries: nobody's server on the public internet."""


def leads_into(address: str, networks: Sequence[IPv4Network | IPv6Network]) -> bool:
    """Whether an IP address, or an IPv4 address that its IPv6 form carries, lies in one of these networks; True for a
    text that is no address.
    """
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return True
    return any(one in network for one in _meant(found) for network in networks if network.version == one.version)


def _meant(found: IPv4Address | IPv6Address) -> Iterator[IPv4Address | IPv6Address]:
    """The address and those that a gateway on the way would make of it."""
    yield found
    if isinstance(found, IPv4Address):
        return
    if any(found in network for network in _IPV4_AT_THE_END):
        yield IPv4Address(int(found) & _LAST_32)
    if found.sixtofour is not None:  # RFC 3056 §2
        yield found.sixtofour
    if found.teredo is not None:  # RFC 4380 §4: the relay's server, and the client behind its NAT
        yield from found.teredo

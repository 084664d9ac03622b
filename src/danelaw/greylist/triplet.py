"""What is told apart: client network, reverse-path, recipient (RFC 6647 §2.3)."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass

from danelaw.address import Mailbox, ReversePath

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


def network_of(address: IPAddress, *, ipv4_prefix: int = 24, ipv6_prefix: int = 64) -> str:
    """The network a client counts as: senders with many machines come again from another one (RFC 6647 §5)."""
    address = getattr(address, "ipv4_mapped", None) or address
    prefix = ipv4_prefix if address.version == 4 else ipv6_prefix
    return str(ipaddress.ip_network((address, prefix), strict=False))


@dataclass(frozen=True, slots=True)
class Triplet:
    """`sender` is empty for the null reverse-path; both addresses in small letters, since nobody else's reading of a
    local-part is at stake here.
    """

    network: str
    sender: str
    recipient: str

    @classmethod
    def of(cls, network: str, reverse_path: ReversePath, recipient: Mailbox) -> Triplet:
        """The triplet of a client's network and an envelope."""
        sender = "" if reverse_path.mailbox is None else reverse_path.mailbox.to_text().lower()
        return cls(network, sender, recipient.to_text().lower())

"""Destinations that take no mail, whoever asks (RFC 5321 §5.1, RFC 7505 §3)."""

from __future__ import annotations

from dataclasses import dataclass

import dns.rdatatype

from danelaw.dane import HostRecords
from danelaw.routing.destination import Destination

_ADDRESS_TYPES = (dns.rdatatype.A, dns.rdatatype.AAAA)


@dataclass(frozen=True, slots=True)
class Undeliverable:
    """The destination takes no mail: `status` is the enhanced code as (class, subject, detail), `reason` words."""

    status: tuple[int, int, int]
    reason: str


def takes_no_mail(destination: Destination) -> Undeliverable | None:
    """RFC 5321 §5.1, RFC 7505 §3: no such domain, null MX, or neither MX nor any address."""
    mx = destination.mx
    domain = mx.next_hop.domain
    if mx.nxdomain:
        return Undeliverable((5, 1, 2), f"the domain {domain} does not exist")
    if mx.null_mx:
        return Undeliverable((5, 1, 10), f"{domain} says in DNS that it takes no mail (null MX)")
    if mx.implicit and destination.hosts and all(_certainly_without_address(host) for host in destination.hosts):
        return Undeliverable((5, 4, 4), f"{domain} has neither MX records nor an address")
    return None


def _certainly_without_address(host: HostRecords) -> bool:
    answers = [answer for answer in host.answers if answer.question.rdtype in _ADDRESS_TYPES]
    return not host.addresses and bool(answers) and all(answer.nodata or answer.nxdomain for answer in answers)

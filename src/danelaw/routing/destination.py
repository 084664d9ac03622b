"""A next hop with everything DNS says about it: its hosts, their addresses and their TLSA records."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from danelaw.address import Domain
from danelaw.dane import HostRecords, TLSAState, lookup_host
from danelaw.dnsdata import Answer, Lookup
from danelaw.routing.gather import gather
from danelaw.routing.mx import MXResult, literal_host, lookup_mx
from danelaw.routing.next_hop import NextHop

MAX_HOSTS = 64
"""MX hosts looked at per next hop: more than any real domain has, and still a bound on what one zone makes us ask."""


@dataclass(frozen=True, slots=True)
class Destination:
    """`hosts` has the records of `mx.hosts`, in that order, as many as were looked at (`MAX_HOSTS`)."""

    mx: MXResult
    hosts: tuple[HostRecords, ...] = ()

    def host(self, name: Domain) -> HostRecords | None:
        """The records of one host, None when it is not among those looked at."""
        return next((records for records in self.hosts if records.host == name), None)

    @property
    def answers(self) -> Iterator[Answer]:
        """Every answer this rests on, MX first."""
        yield from self.mx.answers
        for records in self.hosts:
            yield from records.answers

    @property
    def expires(self) -> float:
        """POSIX seconds until which all answers hold; infinite when DNS was not asked."""
        return min((answer.expires for answer in self.answers), default=float("inf"))


def lookup_destination(next_hop: NextHop, port: int | None = None) -> Lookup[Destination]:
    """Look up MX, then all hosts' addresses and TLSA records at the same time.

    `port` replaces the port of the next hop, which is the port of the TLSA question.
    """
    mx = yield from lookup_mx(next_hop)
    if next_hop.address is not None:
        return Destination(mx, (_literal(next_hop.address),))
    if mx.error is not None or mx.final:
        return Destination(mx)
    looked_at = mx.hosts[:MAX_HOSTS]
    real_port = next_hop.port if port is None else port
    hosts = yield from gather(*(lookup_host(host.name, real_port) for host in looked_at))
    return Destination(mx, hosts)


def _literal(address: str) -> HostRecords:
    """An address proves nothing and publishes nothing: neither DANE nor MTA-STS (RFC 7672 §2.2.2, RFC 8461 §3.4)."""
    return HostRecords(
        host=literal_host(address).name,
        addresses=(address,),
        address_status=None,
        tlsa_base=None,
        tlsa_state=TLSAState.ABSENT,
        records=(),
        error=None,
        answers=(),
    )

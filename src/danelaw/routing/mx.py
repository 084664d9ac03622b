"""MX look-up: which hosts take a domain's mail, and whether signatures prove it (RFC 5321 §5.1, RFC 7672 §2.2.1)."""

from __future__ import annotations

from dataclasses import dataclass

from danelaw.address import Domain
from danelaw.dnsdata import Answer
from danelaw.routing.next_hop import NextHop


@dataclass(frozen=True, slots=True)
class MXHost:
    """One MX record: lower `preference` is tried first."""

    preference: int
    name: Domain


@dataclass(frozen=True, slots=True)
class MXResult:
    """Which hosts to try for a next hop.

    `secure` says that the way from the next-hop domain to the host names cannot be forged: the MX RRset, or its
    absence, is proved by signatures through the whole alias chain, or there was nothing to look up because the
    administrator names the host (`static`). `error` (words) means that nothing is known now: defer. `nxdomain`
    and `null_mx` are final. `expansion` holds the names a *secure* alias chain of the next-hop domain leads
    through, which are reference identifiers too (RFC 7672 §3.2.2).
    """

    next_hop: NextHop
    secure: bool
    hosts: tuple[MXHost, ...] = ()
    implicit: bool = False
    null_mx: bool = False
    nxdomain: bool = False
    error: str | None = None
    expansion: tuple[Domain, ...] = ()
    answers: tuple[Answer, ...] = ()

    @property
    def static(self) -> bool:
        """True when the host was named by the administrator, not by MX."""
        return not self.next_hop.mx

    @property
    def final(self) -> bool:
        """True when the domain takes no mail at all: RFC 7505 null MX, or no such name."""
        return self.null_mx or self.nxdomain

    @property
    def expires(self) -> float:
        """POSIX seconds until which all answers hold; infinite when DNS was not asked."""
        return min((answer.expires for answer in self.answers), default=float("inf"))

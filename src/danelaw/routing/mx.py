"""MX look-up: which hosts take a domain's mail, and whether signatures prove it (RFC 5321 §5.1, RFC 7672 §2.2.1)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import dns.name
import dns.rdata
import dns.rdatatype
from dns.rdtypes.ANY.MX import MX

from danelaw.address import Domain, DomainError
from danelaw.dnsdata import Answer, Lookup, Question
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
    and `null_mx` are final. `expansion` holds the name that a *secure* alias chain of the next-hop domain ends
    in, a reference identifier too (RFC 7672 §3.2.2). `unusable` names MX targets no host can have.
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
    unusable: tuple[str, ...] = ()

    @property
    def static(self) -> bool:
        """True when the host was named by the administrator, not by MX."""
        return not self.next_hop.mx

    @property
    def final(self) -> bool:
        """True when the domain takes no mail at all: RFC 7505 null MX, or no such name."""
        return self.null_mx or self.nxdomain

    @property
    def status(self) -> str:
        """One word for `check`: secure, insecure, bogus, indeterminate, or static."""
        if self.static:
            return "static"
        return self.answers[-1].status.value if self.answers else "indeterminate"

    @property
    def expires(self) -> float:
        """POSIX seconds until which all answers hold; infinite when DNS was not asked."""
        return min((answer.expires for answer in self.answers), default=float("inf"))


def lookup_mx(next_hop: NextHop) -> Lookup[MXResult]:
    """Find the hosts of a next hop.

    An answer that failed (bogus, RFC 4035 indeterminate, SERVFAIL, time-out, malformed) is an `error`, never an
    implicit MX; only NODATA is (RFC 5321 §5.1, RFC 7672 §2.1.2). Hosts come sorted by preference, then name, each
    name once with its best preference. For `[host]` and addresses nothing is asked.
    """
    if next_hop.address is not None:
        return MXResult(next_hop, secure=True, hosts=(literal_host(next_hop.address),))
    assert next_hop.domain is not None
    if not next_hop.mx:
        return MXResult(next_hop, secure=True, hosts=(MXHost(0, next_hop.domain),))
    (answer,) = yield (Question(next_hop.domain.to_dns(), dns.rdatatype.MX),)
    return _result(next_hop, next_hop.domain, answer)


def literal_host(address: str) -> MXHost:
    """The stand-in for a host name where the next hop is an address: the address in brackets."""
    return MXHost(0, Domain(f"[{address}]"))


def _result(next_hop: NextHop, domain: Domain, answer: Answer) -> MXResult:
    """What one MX answer means."""
    answers = (answer,)
    if answer.failed:
        return MXResult(next_hop, secure=False, error=f"MX look-up failed: {_words(answer)}", answers=answers)
    if answer.nxdomain:
        return MXResult(next_hop, secure=answer.secure, nxdomain=True, answers=answers)
    expansion = _expansion(domain, answer)
    if answer.nodata:
        implicit = (MXHost(0, domain),)
        return MXResult(next_hop, answer.secure, implicit, implicit=True, expansion=expansion, answers=answers)
    records = [record for record in answer.records if isinstance(record, MX)]
    if len(records) == 1 and records[0].preference == 0 and records[0].exchange == dns.name.root:
        return MXResult(next_hop, answer.secure, null_mx=True, answers=answers)
    hosts, unusable = _hosts(records)
    error = None if hosts else f"no MX record of {domain} names a host: {', '.join(unusable) or 'none could be read'}"
    return MXResult(
        next_hop, answer.secure, hosts, error=error, expansion=expansion, answers=answers, unusable=unusable
    )


def _hosts(records: Iterable[MX]) -> tuple[tuple[MXHost, ...], tuple[str, ...]]:
    """Hosts by preference and name; and the targets that are no host names, which are passed over."""
    best: dict[Domain, int] = {}
    unusable: list[str] = []
    for record in records:
        try:
            name = Domain.from_dns(record.exchange)
        except DomainError:
            unusable.append(record.exchange.to_text())
            continue
        best[name] = min(record.preference, best.get(name, record.preference))
    hosts = sorted((MXHost(preference, name) for name, preference in best.items()), key=_rank)
    return tuple(hosts), tuple(sorted(unusable))


def _rank(host: MXHost) -> tuple[int, Domain]:
    return host.preference, host.name


def _expansion(domain: Domain, answer: Answer) -> tuple[Domain, ...]:
    """The end of a secure alias chain. Names on the way never count (RFC 7672 §3.2.2)."""
    if not answer.secure or not answer.aliases:
        return ()
    try:
        end = Domain.from_dns(answer.canonical_name)
    except DomainError:
        return ()
    return (end,) if end != domain else ()


def _words(answer: Answer) -> str:
    reason = answer.reason or f"answer is {answer.status.value}"
    return f"{reason} ({answer.status.value})" if answer.status.value not in reason else reason

"""DNS misbehaviour: what happens to single questions on their way."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace

import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
import dns.zonefile
from dns.rdtypes.ANY.RRSIG import RRSIG

from danelaw.lab.keys import Window
from danelaw.lab.recursion import Findings, Recursion
from danelaw.lab.scenario import Fault, FaultKind

_YEAR = 365 * 86400


class Silence(Exception):
    """No DNS answer is sent; `instead` holds bytes that are none, or None."""

    def __init__(self, instead: bytes | None = None) -> None:
        super().__init__()
        self.instead = instead


@dataclass(frozen=True, slots=True)
class PlacedFault:
    """A fault with its names made absolute."""

    fault: Fault
    name: dns.name.Name
    types: frozenset[dns.rdatatype.RdataType]
    records: tuple[dns.rrset.RRset, ...]

    @classmethod
    def place(cls, fault: Fault, origin: dns.name.Name) -> PlacedFault:
        """Read the names of `fault` relative to `origin`."""
        name = origin if fault.name == "@" else dns.name.from_text(fault.name, origin)
        records = dns.zonefile.read_rrsets("\n".join(fault.records), origin=origin, relativize=False, default_ttl=300)
        types = frozenset(dns.rdatatype.from_text(text) for text in fault.types)
        return cls(fault, name, types, tuple(records))

    def concerns(self, name: dns.name.Name, rdtype: dns.rdatatype.RdataType) -> bool:
        """True when the question is hit."""
        named = name.is_subdomain(self.name) if self.fault.below else name == self.name
        return named and (not self.types or rdtype in self.types)


class FaultTable:
    """All faults of a name server."""

    def __init__(self, faults: list[PlacedFault]) -> None:
        self._faults = faults
        self._asked: Counter[tuple[dns.name.Name, dns.rdatatype.RdataType]] = Counter()

    @property
    def kinds(self) -> set[FaultKind]:
        """The kinds of fault present."""
        return {placed.fault.kind for placed in self._faults}

    def apply(
        self, recursion: Recursion, name: dns.name.Name, rdtype: dns.rdatatype.RdataType, *, tcp: bool
    ) -> tuple[Findings, bool]:
        """The findings after all faults, and whether EDNS is removed. Raises `Silence` for no answer."""
        hits = [placed for placed in self._faults if placed.concerns(name, rdtype)]
        for placed in hits:
            self._silence(placed.fault.kind, name, rdtype, tcp)
        found = recursion.resolve(name, rdtype)
        for placed in hits:
            found = self._altered(placed, recursion, found)
        return found, not tcp and any(placed.fault.kind is FaultKind.STRIP_EDNS_UDP for placed in hits)

    def _silence(self, kind: FaultKind, name: dns.name.Name, rdtype: dns.rdatatype.RdataType, tcp: bool) -> None:
        if kind is FaultKind.DROP or (kind is FaultKind.DROP_UDP and not tcp):
            raise Silence
        if kind is FaultKind.GARBAGE:
            raise Silence(b"\x00" * 7)
        if kind is FaultKind.DROP_FIRST:
            self._asked[name, rdtype] += 1
            if self._asked[name, rdtype] % 2:
                raise Silence

    def _altered(self, placed: PlacedFault, recursion: Recursion, found: Findings) -> Findings:
        kind = placed.fault.kind
        if kind is FaultKind.SERVFAIL:
            return Findings(rcode=dns.rcode.SERVFAIL)
        if kind is FaultKind.STRIP_SIGNATURES:
            return self.without_signatures(found)
        if kind is FaultKind.CORRUPT_SIGNATURES:
            return _mapped(found, _corrupted)
        if kind is FaultKind.EXPIRED_SIGNATURES:
            return _resigned(found, recursion)
        if kind is FaultKind.FORGE:
            # The attacker keeps the genuine signatures, which fit the genuine data only.
            genuine = [rrset for rrset in found.answer if rrset.rdtype == dns.rdatatype.RRSIG]
            return Findings(answer=[*placed.records, *genuine])
        if kind is FaultKind.DENY:
            return Findings(authority=[rrset for rrset in found.authority if rrset.rdtype == dns.rdatatype.SOA])
        if kind is FaultKind.NO_NAME:
            return Findings(dns.rcode.NXDOMAIN, authority=found.authority)
        return found

    @staticmethod
    def without_signatures(found: Findings) -> Findings:
        """The same without any RRSIG, NSEC or NSEC3, as from a resolver that knows nothing of DNSSEC."""
        gone = (dns.rdatatype.RRSIG, dns.rdatatype.NSEC, dns.rdatatype.NSEC3)
        return Findings(
            found.rcode,
            [rrset for rrset in found.answer if rrset.rdtype not in gone],
            [rrset for rrset in found.authority if rrset.rdtype not in gone],
        )


def _mapped(found: Findings, change: Callable[[dns.rrset.RRset], dns.rrset.RRset]) -> Findings:
    return replace(found, answer=[change(r) for r in found.answer], authority=[change(r) for r in found.authority])


def _corrupted(rrset: dns.rrset.RRset) -> dns.rrset.RRset:
    if rrset.rdtype != dns.rdatatype.RRSIG:
        return rrset
    altered = []
    for rdata in rrset:
        assert isinstance(rdata, RRSIG)
        altered.append(rdata.replace(signature=bytes([rdata.signature[0] ^ 1]) + rdata.signature[1:]))
    return dns.rrset.from_rdata_list(rrset.name, rrset.ttl, altered)


def _resigned(found: Findings, recursion: Recursion) -> Findings:
    """Signatures by the right keys whose time ended a year ago."""

    def old(rrset: dns.rrset.RRset, section: list[dns.rrset.RRset]) -> dns.rrset.RRset:
        if rrset.rdtype != dns.rdatatype.RRSIG or not isinstance(rrset[0], RRSIG):
            return rrset
        covered = rrset[0].type_covered
        zone = recursion.zones[rrset[0].signer]
        window = Window(zone.window.inception - _YEAR, zone.window.expiration - _YEAR)
        plain = next(other for other in section if other.name == rrset.name and other.rdtype == covered)
        return zone.signature(plain, window) or rrset

    return replace(
        found,
        answer=[old(rrset, found.answer) for rrset in found.answer],
        authority=[old(rrset, found.authority) for rrset in found.authority],
    )

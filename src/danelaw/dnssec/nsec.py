"""Absence proved by NSEC records (RFC 4035 §5.4, RFC 4592, RFC 6840 §4, RFC 9824)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import dns.name
import dns.rdatatype
from dns.rdtypes.ANY.NSEC import NSEC

from danelaw.dnssec.denial import (
    NXNAME,
    Cut,
    CutState,
    Proof,
    Proven,
    cut_by_types,
    holds,
    leaves_zone,
    missing,
    refused_by_types,
)
from danelaw.dnssec.verify import Verified

_WILDCARD = dns.name.Name((b"*",))


@dataclass(frozen=True, slots=True)
class _Span:
    """One NSEC record: the owner exists with the types of its bit map, nothing lies between it and `next`."""

    owner: dns.name.Name
    next: dns.name.Name
    windows: tuple[tuple[int, bytes], ...]

    def covers(self, name: dns.name.Name, zone: dns.name.Name) -> bool:
        """True when `name` sorts strictly between owner and next; the last record's next is the apex."""
        before_next = self.next == zone or name < self.next
        if not (self.owner < name and before_next):
            return False
        return not (name.is_subdomain(self.owner) and leaves_zone(self.windows))


class NSECProofs:
    """The verified NSEC records of one response and one zone."""

    def __init__(self, zone: dns.name.Name, verified: Iterable[Verified]) -> None:
        self.zone = zone
        self._spans = [
            _Span(item.rrset.name, rdata.next, tuple(rdata.windows))
            for item in verified
            for rdata in item.rrset
            if isinstance(rdata, NSEC) and rdata.next.is_subdomain(zone)
        ]

    def _matching(self, name: dns.name.Name) -> _Span | None:
        return next((span for span in self._spans if span.owner == name), None)

    def _covering(self, name: dns.name.Name) -> _Span | None:
        if not name.is_subdomain(self.zone):
            return None
        return next((span for span in self._spans if span.covers(name, self.zone)), None)

    def no_data(self, name: dns.name.Name, rdtype: int) -> Proof:
        """RFC 4035 §3.1.3.1 and §3.1.3.4, empty non-terminals included (RFC 4592 §2.2.2)."""
        span = self._matching(name)
        if span is not None:
            refusal = refused_by_types(span.windows, name, rdtype)
            return missing(refusal) if refusal else Proof(Proven.SECURE, f"NSEC of {name} lacks the type")
        span = self._covering(name)
        if span is None:
            return missing(f"no NSEC record matches or covers {name}")
        if span.next.is_subdomain(name):
            return Proof(Proven.SECURE, f"{name} is an empty non-terminal by NSEC of {span.owner}")
        return self._wildcard_no_data(name, span, rdtype)

    def _wildcard_no_data(self, name: dns.name.Name, span: _Span, rdtype: int) -> Proof:
        wildcard = _wildcard_below(closest_encloser(name, span.owner, span.next))
        if wildcard is None:
            return missing(f"no wildcard can exist for {name}")
        source = self._matching(wildcard)
        if source is not None:
            refusal = refused_by_types(source.windows, wildcard, rdtype)
            return missing(refusal) if refusal else Proof(Proven.SECURE, f"NSEC of {wildcard} lacks the type")
        source = self._covering(wildcard)
        if source is not None and source.next.is_subdomain(wildcard):
            return Proof(Proven.SECURE, f"{wildcard} is an empty non-terminal by NSEC of {source.owner}")
        return missing(f"no NSEC record of {wildcard}, and {name} does not exist")

    def name_error(self, name: dns.name.Name) -> Proof:
        """RFC 4035 §3.1.3.2: neither the name nor its wildcard exist; NXNAME of RFC 9824 counts too."""
        span = self._matching(name)
        if span is not None and holds(span.windows, NXNAME):
            return Proof(Proven.SECURE, f"NSEC of {name} says NXNAME: the name does not exist")
        span = self._covering(name)
        if span is None:
            return missing(f"no NSEC record covers {name}")
        if span.next.is_subdomain(name):
            return missing(f"{name} exists as an empty non-terminal by NSEC of {span.owner}")
        wildcard = _wildcard_below(closest_encloser(name, span.owner, span.next))
        if wildcard is None:
            return Proof(Proven.SECURE, f"NSEC of {span.owner} covers {name}; no wildcard fits")
        source = self._covering(wildcard)
        if source is None or source.next.is_subdomain(wildcard):
            return missing(f"no NSEC record proves that {wildcard} does not exist")
        return Proof(Proven.SECURE, f"NSEC of {span.owner} covers {name}, NSEC of {source.owner} its wildcard")

    def no_closer_match(self, name: dns.name.Name, closest_encloser_: dns.name.Name) -> Proof:
        """RFC 4035 §5.3.4: the name itself, and anything between it and the wildcard's parent, does not exist."""
        span = self._covering(name)
        if span is None:
            return missing(f"no NSEC record proves that {name} itself does not exist, needed for the wildcard")
        if span.next.is_subdomain(name) or closest_encloser(name, span.owner, span.next) != closest_encloser_:
            return missing(f"a closer match than *.{closest_encloser_} exists for {name}")
        return Proof(Proven.SECURE, f"NSEC of {span.owner} shows the wildcard *.{closest_encloser_} applies")

    def cut(self, name: dns.name.Name) -> Cut:
        """RFC 4035 §5.2, RFC 6840 §4.4."""
        span = self._matching(name)
        if span is not None:
            return cut_by_types(span.windows, name)
        span = self._covering(name)
        if span is None:
            proof = missing(f"no NSEC record matches or covers {name}")
            return Cut(CutState.NOT, proof.text, proof.ede)
        if span.next.is_subdomain(name):
            return Cut(CutState.NO_CUT, f"{name} is an empty non-terminal")
        return Cut(CutState.NO_NAME, f"{name} does not exist by NSEC of {span.owner}")


def closest_encloser(name: dns.name.Name, owner: dns.name.Name, following: dns.name.Name) -> dns.name.Name:
    """The longest ancestor of `name` that exists, given that it lies between two neighbours (RFC 4592 §3.3.1)."""
    return max(_common(name, owner), _common(name, following), key=len)


def _common(a: dns.name.Name, b: dns.name.Name) -> dns.name.Name:
    _, _, labels = a.fullcompare(b)
    return dns.name.Name(a.labels[len(a) - labels :])


def _wildcard_below(name: dns.name.Name) -> dns.name.Name | None:
    try:
        return _WILDCARD.concatenate(name)
    except dns.name.NameTooLong:
        return None

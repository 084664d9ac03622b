"""Proofs of absence for the lab's signed zones: chains of NSEC (RFC 4034 §4) and NSEC3 records (RFC 5155)."""

from __future__ import annotations

import base64
import bisect
from collections.abc import Iterator
from functools import cached_property
from typing import Protocol

import dns.dnssec
import dns.name
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.util
import dns.rrset
from dns.rdtypes.ANY.NSEC import NSEC
from dns.rdtypes.ANY.NSEC3 import NSEC3

from danelaw.lab.scenario import Denial
from danelaw.lab.zone import SOA_TTL, Zone

_SHA1 = 1
_OPT_OUT = 1
_TO_HEX_ALPHABET = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", b"0123456789ABCDEFGHIJKLMNOPQRSTUV")
_FROM_HEX_ALPHABET = bytes.maketrans(b"0123456789ABCDEFGHIJKLMNOPQRSTUV", b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567")


class Proofs(Protocol):
    """What the answering side needs from either chain; each method gives unsigned RRsets."""

    def no_data(self, name: dns.name.Name) -> list[dns.rrset.RRset]:
        """The name exists, the type does not."""

    def no_name(self, name: dns.name.Name) -> list[dns.rrset.RRset]:
        """Neither the name nor a wildcard for it exists."""

    def expanded(self, name: dns.name.Name) -> list[dns.rrset.RRset]:
        """The name does not exist, so the wildcard answers."""

    def wildcard_no_data(self, name: dns.name.Name) -> list[dns.rrset.RRset]:
        """The wildcard for the name exists, but not with this type."""

    def records(self) -> Iterator[dns.rrset.RRset]:
        """The whole chain."""


def proofs(zone: Zone) -> Proofs:
    """The chain the zone uses."""
    return NSECChain(zone) if zone.denial is Denial.NSEC else NSEC3Chain(zone)


class NSECChain:
    """One NSEC per name that has records, in canonical order, the last pointing to the apex."""

    def __init__(self, zone: Zone) -> None:
        self._zone = zone

    @cached_property
    def _owners(self) -> list[dns.name.Name]:
        return [name for name in self._zone.names() if self._zone.types(name) and not _below_cut(self._zone, name)]

    def _record(self, position: int) -> dns.rrset.RRset:
        owner = self._owners[position]
        following = self._owners[(position + 1) % len(self._owners)]
        types = {*self._zone.bitmap(owner), dns.rdatatype.NSEC, dns.rdatatype.RRSIG}
        windows = dns.rdtypes.util.Bitmap.from_rdtypes(sorted(types)).windows
        rdata = NSEC(dns.rdataclass.IN, dns.rdatatype.NSEC, following, windows)  # type: ignore[no-untyped-call]
        return dns.rrset.from_rdata(owner, SOA_TTL, rdata)

    def _at_or_before(self, name: dns.name.Name) -> dns.rrset.RRset:
        return self._record(bisect.bisect_right(self._owners, name) - 1)

    def no_data(self, name: dns.name.Name) -> list[dns.rrset.RRset]:
        """The NSEC of the name, or for an empty non-terminal the one that skips it."""
        return [self._at_or_before(name)]

    def no_name(self, name: dns.name.Name) -> list[dns.rrset.RRset]:
        """RFC 4035 §3.1.3.2: no such name, no wildcard at its closest encloser."""
        wildcard = dns.name.Name((b"*", *self._zone.closest_encloser(name).labels))
        return _unique([self._at_or_before(name), self._at_or_before(wildcard)])

    def expanded(self, name: dns.name.Name) -> list[dns.rrset.RRset]:
        """RFC 4035 §3.1.3.3."""
        return [self._at_or_before(name)]

    def wildcard_no_data(self, name: dns.name.Name) -> list[dns.rrset.RRset]:
        """RFC 4035 §3.1.3.4."""
        return self.no_name(name)

    def records(self) -> Iterator[dns.rrset.RRset]:
        """Every NSEC of the zone."""
        for position in range(len(self._owners)):
            yield self._record(position)


class NSEC3Chain:
    """One NSEC3 per existing name, in order of hashes; no salt, no extra iterations (RFC 9276 §3.1).

    With opt-out, delegations without DS have none (RFC 5155 §6).
    """

    def __init__(self, zone: Zone) -> None:
        self._zone = zone
        self._opt_out = zone.denial is Denial.OPT_OUT

    @cached_property
    def _names(self) -> dict[bytes, dns.name.Name]:
        return {
            _hash(name): name
            for name in self._zone.names()
            if not _below_cut(self._zone, name) and not (self._opt_out and self._insecure_delegation(name))
        }

    @cached_property
    def _hashes(self) -> list[bytes]:
        return sorted(self._names)

    def _insecure_delegation(self, name: dns.name.Name) -> bool:
        return name in self._zone.cuts and self._zone.rrset(name, dns.rdatatype.DS) is None

    def _record(self, position: int) -> dns.rrset.RRset:
        digest = self._hashes[position]
        following = self._hashes[(position + 1) % len(self._hashes)]
        windows = dns.rdtypes.util.Bitmap.from_rdtypes(self._zone.bitmap(self._names[digest])).windows
        flags = _OPT_OUT if self._opt_out else 0
        rdata = NSEC3(dns.rdataclass.IN, dns.rdatatype.NSEC3, _SHA1, flags, 0, b"", following, windows)  # type: ignore[no-untyped-call]
        label = base64.b32encode(digest).translate(_TO_HEX_ALPHABET).lower()
        return dns.rrset.from_rdata(dns.name.Name((label, *self._zone.origin.labels)), SOA_TTL, rdata)

    def _match(self, name: dns.name.Name) -> dns.rrset.RRset | None:
        digest = _hash(name)
        return self._record(bisect.bisect_left(self._hashes, digest)) if digest in self._names else None

    def _cover(self, name: dns.name.Name) -> dns.rrset.RRset:
        # Index -1 is the last record, which covers what sorts before the first hash.
        return self._record(bisect.bisect_right(self._hashes, _hash(name)) - 1)

    def _closest_encloser(self, name: dns.name.Name) -> tuple[dns.name.Name, list[dns.rrset.RRset]]:
        """RFC 5155 §7.2.1: the record of the closest (provable) encloser and the one that covers the next name."""
        following = name
        encloser = name.parent()
        while (match := self._match(encloser)) is None:
            following, encloser = encloser, encloser.parent()
        return encloser, [match, self._cover(following)]

    def no_data(self, name: dns.name.Name) -> list[dns.rrset.RRset]:
        """RFC 5155 §7.2.3, and §7.2.4 for DS at a delegation that opted out."""
        match = self._match(name)
        return [match] if match is not None else _unique(self._closest_encloser(name)[1])

    def no_name(self, name: dns.name.Name) -> list[dns.rrset.RRset]:
        """RFC 5155 §7.2.2."""
        encloser, proof = self._closest_encloser(name)
        return _unique([*proof, self._cover(dns.name.Name((b"*", *encloser.labels)))])

    def expanded(self, name: dns.name.Name) -> list[dns.rrset.RRset]:
        """RFC 5155 §7.2.6: only the next closer name is covered."""
        return [self._closest_encloser(name)[1][1]]

    def wildcard_no_data(self, name: dns.name.Name) -> list[dns.rrset.RRset]:
        """RFC 5155 §7.2.5."""
        encloser, proof = self._closest_encloser(name)
        wildcard = self._match(dns.name.Name((b"*", *encloser.labels)))
        return _unique([*proof, *([wildcard] if wildcard is not None else [])])

    def records(self) -> Iterator[dns.rrset.RRset]:
        """Every NSEC3 of the zone."""
        for position in range(len(self._hashes)):
            yield self._record(position)


def _hash(name: dns.name.Name) -> bytes:
    text = dns.dnssec.nsec3_hash(name, None, 0, _SHA1)
    return base64.b32decode(text.encode().translate(_FROM_HEX_ALPHABET))


def _below_cut(zone: Zone, name: dns.name.Name) -> bool:
    above = name
    while above != zone.origin:
        above = above.parent()
        if above in zone.cuts:
            return True
    return False


def _unique(records: list[dns.rrset.RRset]) -> list[dns.rrset.RRset]:
    return list({record.name: record for record in records}.values())

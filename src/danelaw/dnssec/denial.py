"""What absence proofs have in common: their outcomes, type bit maps, and gathering verified records."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

import dns.name
import dns.rdatatype
from dns.edns import EDECode

# RFC 9824 §2: the type that marks a name as not existing in a compact denial.
NXNAME = 128
# What a name without any data may have in its bit map (RFC 4035 §2.3).
_ALWAYS = frozenset({dns.rdatatype.RRSIG, dns.rdatatype.NSEC, NXNAME})


class Proven(Enum):
    """How far a proof goes."""

    SECURE = "secure"
    INSECURE = "insecure"
    NOT = "not proven"


@dataclass(frozen=True, slots=True)
class Proof:
    """The outcome of one attempt to prove something, in words, with an RFC 8914 code unless secure."""

    proven: Proven
    text: str
    ede: int | None = None


class CutState(Enum):
    """What a proof says about a zone cut without DS at a name."""

    UNSIGNED = "insecure delegation"
    NO_CUT = "no zone cut"
    NO_NAME = "no such name, hence no cut at or below it"
    NOT = "not proven"


@dataclass(frozen=True, slots=True)
class Cut:
    """The outcome of asking a parent zone about a possible delegation."""

    state: CutState
    text: str
    ede: int | None = None


class DenialProofs(Protocol):
    """Verified NSEC or NSEC3 records of one zone, ready to answer questions about absence."""

    def no_data(self, name: dns.name.Name, rdtype: int) -> Proof:
        """Does the name exist, or match a wildcard, without this type?"""

    def name_error(self, name: dns.name.Name) -> Proof:
        """Does neither the name nor a wildcard for it exist?"""

    def no_closer_match(self, name: dns.name.Name, closest_encloser: dns.name.Name) -> Proof:
        """Is nothing closer to `name` than the wildcard below `closest_encloser`?"""

    def cut(self, name: dns.name.Name) -> Cut:
        """Is there a delegation without DS at `name`?"""


def missing(text: str) -> Proof:
    """The proof needed is not there."""
    return Proof(Proven.NOT, text, EDECode.NSEC_MISSING)


def holds(windows: Iterable[tuple[int, bytes]], rdtype: int) -> bool:
    """True when the type bit map names the type (RFC 4034 §4.1.2)."""
    window, low = divmod(rdtype, 256)
    octet, bit = divmod(low, 8)
    for number, bitmap in windows:
        if number == window:
            return octet < len(bitmap) and bool(bitmap[octet] & (0x80 >> bit))
    return False


def _types(windows: Iterable[tuple[int, bytes]]) -> Iterator[int]:
    for number, bitmap in windows:
        for low in range(len(bitmap) * 8):
            if bitmap[low // 8] & (0x80 >> low % 8):
                yield number * 256 + low


def refused_by_types(windows: Sequence[tuple[int, bytes]], name: dns.name.Name, rdtype: int) -> str | None:
    """Why a matching record's bit map does not prove absence of the type, or None when it does.

    RFC 4035 §5.4, RFC 6840 §4.1 (records of a delegation speak only about DS) and §4.3 (CNAME bit);
    the child's own apex says nothing about DS (RFC 4035 §5.2).
    """
    if rdtype == dns.rdatatype.ANY:
        present = next((kind for kind in _types(windows) if kind not in _ALWAYS), None)
        rdtype = rdtype if present is None else present
    if holds(windows, rdtype):
        return f"{name} has {dns.rdatatype.to_text(dns.rdatatype.RdataType(rdtype))} by its own denial record"
    if rdtype != dns.rdatatype.CNAME and holds(windows, dns.rdatatype.CNAME):
        return f"{name} is an alias by its own denial record"
    at_apex = holds(windows, dns.rdatatype.SOA)
    if rdtype == dns.rdatatype.DS:
        if at_apex and name != dns.name.root:
            return f"the denial of DS for {name} comes from the child zone"
    elif holds(windows, dns.rdatatype.NS) and not at_apex:
        return f"the denial for {name} comes from the parent zone"
    return None


def leaves_zone(windows: Sequence[tuple[int, bytes]]) -> bool:
    """True for a record of a delegation or a DNAME: it proves nothing about names below (RFC 6840 §4.1)."""
    delegation = holds(windows, dns.rdatatype.NS) and not holds(windows, dns.rdatatype.SOA)
    return delegation or holds(windows, dns.rdatatype.DNAME)


def cut_by_types(windows: Sequence[tuple[int, bytes]], name: dns.name.Name) -> Cut:
    """What the bit map of the record matching `name` says about a delegation there (RFC 6840 §4.4)."""
    if holds(windows, dns.rdatatype.DS):
        return Cut(CutState.NOT, f"{name} has DS by its own denial record", EDECode.DNSSEC_BOGUS)
    if holds(windows, dns.rdatatype.SOA):
        return Cut(CutState.NOT, f"the denial of DS for {name} comes from the child zone", EDECode.NSEC_MISSING)
    if holds(windows, dns.rdatatype.NS):
        return Cut(CutState.UNSIGNED, f"{name} is delegated without DS, proved by its parent zone")
    return Cut(CutState.NO_CUT, f"{name} is no zone of its own")

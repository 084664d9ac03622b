"""Where trust starts and where it is suspended: trust anchors (RFC 4033 §2) and negative ones (RFC 7646)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import dns.exception
import dns.name
import dns.rdatatype
import dns.rrset
import dns.zonefile
from dns.rdtypes.ANY.DNSKEY import DNSKEY
from dns.rdtypes.ANY.DS import DS

from danelaw.dnssec.root_anchors import ROOT_ANCHORS
from danelaw.errors import DanelawError


class TrustAnchorError(DanelawError, ValueError):
    """The text holds no usable trust anchor."""


@dataclass(frozen=True, slots=True)
class TrustAnchor:
    """What is trusted at one zone apex: digests of keys, keys, or both."""

    zone: dns.name.Name
    ds: tuple[DS, ...] = ()
    keys: tuple[DNSKEY, ...] = ()


class TrustAnchors:
    """The configured trust anchors, one `TrustAnchor` per zone; immutable."""

    __slots__ = ("_by_zone",)

    def __init__(self, anchors: Mapping[dns.name.Name, TrustAnchor]) -> None:
        self._by_zone = dict(anchors)

    @classmethod
    def from_text(cls, text: str) -> TrustAnchors:
        """Read DS and DNSKEY records in zone-file form, owner names absolute or taken as absolute.

        TTL and class may be left out. Raises `TrustAnchorError` when a line cannot be read, when a record
        of another type is present, or when there is no record at all.
        """
        try:
            rrsets = dns.zonefile.read_rrsets(text, rdclass=None, default_ttl=86400)
        except (dns.exception.DNSException, ValueError) as error:
            raise TrustAnchorError(
                f"trust anchors cannot be read: {error}",
                advice="write one DS or DNSKEY record per line, such as the root's from IANA",
            ) from None
        return cls._from_rrsets(rrsets)

    @classmethod
    def _from_rrsets(cls, rrsets: list[dns.rrset.RRset]) -> TrustAnchors:
        found: dict[dns.name.Name, tuple[list[DS], list[DNSKEY]]] = {}
        for rrset in rrsets:
            ds, keys = found.setdefault(rrset.name, ([], []))
            for rdata in rrset:
                if isinstance(rdata, DS) and rdata.rdtype == dns.rdatatype.DS:
                    ds.append(rdata)
                elif isinstance(rdata, DNSKEY) and rdata.rdtype == dns.rdatatype.DNSKEY:
                    keys.append(rdata)
                else:
                    kind = dns.rdatatype.to_text(rrset.rdtype)
                    raise TrustAnchorError(f"a trust anchor must be DS or DNSKEY; {rrset.name} has {kind}")
        if not found:
            raise TrustAnchorError("no trust anchor found", advice="write at least one DS or DNSKEY record")
        return cls({zone: TrustAnchor(zone, tuple(ds), tuple(keys)) for zone, (ds, keys) in found.items()})

    @classmethod
    def root(cls) -> TrustAnchors:
        """The root's key signing keys shipped with danelaw, see `danelaw.dnssec.root_anchors`."""
        return cls.from_text(ROOT_ANCHORS)

    def at_or_above(self, name: dns.name.Name) -> TrustAnchor | None:
        """The anchor closest to `name` (RFC 6840 appendix C.1), or None when no anchor is above it."""
        while True:
            anchor = self._by_zone.get(name)
            if anchor is not None or name == dns.name.root:
                return anchor
            name = name.parent()

    @property
    def zones(self) -> tuple[dns.name.Name, ...]:
        """The apexes of all anchors."""
        return tuple(self._by_zone)


@dataclass(frozen=True, slots=True)
class NegativeTrustAnchor:
    """Validation is suspended at and below `name` until `expires` (POSIX seconds), `because` in words.

    RFC 7646 §2: always limited in time; a trust anchor below it still counts.
    """

    name: dns.name.Name
    expires: float
    because: str

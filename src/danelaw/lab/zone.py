"""A zone of the lab: its records, and signatures made when first asked for.

Written apart from `danelaw.dnssec` on purpose: signer and validator check each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TypeAlias

import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
import dns.zonefile

from danelaw.lab.keys import Window, ZoneKeys
from danelaw.lab.scenario import Denial

SOA_TTL = 300
Signed: TypeAlias = tuple[dns.rrset.RRset, dns.rrset.RRset | None]

_SOA = "nameserver. hostmaster.lab. 1 3600 600 1209600 300"
_PARENT_SIDE = (dns.rdatatype.NS, dns.rdatatype.DS)


class Zone:
    """Records below `origin`; with `keys` every answer has its signature.

    Add records first; the first look-up of a signed RRset or of the chain of names fixes the content.
    """

    def __init__(
        self,
        origin: dns.name.Name,
        window: Window,
        *,
        keys: ZoneKeys | None = None,
        denial: Denial = Denial.NSEC,
        name_servers: Sequence[str] = ("nameserver.",),
    ) -> None:
        self.origin = origin
        self.window = window
        self.keys = keys
        self.denial = denial
        self.cuts: set[dns.name.Name] = set()
        self._nodes: dict[dns.name.Name, dict[dns.rdatatype.RdataType, dns.rrset.RRset]] = {}
        self._signatures: dict[tuple[dns.name.Name, dns.rdatatype.RdataType, Window], dns.rrset.RRset] = {}
        self._exists: set[dns.name.Name] = set()
        self.add(dns.rrset.from_text(origin, SOA_TTL, "IN", "SOA", _SOA))
        self.add(dns.rrset.from_text_list(origin, 3600, "IN", "NS", name_servers))

    @property
    def signed(self) -> bool:
        """True when the zone has keys."""
        return self.keys is not None

    def add(self, rrset: dns.rrset.RRset) -> None:
        """Put an RRset in, merging it with one that is there."""
        types = self._nodes.setdefault(rrset.name, {})
        if rrset.rdtype in types:
            for rdata in rrset:
                types[rrset.rdtype].add(rdata)
        else:
            types[rrset.rdtype] = rrset
        if rrset.rdtype == dns.rdatatype.NS and rrset.name != self.origin:
            self.cuts.add(rrset.name)
        name = rrset.name
        while name.is_subdomain(self.origin) and name not in self._exists:
            self._exists.add(name)
            if name == self.origin:
                break
            name = name.parent()

    def add_text(self, lines: Iterable[str]) -> None:
        """Put zone-file lines in; names are relative to the origin."""
        for rrset in dns.zonefile.read_rrsets("\n".join(lines), origin=self.origin, relativize=False, default_ttl=3600):
            self.add(rrset)

    def publish_keys(self) -> None:
        """Put the DNSKEY RRset and, with NSEC3, the NSEC3PARAM record in."""
        if self.keys is None or dns.rdatatype.DNSKEY in self._nodes[self.origin]:
            return
        self.add(dns.rrset.from_rdata_list(self.origin, 3600, list(self.keys.dnskeys)))
        if self.denial is not Denial.NSEC:
            self.add(dns.rrset.from_text(self.origin, 0, "IN", "NSEC3PARAM", "1 0 0 -"))

    def exists(self, name: dns.name.Name) -> bool:
        """True for owners and for the empty non-terminals above them (RFC 4592 §2.2.2)."""
        return name in self._exists

    def names(self) -> list[dns.name.Name]:
        """All existing names in canonical order, empty non-terminals included."""
        return sorted(self._exists)

    def types(self, name: dns.name.Name) -> list[dns.rdatatype.RdataType]:
        """The types at a name, without those the signer adds."""
        return sorted(self._nodes.get(name, {}))

    def rrset(self, name: dns.name.Name, rdtype: dns.rdatatype.RdataType) -> dns.rrset.RRset | None:
        """The plain RRset."""
        if rdtype == dns.rdatatype.DNSKEY and name == self.origin:
            self.publish_keys()
        return self._nodes.get(name, {}).get(rdtype)

    def lookup(self, name: dns.name.Name, rdtype: dns.rdatatype.RdataType) -> Signed | None:
        """The RRset with its signature, None when there is no such RRset."""
        rrset = self.rrset(name, rdtype)
        return None if rrset is None else (rrset, self.signature(rrset))

    def signature(self, rrset: dns.rrset.RRset, window: Window | None = None) -> dns.rrset.RRset | None:
        """The RRSIG RRset over `rrset`; None in unsigned zones and for delegations (RFC 4035 §2.2)."""
        if self.keys is None or (rrset.name in self.cuts and rrset.rdtype == dns.rdatatype.NS):
            return None
        valid = window or self.window
        key = (rrset.name, rrset.rdtype, valid)
        if key not in self._signatures:
            signer = self.keys.ksk if rrset.rdtype == dns.rdatatype.DNSKEY else self.keys.zsk
            rrsig = signer.sign(rrset, self.origin, valid)
            self._signatures[key] = dns.rrset.from_rdata(rrset.name, rrset.ttl, rrsig)
        return self._signatures[key]

    def closest_encloser(self, name: dns.name.Name) -> dns.name.Name:
        """The longest existing ancestor of a name of this zone (RFC 4592 §3.3.1)."""
        while not self.exists(name):
            name = name.parent()
        return name

    def rrsets(self) -> Iterator[dns.rrset.RRset]:
        """Every RRset in canonical order of names, without those the signer adds."""
        self.publish_keys()
        for name in self.names():
            for rdtype in self.types(name):
                yield self._nodes[name][rdtype]

    def bitmap(self, name: dns.name.Name) -> list[dns.rdatatype.RdataType]:
        """The types a denial record at `name` lists, RRSIG included, NSEC not (RFC 4035 §2.3, RFC 5155 §7.1)."""
        self.publish_keys()
        types = set(self.types(name))
        if name in self.cuts:
            types &= set(_PARENT_SIDE)
        if types - {dns.rdatatype.NS} or (types and name not in self.cuts):
            types.add(dns.rdatatype.RRSIG)
        return sorted(types)

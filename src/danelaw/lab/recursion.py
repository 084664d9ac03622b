"""Answers as a recursive resolver gives them: whole alias chains, signatures, proofs of absence, DS from the parent.

It validates nothing and never sets AD; that is the gateway's work.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
from dns.rdtypes.ANY.CNAME import CNAME
from dns.rdtypes.ANY.DNAME import DNAME

from danelaw.lab.denial import Proofs, proofs
from danelaw.lab.zone import Zone

_MAX_ALIASES = 12
_ABOUT_THE_NAME = (dns.rdatatype.NSEC, dns.rdatatype.RRSIG)
_ADDED_FOR_DNSSEC = (dns.rdatatype.RRSIG, dns.rdatatype.NSEC, dns.rdatatype.NSEC3)


@dataclass(slots=True)
class Findings:
    """Sections of an answer under way. `closest`: the zone of the last name of the alias chain."""

    rcode: dns.rcode.Rcode = dns.rcode.NOERROR
    answer: list[dns.rrset.RRset] = field(default_factory=list)
    authority: list[dns.rrset.RRset] = field(default_factory=list)


class Recursion:
    """All zones of the lab behind one resolver."""

    def __init__(self, zones: Iterable[Zone]) -> None:
        self.zones = {zone.origin: zone for zone in zones}
        self._proofs: dict[dns.name.Name, Proofs] = {}

    def zone_of(self, name: dns.name.Name) -> Zone:
        """The zone that holds `name` on the child side of cuts."""
        while name not in self.zones:
            name = name.parent()
        return self.zones[name]

    def resolve(self, name: dns.name.Name, rdtype: dns.rdatatype.RdataType) -> Findings:
        """Everything about a question, signatures included."""
        found = Findings()
        for _ in range(_MAX_ALIASES):
            target = self._step(found, name, rdtype)
            if target is None:
                return found
            name = target
        return Findings(rcode=dns.rcode.SERVFAIL)

    def _step(self, found: Findings, name: dns.name.Name, rdtype: dns.rdatatype.RdataType) -> dns.name.Name | None:
        """Add what one name says; gives the next name when it is an alias."""
        from_parent = rdtype == dns.rdatatype.DS and name in self.zones and name != dns.name.root
        zone = self.zone_of(name.parent() if from_parent else name)
        renamed = self._dname(found, zone, name)
        if renamed is not None:
            return renamed
        if zone.exists(name):
            return self._existing(found, zone, name, name, rdtype)
        wildcard = dns.name.Name((b"*", *zone.closest_encloser(name).labels))
        if zone.exists(wildcard):
            return self._existing(found, zone, wildcard, name, rdtype)
        found.rcode = dns.rcode.NXDOMAIN
        self._deny(found, zone, self._proof(zone).no_name(name) if zone.signed else [])
        return None

    def _existing(
        self, found: Findings, zone: Zone, owner: dns.name.Name, name: dns.name.Name, rdtype: dns.rdatatype.RdataType
    ) -> dns.name.Name | None:
        """Answer for `name` from the records at `owner`, which is the name itself or its wildcard."""
        if rdtype in _ABOUT_THE_NAME and zone.signed and (added := self._about(zone, owner, rdtype)):
            found.answer += [_renamed(part, name) for part in added]
            if owner != name:
                found.authority += _signed(zone, self._proof(zone).expanded(name))
            return None
        alias = zone.rrset(owner, dns.rdatatype.CNAME)
        wanted = dns.rdatatype.CNAME if alias is not None and rdtype != dns.rdatatype.CNAME else rdtype
        hit = zone.lookup(owner, wanted)
        if hit is None:
            if zone.signed:
                proof = self._proof(zone)
                self._deny(found, zone, proof.no_data(name) if owner == name else proof.wildcard_no_data(name))
            else:
                self._deny(found, zone, [])
            return None
        found.answer += [_renamed(part, name) for part in hit if part is not None]
        if owner != name and zone.signed:
            found.authority += _signed(zone, self._proof(zone).expanded(name))
        if wanted != rdtype:
            target = hit[0][0]
            assert isinstance(target, CNAME)
            return target.target
        return None

    def _about(self, zone: Zone, owner: dns.name.Name, rdtype: dns.rdatatype.RdataType) -> list[dns.rrset.RRset]:
        """What the signer added at a name: its NSEC record, or every signature (RFC 4035 §3.1.5 and §3.2.3)."""
        proof = self._proof(zone)
        records = [rrset for rdtype in zone.types(owner) if (rrset := zone.rrset(owner, rdtype)) is not None]
        nsec = [record for record in proof.no_data(owner) if record.name == owner]
        if rdtype == dns.rdatatype.NSEC:
            return _signed(zone, nsec)
        signed = [zone.signature(record) for record in (*records, *nsec)]
        return [signature for signature in signed if signature is not None]

    def _dname(self, found: Findings, zone: Zone, name: dns.name.Name) -> dns.name.Name | None:
        """RFC 6672 §3.2: the DNAME above the name, and the CNAME it stands for."""
        owner = name
        while owner != zone.origin:
            owner = owner.parent()
            hit = zone.lookup(owner, dns.rdatatype.DNAME)
            if hit is None:
                continue
            rdata = hit[0][0]
            assert isinstance(rdata, DNAME)
            target = dns.name.Name(name.relativize(owner).labels + rdata.target.labels)
            found.answer += [part for part in hit if part is not None]
            found.answer.append(dns.rrset.from_text(name, hit[0].ttl, "IN", "CNAME", target.to_text()))
            return target
        return None

    def _proof(self, zone: Zone) -> Proofs:
        if zone.origin not in self._proofs:
            zone.publish_keys()
            self._proofs[zone.origin] = proofs(zone)
        return self._proofs[zone.origin]

    def _deny(self, found: Findings, zone: Zone, proof: list[dns.rrset.RRset]) -> None:
        soa = zone.lookup(zone.origin, dns.rdatatype.SOA)
        assert soa is not None
        found.authority += [part for part in soa if part is not None]
        found.authority += _signed(zone, proof)


def _signed(zone: Zone, records: list[dns.rrset.RRset]) -> list[dns.rrset.RRset]:
    parts = [part for record in records for part in (record, zone.signature(record))]
    return [part for part in parts if part is not None]


def _renamed(rrset: dns.rrset.RRset, name: dns.name.Name) -> dns.rrset.RRset:
    return rrset if rrset.name == name else dns.rrset.from_rdata_list(name, rrset.ttl, list(rrset))


def without_dnssec(records: list[dns.rrset.RRset], asked: dns.rdatatype.RdataType) -> list[dns.rrset.RRset]:
    """What is left for a client that did not set DO (RFC 4035 §3.2.1)."""
    return [record for record in records if record.rdtype not in _ADDED_FOR_DNSSEC or record.rdtype == asked]


def response(
    query: dns.message.Message, found: Findings, *, edns: bool = True, payload: int = 1232
) -> dns.message.Message:
    """The message for findings: RA, CD copied, DO honoured and copied (RFC 3225 §3), AD never."""
    reply = dns.message.make_response(query, recursion_available=True)
    reply.flags |= query.flags & dns.flags.CD
    reply.set_rcode(found.rcode)
    asked = query.question[0].rdtype
    with_edns = edns and query.edns >= 0
    do = with_edns and bool(query.ednsflags & dns.flags.DO)
    reply.use_edns(0 if with_edns else -1, dns.flags.DO if do else 0, payload)
    reply.answer = list(found.answer) if do else without_dnssec(found.answer, asked)
    reply.authority = list(found.authority) if do else without_dnssec(found.authority, asked)
    return reply

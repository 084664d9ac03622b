"""An internet of generated zones, signed with NSEC or NSEC3, and the recursive answers to any question about it.

Written from the server's side of RFC 1034 §4.3.2, RFC 4035 §3.1 and RFC 5155 §7.2, without a line of the validator.
"""

from __future__ import annotations

import base64
import functools
from dataclasses import dataclass, field

import dns.dnssec
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
from cryptography.hazmat.primitives.asymmetric import ed25519
from dns.dnssectypes import DSDigest
from dns.rdtypes.ANY.NSEC import Bitmap

from danelaw.dnsdata import Question

NOW = 1_700_000_000
LIFETIME = 14 * 86400
T = dns.rdatatype
Name = dns.name.Name
RRset = dns.rrset.RRset


def name(text: str) -> Name:
    return dns.name.from_text(text)


@functools.cache
def private_key(seed: int) -> ed25519.Ed25519PrivateKey:
    """Keys made from numbers, so that every run signs alike."""
    return ed25519.Ed25519PrivateKey.from_private_bytes(seed.to_bytes(32, "big"))


@dataclass
class Reply:
    """One step of an answer: what an authoritative server of the right zone says."""

    rcode: dns.rcode.Rcode = dns.rcode.NOERROR
    answer: list[RRset] = field(default_factory=list)
    authority: list[RRset] = field(default_factory=list)
    target: Name | None = None
    opt_out: bool = False


class Zone:
    """A zone made from text; `denial` is "nsec", "nsec3", "opt-out", or "" for an unsigned zone."""

    def __init__(self, origin: str, text: str, denial: str = "nsec", seed: int = 1, iterations: int = 0) -> None:
        self.origin = name(origin)
        self.denial = denial
        self.salt = b"\xab\xcd" if iterations else b""
        self.iterations = iterations
        self.private = private_key(seed)
        self.key = dns.dnssec.make_dnskey(self.private.public_key(), "ED25519", flags=257)
        self.nodes: dict[Name, dict[int, RRset]] = {}
        self.chain: list[tuple[bytes, Name]] = []
        self.signatures: dict[tuple[Name, int], RRset] = {}
        self._hashes: dict[Name, bytes] = {}
        self._existing: set[Name] = set()
        soa = f"@ 3600 SOA ns.{origin.lstrip('.')} h.{origin.lstrip('.')} 1 7200 3600 86400 300\n@ 3600 NS ns\n"
        for line in (soa + text).splitlines():
            if line.strip():
                owner, ttl, rdtype, rdata = line.split(None, 3)
                self.add(dns.name.from_text(owner, self.origin), int(ttl), rdtype, rdata)

    def add(self, owner: Name, ttl: int, rdtype: str, text: str) -> None:
        number = T.from_text(rdtype)
        rdata = dns.rdata.from_text(dns.rdataclass.IN, number, text, self.origin, relativize=False)
        node = self.nodes.setdefault(owner, {})
        node.setdefault(number, RRset(owner, dns.rdataclass.IN, number)).add(rdata, ttl)

    @property
    def ds(self) -> str:
        return dns.dnssec.make_ds(self.origin, self.key, DSDigest.SHA256).to_text()

    def delegated(self, owner: Name) -> bool:
        return owner != self.origin and T.NS in self.nodes.get(owner, {})

    def occluded(self, owner: Name) -> bool:
        while owner != self.origin:
            owner = owner.parent()
            if self.delegated(owner) or (T.DNAME in self.nodes.get(owner, {})):
                return True
        return False

    def exists(self, owner: Name) -> bool:
        """As a node or an empty non-terminal (RFC 4592 §2.2.2)."""
        if len(self._existing) == 0:
            for node in self.nodes:
                while node not in self._existing:
                    self._existing.add(node)
                    if node == self.origin:
                        break
                    node = node.parent()
        return owner in self._existing

    def sign(self) -> None:
        if not self.denial:
            return
        self.add(self.origin, 3600, "DNSKEY", self.key.to_text())
        if self.denial == "nsec":
            self._nsec()
        else:
            self._nsec3()

    def signature(self, rrset: RRset) -> RRset:
        key = (rrset.name, int(rrset.rdtype))
        if key not in self.signatures:
            rdata = dns.dnssec.sign(
                rrset, self.private, self.origin, self.key, NOW - LIFETIME, NOW + LIFETIME, policy=None
            )
            signed = RRset(rrset.name, dns.rdataclass.IN, T.RRSIG, rrset.rdtype)
            signed.add(rdata, rrset.ttl)
            self.signatures[key] = signed
        return self.signatures[key]

    def signed(self, rrset: RRset) -> list[RRset]:
        """The RRset with its signature, where this zone signs it."""
        glue = self.occluded(rrset.name) or (self.delegated(rrset.name) and rrset.rdtype == T.NS)
        return [rrset] if not self.denial or glue else [rrset, self.signature(rrset)]

    def _types(self, owner: Name, *extra: int) -> list[int]:
        types = set(self.nodes.get(owner, {}))
        if self.delegated(owner):
            types &= {T.NS, T.DS}
            signed = T.DS in types or self.denial == "nsec"
        else:
            signed = bool(types)
        return sorted(types | set(extra) | ({int(T.RRSIG)} if signed else set()))

    def _nsec(self) -> None:
        owners = sorted(owner for owner in self.nodes if not self.occluded(owner))
        for owner, following in zip(owners, [*owners[1:], self.origin], strict=True):
            bitmap = Bitmap.from_rdtypes([T.RdataType(t) for t in self._types(owner, T.NSEC)])
            rdata = dns.rdata.from_text(dns.rdataclass.IN, T.NSEC, f"{following} {bitmap.to_text()}")
            self.nodes[owner][T.NSEC] = RRset(owner, dns.rdataclass.IN, T.NSEC)
            self.nodes[owner][T.NSEC].add(rdata, 300)

    def hash(self, owner: Name) -> bytes:
        if owner not in self._hashes:
            text = dns.dnssec.nsec3_hash(owner, self.salt, self.iterations, 1)
            self._hashes[owner] = base64.b32hexdecode(text)
        return self._hashes[owner]

    def _nsec3(self) -> None:
        owners: set[Name] = set()
        for owner, types in self.nodes.items():
            left_out = self.denial == "opt-out" and self.delegated(owner) and T.DS not in types
            if self.occluded(owner) or left_out:
                continue
            while owner not in owners:
                owners.add(owner)
                if owner == self.origin:
                    break
                owner = owner.parent()
        self.chain = sorted((self.hash(owner), owner) for owner in owners)
        self.nsec3: dict[bytes, RRset] = {}
        for (digest, owner), (following, _) in zip(self.chain, [*self.chain[1:], self.chain[0]], strict=True):
            bitmap = Bitmap.from_rdtypes([T.RdataType(t) for t in self._types(owner)])
            flags = 1 if self.denial == "opt-out" else 0
            salt = self.salt.hex() or "-"
            next_text = base64.b32hexencode(following).decode()
            text = f"1 {flags} {self.iterations} {salt} {next_text} {bitmap.to_text()}"
            at = dns.name.from_text(base64.b32hexencode(digest).decode().lower(), self.origin)
            rrset = RRset(at, dns.rdataclass.IN, T.NSEC3)
            rrset.add(dns.rdata.from_text(dns.rdataclass.IN, T.NSEC3, text), 300)
            self.nsec3[digest] = rrset

    def matching(self, owner: Name) -> list[RRset]:
        if not self.denial:
            return []
        if self.denial == "nsec":
            node = self.nodes.get(owner, {})
            return self.signed(node[T.NSEC]) if T.NSEC in node else self.covering(owner)
        rrset = self.nsec3.get(self.hash(owner))
        return [] if rrset is None else [rrset, self.signature(rrset)]

    def covering(self, owner: Name) -> list[RRset]:
        if not self.denial:
            return []
        if self.denial == "nsec":
            at = max(o for o, types in self.nodes.items() if T.NSEC in types and o <= owner)
            return self.signed(self.nodes[at][T.NSEC])
        digest = self.hash(owner)
        found = [d for d, _ in self.chain if d < digest]
        rrset = self.nsec3[found[-1] if found else self.chain[-1][0]]
        return [rrset, self.signature(rrset)]

    def closest(self, owner: Name) -> tuple[Name, Name]:
        """The closest encloser and the next closer name; with NSEC3, the provable ones."""
        closer = owner
        while True:
            encloser = closer.parent()
            if self.matching(encloser) if self.denial.startswith(("nsec3", "opt")) else self.exists(encloser):
                return encloser, closer
            closer = encloser

    def respond(self, owner: Name, rdtype: int) -> Reply:
        """The reply for a name that belongs to this zone."""
        above = owner
        while above != self.origin:
            above = above.parent()
            dname = self.nodes.get(above, {}).get(T.DNAME)
            if dname is not None:
                return self._dname(owner, dname)
        node = self.nodes.get(owner)
        if node is not None or self.exists(owner):
            return self._at(owner, node or {}, rdtype)
        return self._nowhere(owner, rdtype)

    def _dname(self, owner: Name, dname: RRset) -> Reply:
        target = owner.relativize(dname.name).concatenate(dname[0].target)
        made = dns.rrset.from_text(owner, dname.ttl, "IN", "CNAME", target.to_text())
        return Reply(answer=[*self.signed(dname), made], target=target)

    def _at(self, owner: Name, node: dict[int, RRset], rdtype: int) -> Reply:
        if rdtype in node:
            return Reply(answer=self.signed(node[rdtype]))
        if T.CNAME in node:
            return Reply(answer=self.signed(node[T.CNAME]), target=node[T.CNAME][0].target)
        if self.denial == "opt-out" and not self.matching(owner):
            encloser, closer = self.closest(owner)
            return Reply(authority=self._soa(*self.matching(encloser), *self.covering(closer)), opt_out=True)
        return Reply(authority=self._soa(*self.matching(owner)))

    def _nowhere(self, owner: Name, rdtype: int) -> Reply:
        real = owner.parent()
        while not self.exists(real):
            real = real.parent()
        wildcard = name("*").relativize(dns.name.root).concatenate(real)
        encloser, closer = self.closest(owner) if self.denial else (real, owner)
        opt_out = self.denial == "opt-out"
        cover = self.covering(owner if self.denial == "nsec" else closer)
        shown = [] if self.denial == "nsec" else self.matching(encloser)
        node = self.nodes.get(wildcard)
        if node is None:
            proof = self._soa(*shown, *cover, *self.covering(wildcard))
            return Reply(dns.rcode.NXDOMAIN, authority=proof, opt_out=opt_out)
        found = node.get(rdtype) or node.get(T.CNAME)
        if found is None:
            return Reply(authority=self._soa(*shown, *cover, *self.matching(wildcard)), opt_out=opt_out)
        expanded = [_renamed(rrset, owner) for rrset in self.signed(found)]
        target = found[0].target if found.rdtype == T.CNAME != rdtype else None
        return Reply(answer=expanded, authority=list(cover), target=target, opt_out=opt_out)

    def _soa(self, *proof: RRset) -> list[RRset]:
        return _unique([*self.signed(self.nodes[self.origin][T.SOA]), *proof])


def _renamed(rrset: RRset, owner: Name) -> RRset:
    copy = RRset(owner, rrset.rdclass, rrset.rdtype, rrset.covers)
    copy.update(rrset)
    copy.ttl = rrset.ttl
    return copy


def _unique(rrsets: list[RRset]) -> list[RRset]:
    return list({(rrset.name, rrset.rdtype, rrset.covers): rrset for rrset in rrsets}.values())


class Internet:
    """All zones, the anchor of the root, and recursive answers."""

    def __init__(self, *zones: Zone) -> None:
        self.zones = {zone.origin: zone for zone in zones}
        for zone in zones:
            parent = self._parent(zone)
            if parent is not None:
                parent.add(zone.origin, 3600, "NS", f"ns.{zone.origin}")
                if zone.denial:
                    parent.add(zone.origin, 3600, "DS", zone.ds)
        for zone in zones:
            zone.sign()
        self.anchor = f". DS {self.zones[dns.name.root].ds}\n"
        self._wires: dict[Question, bytes] = {}

    def _parent(self, zone: Zone) -> Zone | None:
        return None if zone.origin == dns.name.root else self.zone_of(zone.origin.parent())

    def zone_of(self, owner: Name) -> Zone:
        while owner not in self.zones:
            owner = owner.parent()
        return self.zones[owner]

    def secure(self, zone: Zone) -> bool:
        """True when the zone and all above it are signed."""
        while zone.denial:
            parent = self._parent(zone)
            if parent is None:
                return True
            zone = parent
        return False

    def steps(self, question: Question) -> list[tuple[Zone, Reply]]:
        """What the zones say, alias after alias."""
        owner, found, seen = question.name, [], set()
        while owner not in seen and len(found) < 12:
            seen.add(owner)
            at_parent = question.rdtype == T.DS and owner != dns.name.root
            zone = self.zone_of(owner.parent() if at_parent else owner)
            reply = zone.respond(owner, question.rdtype)
            found.append((zone, reply))
            if reply.target is None or question.rdtype == T.CNAME:
                break
            owner = reply.target
        return found

    def wire(self, question: Question) -> bytes:
        """The octets of `answer`, made once."""
        if question not in self._wires:
            self._wires[question] = self.answer(question).to_wire(max_size=65535)
        return self._wires[question]

    def answer(self, question: Question) -> dns.message.Message:
        """The response of a recursive resolver asked with DO and CD."""
        message = dns.message.make_response(dns.message.make_query(question.name, question.rdtype, want_dnssec=True))
        message.flags |= dns.flags.RA
        steps = self.steps(question)
        message.answer = _unique([rrset for _, reply in steps for rrset in reply.answer])
        message.authority = _unique([rrset for _, reply in steps for rrset in reply.authority])
        message.set_rcode(steps[-1][1].rcode)
        return message

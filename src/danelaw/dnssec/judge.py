"""Judging one RRset or one absence: secure, insecure, bogus or indeterminate (RFC 4035 §4.3).

Signatures first, zone cuts second: what a signer's keys prove is secure. Only when nothing is proved is the chain
walked down to the name itself, and only a *proved* insecure delegation there makes missing signatures acceptable.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import dns.name
import dns.rcode
import dns.rdatatype
from dns.edns import EDECode
from dns.rdtypes.ANY.SOA import SOA

from danelaw.dnsdata import ChainLink, DNSSECStatus
from danelaw.dnssec.anchors import TrustAnchor
from danelaw.dnssec.chain import descend
from danelaw.dnssec.denial import DenialProofs, Proof, Proven
from danelaw.dnssec.resolution import Gathered, Reading, Resolution, Steps
from danelaw.dnssec.response import Section, SignedRRset
from danelaw.dnssec.trust import Broken, SecureZone, UnsignedFrom
from danelaw.dnssec.verify import Flaw, Verified, most_telling

_SIGNERS_TRIED = 3


@dataclass(frozen=True, slots=True)
class Verdict:
    """The status of one step, why, and until when it holds (POSIX seconds)."""

    status: DNSSECStatus
    text: str
    ede: int | None
    expires: float

    @property
    def failed(self) -> bool:
        """Nothing can be concluded."""
        return self.status in (DNSSECStatus.BOGUS, DNSSECStatus.INDETERMINATE)

    def link(self, name: dns.name.Name) -> ChainLink:
        """This verdict as the last step of a chain."""
        return ChainLink(name, self.text, self.status)


def failure(run: Resolution, status: DNSSECStatus, flaw: Flaw) -> Verdict:
    """A failed verdict, remembered only shortly (RFC 4035 §4.7)."""
    return Verdict(status, flaw.text, flaw.ede, run.now + run.limits.failure_seconds)


def belongs_to(name: dns.name.Name, rdtype: int) -> dns.name.Name:
    """Whose zone answers: DS lives on the parent side of a cut (RFC 4035 §3.1.4.1)."""
    return name.parent() if rdtype == dns.rdatatype.DS and name != dns.name.root else name


def judge_rrset(run: Resolution, signed: SignedRRset, reading: Reading) -> Steps[Verdict]:
    """The status of an RRset found in the answer section of `reading`."""
    owner, rdtype = signed.rrset.name, signed.rrset.rdtype
    anchor = run.anchor_for(belongs_to(owner, rdtype))
    if isinstance(anchor, UnsignedFrom):
        return _unsigned(run, anchor, signed.rrset.ttl)
    flaws: list[Flaw] = []
    for start, signer in _anchored(run, signed.signers):
        zone = yield from descend(run, start, signer, signer=True)
        if isinstance(zone, UnsignedFrom):
            return _unsigned(run, zone, signed.rrset.ttl)
        if not isinstance(zone, SecureZone) or zone.name != signer:
            continue
        outcome = run.verify(signed, zone)
        if isinstance(outcome, Flaw):
            flaws.append(outcome)
            continue
        run.rests_on(zone)
        verdict = _expanded(run, zone, outcome, reading.authority)
        if not verdict.failed:
            return verdict
        flaws.append(Flaw(verdict.text, verdict.ede or EDECode.DNSSEC_BOGUS))
    words = f"{owner} {dns.rdatatype.to_text(rdtype)}"
    flaw = most_telling(flaws, Flaw(f"{words} is not signed", EDECode.RRSIGS_MISSING))
    verdict = yield from _unproved(run, anchor, belongs_to(owner, rdtype), flaw, signed.rrset.ttl)
    if flaws and verdict.status is DNSSECStatus.INDETERMINATE:
        return failure(run, DNSSECStatus.BOGUS, flaw)
    return verdict


def judge_absence(run: Resolution, name: dns.name.Name, rdtype: int, reading: Reading) -> Steps[Verdict]:
    """The status of NXDOMAIN or NODATA for `name`, as the response code of `reading` claims it."""
    ttl = _negative_ttl(reading.authority)
    anchor = run.anchor_for(belongs_to(name, rdtype))
    if isinstance(anchor, UnsignedFrom):
        return _unsigned(run, anchor, ttl)
    denials = reading.authority.of_type(dns.rdatatype.NSEC, dns.rdatatype.NSEC3)
    claimed = dict.fromkeys(signer for signed in denials for signer in signed.signers)
    signers = tuple(signer for signer in claimed if belongs_to(name, rdtype).is_subdomain(signer))
    flaws: list[Flaw] = []
    for start, signer in _anchored(run, signers):
        zone = yield from descend(run, start, signer, signer=True)
        if isinstance(zone, UnsignedFrom):
            return _unsigned(run, zone, ttl)
        if not isinstance(zone, SecureZone) or zone.name != signer:
            continue
        verdict = _absent(run, zone, name, rdtype, reading)
        if not verdict.failed:
            run.rests_on(zone)
            return replace(verdict, expires=min(verdict.expires, run.now + ttl))
        flaws.append(Flaw(verdict.text, verdict.ede or EDECode.DNSSEC_BOGUS))
    words = f"{name} {dns.rdatatype.to_text(dns.rdatatype.RdataType(rdtype))}"
    flaw = most_telling(flaws, Flaw(f"the absence of {words} is not proved", EDECode.NSEC_MISSING))
    return (yield from _unproved(run, anchor, belongs_to(name, rdtype), flaw, ttl))


def _anchored(run: Resolution, signers: tuple[dns.name.Name, ...]) -> list[tuple[TrustAnchor, dns.name.Name]]:
    """Signers with the anchor a chain to them starts at, the deepest first; only a few, since each costs a chain.

    That anchor may be above the one of the name itself: any success counts (RFC 6840 appendix C.2).
    """
    anchored = [(anchor, signer) for signer in signers if isinstance(anchor := run.anchor_for(signer), TrustAnchor)]
    return sorted(anchored, key=lambda pair: len(pair[1]), reverse=True)[:_SIGNERS_TRIED]


def _unsigned(run: Resolution, unsigned: UnsignedFrom, ttl: int) -> Verdict:
    run.rests_on(unsigned)
    expires = min(unsigned.expires, run.now + min(ttl, run.limits.answer_seconds))
    return Verdict(DNSSECStatus.INSECURE, unsigned.text, unsigned.ede, expires)


def _unproved(run: Resolution, anchor: TrustAnchor, name: dns.name.Name, flaw: Flaw, ttl: int) -> Steps[Verdict]:
    """Nothing was proved by signatures: is the name in a zone that must be signed?"""
    trust = yield from descend(run, anchor, name, signer=False)
    if isinstance(trust, UnsignedFrom):
        return _unsigned(run, trust, ttl)
    if isinstance(trust, Broken):
        return failure(run, trust.status, trust.flaw)
    run.rests_on(trust)
    return failure(run, DNSSECStatus.BOGUS, flaw)


def _expanded(run: Resolution, zone: SecureZone, verified: Verified, authority: Section) -> Verdict:
    """A valid signature is enough, except for a wildcard's, which needs proof that it applies (RFC 4035 §5.3.4)."""
    name = verified.rrset.name
    expires = min(verified.expires, zone.expires, run.now + run.limits.answer_seconds)
    words = f"{name} {dns.rdatatype.to_text(verified.rrset.rdtype)} is signed by {zone.name}"
    encloser = verified.closest_encloser
    if encloser is None:
        return Verdict(DNSSECStatus.SECURE, words, None, expires)
    if verified.rrset.rdtype == dns.rdatatype.DNAME:
        flaw = Flaw(f"{name} DNAME comes from a wildcard", EDECode.DNSSEC_BOGUS)
        return failure(run, DNSSECStatus.BOGUS, flaw)
    gathered = Gathered(run, zone, authority)
    proof = gathered.prove(lambda proofs: proofs.no_closer_match(name, encloser))
    return _by_proof(run, proof, gathered, min(expires, gathered.expires))


def _absent(run: Resolution, zone: SecureZone, name: dns.name.Name, rdtype: int, reading: Reading) -> Verdict:
    gathered = Gathered(run, zone, reading.authority)

    def prove(proofs: DenialProofs) -> Proof:
        if reading.response.rcode == dns.rcode.NXDOMAIN:
            return proofs.name_error(name)
        return proofs.no_data(name, rdtype)

    proof = gathered.prove(prove)
    if proof.proven is not Proven.NOT and (blemish := gathered.blemish()) is not None:
        return failure(run, DNSSECStatus.BOGUS, blemish)
    expires = min(gathered.expires, zone.expires, run.now + run.limits.answer_seconds)
    return _by_proof(run, proof, gathered, expires)


def _by_proof(run: Resolution, proof: Proof, gathered: Gathered, expires: float) -> Verdict:
    if proof.proven is Proven.SECURE:
        return Verdict(DNSSECStatus.SECURE, proof.text, None, expires)
    if proof.proven is Proven.INSECURE:
        return Verdict(DNSSECStatus.INSECURE, proof.text, proof.ede, expires)
    flaw = most_telling(gathered.flaws, Flaw(proof.text, proof.ede or EDECode.NSEC_MISSING))
    return failure(run, DNSSECStatus.BOGUS, flaw)


def _negative_ttl(authority: Section) -> int:
    """RFC 2308 §5: the smaller of the SOA's TTL and its minimum field."""
    ttls = [
        min(signed.rrset.ttl, rdata.minimum)
        for signed in authority.of_type(dns.rdatatype.SOA)
        for rdata in signed.rrset
        if isinstance(rdata, SOA)
    ]
    return min(ttls, default=0)

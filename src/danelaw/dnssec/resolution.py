"""The state of one resolution: what was asked, what came back, what it cost, what it rests on."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable
from typing import TypeAlias, TypeVar

import dns.name
import dns.rdataclass
import dns.rdatatype
import dns.rrset
from dns.edns import EDECode

from danelaw.dnsdata import ChainLink, Question
from danelaw.dnssec.anchors import NegativeTrustAnchor, TrustAnchor, TrustAnchors
from danelaw.dnssec.denial import Cut, CutState, DenialProofs, Proof, Proven
from danelaw.dnssec.limits import Budget, LimitExceeded, ValidatorLimits
from danelaw.dnssec.nsec import NSECProofs
from danelaw.dnssec.nsec3 import NSEC3Proofs
from danelaw.dnssec.response import Response, Section, SignedRRset
from danelaw.dnssec.trust import Fact, NoCut, SecureZone, TrustCache, UnsignedFrom
from danelaw.dnssec.verify import Flaw, Verified, verify

T = TypeVar("T")
DENIAL_TYPES = (dns.rdatatype.SOA, dns.rdatatype.NSEC, dns.rdatatype.NSEC3)
Steps: TypeAlias = "Generator[tuple[Question, ...], tuple[Response, ...], T]"


class Reading:
    """A response with its sections sorted."""

    __slots__ = ("answer", "authority", "response")

    def __init__(self, response: Response) -> None:
        self.response = response
        message = response.message if response.problem is None else None
        self.answer = Section(message.answer if message is not None else ())
        self.authority = Section(message.authority if message is not None else ())

    def signatures_at(self, name: dns.name.Name) -> list[SignedRRset]:
        """The RRSIG records of `name` in the answer section as one RRset, for who asks for RRSIG itself."""
        message = self.response.message
        found = [
            rrset
            for rrset in (message.answer if message is not None else ())
            if rrset.rdtype == dns.rdatatype.RRSIG and rrset.name == name
        ]
        if not found:
            return []
        whole = dns.rrset.RRset(name, dns.rdataclass.IN, dns.rdatatype.RRSIG)
        for rrset in found:
            whole.items.update(rrset.items)
        whole.ttl = min(rrset.ttl for rrset in found)
        return [SignedRRset(whole)]

    @property
    def problem(self) -> Flaw | None:
        """Why nothing can be read from the response."""
        if (text := self.response.problem) is None:
            return None
        ede = self.response.ede
        if ede is None:
            ede = EDECode.NETWORK_ERROR if self.response.message is None else EDECode.NO_REACHABLE_AUTHORITY
        return Flaw(f"{self.response.question}: {text}", ede)


def lost(owner: dns.name.Name, rdtype: int) -> Flaw:
    """A signature whose record was taken out on the way."""
    words = f"{owner} {dns.rdatatype.to_text(dns.rdatatype.RdataType(rdtype))}"
    return Flaw(f"the signature over {words} came without the record", EDECode.DNSSEC_BOGUS)


class Gathered:
    """The denial records of a section that verify under one zone, and the flaws of those that do not."""

    __slots__ = ("_run", "_section", "_zone", "expires", "flaws", "nsec", "nsec3")

    def __init__(self, run: Resolution, zone: SecureZone, section: Section) -> None:
        self._run, self._zone, self._section = run, zone, section
        verified: list[Verified] = []
        self.flaws: list[Flaw] = []
        found = section.of_type(dns.rdatatype.NSEC, dns.rdatatype.NSEC3)
        own = [signed for signed in found if zone.name in signed.signers]
        for signed in own[: run.limits.denial_records]:
            outcome = run.verify(signed, zone)
            if isinstance(outcome, Flaw):
                self.flaws.append(outcome)
            elif outcome.closest_encloser is None:
                verified.append(outcome)
        self.expires = min((item.expires for item in verified), default=zone.expires)
        self.nsec = NSECProofs(zone.name, verified)
        self.nsec3 = NSEC3Proofs(zone.name, verified, run.budget)

    def prove(self, attempt: Callable[[DenialProofs], Proof]) -> Proof:
        """Try the NSEC records, then the NSEC3 records; of two failures the more telling one is returned."""
        first = attempt(self.nsec)
        if first.proven is not Proven.NOT or not self.nsec3.present:
            return first
        return attempt(self.nsec3)

    def blemish(self) -> Flaw | None:
        """A denial counts only as a whole: the SOA and every denial record of the zone must be genuine, needed or
        not (RFC 4035 §3.2.3), and no signature may have lost what it covers.
        """
        zone = self._zone
        for signed in self._section.of_type(*DENIAL_TYPES):
            foreign = signed.signers and zone.name not in signed.signers
            if foreign or not signed.rrset.name.is_subdomain(zone.name):
                continue
            outcome = self._run.verify(signed, zone)
            if isinstance(outcome, Flaw):
                return outcome
        for owner, rdtype in self._section.orphans:
            if rdtype in DENIAL_TYPES and owner.is_subdomain(zone.name):
                return lost(owner, rdtype)
        return None

    def cut(self, name: dns.name.Name) -> Cut:
        """What the records say about a delegation at `name`."""
        first = self.nsec.cut(name)
        if first.state is not CutState.NOT or not self.nsec3.present:
            return first
        return self.nsec3.cut(name)


class Resolution:
    """One run of `Validator.resolve`; `now` is POSIX seconds and stays the same throughout."""

    def __init__(
        self,
        anchors: TrustAnchors,
        negative: Iterable[NegativeTrustAnchor],
        limits: ValidatorLimits,
        cache: TrustCache,
        now: float,
    ) -> None:
        self.anchors = anchors
        self.negative = tuple(item for item in negative if now < item.expires)
        self.limits = limits
        self.budget = Budget(limits)
        self.now = now
        self._cache = cache
        self._readings: dict[Question, Reading] = {}
        self._evidence: dict[bytes, None] = {}
        self._links: dict[dns.name.Name, ChainLink] = {}
        self.zones: dict[dns.name.Name, SecureZone] = {}
        self._verified: dict[tuple[int, dns.name.Name], Verified | Flaw] = {}

    def verify(self, signed: SignedRRset, zone: SecureZone) -> Verified | Flaw:
        """Verify an RRset of one of the responses, once: alias chains use the same proofs again and again.

        The identity of `signed` is a safe key because the readings keep it alive.
        """
        key = (id(signed), zone.name)
        if key not in self._verified:
            self._verified[key] = verify(signed, zone.name, zone.keys, self.now, self.budget)
        return self._verified[key]

    def ask(self, *questions: Question) -> Steps[None]:
        """Have these questions answered as one batch; those already answered are not asked again."""
        fresh = tuple(dict.fromkeys(question for question in questions if question not in self._readings))
        if not fresh:
            return
        if len(self._readings) + len(fresh) > self.limits.questions:
            raise LimitExceeded(f"more than {self.limits.questions} questions needed")
        responses = yield fresh
        for question, response in zip(fresh, responses, strict=True):
            self._readings[question] = Reading(response)
            if response.wire is not None:
                self._evidence[response.wire] = None

    def reading(self, question: Question) -> Reading:
        """The answer to a question asked before."""
        return self._readings[question]

    def read(self) -> tuple[tuple[Question, Reading], ...]:
        """Every question asked so far, with what came back."""
        return tuple(self._readings.items())

    def known(self, name: dns.name.Name) -> Fact | None:
        """A remembered fact; using it makes the verdict rest on its evidence."""
        fact = self._cache.get(name, self.now)
        if isinstance(fact, NoCut):
            self._evidence.update(dict.fromkeys(fact.evidence))
        return fact

    def learn(self, name: dns.name.Name, fact: Fact) -> None:
        """Remember a fact for later resolutions."""
        self._cache.put(name, fact, self.now)

    def wire(self, question: Question) -> tuple[bytes, ...]:
        """The octets of the response, to keep with a fact as its evidence."""
        wire = self._readings[question].response.wire
        return () if wire is None else (wire,)

    def rests_on(self, trust: SecureZone | UnsignedFrom) -> None:
        """The verdict uses this zone: its chain and evidence become part of the answer."""
        if isinstance(trust, SecureZone):
            self.zones[trust.name] = trust
        lineage: list[SecureZone | UnsignedFrom] = []
        step: SecureZone | UnsignedFrom | None = trust
        while step is not None:
            lineage.append(step)
            step = step.parent
        for item in reversed(lineage):
            self._links.setdefault(item.name, item.link)
            self._evidence.update(dict.fromkeys(item.evidence))

    @property
    def links(self) -> tuple[ChainLink, ...]:
        """The chain so far, from the anchor down."""
        return tuple(self._links.values())

    @property
    def evidence(self) -> tuple[bytes, ...]:
        """Wire form of every response the verdict rests on."""
        return tuple(self._evidence)

    def until(self, *times: float) -> float:
        """The earliest of the times, within what may be remembered about zones."""
        return min(*times, self.now + self.limits.cache_seconds)

    def anchor_for(self, name: dns.name.Name) -> TrustAnchor | UnsignedFrom:
        """Where trust for `name` starts, or why there is none (RFC 4033 §5 and RFC 7646)."""
        anchor = self.anchors.at_or_above(name)
        far = self.now + self.limits.answer_seconds
        if anchor is None:
            return UnsignedFrom(name, f"there is no trust anchor above {name}", None, far)
        for item in self.negative:
            if name.is_subdomain(item.name) and item.name.is_subdomain(anchor.zone):
                text = f"validation is switched off below {item.name}: {item.because}"
                return UnsignedFrom(item.name, text, None, min(far, item.expires))
        return anchor

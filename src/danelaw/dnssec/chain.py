"""Following the chain of trust down from an anchor (RFC 4035 §5.1-5.2, RFC 6840 §4.4).

`descend` walks towards a name. At each label the parent zone must either hand over a DS RRset, prove that there is
none at a delegation (from there on nothing is signed), or prove that no delegation is there. The names on the way are
asked in batches, since a recursive resolver answers them concurrently.
"""

from __future__ import annotations

import dns.name
import dns.rcode
import dns.rdatatype
from dns.edns import EDECode
from dns.rdtypes.ANY.DS import DS

from danelaw.dnsdata import DNSSECStatus, Question
from danelaw.dnssec.anchors import TrustAnchor
from danelaw.dnssec.delegation import admit_keys, usable_ds
from danelaw.dnssec.denial import Cut, CutState, Proven
from danelaw.dnssec.resolution import Gathered, Reading, Resolution, Steps
from danelaw.dnssec.response import SignedRRset
from danelaw.dnssec.trust import Broken, NoCut, SecureZone, Trust, UnsignedFrom
from danelaw.dnssec.verify import Flaw, Verified, most_telling

# How many names below the last known zone are asked about at once: towards a signer every name on the way is likely
# to matter; searching for an insecure delegation usually ends at the first or second.
_TOWARDS_SIGNER = 8
_SEARCHING = 2


def descend(run: Resolution, anchor: TrustAnchor, target: dns.name.Name, *, signer: bool) -> Steps[Trust]:
    """Find the secure zone that holds `target`, or where and why the chain ends before.

    With `signer`, `target` is a signer's name met in a signature, so a zone is expected there: its DNSKEY is asked
    for at once. Every label counts all the same: a zone above that denies one of them denies what is below.
    """
    zone = yield from _start(run, anchor, target)
    if not isinstance(zone, SecureZone):
        return zone
    decided, passed = zone.name, zone.evidence
    while decided != target:
        ahead = _names_below(decided, target)
        known = run.known(ahead[0])
        if isinstance(known, NoCut) and known.zone == zone.name:
            step: Trust | NoCut = known
        else:
            yield from _ask_about(run, ahead[: _TOWARDS_SIGNER if signer else _SEARCHING], signer=signer)
            step = yield from _step(run, zone, ahead[0], passed)
        if isinstance(step, NoCut):
            if step.ends:
                return zone
            passed = (*passed, *step.evidence)
        elif isinstance(step, SecureZone):
            zone, passed = step, step.evidence
        else:
            return step
        decided = ahead[0]
    return zone


def _start(run: Resolution, anchor: TrustAnchor, target: dns.name.Name) -> Steps[Trust]:
    """The deepest known zone at or above `target`, else the anchor's."""
    name = target
    while True:
        fact = run.known(name)
        if isinstance(fact, SecureZone | UnsignedFrom):
            return fact
        if name == anchor.zone:
            return (yield from _enter(run, None, anchor, run.now + run.limits.cache_seconds, ()))
        name = name.parent()


def _names_below(above: dns.name.Name, target: dns.name.Name) -> list[dns.name.Name]:
    """The names from just below `above` down to `target`."""
    first = len(target) - len(above)
    return [dns.name.Name(target.labels[index:]) for index in range(first - 1, -1, -1)]


def _ask_about(run: Resolution, names: list[dns.name.Name], *, signer: bool) -> Steps[None]:
    questions: list[Question] = []
    for name in names:
        questions.append(Question(name, dns.rdatatype.DS))
        if signer or len(name) == 2:
            questions.append(Question(name, dns.rdatatype.DNSKEY))
    yield from run.ask(*questions)


def _step(run: Resolution, zone: SecureZone, name: dns.name.Name, passed: tuple[bytes, ...]) -> Steps[Trust | NoCut]:
    """What lies at `name`, directly below what is known to belong to `zone`; `passed` is the evidence for that."""
    question = Question(name, dns.rdatatype.DS)
    reading = run.reading(question)
    if (problem := reading.problem) is not None:
        return _told_elsewhere(run, zone, name, passed) or _broken(run, zone, name, problem, DNSSECStatus.INDETERMINATE)
    signed = reading.answer.get(name, dns.rdatatype.DS)
    if signed is None:
        return _no_ds(run, zone, name, reading, passed)
    if (flaw := _contradiction(reading, name)) is not None:
        return _broken(run, zone, name, flaw)
    outcome = run.verify(signed, zone)
    if isinstance(outcome, Verified) and outcome.closest_encloser is not None:
        outcome = Flaw(f"the DS of {name} comes from a wildcard", EDECode.DNSSEC_BOGUS)
    if isinstance(outcome, Flaw):
        return _broken(run, zone, name, outcome)
    records = tuple(rdata for rdata in outcome.rrset if isinstance(rdata, DS))
    evidence = (*passed, *run.wire(question))
    return (yield from _enter(run, zone, TrustAnchor(name, records), outcome.expires, evidence))


def _broken(
    run: Resolution,
    zone: SecureZone | None,
    name: dns.name.Name,
    flaw: Flaw,
    status: DNSSECStatus = DNSSECStatus.BOGUS,
) -> Broken:
    """The chain ends at `name`, below `zone`."""
    if zone is not None:
        run.rests_on(zone)
    return Broken(name, status, flaw)


def _enter(
    run: Resolution, parent: SecureZone | None, vouched: TrustAnchor, expires: float, above: tuple[bytes, ...]
) -> Steps[Trust]:
    """Validate the DNSKEY RRset of a zone against trusted DS records or keys (RFC 4035 §5.2)."""
    name, policy = vouched.zone, run.limits.policy
    until = run.until(expires, parent.expires if parent is not None else expires)
    usable = usable_ds(vouched.ds, policy)
    trusted = tuple(key for key in vouched.keys if key.algorithm in policy.algorithms)
    if not usable and not trusted:
        digests = [record for record in vouched.ds if record.algorithm in policy.algorithms]
        ede = EDECode.UNSUPPORTED_DS_DIGEST_TYPE if digests else EDECode.UNSUPPORTED_DNSKEY_ALGORITHM
        fact = UnsignedFrom(name, f"{name} is signed only in ways that are not supported", ede, until, parent, above)
        run.learn(name, fact)
        return fact
    question = Question(name, dns.rdatatype.DNSKEY)
    yield from run.ask(question)
    reading = run.reading(question)
    if (problem := reading.problem) is not None:
        return _broken(run, parent, name, problem, DNSSECStatus.INDETERMINATE)
    signed = reading.answer.get(name, dns.rdatatype.DNSKEY)
    if signed is None:
        flaw = Flaw(f"{name} publishes no DNSKEY although its parent vouches for one", EDECode.DNSKEY_MISSING)
        return _broken(run, parent, name, flaw)
    outcome = _contradiction(reading, name) or admit_keys(signed, usable, trusted, run.now, run.budget)
    if isinstance(outcome, Flaw):
        return _broken(run, parent, name, outcome)
    zone_keys, key_tag, key_expires = outcome
    source = "trust anchor" if parent is None else f"DS in {parent.name}"
    text = f"key {key_tag} matches the {source} and signs the zone's {len(zone_keys)} keys"
    zone = SecureZone(name, zone_keys, run.until(until, key_expires), text, parent, (*above, *run.wire(question)))
    run.learn(name, zone)
    return zone


def _contradiction(reading: Reading, name: dns.name.Name) -> Flaw | None:
    """Data at a name whose response code says that the name does not exist: nobody honest answers so."""
    if reading.response.rcode != dns.rcode.NXDOMAIN:
        return None
    return Flaw(f"the response holds data for {name} and denies that it exists", EDECode.DNSSEC_BOGUS)


def _no_ds(
    run: Resolution, zone: SecureZone, name: dns.name.Name, reading: Reading, passed: tuple[bytes, ...]
) -> Trust | NoCut:
    """The response held no DS: an alias or a denial must explain it."""
    gathered = Gathered(run, zone, reading.authority)
    alias = _alias(reading.answer.of_type(dns.rdatatype.CNAME, dns.rdatatype.DNAME), name)
    evidence = run.wire(Question(name, dns.rdatatype.DS))
    if alias is not None:
        outcome = run.verify(alias, zone)
        if isinstance(outcome, Flaw):
            return _broken(run, zone, name, outcome)
        cut = _cut_by_alias(name, outcome, gathered)
        expires = min(gathered.expires, outcome.expires)
    else:
        cut, expires = gathered.cut(name), gathered.expires
        if cut.state is not CutState.NOT and (blemish := gathered.blemish()) is not None:
            return _broken(run, zone, name, blemish)
    if cut.state is CutState.UNSIGNED:
        return _unsigned(run, zone, name, cut, expires, (*passed, *evidence))
    if cut.state is CutState.NOT:
        flaw = most_telling(gathered.flaws, Flaw(cut.text, cut.ede or EDECode.NSEC_MISSING))
        return _broken(run, zone, name, flaw)
    return _learn_no_cut(run, zone, name, cut, expires, evidence)


def _cut_by_alias(name: dns.name.Name, alias: Verified, gathered: Gathered) -> Cut:
    """What a genuine alias says about a cut: there is none. One from a wildcard must be shown to apply, or else a
    wildcard of the parent, replayed, would hide a delegation (RFC 4035 §5.3.4).
    """
    dname = alias.rrset.rdtype == dns.rdatatype.DNAME
    words = f"{alias.rrset.name} is an alias, hence {name} no zone of its own"
    if (encloser := alias.closest_encloser) is None:
        return Cut(CutState.NO_NAME if dname else CutState.NO_CUT, words)
    proof = gathered.prove(lambda proofs: proofs.no_closer_match(name, encloser))
    if dname or proof.proven is Proven.NOT:
        return Cut(CutState.NOT, f"the alias that answers for the DS of {name} comes from a wildcard", proof.ede)
    return Cut(CutState.UNSIGNED if proof.proven is Proven.INSECURE else CutState.NO_CUT, proof.text, proof.ede)


def _told_elsewhere(
    run: Resolution, zone: SecureZone, name: dns.name.Name, passed: tuple[bytes, ...]
) -> UnsignedFrom | None:
    """DS could not be fetched: does a denial that came with another answer show an insecure delegation there?"""
    for question, reading in run.read():
        gathered = Gathered(run, zone, reading.authority)
        cut = gathered.cut(name)
        if cut.state is CutState.UNSIGNED:
            return _unsigned(run, zone, name, cut, gathered.expires, (*passed, *run.wire(question)))
    return None


def _unsigned(
    run: Resolution, zone: SecureZone, name: dns.name.Name, cut: Cut, expires: float, evidence: tuple[bytes, ...]
) -> UnsignedFrom:
    fact = UnsignedFrom(name, cut.text, cut.ede, run.until(expires, zone.expires), zone, evidence)
    run.learn(name, fact)
    return fact


def _learn_no_cut(
    run: Resolution, zone: SecureZone, name: dns.name.Name, cut: Cut, expires: float, evidence: tuple[bytes, ...]
) -> NoCut:
    fact = NoCut(zone.name, cut.state is CutState.NO_NAME, run.until(expires, zone.expires), evidence)
    run.learn(name, fact)
    return fact


def _alias(found: tuple[SignedRRset, ...], name: dns.name.Name) -> SignedRRset | None:
    """The alias that answers for `name`: a DNAME above it, else a CNAME at it."""
    for signed in found:
        if (
            signed.rrset.rdtype == dns.rdatatype.DNAME
            and name.is_subdomain(signed.rrset.name)
            and name != signed.rrset.name
        ):
            return signed
    for signed in found:
        if signed.rrset.rdtype == dns.rdatatype.CNAME and signed.rrset.name == name:
            return signed
    return None

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
from dns.rdtypes.ANY.DNSKEY import DNSKEY
from dns.rdtypes.ANY.DS import DS

from danelaw.dnsdata import DNSSECStatus, Question
from danelaw.dnssec.anchors import TrustAnchor
from danelaw.dnssec.delegation import admit_keys, usable_ds
from danelaw.dnssec.denial import CutState
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
    for at once, and names between that turn out irrelevant are skipped.
    """
    zone = yield from _start(run, anchor, target)
    if not isinstance(zone, SecureZone):
        return zone
    decided = zone.name
    while decided != target:
        ahead = _names_below(decided, target)
        fact = run.known(ahead[0])
        if isinstance(fact, NoCut) and fact.zone == zone.name:
            if fact.ends:
                return zone
            decided = ahead[0]
            continue
        chunk = ahead[: _TOWARDS_SIGNER if signer else _SEARCHING]
        yield from _ask_about(run, chunk, signer=signer)
        name = _delegated_first(run, zone, chunk) if signer else None
        step = yield from _step(run, zone, name or chunk[0])
        if isinstance(step, NoCut):
            if step.ends:
                return zone
        elif isinstance(step, SecureZone):
            zone = step
        else:
            return step
        decided = name or chunk[0]
    return zone


def _start(run: Resolution, anchor: TrustAnchor, target: dns.name.Name) -> Steps[Trust]:
    """The deepest known zone at or above `target`, else the anchor's."""
    name = target
    while True:
        fact = run.known(name)
        if isinstance(fact, SecureZone | UnsignedFrom):
            return fact
        if name == anchor.zone:
            return (
                yield from _enter(run, None, anchor.zone, anchor.ds, anchor.keys, run.now + run.limits.cache_seconds)
            )
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


def _delegated_first(run: Resolution, zone: SecureZone, names: list[dns.name.Name]) -> dns.name.Name | None:
    """The first name with a DS RRset that says it was signed by `zone`."""
    for name in names:
        signed = run.reading(Question(name, dns.rdatatype.DS)).answer.get(name, dns.rdatatype.DS)
        if signed is not None and zone.name in signed.signers:
            return name
    return None


def _step(run: Resolution, zone: SecureZone, name: dns.name.Name) -> Steps[Trust | NoCut]:
    """What lies at `name`, directly below what is known to belong to `zone`."""
    question = Question(name, dns.rdatatype.DS)
    reading = run.reading(question)
    if (problem := reading.problem) is not None:
        run.rests_on(zone)
        return Broken(name, DNSSECStatus.INDETERMINATE, problem)
    signed = reading.answer.get(name, dns.rdatatype.DS)
    if signed is None:
        return _no_ds(run, zone, name)
    if (flaw := _contradiction(reading, name)) is not None:
        run.rests_on(zone)
        return Broken(name, DNSSECStatus.BOGUS, flaw)
    outcome = run.verify(signed, zone)
    if isinstance(outcome, Verified) and outcome.closest_encloser is not None:
        outcome = Flaw(f"the DS of {name} comes from a wildcard", EDECode.DNSSEC_BOGUS)
    if isinstance(outcome, Flaw):
        run.rests_on(zone)
        return Broken(name, DNSSECStatus.BOGUS, outcome)
    records = tuple(rdata for rdata in outcome.rrset if isinstance(rdata, DS))
    return (yield from _enter(run, zone, name, records, (), outcome.expires))


def _enter(
    run: Resolution,
    parent: SecureZone | None,
    name: dns.name.Name,
    ds: tuple[DS, ...],
    keys: tuple[DNSKEY, ...],
    expires: float,
) -> Steps[Trust]:
    """Validate the DNSKEY RRset of `name` against trusted DS records or keys (RFC 4035 §5.2)."""
    policy = run.limits.policy
    above = () if parent is None else (*parent.evidence, *run.wire(Question(name, dns.rdatatype.DS)))
    until = run.until(expires, parent.expires if parent is not None else expires)
    usable = usable_ds(ds, policy)
    trusted = tuple(key for key in keys if key.algorithm in policy.algorithms)
    if not usable and not trusted:
        digests = [record for record in ds if record.algorithm in policy.algorithms]
        ede = EDECode.UNSUPPORTED_DS_DIGEST_TYPE if digests else EDECode.UNSUPPORTED_DNSKEY_ALGORITHM
        fact = UnsignedFrom(name, f"{name} is signed only in ways that are not supported", ede, until, parent, above)
        run.learn(name, fact)
        return fact
    question = Question(name, dns.rdatatype.DNSKEY)
    yield from run.ask(question)
    reading = run.reading(question)
    if (problem := reading.problem) is not None:
        _rest(run, parent)
        return Broken(name, DNSSECStatus.INDETERMINATE, problem)
    signed = reading.answer.get(name, dns.rdatatype.DNSKEY)
    if signed is None:
        _rest(run, parent)
        flaw = Flaw(f"{name} publishes no DNSKEY although its parent vouches for one", EDECode.DNSKEY_MISSING)
        return Broken(name, DNSSECStatus.BOGUS, flaw)
    outcome = _contradiction(reading, name) or admit_keys(signed, usable, trusted, run.now, run.budget)
    if isinstance(outcome, Flaw):
        _rest(run, parent)
        return Broken(name, DNSSECStatus.BOGUS, outcome)
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


def _rest(run: Resolution, parent: SecureZone | None) -> None:
    if parent is not None:
        run.rests_on(parent)


def _no_ds(run: Resolution, zone: SecureZone, name: dns.name.Name) -> Trust | NoCut:
    """The response held no DS: an alias or a denial must explain it."""
    question = Question(name, dns.rdatatype.DS)
    reading = run.reading(question)
    alias = _alias(reading.answer.of_type(dns.rdatatype.CNAME, dns.rdatatype.DNAME), name)
    if alias is not None:
        outcome = run.verify(alias, zone)
        if isinstance(outcome, Verified):
            ends = alias.rrset.rdtype == dns.rdatatype.DNAME
            return _learn_no_cut(run, zone, name, ends, outcome.expires)
        run.rests_on(zone)
        return Broken(name, DNSSECStatus.BOGUS, outcome)
    gathered = Gathered(run, zone, reading.authority)
    cut = gathered.cut(name)
    expires = run.until(gathered.expires, zone.expires)
    if cut.state is CutState.UNSIGNED:
        evidence = (*zone.evidence, *run.wire(question))
        fact = UnsignedFrom(name, cut.text, cut.ede, expires, zone, evidence)
        run.learn(name, fact)
        return fact
    if cut.state is CutState.NOT:
        run.rests_on(zone)
        flaw = most_telling(gathered.flaws, Flaw(cut.text, cut.ede or EDECode.NSEC_MISSING))
        return Broken(name, DNSSECStatus.BOGUS, flaw)
    return _learn_no_cut(run, zone, name, cut.state is CutState.NO_NAME, expires)


def _learn_no_cut(run: Resolution, zone: SecureZone, name: dns.name.Name, ends: bool, expires: float) -> NoCut:
    evidence = run.wire(Question(name, dns.rdatatype.DS))
    fact = NoCut(zone.name, ends, run.until(expires, zone.expires), evidence)
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

"""Following aliases from the asked name to the data or its absence (RFC 1034 §3.6.2, RFC 6672).

A recursive resolver usually returns the whole chain in one response; what is missing is asked for separately.
The answer is as good as its weakest step.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset
from dns.edns import EDECode
from dns.rdtypes.ANY.CNAME import CNAME
from dns.rdtypes.ANY.DNAME import DNAME

from danelaw.dnsdata import Answer, DNSSECStatus, Question
from danelaw.dnssec.authority import spoiled
from danelaw.dnssec.judge import Verdict, failure, judge_absence, judge_rrset
from danelaw.dnssec.limits import LimitExceeded
from danelaw.dnssec.resolution import Reading, Resolution, Steps
from danelaw.dnssec.response import SignedRRset
from danelaw.dnssec.verify import Flaw

_RANK = {
    DNSSECStatus.SECURE: 0,
    DNSSECStatus.INSECURE: 1,
    DNSSECStatus.INDETERMINATE: 2,
    DNSSECStatus.BOGUS: 3,
}


@dataclass(slots=True)
class _Expansion:
    """How far the asked name has been followed."""

    question: Question
    name: dns.name.Name
    aliases: list[dns.name.Name] = field(default_factory=list)
    verdicts: list[Verdict] = field(default_factory=list)
    readings: list[Reading] = field(default_factory=list)
    rrset: dns.rrset.RRset | None = None
    rcode: dns.rcode.Rcode = dns.rcode.NOERROR

    @property
    def weakest(self) -> Verdict:
        """The verdict of the weakest step, the last one among equals."""
        return max(reversed(self.verdicts), key=lambda verdict: _RANK[verdict.status])


@dataclass(frozen=True, slots=True)
class _Alias:
    """One alias: what must be judged for it, and where it leads."""

    signed: SignedRRset
    target: dns.name.Name | None
    flaw: Flaw | None = None


def expand(run: Resolution, question: Question) -> Steps[Answer]:
    """Resolve and judge `question`; every outcome is an `Answer`."""
    state = _Expansion(question, question.name)
    try:
        yield from _follow(run, state)
        if state.weakest.status is DNSSECStatus.SECURE and (flaw := spoiled(run, state.readings)) is not None:
            state.verdicts.append(failure(run, DNSSECStatus.BOGUS, flaw))
    except LimitExceeded as reached:
        flaw = Flaw(f"gave up on {question}: {reached}", EDECode.DNSSEC_BOGUS)
        state.verdicts.append(failure(run, DNSSECStatus.BOGUS, flaw))
    return _finish(run, state)


def _follow(run: Resolution, state: _Expansion) -> Steps[None]:
    asked = state.question
    yield from run.ask(asked)
    while True:
        reading = run.reading(asked)
        if (problem := reading.problem) is not None:
            state.verdicts.append(failure(run, DNSSECStatus.INDETERMINATE, problem))
            return
        state.readings.append(reading)
        if (yield from _read(run, state, reading)):
            return
        asked = Question(state.name, state.question.rdtype)
        yield from run.ask(asked)


def _read(run: Resolution, state: _Expansion, reading: Reading) -> Steps[bool]:
    """Take what this response says about the current name; True when the expansion has ended."""
    steps = len(state.verdicts)
    while True:
        found = _data(state, reading)
        if found:
            yield from _take(run, state, reading, found)
            return True
        alias = _alias(state.name, state.question.rdtype, reading)
        if alias is None:
            break
        verdict = yield from judge_rrset(run, alias.signed, reading)
        if alias.flaw is not None and not verdict.failed:
            verdict = failure(run, DNSSECStatus.BOGUS, alias.flaw)
        state.verdicts.append(verdict)
        if verdict.failed or alias.target is None:
            return True
        if not _advance(run, state, alias):
            return True
        if state.rrset is not None:
            return True
    if not _speaks_of_absence(state, reading):
        return False
    verdict = yield from judge_absence(run, state.name, state.question.rdtype, reading)
    if len(state.verdicts) == steps and any(reading.answer) and not verdict.failed:
        flaw = Flaw(f"the response denies {state.name} and answers something else", EDECode.DNSSEC_BOGUS)
        verdict = failure(run, DNSSECStatus.BOGUS, flaw)
    state.verdicts.append(verdict)
    state.rcode = reading.response.rcode
    return True


def _data(state: _Expansion, reading: Reading) -> list[SignedRRset]:
    """The RRsets that answer the question at the current name."""
    rdtype = state.question.rdtype
    if rdtype == dns.rdatatype.ANY:
        return [signed for signed in reading.answer if signed.rrset.name == state.name]
    if rdtype == dns.rdatatype.RRSIG:
        return reading.signatures_at(state.name)
    found = reading.answer.get(state.name, rdtype)
    if found is None or (rdtype == dns.rdatatype.CNAME and not found.signatures and _dname(state.name, reading)):
        return []
    return [found]


def _take(run: Resolution, state: _Expansion, reading: Reading, found: list[SignedRRset]) -> Steps[None]:
    """Judge the data at the end of the expansion."""
    if state.question.rdtype == dns.rdatatype.RRSIG:
        expires = run.now + min(signed.rrset.ttl for signed in found)
        text = "signatures are not themselves signed, so they cannot be validated alone"
        state.verdicts.append(Verdict(DNSSECStatus.INSECURE, text, None, expires))
    for signed in found if state.question.rdtype != dns.rdatatype.RRSIG else ():
        verdict = yield from judge_rrset(run, signed, reading)
        if reading.response.rcode == dns.rcode.NXDOMAIN and not verdict.failed:
            flaw = Flaw(f"the response holds data for {state.name} and denies that it exists", EDECode.DNSSEC_BOGUS)
            verdict = failure(run, DNSSECStatus.BOGUS, flaw)
        state.verdicts.append(verdict)
    state.rrset = found[0].rrset
    state.rcode = dns.rcode.NOERROR


def _alias(name: dns.name.Name, rdtype: int, reading: Reading) -> _Alias | None:
    """The alias at `name`: its own signed CNAME, else a DNAME above it, else an unsigned CNAME."""
    cname = reading.answer.get(name, dns.rdatatype.CNAME)
    dname = _dname(name, reading)
    if dname is not None and (cname is None or not cname.signatures):
        return _through_dname(name, dname, cname)
    if cname is None or rdtype == dns.rdatatype.CNAME:
        return None
    target = cname.rrset[0]
    if len(cname.rrset) != 1 or not isinstance(target, CNAME):
        return _Alias(cname, None, Flaw(f"{name} has several CNAME records", EDECode.DNSSEC_BOGUS))
    return _Alias(cname, target.target)


def _dname(name: dns.name.Name, reading: Reading) -> SignedRRset | None:
    for signed in reading.answer.of_type(dns.rdatatype.DNAME):
        if name.is_subdomain(signed.rrset.name) and name != signed.rrset.name:
            return signed
    return None


def _through_dname(name: dns.name.Name, dname: SignedRRset, cname: SignedRRset | None) -> _Alias:
    """RFC 6672 §5.3.1: the CNAME is made again and compared, since it cannot be signed."""
    source = dname.rrset[0]
    if len(dname.rrset) != 1 or not isinstance(source, DNAME):
        return _Alias(dname, None, Flaw(f"{dname.rrset.name} has several DNAME records", EDECode.DNSSEC_BOGUS))
    try:
        target = name.relativize(dname.rrset.name).concatenate(source.target)
    except dns.name.NameTooLong:
        return _Alias(dname, None, Flaw(f"{name} becomes too long through a DNAME", EDECode.DNSSEC_BOGUS))
    if cname is not None and any(rdata.target != target for rdata in cname.rrset if isinstance(rdata, CNAME)):
        flaw = Flaw(f"the CNAME of {name} is not the one its DNAME makes", EDECode.DNSSEC_BOGUS)
        return _Alias(dname, None, flaw)
    return _Alias(dname, target)


def _advance(run: Resolution, state: _Expansion, alias: _Alias) -> bool:
    """Go on to the target; False when the aliases never end."""
    target = alias.target
    assert target is not None
    if state.question.rdtype == dns.rdatatype.CNAME:
        state.rrset = dns.rrset.from_text(state.name, alias.signed.rrset.ttl, "IN", "CNAME", target.to_text())
        return True
    state.aliases.append(state.name)
    if target in state.aliases or len(state.aliases) > run.limits.aliases:
        words = "lead in a circle" if target in state.aliases else f"are more than {run.limits.aliases}"
        flaw = Flaw(f"the aliases of {state.question.name} {words}", EDECode.OTHER)
        state.verdicts.append(failure(run, DNSSECStatus.INDETERMINATE, flaw))
        return False
    state.name = target
    return True


def _speaks_of_absence(state: _Expansion, reading: Reading) -> bool:
    """True when the response is about the current name: asked for it, or says no to the end of a chain."""
    return (
        reading.response.question.name == state.name
        or reading.response.rcode == dns.rcode.NXDOMAIN
        or bool(reading.authority.of_type(dns.rdatatype.SOA))
    )


def _finish(run: Resolution, state: _Expansion) -> Answer:
    verdict = state.weakest
    failed = verdict.failed
    return Answer(
        question=state.question,
        rcode=dns.rcode.SERVFAIL if failed else state.rcode,
        status=verdict.status,
        canonical_name=state.name,
        rrset=None if failed else state.rrset,
        aliases=tuple(state.aliases),
        expires=min(item.expires for item in state.verdicts),
        ede=verdict.ede,
        reason=verdict.text,
        chain=(*run.links, verdict.link(state.name)),
        evidence=run.evidence,
    )

"""Deckard scenarios (`.rpl`) read, and played by a small scripted recursive server.

The scenarios were written for iterating resolvers: canned answers by server address. `ScriptedRecursor` does the
iterating, so that a stub validator can stand behind it. It does not validate and answers every question with whole
alias chains, like a plain recursive server asked with DO and CD: it keeps final answers for their TTL (by the clock
that the scenario's TIME_PASSES steps move), and drops what a server says about names it does not serve.
"""

from __future__ import annotations

import calendar
import re
import time
from dataclasses import dataclass, field
from pathlib import Path

import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from danelaw.dnsdata import Question

_SECTIONS = ("ANSWER", "AUTHORITY", "ADDITIONAL")
_RCODES = {dns.rcode.to_text(dns.rcode.Rcode(number)) for number in range(11)}


class ScenarioError(ValueError):
    """The scenario uses something this player does not know."""


@dataclass
class Entry:
    """A canned answer, or what a step asks or expects."""

    match: set[str] = field(default_factory=set)
    adjust: set[str] = field(default_factory=set)
    reply: set[str] = field(default_factory=set)
    question: Question | None = None
    sections: dict[str, list[dns.rrset.RRset]] = field(default_factory=dict)
    raw: bool = False

    @property
    def rcode(self) -> dns.rcode.Rcode:
        found = self.reply & _RCODES
        return dns.rcode.from_text(found.pop()) if found else dns.rcode.NOERROR

    def fits(self, question: Question) -> bool:
        """Deckard's MATCH words that concern the question."""
        if self.question is None or self.raw:
            return False
        whole = "question" in self.match or "all" in self.match
        if (whole or "qtype" in self.match) and question.rdtype != self.question.rdtype:
            return False
        if (whole or "qname" in self.match) and question.name != self.question.name:
            return False
        return not ("subdomain" in self.match and not question.name.is_subdomain(self.question.name))


@dataclass
class Range:
    """Canned answers of some addresses during some steps."""

    first: int
    last: int
    addresses: set[str] = field(default_factory=set)
    entries: list[Entry] = field(default_factory=list)


@dataclass
class Step:
    """`elapse` is the seconds a TIME_PASSES step lets go by."""

    number: int
    kind: str
    entry: Entry | None = None
    elapse: float = 0.0


@dataclass
class Scenario:
    """One file."""

    name: str
    anchors: list[str]
    clock: float | None
    roots: list[str]
    ranges: list[Range]
    steps: list[Step]


def read(path: Path) -> Scenario:
    """Parse a scenario file."""
    text = path.read_text("latin-1")
    head, _, body = text.partition("CONFIG_END")
    anchors = [
        m.group(1).split(";")[0].split("#")[0].strip().strip('"')
        for m in re.finditer(r"^[ \t]*trust-anchor:[ \t]*([^\n]*)$", head, re.M)
    ]
    clock = None
    if m := re.search(r"^\s*val-override-date:\s*\"?(\d{14})", head, re.M):
        clock = float(calendar.timegm(time.strptime(m.group(1), "%Y%m%d%H%M%S")))
    elif m := re.search(r"^\s*val-override-timestamp:\s*\"?(\d+)", head, re.M):
        clock = float(m.group(1))
    roots = re.findall(r"^\s*stub-addr:\s*([0-9a-fA-F.:]+)", head, re.M)
    ranges, steps = _Body(body).read()
    roots = roots or sorted(ranges[0].addresses if ranges else ())
    return Scenario(path.stem, anchors, clock, roots, ranges, steps)


class _Body:
    def __init__(self, text: str) -> None:
        self.lines = text.splitlines()
        self.at = 0
        self.ranges: list[Range] = []
        self.steps: list[Step] = []
        self.range: Range | None = None

    def read(self) -> tuple[list[Range], list[Step]]:
        while self.at < len(self.lines):
            words = self.lines[self.at].split(";")[0].split()
            self.at += 1
            if not words:
                continue
            self._line(words)
        return self.ranges, self.steps

    def _line(self, words: list[str]) -> None:
        if words[0] == "RANGE_BEGIN":
            self.range = Range(int(words[1]), int(words[2]))
            self.ranges.append(self.range)
        elif words[0] == "RANGE_END":
            self.range = None
        elif words[0] == "ADDRESS" and self.range is not None:
            self.range.addresses.update(words[1:])
        elif words[0] == "STEP":
            elapse = float(words[words.index("ELAPSE") + 1]) if "ELAPSE" in words else 0.0
            self.steps.append(Step(int(words[1]), words[2], elapse=elapse))
        elif words[0] == "ENTRY_BEGIN":
            entry = self._entry()
            if self.range is not None:
                self.range.entries.append(entry)
            elif self.steps:
                self.steps[-1].entry = entry

    def _entry(self) -> Entry:
        entry, section, lines = Entry(), "", {name: [] for name in (*_SECTIONS, "QUESTION")}
        while self.at < len(self.lines):
            line = self.lines[self.at]
            self.at += 1
            words = line.split(";")[0].split()
            if not words:
                continue
            if words[0] == "ENTRY_END":
                break
            if words[0] in ("MATCH", "ADJUST", "REPLY") and not section:
                target = {"MATCH": entry.match, "ADJUST": entry.adjust, "REPLY": entry.reply}[words[0]]
                target.update(word.lower() if words[0] != "REPLY" else word.upper() for word in words[1:])
            elif words[0] == "SECTION":
                section = words[1]
            elif words[0] == "RAW":
                entry.raw = True
            elif section in lines:
                lines[section].append(line)
        for line in lines["QUESTION"]:
            entry.question = _question(line)
        for name in _SECTIONS:
            entry.sections[name] = _records("\n".join(lines[name]))
        return entry


def _question(line: str) -> Question:
    words = [word for word in line.split(";")[0].split() if word.upper() not in ("IN", "CLASS1")]
    return Question(dns.name.from_text(words[0]), dns.rdatatype.from_text(words[1]))


def _records(text: str) -> list[dns.rrset.RRset]:
    """Records in zone-file form; written by hand because a response may hold what no zone may."""
    found: dict[tuple[dns.name.Name, int, int], dns.rrset.RRset] = {}
    for line in _logical_lines(text):
        words = line.split()
        owner = dns.name.from_text(words.pop(0))
        ttl = 3600
        while words[0].isdigit() or words[0].upper() == "IN":
            word = words.pop(0)
            ttl = int(word) if word.isdigit() else ttl
        rdtype = dns.rdatatype.from_text(words.pop(0))
        rdata = dns.rdata.from_text(dns.rdataclass.IN, rdtype, " ".join(words), dns.name.root, relativize=False)
        key = (owner, int(rdtype), int(rdata.covers()))
        rrset = found.setdefault(key, dns.rrset.RRset(owner, dns.rdataclass.IN, rdtype, rdata.covers()))
        rrset.add(rdata, ttl)
    return list(found.values())


def _logical_lines(text: str) -> list[str]:
    lines: list[str] = []
    depth = 0
    for line in text.splitlines():
        line = line.split(";")[0].rstrip()
        if not line.strip():
            continue
        if depth:
            lines[-1] += " " + line
        else:
            lines.append(line)
        depth += line.count("(") - line.count(")")
    return [line.replace("(", " ").replace(")", " ") for line in lines]


class ScriptedRecursor:
    """Iterates over the canned answers of a scenario.

    `step` and `now` (seconds since the start) are the player's to move. A `contrary` one asks the servers of a zone
    in the opposite order, as another resolver might.
    """

    def __init__(self, scenario: Scenario, *, contrary: bool = False) -> None:
        self.scenario = scenario
        self.step = 0
        self.now = 0.0
        self._contrary = contrary
        self._hearsay: list[dns.rrset.RRset] = []
        self._kept: dict[Question, tuple[dns.message.Message, float]] = {}
        self._depth = 0
        self._cuts: dict[dns.name.Name, list[str]] = {dns.name.root: list(scenario.roots)}
        self._referrals: dict[dns.name.Name, dns.message.Message] = {}

    def answer(self, question: Question) -> dns.message.Message | None:
        """The final response to a stub, None when nobody answers."""
        kept, expires = self._kept.get(question, (None, 0.0))
        if kept is not None and self.now < expires:
            return kept
        self._depth = 0
        self._hearsay = []
        found = self._whole(question)
        if found is not None and found.rcode() in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
            ttl = min((rrset.ttl for rrset in found.answer + found.authority), default=0)
            self._kept[question] = (found, self.now + ttl)
        return found

    def _whole(self, question: Question) -> dns.message.Message | None:
        """Iterate, and go on with the target of an alias that the answer leaves open."""
        found = self._iterate(question)
        if found is None and question.rdtype == dns.rdatatype.DS:
            found = self._referral_to(question)
        if found is None:
            return None
        result = dns.message.make_query(question.name, question.rdtype, want_dnssec=True)
        result.flags = dns.flags.QR | dns.flags.RD | dns.flags.RA | dns.flags.CD
        answer = list(found.answer)
        authority = list(found.authority)
        rcode = found.rcode()
        name, seen = question.name, set()
        while name not in seen and len(seen) < 12:
            seen.add(name)
            if question.rdtype in (dns.rdatatype.CNAME, dns.rdatatype.ANY) or _find(answer, name, question.rdtype):
                break
            alias = _find(answer, name, dns.rdatatype.CNAME)
            if alias is None:
                if name == question.name:
                    break
                # What was said about the target by whoever held the alias is not worth keeping (RFC 2181 §5.4.1).
                more = self._iterate(Question(name, question.rdtype)) or self._heard(name)
                if more is None:
                    return None
                answer += [rrset for rrset in more.answer if rrset not in answer]
                authority += [rrset for rrset in more.authority if rrset not in authority]
                rcode, found = more.rcode(), more
                if not more.answer:
                    break
                seen.discard(name)
                if not _find(answer, name, dns.rdatatype.CNAME):
                    break
                continue
            name = alias[0].target
        result.answer, result.authority = answer, authority
        result.set_rcode(rcode)
        return result

    def _heard(self, name: dns.name.Name) -> dns.message.Message | None:
        """What a server said about a name it does not serve: better than nothing, for scenarios that leave it out."""
        if not any(rrset.name == name for rrset in self._hearsay):
            return None
        message = dns.message.make_response(dns.message.make_query(name, dns.rdatatype.A))
        message.answer = list(self._hearsay)
        return message

    def _ask(self, address: str, question: Question) -> dns.message.Message | None:
        for span in self.scenario.ranges:
            if span.first <= self.step <= span.last and address in span.addresses:
                for entry in span.entries:
                    if entry.fits(question):
                        return _message(entry, question)
        return None

    def _iterate(self, question: Question) -> dns.message.Message | None:
        self._depth += 1
        if self._depth > 60:
            return None
        parent_side = question.rdtype == dns.rdatatype.DS and question.name != dns.name.root
        zone = question.name.parent() if parent_side else question.name
        while True:
            if zone in self._cuts:
                found = self._from(zone, question)
                if found is not None or zone == dns.name.root:
                    return found if found is not None else self._anybody(question)
            zone = zone.parent()

    def _from(self, zone: dns.name.Name, question: Question) -> dns.message.Message | None:
        """Follow referrals down from a known zone."""
        for _ in range(12):
            response = self._first(self._cuts[zone], zone, question)
            if response is None or response.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
                return response
            cut = _referral(response, question, zone)
            if cut is None or (cut == question.name and question.rdtype == dns.rdatatype.DS):
                return _ds_from_referral(response, question)
            self._cuts[cut] = self._addresses(response, cut)
            self._referrals[cut] = response
            zone = cut
        return None

    def _referral_to(self, question: Question) -> dns.message.Message | None:
        """What the parent said about DS when it referred to this zone."""
        self._iterate(Question(question.name, dns.rdatatype.DNSKEY))
        referral = self._referrals.get(question.name)
        return None if referral is None else _ds_from_referral(referral, question)

    def _first(self, servers: list[str], zone: dns.name.Name, question: Question) -> dns.message.Message | None:
        """The first good answer of these servers, else the last bad one."""
        last = None
        for address in reversed(servers) if self._contrary else servers:
            candidate = self._ask(address, question)
            if candidate is None:
                continue
            self._hearsay += [rrset for rrset in candidate.answer if not rrset.name.is_subdomain(zone)]
            candidate.answer = [rrset for rrset in candidate.answer if rrset.name.is_subdomain(zone)]
            if candidate.rcode() in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN) and not _lame(candidate, zone):
                return candidate
            last = candidate if last is None or not _lame(candidate, zone) else last
        return last if last is not None and last.rcode() != dns.rcode.NOERROR else None

    def _anybody(self, question: Question) -> dns.message.Message | None:
        """An answer to just this question by any server: the scenario's own resolver knew where to ask."""
        for span in self.scenario.ranges:
            if span.first <= self.step <= span.last:
                for entry in span.entries:
                    if entry.question == question and entry.sections["ANSWER"]:
                        return _message(entry, question)
        return None

    def _addresses(self, response: dns.message.Message, cut: dns.name.Name) -> list[str]:
        names = [rdata.target for rrset in response.authority if rrset.rdtype == dns.rdatatype.NS for rdata in rrset]
        addresses = []
        for name in names:
            glue = [
                rdata.address
                for rrset in response.additional
                if rrset.name == name and rrset.rdtype in (dns.rdatatype.A, dns.rdatatype.AAAA)
                for rdata in rrset
            ]
            if not glue:
                found = self._iterate(Question(name, dns.rdatatype.A))
                glue = [r.address for s in (found.answer if found else ()) if s.rdtype == dns.rdatatype.A for r in s]
            addresses += glue
        return addresses


def _message(entry: Entry, question: Question) -> dns.message.Message:
    message = dns.message.make_response(dns.message.make_query(question.name, question.rdtype, want_dnssec=True))
    message.set_rcode(entry.rcode)
    if "AA" in entry.reply:
        message.flags |= dns.flags.AA
    message.answer = list(entry.sections["ANSWER"])
    message.authority = list(entry.sections["AUTHORITY"])
    message.additional = list(entry.sections["ADDITIONAL"])
    return message


def _find(rrsets: list[dns.rrset.RRset], name: dns.name.Name, rdtype: int) -> dns.rrset.RRset | None:
    return next((rrset for rrset in rrsets if rrset.name == name and rrset.rdtype == rdtype), None)


def _has_soa(message: dns.message.Message) -> bool:
    return any(rrset.rdtype == dns.rdatatype.SOA for rrset in message.authority)


def _lame(message: dns.message.Message, zone: dns.name.Name) -> bool:
    """Not authoritative, no answer, and a referral sideways or up."""
    cuts = [rrset.name for rrset in message.authority if rrset.rdtype == dns.rdatatype.NS]
    if message.answer or message.flags & dns.flags.AA or _has_soa(message) or not cuts:
        return False
    return not any(cut.is_subdomain(zone) and cut != zone for cut in cuts)


def _referral(message: dns.message.Message, question: Question, zone: dns.name.Name) -> dns.name.Name | None:
    if message.answer or _has_soa(message) or message.rcode() != dns.rcode.NOERROR:
        return None
    for rrset in message.authority:
        cut = rrset.name
        if rrset.rdtype != dns.rdatatype.NS or cut == zone or not cut.is_subdomain(zone):
            continue
        if question.name.is_subdomain(cut):
            return cut
    return None


def _ds_from_referral(message: dns.message.Message, question: Question) -> dns.message.Message:
    """A referral that carries the DS RRset answers the question for it."""
    if question.rdtype != dns.rdatatype.DS or message.answer:
        return message
    moved = [
        rrset
        for rrset in message.authority
        if rrset.name == question.name and dns.rdatatype.DS in (rrset.rdtype, rrset.covers)
    ]
    if moved and not _has_soa(message):
        message.answer = moved
        message.authority = [rrset for rrset in message.authority if rrset not in moved]
    return message

"""The same question to danelaw, libunbound and delv, and where they part."""

from __future__ import annotations

import re
import tomllib
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import dns.message
import dns.name
import dns.rdatatype
from interop.recursive import Serve
from tests.dnssec import signing, world
from tests.dnssec.damage import Zones
from tests.dnssec.driving import drive

from danelaw.dnsdata import Answer, Question
from danelaw.dnssec import TrustAnchors, Validator
from danelaw.lab import SCENARIOS
from danelaw.lab.recursion import response
from danelaw.lab.world import World

_GRAVE = {("secure", "bogus"), ("secure", "failure")}
_TYPES = ("A", "AAAA", "MX", "TLSA", "TXT", "CNAME", "DS", "DNSKEY")
_REASONS = tomllib.loads((Path(__file__).parent / "differences.toml").read_text())


def lab_zones(now: float) -> Zones:
    """The lab's zones without its faults: every name that exists, one that does not in each zone, and every type."""
    lab = World(SCENARIOS, now)
    names: dict[dns.name.Name, None] = {}
    for zone in lab.zones.values():
        names |= dict.fromkeys(zone.names())
        names[dns.name.from_text("does-not-exist", zone.origin)] = None
    questions = [Question(owner, dns.rdatatype.from_text(rdtype)) for owner in names for rdtype in _TYPES]
    made: dict[Question, bytes] = {}

    def wire(question: Question) -> bytes:
        if question not in made:
            query = dns.message.make_query(question.name, question.rdtype, want_dnssec=True)
            found = lab.recursion.resolve(question.name, question.rdtype)
            made[question] = response(query, found, edns=True, payload=1232).to_wire(max_size=65535)
        return made[question]

    return Zones(questions, wire, lab.anchor_ds)


def world_zones(now: float) -> Zones:
    """The zones of the validator's own tests: every kind of denial, wildcards, aliases, empty non-terminals."""
    signing.NOW = int(now)
    return Zones(list(world.questions()), world.world().wire, world.world().anchor)


def ours(zones: Zones, question: Question, serve: Serve, now: float, validator: Validator | None = None) -> Answer:
    """Our answer; with a validator of its own when none is given."""
    validator = validator or Validator(TrustAnchors.from_text(zones.anchor))
    return drive(validator.resolve(question, now), serve)


@dataclass
class Tally:
    """Counts verdicts of one peer against ours.

    `serious`: we say secure where the peer says bogus, and the other peer does not side with us. It is not asked about
    CNAME below a DNAME, which libunbound calls bogus even when nobody touched it.
    """

    peer: str
    genuine: bool = False
    cases: int = 0
    same: int = 0
    pairs: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    serious: list[str] = field(default_factory=list)
    unexplained: list[str] = field(default_factory=list)

    def add(self, answer: Answer, theirs: str, what: str, appeal: Callable[[], str] | None = None) -> None:
        """One case; `what` is said about it where it matters. `appeal` gives the other peer's verdict."""
        mine = answer.status.value
        self.cases += 1
        if mine == theirs or (mine, theirs) == ("indeterminate", "failure"):
            self.same += 1
            return
        words = f"{what}: {self.peer} {theirs}, danelaw {mine}: {answer.reason}"
        why = explained(self.peer, mine, theirs, answer.reason or "", genuine=self.genuine)
        known_defect = why is not None and "RFC 6672" in why
        if (mine, theirs) in _GRAVE and not known_defect and (appeal is None or appeal() != "secure"):
            self.serious.append(words)
            return
        if why is None:
            self.unexplained.append(words)
        self.pairs[mine, theirs, why or "?"] += 1

    @property
    def backed(self) -> int:
        """How often the peer says bogus or fails, and the other one says secure as we do."""
        return sum(count for (mine, theirs, _), count in self.pairs.items() if (mine, theirs) in _GRAVE)

    def rows(self) -> list[tuple[object, ...]]:
        """For a table: peer, our verdict, theirs, how often, why."""
        return [(self.peer, *pair[:2], count, pair[2]) for pair, count in sorted(self.pairs.items())]


def explained(peer: str, mine: str, theirs: str, reason: str, *, genuine: bool) -> str | None:
    """The reason on file for such a difference, None when there is none; about `genuine` answers few hold."""
    for entry in _REASONS["validator"]:
        if (
            peer in entry["peers"]
            and (not genuine or entry.get("genuine", False))
            and mine in entry["ours"]
            and theirs in entry["theirs"]
            and re.search(entry["reason"], reason)
        ):
            return f"{entry['why']} ({entry['rfc']})"
    return None

"""The DNS Tree Walk: records above a domain, and the Organizational Domain they make (RFC 9989 §4.10).

All targets of a walk are asked at once: never more than eight, and the order of the text decides afterwards which
answers are looked at. What lies above a stop (psd=y, psd=n) is not looked at, and its failure does no harm.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

import dns.exception
import dns.name
import dns.rcode
import dns.rdatatype
from dns.rdtypes.ANY.TXT import TXT

from danelaw.address import Domain
from danelaw.dmarc.record import DMARCRecord, select
from danelaw.dmarc.values import PSD
from danelaw.dnsdata import Answer, Lookup, Question

MOST_LABELS = 8
"""A longer name is shortened to one label less behind its first query (RFC 9989 §4.10, step 4)."""


@dataclass(frozen=True, slots=True)
class Found:
    """What is at `_dmarc.` below one domain. `answer` is None for a name too long to be asked about."""

    domain: Domain
    answer: Answer | None
    record: DMARCRecord | None
    note: str

    @property
    def failed(self) -> bool:
        """True when it is not known whether there is a record."""
        return self.answer is not None and self.answer.failed


@lru_cache(maxsize=4_096)
def targets(domain: Domain) -> tuple[Domain, ...]:
    """The domains a walk from `domain` asks about, in its order: at most eight."""
    labels = domain.ascii.split(".")
    first = max(1, len(labels) - (MOST_LABELS - 1))
    return (domain, *(Domain(".".join(labels[start:])) for start in range(first, len(labels))))


def within(domain: Domain, ancestor: Domain) -> bool:
    """Whether `domain` is `ancestor` or lies below it."""
    return domain == ancestor or domain.ascii.endswith("." + ancestor.ascii)


@dataclass(frozen=True, slots=True)
class Walk:
    """The end of a walk: the Organizational Domain, and the Public Suffix Domain right above it where one says so.

    `organizational` is None when `failure`, an answer that could not be had, decides about it.
    """

    organizational: Domain | None
    public_suffix: Domain | None = None
    failure: Found | None = None


class Tree:
    """Everything one evaluation heard about `_dmarc` names; several walks share it."""

    def __init__(self) -> None:
        self._found: dict[Domain, Found] = {}
        self._consulted: dict[Domain, Found] = {}
        self.existence: dict[Domain, tuple[Answer, ...]] = {}
        """What was heard about authors whose existence matters."""

    @property
    def consulted(self) -> tuple[Found, ...]:
        """What a result rests on, in the order it was looked at."""
        return tuple(self._consulted.values())

    def ask(self, domains: Iterable[Domain]) -> Lookup[None]:
        """Ask for everything that walks from these domains still need, in one batch."""
        questions: dict[Domain, Question] = {}
        for target in dict.fromkeys(target for domain in domains for target in targets(domain)):
            if target in self._found:
                continue
            question = _question(target)
            if question is None:
                self._found[target] = Found(target, None, None, "the name is too long for a record")
            else:
                questions[target] = question
        if questions:
            answers = yield tuple(questions.values())
            self._found.update(
                (domain, _read(domain, answer)) for domain, answer in zip(questions, answers, strict=True)
            )

    def at(self, domain: Domain) -> Found:
        """What is at a domain that was asked about."""
        found = self._found[domain]
        self._consulted.setdefault(domain, found)
        return found

    def has(self, domain: Domain) -> bool:
        """Whether it was asked about."""
        return domain in self._found

    def walk(self, start: Domain, *, aside: bool = False) -> Walk:
        """The Organizational Domain of `start` (RFC 9989 §4.10.2); `aside` when no result will rest on it."""
        highest: Domain | None = None
        for target in targets(start):
            found = self._found[target] if aside else self.at(target)
            if found.failed:
                return Walk(None, failure=found)
            if found.record is None:
                continue
            if found.record.psd is PSD.NO:
                return Walk(target)
            if found.record.psd is PSD.YES:
                # A PSD that sends mail of its own is its own Organizational Domain: rule 2 excepts the start.
                return Walk(start) if target == start else Walk(_one_below(target, start), public_suffix=target)
            highest = target
        return Walk(highest or start)


def _one_below(ancestor: Domain, domain: Domain) -> Domain:
    labels = domain.ascii.split(".")
    return Domain(".".join(labels[len(labels) - ancestor.ascii.count(".") - 2 :]))


@lru_cache(maxsize=4_096)
def _question(domain: Domain) -> Question | None:
    try:
        return Question(dns.name.from_text(f"_dmarc.{domain.ascii}.", None), dns.rdatatype.TXT)
    except dns.exception.DNSException:
        return None


def _read(domain: Domain, answer: Answer) -> Found:
    if answer.failed:
        word = dns.rcode.to_text(answer.rcode) if answer.rcode else answer.status.value
        return Found(domain, answer, None, f"no usable answer: {answer.reason or f'_dmarc.{domain}. TXT: {word}'}")
    # RFC 9989 §4.5: the strings of a record are joined without anything between.
    texts = [b"".join(rdata.strings).decode("latin-1") for rdata in answer.records if isinstance(rdata, TXT)]
    record, note = select(texts)
    return Found(domain, answer, record, note)

"""The DNS Tree Walk: records above a domain, and the Organizational Domain they make (RFC 9989 §4.10).

All targets of a walk are asked at once: never more than eight, and the order of the text decides afterwards which
answers are looked at. What lies above a stop (psd=y, psd=n) is not looked at, and its failure does no harm.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable
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

    def copy(self) -> Tree:
        """One of its own that has heard the same."""
        other = Tree()
        other._found, other._consulted = self._found.copy(), self._consulted.copy()
        other.existence = self.existence.copy()
        return other

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
        for target in targets(start):
            found = self._found[target] if aside else self.at(target)
            if found.failed:
                return Walk(None, failure=found)
            if found.record is not None and found.record.psd is not PSD.UNKNOWN:
                break
        return Walk(*_organization(start, lambda target: self._found[target].record))

    def same_organization(self, first: Domain, second: Domain) -> bool | None:
        """Whether two domains that were asked about have the same Organizational Domain.

        None when an answer that could not be had decides about it. Often it does not: `_dmarc.org` may say what it
        likes, and example.org and mail.example.org belong together all the same.
        """
        missing = [one for one in {*targets(first), *targets(second)} if self._found[one].failed]
        if len(missing) > _MOST_MISSING:
            return None
        verdicts = set()
        for guess in itertools.product(_GUESSES, repeat=len(missing)):
            guessed = dict(zip(missing, guess, strict=True))

            def record_at(target: Domain, guessed: dict[Domain, DMARCRecord | None] = guessed) -> DMARCRecord | None:
                return guessed[target] if target in guessed else self._found[target].record

            verdicts.add(_organization(first, record_at)[0] == _organization(second, record_at)[0])
        return verdicts.pop() if len(verdicts) == 1 else None


_MOST_MISSING = 2
# All that can stand at a name, as far as Organizational Domains go.
_GUESSES = (None, DMARCRecord(), DMARCRecord(psd=PSD.YES), DMARCRecord(psd=PSD.NO))


def _organization(start: Domain, record_at: Callable[[Domain], DMARCRecord | None]) -> tuple[Domain, Domain | None]:
    """The Organizational Domain, and the Public Suffix Domain above it where one says so (RFC 9989 §4.10.2)."""
    highest = start
    for target in targets(start):
        record = record_at(target)
        if record is None:
            continue
        if record.psd is PSD.NO:
            return target, None
        if record.psd is PSD.YES:
            # A PSD that sends mail of its own is its own Organizational Domain: rule 2 excepts the start.
            return (start, None) if target == start else (_one_below(target, start), target)
        highest = target
    return highest, None


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

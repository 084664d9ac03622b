"""Synchronous and asynchronous drivers of `Lookup` generators over `FakeDNS`."""

from __future__ import annotations

from typing import TypeVar

from danelaw.dnsdata import Answer, Lookup, Question
from danelaw.testing.fakedns import FakeDNS

T = TypeVar("T")


class LookupMisuse(AssertionError):
    """A look-up broke the protocol of `danelaw.dnsdata.Lookup`, or asked more than it was allowed."""


def run_lookup(lookup: Lookup[T], dns: FakeDNS, *, max_batches: int = 64, max_questions: int = 256) -> T:
    """Drive a look-up to its result.

    Raises `LookupMisuse` when it yields anything but a tuple of `Question`, or more than the given
    number of batches or questions: a look-up that follows data must have an end.
    """
    batches = questions = 0
    try:
        batch = next(lookup)
        while True:
            batches += 1
            questions += len(_checked(batch))
            if batches > max_batches or questions > max_questions:
                lookup.close()
                raise LookupMisuse(f"asked {questions} questions in {batches} batches; last: {_words(batch)}")
            batch = lookup.send(dns.answer_batch(batch))
    except StopIteration as stop:
        result: T = stop.value
        return result


def _checked(batch: object) -> tuple[Question, ...]:
    if not isinstance(batch, tuple) or not all(isinstance(item, Question) for item in batch):
        raise LookupMisuse(f"a look-up yields tuples of Question, this one yielded {batch!r}")
    return batch


def _words(batch: tuple[Question, ...]) -> str:
    return ", ".join(str(question) for question in batch)


class FakeResolver:
    """`FakeDNS` with the asynchronous methods of `danelaw.resolver.Resolver`.

    `cached` answers only questions asked before, as the real one does.
    """

    def __init__(self, dns: FakeDNS) -> None:
        self.dns = dns
        self._known: dict[Question, Answer] = {}

    async def ask(self, question: Question) -> Answer:
        """The answer to one question; never raises for what DNS does."""
        answer = self._known[question] = self.dns.answer(question)
        return answer

    async def run(self, lookup: Lookup[T]) -> T:
        """Drive a look-up to its result."""
        try:
            batch = next(lookup)
            while True:
                answers = self.dns.answer_batch(_checked(batch))
                self._known.update(zip(batch, answers, strict=True))
                batch = lookup.send(answers)
        except StopIteration as stop:
            result: T = stop.value
            return result

    def cached(self, question: Question) -> Answer | None:
        """The answer when it was asked before and did not fail, else None."""
        answer = self._known.get(question)
        return None if answer is None or answer.failed else answer

    async def close(self) -> None:
        """Nothing to close; here so that services can treat both alike."""

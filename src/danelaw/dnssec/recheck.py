"""Deriving a verdict again from recorded evidence."""

from __future__ import annotations

from collections.abc import Iterable

import dns.exception
import dns.message
import dns.rdataclass

from danelaw.dnsdata import Answer, Question
from danelaw.dnssec.anchors import TrustAnchors
from danelaw.dnssec.limits import ValidatorLimits
from danelaw.dnssec.response import Response
from danelaw.dnssec.validator import Validator


def recheck(
    evidence: Iterable[bytes],
    question: Question,
    anchors: TrustAnchors,
    at: float,
    *,
    limits: ValidatorLimits | None = None,
) -> Answer:
    """Validate `question` again from recorded responses (`Answer.evidence`), as of `at` in POSIX seconds.

    Nothing is remembered and nothing else is asked: a response that was not recorded counts as not answered, so
    incomplete evidence gives an indeterminate answer, never a better one.
    """
    return Recording(evidence).answer(question, Validator(anchors, limits=limits), at)


class Recording:
    """Recorded responses, which stand for the network. Of several to one question the first counts."""

    __slots__ = ("_recorded",)

    def __init__(self, evidence: Iterable[bytes]) -> None:
        self._recorded: dict[Question, bytes] = {}
        for wire in evidence:
            asked = question_of(wire)
            if asked is not None:
                self._recorded.setdefault(asked, wire)

    @classmethod
    def of(cls, recorded: Iterable[tuple[Question, bytes]]) -> Recording:
        """Responses whose questions are known."""
        found = cls(())
        for asked, wire in recorded:
            found._recorded.setdefault(asked, wire)
        return found

    def before(self, others: Recording) -> Recording:
        """These, and where there is none, the others."""
        both = Recording(())
        both._recorded = others._recorded | self._recorded
        return both

    def answer(self, question: Question, validator: Validator, at: float) -> Answer:
        """Validate as of `at` in POSIX seconds; what the validator learned from other questions counts too."""
        steps = validator.resolve(question, at)
        batch = next(steps)
        while True:
            responses = tuple(
                Response.from_wire(asked, self._recorded[asked])
                if asked in self._recorded
                else Response.failed(asked, "no response was recorded")
                for asked in batch
            )
            try:
                batch = steps.send(responses)
            except StopIteration as end:
                answer: Answer = end.value
                return answer


def question_of(wire: bytes) -> Question | None:
    """What a response answers; None when that cannot be read."""
    try:
        message = dns.message.from_wire(wire, question_only=True)
    except (dns.exception.DNSException, ValueError):
        return None
    if len(message.question) != 1 or message.question[0].rdclass != dns.rdataclass.IN:
        return None
    return Question(message.question[0].name, message.question[0].rdtype)

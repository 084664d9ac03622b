"""Thousands of damaged answers: whatever is changed on the way, nothing untrue is ever called secure."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from tests.dnssec.damage import MUTATIONS, Mutation, Zones
from tests.dnssec.signing import LIFETIME, NOW
from tests.dnssec.world import questions, world

from danelaw.dnsdata import Answer, Question
from danelaw.dnssec import Response, TrustAnchors, Validator

CASES_PER_SEED = 350
SEEDS = range(6)

_ALL = list(questions())
_ZONES = Zones(_ALL, world().wire, world().anchor)
_PARSED: dict[Question, Response] = {}


def genuine(question: Question) -> Response:
    if question not in _PARSED:
        _PARSED[question] = Response.from_wire(question, world().wire(question))
    return _PARSED[question]


def truth(question: Question) -> tuple[int, frozenset[object]]:
    last = world().steps(question)[-1][1]
    records = (rdata for rrset in last.answer if rrset.rdtype == question.rdtype for rdata in rrset)
    return int(last.rcode), frozenset(records)


def untrue(question: Question, answer: Answer) -> bool:
    """Called secure, yet not what the zones say."""
    return answer.secure and (int(answer.rcode), frozenset(answer.records)) != truth(question)


def run(validator: Validator, question: Question, now: float, damage: Callable[[int, Question], Response]) -> Answer:
    steps = validator.resolve(question, now)
    count = 0
    try:
        batch = next(steps)
        while True:
            responses = []
            for asked in batch:
                responses.append(damage(count, asked))
                count += 1
            batch = steps.send(tuple(responses))
    except StopIteration as end:
        answer: Answer = end.value
        return answer


@pytest.mark.parametrize("seed", SEEDS)
def test_damaged_answers_are_never_secure_and_untrue(seed: int) -> None:
    """One response of each resolution is damaged, the one asked for or one of the chain."""
    chance = random.Random(20260101 + seed)
    anchors = TrustAnchors.from_text(world().anchor)
    failed = 0
    for number in range(CASES_PER_SEED):
        question = chance.choice(_ALL)
        victim = chance.choice((0, 0, 1, 2, 3, 4))
        mutation = MUTATIONS[number % len(MUTATIONS)]

        def damage(index: int, asked: Question, victim: int = victim, mutation: Mutation = mutation) -> Response:
            if index != victim:
                return genuine(asked)
            return Response.from_wire(asked, mutation(chance, asked, _ZONES))

        answer = run(Validator(anchors), question, NOW, damage)
        assert not untrue(question, answer), (number, mutation.__name__, question, answer.reason)
        failed += answer.failed
    assert failed > CASES_PER_SEED // 5


def test_damage_does_not_stay_in_memory() -> None:
    """A validator that saw damaged answers says only true things about the next ones."""
    chance = random.Random(7)
    validator = Validator(TrustAnchors.from_text(world().anchor))
    for number in range(300):
        mutation = MUTATIONS[number % len(MUTATIONS)]

        def damage(index: int, asked: Question, mutation: Mutation = mutation) -> Response:
            return (
                Response.from_wire(asked, mutation(chance, asked, _ZONES)) if chance.random() < 0.3 else genuine(asked)
            )

        run(validator, chance.choice(_ALL), NOW, damage)
        question = chance.choice(_ALL)
        answer = run(validator, question, NOW, lambda _, asked: genuine(asked))
        assert not untrue(question, answer)


def test_outside_the_signatures_time_nothing_is_secure() -> None:
    anchors = TrustAnchors.from_text(world().anchor)
    for now, ede in ((NOW - LIFETIME - 1, 8), (NOW + LIFETIME + 1, 7)):
        for question in _ALL[::40]:
            answer = run(Validator(anchors), question, now, lambda _, asked: genuine(asked))
            assert answer.failed, question
            assert answer.ede == ede

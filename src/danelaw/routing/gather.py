"""Several look-ups driven as one, their questions asked at the same time."""

from __future__ import annotations

from typing import TypeVar

from danelaw.dnsdata import Answer, Lookup, Question

T = TypeVar("T")


def gather(*lookups: Lookup[T]) -> Lookup[tuple[T, ...]]:
    """Run look-ups side by side: each round asks what all of them want next, equal questions once.

    The results come in the order of the arguments. When the driver closes it or one look-up raises, all others
    are closed.
    """
    results: dict[int, T] = {}
    waiting: dict[int, tuple[Question, ...]] = {}
    try:
        for number, lookup in enumerate(lookups):
            _step(number, lookup, None, waiting, results)
        while waiting:
            questions = tuple(dict.fromkeys(question for batch in waiting.values() for question in batch))
            answers = dict(zip(questions, (yield questions), strict=True))
            for number, batch in tuple(waiting.items()):
                _step(number, lookups[number], tuple(answers[question] for question in batch), waiting, results)
    finally:
        for lookup in lookups:
            lookup.close()
    return tuple(results[number] for number in range(len(lookups)))


def _step(
    number: int,
    lookup: Lookup[T],
    answers: tuple[Answer, ...] | None,
    waiting: dict[int, tuple[Question, ...]],
    results: dict[int, T],
) -> None:
    """Take one look-up to its next batch or to its result."""
    try:
        waiting[number] = next(lookup) if answers is None else lookup.send(answers)
    except StopIteration as stop:
        waiting.pop(number, None)
        results[number] = stop.value

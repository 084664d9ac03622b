"""Several look-ups as one: their batches become one batch (the questions of all are on the way at the same time)."""

from __future__ import annotations

from typing import Any

from danelaw.dnsdata import Lookup, Question


def together(*lookups: Lookup[Any]) -> Lookup[tuple[Any, ...]]:
    """Run look-ups side by side; the result holds theirs, in order. A question that several ask is asked once.

    A round waits for the slowest of its answers, so nobody's slow DNS belongs beside what must not wait for it.
    """
    results: list[Any] = [None] * len(lookups)
    waiting: dict[int, tuple[Question, ...]] = {}
    for number, lookup in enumerate(lookups):
        try:
            waiting[number] = next(lookup)
        except StopIteration as stop:
            results[number] = stop.value
    while len(waiting) > 1:
        questions = tuple(dict.fromkeys(question for batch in waiting.values() for question in batch))
        answers = dict(zip(questions, (yield questions), strict=True))
        going_on: dict[int, tuple[Question, ...]] = {}
        for number, batch in waiting.items():
            try:
                going_on[number] = lookups[number].send(tuple(answers[question] for question in batch))
            except StopIteration as stop:
                results[number] = stop.value
        waiting = going_on
    for number, batch in waiting.items():  # the last one needs no sorting out
        results[number] = yield from _on(lookups[number], batch)
    return tuple(results)


def _on(lookup: Lookup[Any], batch: tuple[Question, ...]) -> Lookup[Any]:
    """The rest of a look-up that waits for a batch."""
    try:
        while True:
            batch = lookup.send((yield batch))
    except StopIteration as stop:
        return stop.value

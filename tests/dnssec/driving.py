"""Drives the validator's generator from a function that answers questions."""

from __future__ import annotations

from collections.abc import Callable, Generator

import dns.message

from danelaw.dnsdata import Answer, Question
from danelaw.dnssec import Response

Steps = Generator[tuple[Question, ...], tuple[Response, ...], Answer]


def drive(
    steps: Steps, answer: Callable[[Question], dns.message.Message | bytes | None], asked: list[Question] | None = None
) -> Answer:
    """Run to the end; `answer` gives a message, its octets, or None when nobody answers. Questions go to `asked`."""
    try:
        batch = next(steps)
        while True:
            if asked is not None:
                asked.extend(batch)
            batch = steps.send(tuple(_response(question, answer(question)) for question in batch))
    except StopIteration as end:
        result: Answer = end.value
        return result


def _response(question: Question, found: dns.message.Message | bytes | None) -> Response:
    if found is None:
        return Response.failed(question, "no answer", 22)
    return Response.from_wire(question, found if isinstance(found, bytes) else found.to_wire(max_size=65535))

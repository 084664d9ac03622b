"""Fuzz the reading of DNS messages and a whole validation that is fed arbitrary octets."""

from __future__ import annotations

import sys

import dns.message

from danelaw.dnsdata import Answer, Question
from danelaw.dnssec import Response, TrustAnchors, Validator

_ANCHORS = TrustAnchors.root()
_QUESTION = Question.from_text("_25._tcp.mx.example.org.", "TLSA")
_NOW = 1_700_000_000.0
_MAXIMUM_BATCHES = 64


def test_one_input(data: bytes) -> None:
    """Feed the validator responses cut from `data`; it must end with an answer, and never a secure one.

    The root's keys cannot be forged, so "secure" from random octets would be a hole; any exception is a bug.
    """
    chunks = _chunks(data)
    steps = Validator(_ANCHORS).resolve(_QUESTION, _NOW)
    try:
        batch = next(steps)
        for _ in range(_MAXIMUM_BATCHES):
            batch = steps.send(tuple(_response(question, chunks) for question in batch))
        raise AssertionError("the validator never ends")
    except StopIteration as end:
        answer: Answer = end.value
    assert not answer.secure


def _chunks(data: bytes) -> list[bytes]:
    """Split at a length octet pair, so that one input can hold several messages."""
    chunks: list[bytes] = []
    while len(data) > 2:
        length = int.from_bytes(data[:2], "big") % 2048
        chunks.append(data[2 : 2 + length])
        data = data[2 + length :]
    return chunks


def _response(question: Question, chunks: list[bytes]) -> Response:
    body = chunks.pop(0) if chunks else b""
    direct = Response.from_wire(question, body)
    if direct.problem is None:
        return direct
    # Octets that are no message serve as the records behind a proper header and question.
    query = dns.message.make_query(question.name, question.rdtype).to_wire()
    counts = bytes((0, 1, 0, body[0] % 4, 0, body[1] % 4, 0, 0)) if len(body) > 1 else bytes((0, 1, 0, 0, 0, 0, 0, 0))
    header = query[:2] + b"\x81\x80" + counts
    return Response.from_wire(question, header + query[12:] + body[2:])


def main() -> None:
    """Run under atheris: `python fuzz/dnssec_response.py [corpus directory]`."""
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()

"""Any octets as the reply of a resolver: a response or a failure, never an exception, never a wrong question."""

from __future__ import annotations

import sys

from danelaw.dnsdata import Question
from danelaw.resolver.fetch import parse
from danelaw.resolver.settings import CacheLimits
from danelaw.resolver.trustad import believe
from danelaw.resolver.ttl import response_ttl
from danelaw.resolver.wire import Belongs, Query

_QUESTION = Question.from_text("_25._tcp.mx.example.org", "TLSA")
_QUERY = Query.build(_QUESTION, 0x1234, payload=1232, checking_disabled=True)
_HEAD = b"\x12\x34\x84\x00\x00\x01"
_LIMITS = CacheLimits()


def test_one_input(data: bytes) -> None:
    """The octets as they are, and as the rest of a reply whose head fits the query."""
    for wire in (data[:65_535], _HEAD + data[:6].ljust(6, b"\0") + _QUERY.section + data[6:4096]):
        belongs = _QUERY.belongs(wire)
        response = parse(_QUESTION, wire)
        assert response.message is None or belongs is not Belongs.NO or wire[:2] != b"\x12\x34"
        assert 0 <= response_ttl(response, _LIMITS) <= _LIMITS.max_ttl
        answer = believe(response, 0.0, _LIMITS)
        assert answer.failed or response.problem is None


def main() -> None:
    """Run under atheris."""
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()

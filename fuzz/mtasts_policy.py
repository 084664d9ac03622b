"""Fuzz target: policy documents. Run with atheris, or feed `test_one_input` yourself."""

from __future__ import annotations

import sys

from danelaw.address import Domain
from danelaw.mtasts import MAX_POLICY_SIZE, PolicyError, PolicyMode, STSAction, STSDecision, STSPolicy, after_fetch

_HOST = Domain("mx.example.org")
_DECISION = STSDecision(STSAction.FETCH, None, "announced", "1")


def test_one_input(data: bytes) -> None:
    """A policy read is within all limits, survives writing and reading, and is what a fetch would remember."""
    outcome = after_fetch(_DECISION, data, 0.0)
    try:
        policy = STSPolicy.from_text(data)
    except PolicyError as error:
        assert error.reason
        assert outcome.cached is None
        assert outcome.failure is not None
        return
    assert len(data) <= MAX_POLICY_SIZE
    assert 0 <= policy.max_age <= 31_557_600
    assert policy.mx or policy.mode is PolicyMode.NONE
    assert STSPolicy.from_text(policy.to_text()) == policy
    assert outcome.cached is not None
    assert outcome.cached.policy == policy
    expected = any(pattern in ("mx.example.org", "*.example.org") for pattern in policy.mx)
    assert policy.matches(_HOST) is expected


test_one_input.__test__ = False  # type: ignore[attr-defined]


def main() -> None:
    """Run under atheris."""
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()

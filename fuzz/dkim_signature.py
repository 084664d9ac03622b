"""Fuzz target: DKIM-Signature fields. Run with atheris, or feed `test_one_input` yourself."""

from __future__ import annotations

import sys

from danelaw.dkim import DKIMResult, DKIMSignature, DKIMVerification, SignatureError
from danelaw.dkim.taglist import without_value


def test_one_input(data: bytes) -> None:
    """A field read survives writing and reading; removing b= keeps the rest; verification never passes unasked."""
    try:
        signature = DKIMSignature.from_bytes(data)
    except SignatureError as error:
        assert error.reason
        assert error.result in (DKIMResult.PERMERROR, DKIMResult.NEUTRAL)
    else:
        assert DKIMSignature.from_bytes(signature.to_text().encode()) == signature
        assert data.startswith(without_value(data, b"b").partition(b";")[0])
        assert len(without_value(data, b"b")) < len(data)
    fields = [(b"DKIM-Signature", b"DKIM-Signature:" + data + b"\r\n"), (b"From", b"From: a@example.org\r\n")]
    verification = DKIMVerification(fields, now=0.0)
    lookup = verification.lookup()
    try:
        questions = next(lookup)
    except StopIteration:
        (verdict,) = verification.conclude({}).verdicts
        assert verdict.reason
        assert verdict.result is not DKIMResult.PASS
        return
    assert len(questions) == 1
    lookup.close()


test_one_input.__test__ = False  # type: ignore[attr-defined]


def main() -> None:
    """Run under atheris."""
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()

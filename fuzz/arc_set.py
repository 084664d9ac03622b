"""Fuzz target: ARC fields and chains. Run with atheris, or feed `test_one_input` yourself.

The input is split at NUL octets into fields; the first octet of each says which of the three it is.
"""

from __future__ import annotations

import sys
from collections.abc import Callable

from danelaw.arc import (
    ARCAuthenticationResults,
    ARCError,
    ARCMessageSignature,
    ARCSeal,
    ARCVerification,
    ChainStatus,
)

_READERS: tuple[tuple[bytes, Callable[[bytes], ARCSeal | ARCMessageSignature | ARCAuthenticationResults]], ...] = (
    (b"ARC-Seal", ARCSeal.from_bytes),
    (b"ARC-Message-Signature", ARCMessageSignature.from_bytes),
    (b"ARC-Authentication-Results", ARCAuthenticationResults.from_bytes),
)


def test_one_input(data: bytes) -> None:
    """A field read survives writing and reading; no chain passes before a key was asked for."""
    fields = []
    for part in data.split(b"\x00"):
        name, read = _READERS[(part[0] if part else 0) % 3]
        value = part[1:]
        fields.append((name, name + b":" + value + b"\r\n"))
        try:
            field = read(value)
        except ARCError as error:
            assert error.reason
            continue
        assert 1 <= field.instance <= 50
        assert read(field.to_text().encode("utf-8")) == field
    verification = ARCVerification(fields, now=0.0)
    lookup = verification.lookup()
    try:
        assert len(next(lookup)) <= 100
    except StopIteration:
        outcome = verification.conclude({})
        assert outcome.reason
        assert outcome.status is ChainStatus.FAIL
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

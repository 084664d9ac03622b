"""Fuzz the verification of receipts: any octets, and a genuine receipt with some of them changed."""

from __future__ import annotations

import sys
from pathlib import Path

from danelaw.dnssec import TrustAnchors
from danelaw.receipt import Trust, verify

_SAMPLES = Path(__file__).parent.parent / "tests" / "receipt" / "samples"
GENUINE = tuple(path.read_bytes() for path in sorted(_SAMPLES.glob("*.json")))
TRUST = Trust(TrustAnchors.from_text((_SAMPLES / "anchor.ds").read_text()))


def test_one_input(data: bytes) -> None:
    """Whatever the octets, there is a verdict and no exception; and none but the genuine ones hold.

    The samples are unsigned, and a mutation that makes the digest anew is beyond a fuzzer.
    """
    for octets in (data, _mutated(data)):
        found = verify(octets, TRUST)
        assert found.holds == (octets in GENUINE), found.refusals
        assert found.holds or found.refusals


def _mutated(data: bytes) -> bytes:
    """A genuine receipt in which some octets are overwritten, removed or inserted, as `data` says."""
    if len(data) < 2:
        return b""
    base = bytearray(GENUINE[data[0] % len(GENUINE)])
    for start in range(1, len(data) - 4, 5):
        kind, octet = data[start], data[start + 4]
        place = int.from_bytes(data[start + 1 : start + 4], "big") % (len(base) + 1)
        if kind % 3 == 0 and place < len(base):
            base[place] = octet
        elif kind % 3 == 1:
            del base[place : place + octet]
        else:
            base[place:place] = bytes((octet,))
    return bytes(base)


def main() -> None:
    """Run under atheris: `python fuzz/receipt_verify.py [corpus directory]`."""
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()

"""Fuzz target: canonical bodies and fields. Run with atheris, or feed `test_one_input` yourself.

The first octet cuts the rest into pieces.
"""

from __future__ import annotations

import re
import sys

from danelaw.dkim import BodyCanonicalizer, Canonicalization, canonical_field


def canonical(body: bytes, how: Canonicalization, step: int) -> bytes:
    """The canonical body when it comes in pieces of `step` octets."""
    out = bytearray()
    canonicalizer = BodyCanonicalizer(how, out.extend)
    for start in range(0, len(body), step):
        canonicalizer.update(body[start : start + step])
    canonicalizer.finish()
    return bytes(out)


def test_one_input(data: bytes) -> None:
    """Any chunking gives one form; a form is its own form; relaxed leaves no white space to relax."""
    step, body = (data[0] if data else 0) + 1, data[1:]
    for how in Canonicalization:
        whole = canonical(body, how, len(body) + 1)
        assert canonical(body, how, step) == whole
        assert canonical(whole, how, step) == whole
        assert not whole.endswith(b"\r\n\r\n")
        assert whole.endswith(b"\r\n") or not whole
    relaxed = canonical(body, Canonicalization.RELAXED, step)
    assert not re.search(rb"\t|  | \r\n", relaxed)
    field = canonical_field(b"Name ", b"Name :" + body.replace(b"\n", b"\n ") + b"\r\n", Canonicalization.RELAXED)
    assert field.startswith(b"name:")
    assert field.endswith(b"\r\n")
    assert b"\t" not in field


test_one_input.__test__ = False  # type: ignore[attr-defined]


def main() -> None:
    """Run under atheris."""
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()

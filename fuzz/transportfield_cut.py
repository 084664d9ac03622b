"""Fuzz target: cutting Danelaw-Transport fields out of messages. Run with atheris, or feed `test_one_input` yourself.

The first octet says how large the pieces are; the rest is the message.
"""

from __future__ import annotations

import re
import sys

from danelaw.message import Header, MessageError
from danelaw.transportfield import FieldCutter, without_field

_LEFT = re.compile(rb"^danelaw-transport[ \t]*(:|\r?$)", re.IGNORECASE | re.MULTILINE)


def test_one_input(data: bytes) -> None:
    """Pieces of any size give what the whole gives; no field is left; nothing but lines of such fields is gone."""
    size, octets = 1 + (data[0] if data else 0) % 40, data[1:]
    whole = without_field(octets, octets.lower())
    cutter = FieldCutter()
    pieces = [cutter.feed(octets[place : place + size]) for place in range(0, len(octets), size)]
    assert b"".join([*pieces, cutter.end()]) == whole
    assert cutter.removed == len(octets) - len(whole)
    head = re.split(rb"(?:\A|(?<=\n))\r?\n", whole, maxsplit=1)[0]
    assert not _LEFT.search(head)
    try:
        header = Header.from_bytes(whole)
    except MessageError:
        return
    assert not header.all("Danelaw-Transport")
    if b"danelaw-transport" not in octets.lower():
        assert whole == octets


test_one_input.__test__ = False  # type: ignore[attr-defined]


def main() -> None:
    """Run under atheris."""
    import atheris

    atheris.instrument_all()
    atheris.Setup(sys.argv, test_one_input)
    atheris.Fuzz()


if __name__ == "__main__":
    main()

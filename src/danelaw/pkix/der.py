"""Just enough DER (X.690 §8, §10) to read certificates other people made.

Certificates that DANE-EE(3) trusts by their key alone are often odd: no names, strange dates, negative serial
numbers. Libraries that insist on RFC 5280 refuse to load them; this reader takes what it needs and nothing else.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

from danelaw.errors import DanelawError

INTEGER, BIT_STRING, OCTET_STRING, OID, SEQUENCE, SET = 0x02, 0x03, 0x04, 0x06, 0x30, 0x31
BOOLEAN, UTC_TIME, GENERALIZED_TIME = 0x01, 0x17, 0x18


class DERError(DanelawError, ValueError):
    """The octets are not the DER structure expected."""


class Element(NamedTuple):
    """One element of `data`: its tag octet, where its contents start and end, and where it starts itself."""

    tag: int
    start: int
    end: int
    first: int


def element(data: bytes, position: int, end: int) -> Element:
    """Read the element at `position`; it must end at or before `end`. Raises `DERError`."""
    if position + 2 > end:
        raise DERError("the data ends too early")
    tag, length, start = data[position], data[position + 1], position + 2
    if tag & 0x1F == 0x1F:
        raise DERError("tags of more than one octet do not occur in certificates")
    if length & 0x80:
        count = length & 0x7F
        if not 1 <= count <= 4 or start + count > end:
            raise DERError("a length is indefinite or too long")
        length = int.from_bytes(data[start : start + count], "big")
        start += count
    if start + length > end:
        raise DERError("the data ends too early")
    return Element(tag, start, start + length, position)


def whole(data: bytes, tag: int) -> Element:
    """The one element that `data` consists of. Raises `DERError` for another tag or octets behind it."""
    found = element(data, 0, len(data))
    if found.tag != tag or found.end != len(data):
        raise DERError(f"one element with tag {tag:#04x} expected")
    return found


def children(data: bytes, parent: Element) -> Iterator[Element]:
    """The elements inside a constructed one. Raises `DERError`."""
    position = parent.start
    while position < parent.end:
        child = element(data, position, parent.end)
        yield child
        position = child.end


def contents(data: bytes, item: Element) -> bytes:
    """The contents octets of an element."""
    return data[item.start : item.end]

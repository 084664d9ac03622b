"""OpenPGP packets, as far as certificates need them (RFC 9580 §4.2, §5.2.3.1, §5.2.3.7)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from danelaw.errors import DanelawError

MOST_PACKETS = 4096
_MOST_SUBPACKETS = 256
SIGNATURE, SECRET_KEY, PUBLIC_KEY, SECRET_SUBKEY, USER_ID, PUBLIC_SUBKEY = 2, 5, 6, 7, 13, 14


class OpenPGPError(DanelawError, ValueError):
    """The octets are no OpenPGP certificate."""


@dataclass(frozen=True, slots=True)
class Signature:
    """What a signature packet says; whether it is a valid signature is not looked at.

    `kind` is the signature type (§5.2.1). `issuers` holds key ids and fingerprints, `subpackets` the hashed ones by
    type, the last of each.
    """

    kind: int
    issuers: frozenset[bytes]
    subpackets: dict[int, bytes] = field(default_factory=dict)

    def number(self, subpacket: int) -> int | None:
        """A subpacket of four octets as a number, None without it."""
        octets = self.subpackets.get(subpacket)
        return int.from_bytes(octets, "big") if octets is not None and len(octets) == 4 else None

    @property
    def made(self) -> int:
        """When, in POSIX seconds; 0 where it does not say."""
        return self.number(2) or 0


def packets(octets: bytes) -> Iterator[tuple[int, int, bytes]]:
    """(where it begins, packet type, body) of each packet. Raises `OpenPGPError`, also for partial and indeterminate
    lengths, which keys cannot have (§4.2.1.4).
    """
    place, count = 0, 0
    while place < len(octets):
        count += 1
        if count > MOST_PACKETS:
            raise OpenPGPError(f"more than {MOST_PACKETS} packets")
        first = octets[place]
        if not first & 0x80:
            raise OpenPGPError("not a sequence of OpenPGP packets")
        if first & 0x40:
            kind, (start, length) = first & 0x3F, _new_length(octets, place + 1)
        else:
            kind, (start, length) = first >> 2 & 0x0F, _old_length(octets, place + 1, first & 3)
        if start + length > len(octets):
            raise OpenPGPError("a packet is longer than what follows")
        yield place, kind, octets[start : start + length]
        place = start + length


def _new_length(octets: bytes, place: int) -> tuple[int, int]:
    """§4.2.1: where the body starts, and its length."""
    first = _number(octets, place, 1)
    if first < 192:
        return place + 1, first
    if first < 224:
        return place + 2, (first - 192 << 8) + _number(octets, place + 1, 1) + 192
    if first == 255:
        return place + 5, _number(octets, place + 1, 4)
    raise OpenPGPError("a packet in parts, which a key cannot have")


def _old_length(octets: bytes, place: int, kind: int) -> tuple[int, int]:
    """§4.2.2."""
    if kind == 3:
        raise OpenPGPError("a packet of indeterminate length, which a key cannot have")
    width = 1 << kind
    return place + width, _number(octets, place, width)


def _number(octets: bytes, place: int, width: int) -> int:
    if place + width > len(octets):
        raise OpenPGPError("the last packet is cut off")
    return int.from_bytes(octets[place : place + width], "big")


def signature(body: bytes) -> Signature | None:
    """Read a signature of version 4 or 6 (§5.2.3); None for another. Raises `OpenPGPError` for a broken one."""
    version = _number(body, 0, 1)
    if version not in (4, 6):
        return None
    width = 2 if version == 4 else 4
    hashed, place = _area(body, 4, width)
    unhashed, _ = _area(body, place, width)
    issuers = set()
    for area in (hashed, unhashed):
        for kind, octets in area.items():
            if kind == 16:
                issuers.add(octets)
            elif kind == 33 and len(octets) > 1:
                issuers.add(octets[1:])
    return Signature(body[1], frozenset(issuers), hashed)


def _area(body: bytes, place: int, width: int) -> tuple[dict[int, bytes], int]:
    """The subpackets of one area by type (§5.2.3.7), and where the area ends."""
    end = place + width + _number(body, place, width)
    if end > len(body):
        raise OpenPGPError("a signature is cut off")
    place += width
    found: dict[int, bytes] = {}
    for _ in range(_MOST_SUBPACKETS):
        if place >= end:
            return found, end
        first = _number(body, place, 1)
        if first < 192:
            place, length = place + 1, first
        elif first < 255:
            place, length = place + 2, (first - 192 << 8) + _number(body, place + 1, 1) + 192
        else:
            place, length = place + 5, _number(body, place + 1, 4)
        if length < 1 or place + length > end:
            raise OpenPGPError("a subpacket is longer than its signature")
        found[body[place] & 0x7F] = body[place + 1 : place + length]
        place += length
    raise OpenPGPError(f"more than {_MOST_SUBPACKETS} subpackets in a signature")

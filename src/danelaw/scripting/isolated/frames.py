"""The octets between the gateway and an isolated worker: JSON and, beside it, octets such as a message.

A frame is two lengths in four octets each, then the JSON object, then the octets. Pure: octets in, frames out.
"""

from __future__ import annotations

import struct
from typing import Any, NamedTuple

from danelaw.policy.forms import WireError
from danelaw.policy.wire import LARGEST, from_octets, to_octets

HEAD = struct.Struct("!II")
LARGEST_OCTETS = 1 << 30
"""Octets beside the JSON that a worker takes from its gateway; a gateway takes none."""


class Frame(NamedTuple):
    """One message: an object, and octets beside it."""

    object: dict[str, Any]
    octets: bytes = b""


def head(octets: bytes | bytearray, most_beside: int = 0) -> tuple[int, int]:
    """The two lengths. Raises `WireError` for lengths that are not allowed."""
    length, beside = HEAD.unpack_from(octets)
    if length > LARGEST or beside > most_beside:
        raise WireError(f"a frame claims {length} and {beside} octets")
    return length, beside


def encode(value: dict[str, Any], beside: int = 0) -> bytes:
    """A frame but for the octets beside it, of which there will be so many. Raises `WireError`."""
    text = to_octets(value)
    return HEAD.pack(len(text), beside) + text


class FrameReader:
    """Takes octets in any chunks and gives whole frames. What comes is from outside."""

    __slots__ = ("_buffer", "_most_beside")

    def __init__(self, most_beside: int = 0) -> None:
        self._buffer = bytearray()
        self._most_beside = most_beside

    def receive(self, data: bytes) -> list[Frame]:
        """The frames completed by `data`. Raises `WireError`; the reader is of no use after that."""
        buffer = self._buffer
        buffer += data
        found: list[Frame] = []
        while len(buffer) >= HEAD.size:
            length, beside = head(buffer, self._most_beside)
            end = HEAD.size + length + beside
            if len(buffer) < end:
                break
            value = from_octets(bytes(buffer[HEAD.size : HEAD.size + length]))
            if not isinstance(value, dict):
                raise WireError("a frame is an object")
            found.append(Frame(value, bytes(buffer[HEAD.size + length : end])))
            del buffer[:end]
        return found

"""What a carrier is given, and what it says about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import Protocol

from danelaw.errors import DanelawError

_CHUNK = 262_144


class CarrierDown(DanelawError):
    """The carrier cannot work at all now, whatever the message is."""


class Result(Enum):
    """What became of one recipient."""

    DELIVERED = "delivered"
    LATER = "later"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True)
class Given:
    """The end for one recipient: `status` is an enhanced code (RFC 3463), `reply` what the other side said, `reason`
    our words, `wait` the least seconds before the next try.
    """

    result: Result
    status: str
    reply: str = ""
    reason: str = ""
    wait: float = 0.0


@dataclass(frozen=True, slots=True)
class Addressee:
    """A recipient: its number within the message and its address without brackets."""

    number: int
    address: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Parcel:
    """A message on its way. `id` is its queue id, `reverse_path` empty for `<>`, `size` octets. `content` is the octets
    or the file they lie in, `above` whole fields that go on top of them and are counted in `size`. `tried` is true when
    it may have been given to this carrier before.
    """

    id: str
    reverse_path: str
    addressees: tuple[Addressee, ...]
    size: int
    content: bytes | Path
    received_at: float
    expires: float
    tried: bool = False
    above: bytes = b""

    def chunks(self) -> Iterator[bytes]:
        """The octets, lines ended by CRLF, in pieces. Raises `OSError`."""
        if self.above:
            yield self.above
        if isinstance(self.content, bytes):
            yield self.content
            return
        with self.content.open("rb") as file:
            while chunk := file.read(_CHUNK):
                yield chunk

    def lines_for(self, addressee: Addressee) -> Iterator[bytes]:
        """As a mailbox on this machine keeps it: lines ended by LF, and who it was for in front (RFC 5321 §4.4).
        Raises `OSError`.
        """
        trace = f"Return-Path: <{self.reverse_path}>\nDelivered-To: {addressee.address}\n"
        yield trace.encode("utf-8", "surrogateescape")
        held = b""
        for chunk in self.chunks():
            octets = held + chunk
            held = b"\r" if octets.endswith(b"\r") else b""
            yield octets[: len(octets) - len(held)].replace(b"\r\n", b"\n")
        if held:
            yield held


class Carrier(Protocol):
    """A way to hand mail over. `name` is what the configuration calls it."""

    @property
    def name(self) -> str: ...

    async def carry(self, parcel: Parcel) -> Mapping[int, Given]:
        """Hand it over; what became of each addressee by number. Raises `CarrierDown`."""
        ...

    async def close(self) -> None:
        """Nothing more is carried."""
        ...

"""How much of a message is looked at."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limits:
    """What goes beyond is named as a defect and left as octets; decoding beyond `decoded_octets` raises `MessageLimit`.

    `header_octets` and `fields` are for each header, `depth` counts parts within parts, `parts` is for the whole
    message, `decoded_octets` for one part.
    """

    header_octets: int = 1 << 20
    fields: int = 10_000
    depth: int = 100
    parts: int = 10_000
    decoded_octets: int = 256 << 20


DEFAULT = Limits()

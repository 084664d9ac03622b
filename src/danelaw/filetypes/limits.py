"""How much work an examination may cost."""

from __future__ import annotations

from dataclasses import dataclass

RATIO = 200
"""An archive that unpacks to so many times its size is odd: text packs to about a tenth, DEFLATE at best to 1/1032."""


@dataclass(frozen=True, slots=True)
class Limits:
    """`octets` unpacked in all, `members` listed in all, `depth` of archives in archives, `member` octets unpacked of
    one member that is itself an archive.
    """

    octets: int = 64 << 20
    members: int = 2000
    depth: int = 4
    member: int = 16 << 20


class Budget:
    """What is left of the limits during one examination."""

    __slots__ = ("limits", "members", "octets")

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self.octets = limits.octets
        self.members = limits.members

    def take_member(self) -> bool:
        """One more member; False when there are too many."""
        self.members -= 1
        return self.members >= 0

    def room(self) -> int:
        """Octets that the next member may unpack to."""
        return max(0, min(self.octets, self.limits.member))

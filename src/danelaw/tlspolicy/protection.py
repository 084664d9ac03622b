"""What protected a message: the closed vocabulary people read, strongest first."""

from __future__ import annotations

from enum import Enum
from functools import total_ordering


@total_ordering
class Protection(Enum):
    """Ordered by strength, `NOTHING_SENT` lowest. The value is the wording for people; `level` is the word of
    `danelaw check --json`.

    `HOST_DANE` authenticates a host whose name came from an unsigned MX, so it proves nothing about the domain.
    `ENCRYPTED` means that nothing had to be proved about who answered.
    """

    DANE = "DANE"
    MTA_STS = "MTA-STS"
    PKIX = "public CA (your setting)"
    PINNED = "pinned key (your setting)"
    HOST_DANE = "host-only DANE"
    ENCRYPTED = "encrypted only"
    CLEAR = "clear text"
    NOTHING_SENT = "nothing sent"

    @property
    def level(self) -> str:
        """`dane mta-sts pkix host-dane encrypted clear waits`; a pinned key counts as `pkix`."""
        return _LEVELS[self]

    @property
    def strength(self) -> int:
        """7 for DANE down to 0 for nothing sent."""
        return _STRENGTH[self]

    @property
    def verified(self) -> bool:
        """True when who answered was proved to be a server of the destination, not only of some host."""
        return self.strength >= _STRENGTH[Protection.PINNED]

    def __lt__(self, other: object) -> bool:
        return self.strength < other.strength if isinstance(other, Protection) else NotImplemented


_LEVELS = {
    Protection.DANE: "dane",
    Protection.MTA_STS: "mta-sts",
    Protection.PKIX: "pkix",
    Protection.PINNED: "pkix",
    Protection.HOST_DANE: "host-dane",
    Protection.ENCRYPTED: "encrypted",
    Protection.CLEAR: "clear",
    Protection.NOTHING_SENT: "waits",
}
_STRENGTH = {member: 7 - position for position, member in enumerate(Protection)}

"""What protected a message: the closed vocabulary people read, strongest first."""

from __future__ import annotations

from enum import Enum
from functools import total_ordering
from typing import NamedTuple


class Words(NamedTuple):
    """What a level means: for people who only want to know whether to write, and for those who run servers."""

    people: str
    experts: str


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
    def words(self) -> Words:
        """What it means for mail on its way from here to the destination's servers, never further."""
        return WORDS[self.value]

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
# What an attacker on the path can still do is said, and nothing is called secure that he can read or redirect.
WORDS = {
    Protection.DANE.value: Words(
        "On its way to their servers nobody can read this mail or divert it.",
        "MX and TLSA records are signed; each server that would take the mail must match them (RFC 7672).",
    ),
    Protection.MTA_STS.value: Words(
        "This mail only goes to servers that the domain names and a public authority vouches for.",
        "An enforced MTA-STS policy lists the MX hosts; certificates are valid for their names (RFC 8461). "
        "Trust began with the first fetch of the policy.",
    ),
    Protection.PKIX.value: Words(
        "This mail only goes to servers that a public authority vouches for, as your postmaster has set.",
        "PKIX-valid certificates, demanded by a setting of this gateway; the domain itself does not demand them.",
    ),
    Protection.PINNED.value: Words(
        "This mail only goes to servers with a key that your postmaster knows.",
        "The server's key is pinned by a setting of this gateway.",
    ),
    Protection.HOST_DANE.value: Words(
        "Encrypted to a server that proves its name, but an attacker could have named another server.",
        "TLSA records authenticate the MX host; the MX records are not signed, so the host could be the attacker's.",
    ),
    Protection.ENCRYPTED.value: Words(
        "Encrypted, but nobody checks who receives it: an attacker on the way can read it.",
        "Opportunistic TLS without authentication: an active attacker can read the mail, or strip STARTTLS.",
    ),
    Protection.CLEAR.value: Words(
        "Like a postcard: anybody on the way can read and change it.",
        "At least one server that would take the mail offers no TLS, and nobody demands it.",
    ),
    Protection.NOTHING_SENT.value: Words(
        "Mail to there waits at the moment, and nothing is sent.",
        "No server can be used now: none answers, or none shows what DNS, policy or settings demand.",
    ),
    "no mail": Words("There is nobody to write to: this domain takes no mail.", "Null MX, no such domain, or no host."),
    "unknown": Words(
        "It is not known yet how this mail would travel; take it for a postcard.",
        "TLS is not demanded of every server, and what they offer has not been seen lately.",
    ),
}
"""By the label: the value of a `Protection`, or `no mail` and `unknown`, for which there is none."""

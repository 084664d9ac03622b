"""The words of DMARC, spelled as in records and in Authentication-Results (RFC 9989 §4.7, §9.2)."""

from __future__ import annotations

from enum import Enum


class DMARCResult(Enum):
    """RFC 9989 §9.2."""

    NONE = "none"
    PASS = "pass"
    FAIL = "fail"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


class Policy(Enum):
    """What a domain owner prefers for mail that fails (RFC 9989 §4.7, `p`)."""

    NONE = "none"
    QUARANTINE = "quarantine"
    REJECT = "reject"

    @property
    def lowered(self) -> Policy:
        """One level below: what t=y leaves of it (RFC 9989 §4.7, `t`)."""
        return _LOWERED[self]

    @property
    def strictness(self) -> int:
        """0 for none, 2 for reject."""
        return _STRICTNESS[self]


_LOWERED = {Policy.REJECT: Policy.QUARANTINE, Policy.QUARANTINE: Policy.NONE, Policy.NONE: Policy.NONE}
_STRICTNESS = {Policy.NONE: 0, Policy.QUARANTINE: 1, Policy.REJECT: 2}


class Alignment(Enum):
    """How near an authenticated domain must be to the author's (RFC 9989 §3.2.10)."""

    RELAXED = "r"
    STRICT = "s"

    @property
    def word(self) -> str:
        """The mode in words."""
        return self.name.lower()


class PSD(Enum):
    """Whether the domain is one below which others register (RFC 9989 §4.7, `psd`)."""

    YES = "y"
    NO = "n"
    UNKNOWN = "u"


class PolicyTag(Enum):
    """Which tag of a record a policy was taken from (RFC 9989 §4.10.1)."""

    P = "p"
    SP = "sp"
    NP = "np"

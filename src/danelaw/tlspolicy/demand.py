"""What the sender of one message asks for: RFC 8689, and demands of our own that need nothing of the next hop."""

from __future__ import annotations

from enum import Enum


class SenderDemand(Enum):
    """The value is for people, `word` is how queues and commands spell it.

    `TLS_REQUIRED_NO`: rather send it unprotected than not at all (RFC 8689 §3); whoever builds this value has applied
    the rules for ignoring the field (with REQUIRETLS, when repeated, when it says anything but No).

    `ENCRYPTED`: TLS to every host, whoever it is. `VERIFIED`: who answers is proved to be a server of the destination,
    by DANE, an enforced MTA-STS policy or a public CA. `DANE`: proved by DANE, with a signed MX. Their mail waits where
    that cannot be had, until its lifetime ends.

    `REQUIRETLS`: rather return the message than send it unprotected (RFC 8689 §2); contains `VERIFIED`, and has every
    server on the way do the same. `REQUIRETLS_DANE` is both it and `DANE`.
    """

    NONE = "none"
    TLS_REQUIRED_NO = "TLS-Required: No"
    ENCRYPTED = "encrypted"
    VERIFIED = "verified"
    DANE = "DANE"
    REQUIRETLS = "REQUIRETLS"
    REQUIRETLS_DANE = "REQUIRETLS and DANE"

    @property
    def word(self) -> str:
        """How a `RoutingKey` spells it: empty, `tls-required-no`, `encrypted`, `verified`, `dane`, `requiretls`,
        `requiretls+dane`.
        """
        return _WORDS[self]

    @classmethod
    def from_word(cls, word: str) -> SenderDemand:
        """The demand that is spelled so. Raises `ValueError`."""
        try:
            return _BY_WORD[word]
        except KeyError:
            raise ValueError(f"{word!r} is no demand of a sender") from None

    @property
    def requiretls(self) -> bool:
        """True when the message must travel with REQUIRETLS (RFC 8689 §4.2.1)."""
        return self in (SenderDemand.REQUIRETLS, SenderDemand.REQUIRETLS_DANE)

    @property
    def dane(self) -> bool:
        """True when nothing but DANE will do."""
        return self in (SenderDemand.DANE, SenderDemand.REQUIRETLS_DANE)

    @property
    def encrypted(self) -> bool:
        """True when nothing may go in the clear."""
        return self is SenderDemand.ENCRYPTED or self.verified

    @property
    def verified(self) -> bool:
        """True when who answers must be proved to belong to the destination."""
        return self is SenderDemand.VERIFIED or self.dane or self.requiretls

    def with_demand(self, other: SenderDemand) -> SenderDemand:
        """What satisfies both; `TLS_REQUIRED_NO` is no demand, and any demand puts an end to it."""
        if self.requiretls or other.requiretls:
            return SenderDemand.REQUIRETLS_DANE if self.dane or other.dane else SenderDemand.REQUIRETLS
        return max(self, other, key=_ORDER.index)


_WORDS = {
    SenderDemand.NONE: "",
    SenderDemand.TLS_REQUIRED_NO: "tls-required-no",
    SenderDemand.ENCRYPTED: "encrypted",
    SenderDemand.VERIFIED: "verified",
    SenderDemand.DANE: "dane",
    SenderDemand.REQUIRETLS: "requiretls",
    SenderDemand.REQUIRETLS_DANE: "requiretls+dane",
}
_BY_WORD = {word: demand for demand, word in _WORDS.items()}
# Of demands without REQUIRETLS, each asks for all that those before it ask for.
_ORDER = tuple(SenderDemand)

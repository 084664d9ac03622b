"""What went wrong, as far as it makes a difference to who reads a notice: each cause has words of its own."""

from __future__ import annotations

from enum import Enum


class Cause(Enum):
    """The value is the word in `[cause.…]` of a file of texts and in recorded tries.

    `OTHER` has no words of its own: what is known in one sentence stands for itself.
    """

    NO_TLS = "no-tls"
    BROKEN_TLS = "broken-tls"
    OLD_TLS = "old-tls"
    WRONG_KEY = "wrong-key"
    EXPIRED = "expired"
    WRONG_NAME = "wrong-name"
    UNTRUSTED = "untrusted"
    NOT_PINNED = "not-pinned"
    BOGUS_DNS = "bogus-dns"
    DNS_FAILED = "dns-failed"
    NOT_LISTED = "not-listed"
    DEMAND_UNMET = "demand-unmet"
    NO_REQUIRETLS = "no-requiretls"
    NO_CONNECTION = "no-connection"
    BROKE_OFF = "broke-off"
    TURNED_AWAY = "turned-away"
    NULL_MX = "null-mx"
    NO_DOMAIN = "no-domain"
    NO_SERVER = "no-server"
    LOOP = "loop"
    BAD_MAILBOX = "bad-mailbox"
    CLOSED_MAILBOX = "closed-mailbox"
    BAD_SENDER = "bad-sender"
    QUOTA = "quota"
    SPAM = "spam"
    REPUTATION = "reputation"
    POLICY = "policy"
    AUTHENTICATION = "authentication"
    RATE = "rate"
    GREYLISTED = "greylisted"
    TLS_WANTED = "tls-wanted"
    TOO_LARGE = "too-large"
    CONTENT = "content"
    ROUTING = "routing"
    TROUBLE = "trouble"
    PROTOCOL = "protocol"
    LATER = "later"
    REFUSED = "refused"
    OPERATOR = "operator"
    OTHER = "other"

    @property
    def may_pass(self) -> bool:
        """True where DNS or the network may be to blame, so that another host's finding says more."""
        return self in _MAY_PASS


_MAY_PASS = frozenset({Cause.DNS_FAILED, Cause.NO_CONNECTION, Cause.BROKE_OFF, Cause.TURNED_AWAY, Cause.OTHER})

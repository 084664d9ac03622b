"""What a destination of the lab is: one small declaration whose default is the happy path.

`Scenario("x.lab", …)` with nothing else is a signed zone with one mail host, a certificate and the TLSA
record `3 1 1` that matches it. Everything else is said by leaving the path at one place.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal, TypeAlias

Outcome: TypeAlias = Literal["delivered", "waiting", "returned"]
ProtectedBy: TypeAlias = Literal[
    "DANE", "MTA-STS", "public CA (your setting)", "host-only DANE", "encrypted only", "clear text", "nothing sent"
]
Level: TypeAlias = Literal["dane", "mta-sts", "pkix", "host-dane", "encrypted", "clear", "waits", "no-mail", "unknown"]

DEFAULT_OFFERS = (
    "PIPELINING",
    "SIZE 52428800",
    "8BITMIME",
    "SMTPUTF8",
    "DSN",
    "CHUNKING",
    "ENHANCEDSTATUSCODES",
)


class Algorithm(Enum):
    """Signature algorithms of the lab's zones (RFC 8624 names)."""

    P256 = "ECDSAP256SHA256"
    ED25519 = "ED25519"
    RSA = "RSASHA256"


class Denial(Enum):
    """How a signed zone proves absence."""

    NSEC = "NSEC"
    NSEC3 = "NSEC3"
    OPT_OUT = "NSEC3 opt-out"


class Issuer(Enum):
    """Who signed a host's certificate."""

    PUBLIC = "public CA"
    PRIVATE = "private CA"
    SELF = "itself"


class Chain(Enum):
    """Which certificates a host shows besides its own."""

    LEAF = "leaf only"
    INTERMEDIATE = "leaf and intermediate"
    FULL = "leaf, intermediate and root"


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificate:
    """What a host shows. `names`: DNS-IDs, None for the host's own name."""

    issuer: Issuer = Issuer.PUBLIC
    names: tuple[str, ...] | None = None
    expired: bool = False
    chain: Chain = Chain.INTERMEDIATE


class StartTLS(Enum):
    """What a server does about STARTTLS."""

    WORKS = "works"
    ABSENT = "not offered"
    REFUSED = "454 to the command"
    REJECTED = "554 to the command"
    GARBAGE = "220, then no TLS"
    INJECTED = "220 and more bytes before the handshake"
    CLOSED = "220, then closes"


class Attack(Enum):
    """Who sits between the gateway and the real server."""

    NONE = "nobody"
    STRIP = "proxy that removes STARTTLS"
    IMPERSONATE = "proxy with a certificate of its own"


@dataclass(frozen=True, slots=True, kw_only=True)
class Behaviour:
    """How a mail host talks. `replies` answers a stage ("GREETING", "EHLO", "MAIL", "RCPT", "DATA", "DOT") with a
    line of its own; `recipients` answers single local parts; `drop_at` closes the connection at a stage.
    """

    starttls: StartTLS = StartTLS.WORKS
    ehlo: bool = True
    offers: tuple[str, ...] = DEFAULT_OFFERS
    requiretls: bool = False
    old_tls: bool = False
    greeting_delay: float = 0.0
    replies: tuple[tuple[str, str], ...] = ()
    recipients: tuple[tuple[str, str], ...] = ()
    drop_at: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """One mail host of a destination.

    `name` is relative to the domain, absolute with a final dot, "@" for the domain itself. `tlsa` are words such as
    "3 1 1", see `danelaw.lab.tlsa`; `tlsa_owner` is the absolute name they are published at (default: `_25._tcp.`
    before the host's expanded name). `alias` makes the host's name a CNAME to it. `elsewhere` says that the host is
    declared by another scenario. `v4` and `v6`: "up", "dead" (connection refused) or "" (no address).
    """

    name: str = "mx"
    preference: int = 10
    tlsa: tuple[str, ...] = ("3 1 1",)
    tlsa_owner: str | None = None
    certificate: Certificate = Certificate()
    behaviour: Behaviour = Behaviour()
    attack: Attack = Attack.NONE
    alias: str | None = None
    elsewhere: bool = False
    v4: Literal["up", "dead", ""] = "up"
    v6: Literal["up", "dead", ""] = ""


class FaultKind(Enum):
    """What goes wrong with DNS answers."""

    SERVFAIL = "SERVFAIL"
    DROP = "no answer"
    DROP_UDP = "no answer over UDP"
    DROP_FIRST = "no answer to the first of two questions"
    STRIP_EDNS_UDP = "EDNS removed from UDP"
    STRIP_SIGNATURES = "signatures removed"
    CORRUPT_SIGNATURES = "signatures altered"
    EXPIRED_SIGNATURES = "signatures of last year"
    FORGE = "answer replaced"
    DENY = "answer replaced by an unproved denial"
    NO_NAME = "answer replaced by NXDOMAIN"
    GARBAGE = "bytes that are no DNS message"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """`kind` happens to questions for `name` (relative to the domain, "@" for itself; with `below` also to all
    names under it) and `types` (all when empty). `records` are zone-file lines for FORGE, names relative likewise.
    """

    kind: FaultKind
    name: str = "@"
    types: tuple[str, ...] = ()
    below: bool = False
    records: tuple[str, ...] = ()


class PolicyHost(Enum):
    """What the MTA-STS policy host does."""

    SERVES = "serves the policy"
    ABSENT = "has no address"
    NOT_FOUND = "404"
    REDIRECTS = "301 to a good policy"
    WRONG_CERTIFICATE = "certificate for another name"
    UNTRUSTED = "certificate of an unknown CA"
    TOO_LARGE = "more than 64 KiB"
    SLOW = "never ends"
    HTML = "text/html"
    MALFORMED = "not a policy"


@dataclass(frozen=True, slots=True, kw_only=True)
class STS:
    """MTA-STS of a destination. `patterns` empty: the names of its hosts. `txt`: "present", "gone", "twice",
    "malformed". `remembered`: an enforce (or `mode`) policy that was fetched last week and is still in the cache.
    """

    mode: Literal["enforce", "testing", "none"] = "enforce"
    patterns: tuple[str, ...] = ()
    max_age: int = 604800
    txt: Literal["present", "gone", "twice", "malformed"] = "present"
    host: PolicyHost = PolicyHost.SERVES
    remembered: bool = False


Demand: TypeAlias = Literal["none", "requiretls", "tls-required-no"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """A name server of the destination's zone, on port 53 of an address of its own: `name` relative to the domain.

    `drops` are the types of question it never answers, which happens to resolvers now and then only, since the zone
    has others; `faults` are its own too, their names relative to the domain. The lab's resolver does not ask it;
    `danelaw check` and `danelaw advise` do.
    """

    name: str
    drops: tuple[str, ...] = ()
    faults: tuple[Fault, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scenario:
    """A destination and what a correct gateway makes of it.

    `publishes`, `outcome`, `protection` and `why` are words of the demo's table; `level` is what
    `danelaw check` prints. `rules` and `defects` are ids of `danelaw.lab.rules`. `mx`: "hosts" lists the
    hosts, "none" publishes no MX (implicit MX), "null" the null MX of RFC 7505, "missing" means that the domain
    does not exist. `records` are more lines of its zone. `authorities` are its own name servers; without any the
    lab's one name server is named, which nobody can ask at its port 53. `ds` is what the parent zone has for a signed
    domain. `next_hop` is how mail gets there when not by
    MX. `demo` is the row in the demo, None for the rest.
    """

    domain: str
    publishes: str = "TLSA 3 1 1"
    outcome: Outcome = "delivered"
    protection: ProtectedBy = "DANE"
    level: Level = "dane"
    why: str = "server's key is the one in signed DNS"
    rules: tuple[str, ...] = ()
    defects: tuple[str, ...] = ()
    attack: bool = False
    demo: int | None = None
    mx: Literal["hosts", "none", "null", "missing"] = "hosts"
    hosts: tuple[Host, ...] = (Host(),)
    signed: bool = True
    denial: Denial = Denial.NSEC
    ds: Literal["right", "missing", "wrong"] = "right"
    algorithm: Algorithm = Algorithm.P256
    spare_keys: int = 0
    records: tuple[str, ...] = ()
    authorities: tuple[Authority, ...] = ()
    faults: tuple[Fault, ...] = ()
    sts: STS | None = None
    demand: Demand = "none"
    next_hop: str | None = None
    recipient: str = "anna"
    also_zones: tuple[SideZone, ...] = field(default=())

    @property
    def address(self) -> str:
        """The recipient to write to."""
        return f"{self.recipient}@{self.domain}"

    @property
    def why_shown(self) -> str:
        """`why` for people who read it without a run: placeholders for fingerprints become dots."""
        return self.why.replace("{shown}", "…").replace("{published}", "…")

    @property
    def why_pattern(self) -> str:
        """`why` as a regular expression: a placeholder matches a fingerprint, first 8 … last 4."""
        fingerprint = "[0-9a-f]{8}…[0-9a-f]{4}"
        quoted = re.escape(self.why)
        return quoted.replace(r"\{shown\}", fingerprint).replace(r"\{published\}", fingerprint)


@dataclass(frozen=True, slots=True, kw_only=True)
class SideZone:
    """A further zone a scenario needs, with its zone-file lines."""

    origin: str
    signed: bool = True
    denial: Denial = Denial.NSEC
    records: tuple[str, ...] = ()

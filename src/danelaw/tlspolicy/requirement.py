"""What must hold before one host may be given the mail of one destination, and who demands it."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TypeAlias

from danelaw.address import Domain
from danelaw.dane import TLSARecord
from danelaw.mtasts import STSPolicy
from danelaw.tlspolicy.protection import Protection
from danelaw.tlspolicy.tlsrpt import TLSRPTResult


class TLSUse(Enum):
    """Whether STARTTLS is done. The value is the wording for people."""

    NEVER = "no TLS"
    OPPORTUNISTIC = "TLS if offered"
    MANDATORY = "TLS"


@dataclass(frozen=True, slots=True)
class DANECheck:
    """The chain must match one of these TLSA records (RFC 7672 §3).

    `base` is the TLSA base domain; `names` are the reference identifiers, which count for DANE-TA only;
    `secure_mx` tells whether a match proves a server of the destination, or only of the host.
    """

    base: Domain
    records: tuple[TLSARecord, ...]
    names: tuple[Domain, ...]
    secure_mx: bool


@dataclass(frozen=True, slots=True)
class STSCheck:
    """The MX host must be listed in the policy and the certificate PKIX-valid for it (RFC 8461 §4); `policy` is for
    reports.
    """

    domain: Domain
    host: Domain
    listed: bool
    enforced: bool
    policy: STSPolicy | None = None


@dataclass(frozen=True, slots=True)
class PKIXCheck:
    """The chain must lead to a configured root and carry one of these names as DNS-ID (RFC 9525)."""

    names: tuple[Domain, ...]


@dataclass(frozen=True, slots=True)
class FingerprintCheck:
    """The leaf's key or certificate must have one of these SHA-256 digests (lower-case hexadecimal)."""

    fingerprints: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RequireTLSCheck:
    """The EHLO after STARTTLS must offer REQUIRETLS (RFC 8689 §4.2.1 step 5)."""


Check: TypeAlias = DANECheck | STSCheck | PKIXCheck | FingerprintCheck | RequireTLSCheck


class RefusalKind(Enum):
    """Why a host cannot be used whatever it shows: DNS failed (`LOOKUP`), or the demand cannot be met (`DEMAND`)."""

    LOOKUP = "lookup"
    DEMAND = "demand"


@dataclass(frozen=True, slots=True)
class Refusal:
    """The host is not even connected to; `reason` in words."""

    kind: RefusalKind
    reason: str


@dataclass(frozen=True, slots=True)
class Requirement:
    """The demand on one host.

    `checks` must all pass; `observe` is judged and reported but stops nothing. `sni` is the name to send in the
    handshake. `earns` is the protection the message gets when all checks pass; `at_best`, when set, what it
    gets if the observed checks pass too (a sender's waiver does not make a verified session less verified).
    `demanded_by` names who demands it and `reason` says what, both in words. `domain` is the next-hop domain,
    None for an address. `reports` go into every TLS report of this host whatever happens. With a `refusal`
    nobody connects. Connections may be shared only under equal requirements (FIELD rule 11).
    """

    host: Domain
    domain: Domain | None
    tls: TLSUse
    checks: tuple[Check, ...] = ()
    observe: tuple[Check, ...] = ()
    sni: Domain | None = None
    earns: Protection = Protection.CLEAR
    at_best: Protection | None = None
    demanded_by: str = "nobody"
    reason: str = ""
    reports: tuple[TLSRPTResult, ...] = ()
    refusal: Refusal | None = None
    _hash: int = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        # Connections are pooled by requirement, so it is hashed for every message: once is enough.
        key = (self.host, self.domain, self.tls, self.checks, self.observe, self.earns, self.demanded_by, self.reason)
        object.__setattr__(self, "_hash", hash(key))

    def __hash__(self) -> int:
        return self._hash

    @property
    def dane(self) -> DANECheck | None:
        """The demanded DANE check, if any."""
        return next((check for check in self.checks if isinstance(check, DANECheck)), None)

    @property
    def requiretls(self) -> bool:
        """True when the message must travel with the REQUIRETLS parameter."""
        return any(isinstance(check, RequireTLSCheck) for check in self.checks)

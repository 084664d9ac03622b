"""What must hold before one host may be given the mail of one destination, and who demands it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, TypeAlias

from danelaw.address import Domain
from danelaw.tlspolicy.protection import Protection

if TYPE_CHECKING:
    from danelaw.dane import TLSARecord


class TLSUse(Enum):
    """Whether STARTTLS is done. The value is the wording for people."""

    NEVER = "no TLS"
    OPPORTUNISTIC = "TLS if offered"
    MANDATORY = "TLS"


@dataclass(frozen=True, slots=True)
class DANECheck:
    """The chain must match one of these TLSA records (RFC 7672 §3); `names` count for DANE-TA only."""

    base: Domain
    records: tuple[TLSARecord, ...]
    names: tuple[Domain, ...]
    secure_mx: bool


@dataclass(frozen=True, slots=True)
class STSCheck:
    """The MX host must be listed in the policy and the certificate PKIX-valid for it (RFC 8461 §4)."""

    domain: Domain
    host: Domain
    listed: bool
    patterns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class PKIXCheck:
    """The chain must lead to a configured root and carry one of these names."""

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
    handshake. `earns` is the protection the message gets when all checks pass. `demanded_by` names who demands
    it and `reason` says what, both in words. Two connections may be shared only under equal requirements.
    """

    host: Domain
    tls: TLSUse
    checks: tuple[Check, ...] = ()
    observe: tuple[Check, ...] = ()
    sni: Domain | None = None
    earns: Protection = Protection.CLEAR
    demanded_by: str = ""
    reason: str = ""
    refusal: Refusal | None = None

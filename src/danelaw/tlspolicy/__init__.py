"""The decision: what a host must prove (`requirement`), and whether it did (`judge`).

Public names: `Protection`, `SenderDemand`, `Override`, `OverrideTLS`, `OverrideError`, `STSState`, `NO_STS`,
`Handshake`, `StartTLSOutcome`, `Requirement`, `TLSUse`, `Refusal`, `RefusalKind`, the checks `DANECheck STSCheck
PKIXCheck FingerprintCheck RequireTLSCheck`, `Judgement`, `Failure`, `TLSRPTResult`.
"""

from danelaw.tlspolicy.demand import SenderDemand
from danelaw.tlspolicy.handshake import Handshake, StartTLSOutcome
from danelaw.tlspolicy.judgement import Failure, Judgement, TLSRPTResult
from danelaw.tlspolicy.override import Override, OverrideError, OverrideTLS
from danelaw.tlspolicy.protection import Protection
from danelaw.tlspolicy.requirement import (
    Check,
    DANECheck,
    FingerprintCheck,
    PKIXCheck,
    Refusal,
    RefusalKind,
    Requirement,
    RequireTLSCheck,
    STSCheck,
    TLSUse,
)
from danelaw.tlspolicy.sts import NO_STS, STSState

__all__ = [
    "NO_STS",
    "Check",
    "DANECheck",
    "Failure",
    "FingerprintCheck",
    "Handshake",
    "Judgement",
    "Override",
    "OverrideError",
    "OverrideTLS",
    "PKIXCheck",
    "Protection",
    "Refusal",
    "RefusalKind",
    "RequireTLSCheck",
    "Requirement",
    "STSCheck",
    "STSState",
    "SenderDemand",
    "StartTLSOutcome",
    "TLSRPTResult",
    "TLSUse",
]

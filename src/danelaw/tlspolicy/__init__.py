"""The decision: what a host must prove before it gets mail (`requirement`), and whether it did (`judge`).

Plain SMTP leaves two questions open: must there be TLS, and which name or key must the server show? The
*published* answers are TLSA records in signed DNS (RFC 7672) and MTA-STS policies (RFC 8461); the postmaster may
replace them by an *override*; the sender may insist with REQUIRETLS or waive with `TLS-Required: No` (RFC 8689).
What a trust group of the destination demands comes on top and is never waived. All meet in one pure function,
whose whole table is docs/decision-table.md (`tlspolicy.table`).

    wanted = requirement(destination, host, sts, override, demand)
    …connect, EHLO, STARTTLS, handshake without any verification…
    verdict = judge(wanted, handshake, roots, now)
    if verdict.clearance: client.mail(verdict.clearance, envelope)

`judge` is the only maker of `smtp.Clearance`, for opportunistic and clear text too, so nothing is ever sent on a
connection nobody judged. It always gives one reason in words, says what became of each TLSA record, and what a
TLS report (RFC 8460) must count.

Public names: `Protection`, `SenderDemand`, `GroupDemand`, `Override`, `OverrideTLS`, `OverrideError`, `effective`,
`Effective`, `STSState`, `NO_STS`, `Published`, `STSPublished`, `published`, `requirement`, `decide`, `Requirement`,
`TLSUse`, `Refusal`, `RefusalKind`, the checks `DANECheck STSCheck PKIXCheck FingerprintCheck RequireTLSCheck`,
`Handshake`, `StartTLSOutcome`, `judge`, `refused`, `Judgement`, `Failure`, `TLSRPTResult`, `WrongHandshake`, `weakest`,
`conclude`, `Conclusion`.
"""

from danelaw.tlspolicy.conclude import Conclusion, conclude, weakest
from danelaw.tlspolicy.decide import decide, requirement
from danelaw.tlspolicy.demand import SenderDemand
from danelaw.tlspolicy.effective import Effective, effective
from danelaw.tlspolicy.group import GroupDemand
from danelaw.tlspolicy.handshake import Handshake, StartTLSOutcome
from danelaw.tlspolicy.judge import WrongHandshake, judge, refused
from danelaw.tlspolicy.judgement import Failure, Judgement
from danelaw.tlspolicy.override import Override, OverrideError, OverrideTLS
from danelaw.tlspolicy.protection import Protection
from danelaw.tlspolicy.published import Published, STSPublished, published
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
from danelaw.tlspolicy.tlsrpt import TLSRPTResult

__all__ = [
    "NO_STS",
    "Check",
    "Conclusion",
    "DANECheck",
    "Effective",
    "Failure",
    "FingerprintCheck",
    "GroupDemand",
    "Handshake",
    "Judgement",
    "Override",
    "OverrideError",
    "OverrideTLS",
    "PKIXCheck",
    "Protection",
    "Published",
    "Refusal",
    "RefusalKind",
    "RequireTLSCheck",
    "Requirement",
    "STSCheck",
    "STSPublished",
    "STSState",
    "SenderDemand",
    "StartTLSOutcome",
    "TLSRPTResult",
    "TLSUse",
    "WrongHandshake",
    "conclude",
    "decide",
    "effective",
    "judge",
    "published",
    "refused",
    "requirement",
    "weakest",
]

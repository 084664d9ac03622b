"""What one session contributes to a TLS report (RFC 8460 §4.3)."""

from __future__ import annotations

from dataclasses import dataclass

from danelaw.address import Domain
from danelaw.dane import TLSARecord
from danelaw.mtasts import STSPolicy


@dataclass(frozen=True, slots=True)
class TLSRPTResult:
    """`policy_type` is `tlsa`, `sts` or `no-policy-found`; `policy_domain` the TLSA base domain for `tlsa`, else the
    next-hop domain (RFC 8460 §1.1); `result_type` a word of §4.3, None for a success; `reason` in words. `policy` is
    what was applied: TLSA records or an MTA-STS policy, None where there is none or it could not be had.
    """

    policy_type: str
    policy_domain: Domain
    result_type: str | None = None
    reason: str = ""
    policy: tuple[TLSARecord, ...] | STSPolicy | None = None

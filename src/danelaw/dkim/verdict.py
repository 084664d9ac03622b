"""What verifying one signature, and a whole message, ended in (RFC 6376 §3.9, RFC 8601 §2.7.1)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from danelaw.dkim.result import DKIMResult
from danelaw.dkim.signature import DKIMSignature
from danelaw.dnsdata import DNSSECStatus

_BEST_FIRST = (
    DKIMResult.PASS,
    DKIMResult.TEMPERROR,
    DKIMResult.POLICY,
    DKIMResult.FAIL,
    DKIMResult.PERMERROR,
    DKIMResult.NEUTRAL,
    DKIMResult.NONE,
)


@dataclass(frozen=True, slots=True)
class DKIMVerdict:
    """What one DKIM-Signature field is worth.

    `reason` is one sentence for a postmaster. `domain` (d=) and `selector` (s=) are set also for fields with a mistake
    elsewhere, for reports. `doubts` are the reasons why a pass gives no authenticated domain: octets after l=, a key
    in testing mode. `dnssec` is the status of the key's answer; `unsigned_octets` counts canonical octets of the body
    behind l=.
    """

    result: DKIMResult
    reason: str
    domain: str = ""
    selector: str = ""
    signature: DKIMSignature | None = None
    key_bits: int | None = None
    testing: bool = False
    dnssec: DNSSECStatus | None = None
    unsigned_octets: int = 0
    doubts: tuple[str, ...] = ()

    @property
    def authenticates(self) -> bool:
        """True when the signing domain may be used as authenticated (as DMARC does)."""
        return self.result is DKIMResult.PASS and not self.doubts

    def as_object(self) -> dict[str, Any]:
        """The JSON form. `result`, `domain`, `selector` and `reason` are a contract."""
        found: dict[str, Any] = {
            "result": self.result.value,
            "reason": self.reason,
            "domain": self.domain,
            "selector": self.selector,
            "authenticates": self.authenticates,
            "doubts": list(self.doubts),
            "key_bits": self.key_bits,
            "testing": self.testing,
            "dnssec": self.dnssec.value if self.dnssec is not None else None,
            "unsigned_octets": self.unsigned_octets,
        }
        signature = self.signature
        if signature is not None:
            ways = signature.header_canonicalization, signature.body_canonicalization
            found |= {
                "algorithm": signature.algorithm,
                "canonicalization": "/".join(way.value for way in ways),
                "headers": list(signature.headers),
                "identity": signature.identity or f"@{signature.domain}",
                "length": signature.length,
                "timestamp": signature.timestamp,
                "expiration": signature.expiration,
            }
        return found


@dataclass(frozen=True, slots=True)
class DKIMOutcome:
    """The verdicts on a message's signatures, topmost field first."""

    verdicts: tuple[DKIMVerdict, ...] = ()

    @property
    def result(self) -> DKIMResult:
        """The best result, `none` for an unsigned message; a look-up to be repeated outranks what failed for good."""
        found = {verdict.result for verdict in self.verdicts}
        return next((result for result in _BEST_FIRST if result in found), DKIMResult.NONE)

    @property
    def authenticated(self) -> tuple[DKIMVerdict, ...]:
        """The verdicts whose domain may be used as authenticated."""
        return tuple(verdict for verdict in self.verdicts if verdict.authenticates)

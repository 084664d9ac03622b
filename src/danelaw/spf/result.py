"""What an evaluation ends with: result, reason, and a trace of every term (RFC 7208 §2.6)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Any

import dns.rcode

from danelaw.dnsdata import Answer, DNSSECStatus


class SPFResult(Enum):
    """RFC 7208 §2.6, spelled as in Received-SPF and Authentication-Results."""

    NONE = "none"
    NEUTRAL = "neutral"
    PASS = "pass"
    FAIL = "fail"
    SOFTFAIL = "softfail"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


class Identity(Enum):
    """Which identity was checked (RFC 7208 §2.3, §2.4), spelled as in §9.1."""

    MAILFROM = "mailfrom"
    HELO = "helo"


@dataclass(frozen=True, slots=True)
class Step:
    """One line of the trace.

    `domain` is whose record it is about, `depth` how many includes deep; `term` is as published, or "" for the look-up
    of the record itself. `answers` are what DNS said for this term alone; `outcome` is "match", "no match" or a
    result; `note` says why in words.
    """

    depth: int
    domain: str
    term: str
    answers: tuple[Answer, ...]
    outcome: str
    note: str

    def as_object(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "depth": self.depth,
            "domain": self.domain,
            "term": self.term,
            "outcome": self.outcome,
            "note": self.note,
            "asked": [
                {
                    "question": str(answer.question),
                    "dnssec": answer.status.value,
                    "rcode": dns.rcode.to_text(answer.rcode),
                    "found": len(answer.records),
                    "reason": answer.reason,
                }
                for answer in self.answers
            ],
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """The end of one evaluation.

    `domain` is the checked domain, in small letters and A-labels, without final dot; `sender` the identity with its
    local-part; `reason` says why in words; `mechanism` is the directive that matched, "default" when none did, "" when
    there was no record to go by. `explanation` is what the domain says to a fail, empty otherwise: a stranger's text in
    printable US-ASCII, to be shown with `explains`. `dnssec` is the weakest status of all answers the result rests on,
    None when none was needed. `terms` and `void_lookups` are what was used of the limits (RFC 7208 §4.6.4).
    """

    result: SPFResult
    identity: Identity
    domain: str
    sender: str
    reason: str
    mechanism: str = ""
    explanation: str = ""
    dnssec: DNSSECStatus | None = None
    trace: tuple[Step, ...] = ()
    terms: int = 0
    void_lookups: int = 0

    @property
    def answers(self) -> tuple[Answer, ...]:
        """Everything DNS said, in the order it was asked."""
        return tuple(answer for step in self.trace for answer in step.answers)

    @property
    def explains(self) -> str:
        """The explanation with whose words it is in front (RFC 7208 §6.2, §8.4), empty without one."""
        return f"The domain {self.domain} explains: {self.explanation}" if self.explanation else ""

    def as_object(self) -> dict[str, Any]:
        """The JSON form. `result`, `domain`, `identity`, `explanation`, `dnssec` and `trace` are a contract."""
        return {
            "result": self.result.value,
            "domain": self.domain,
            "identity": self.identity.value,
            "explanation": self.explanation,
            "dnssec": self.dnssec.value if self.dnssec is not None else None,
            "sender": self.sender,
            "reason": self.reason,
            "mechanism": self.mechanism,
            "terms": self.terms,
            "void_lookups": self.void_lookups,
            "trace": [step.as_object() for step in self.trace],
        }

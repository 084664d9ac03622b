"""What an evaluation ends with: result, policy, and the evidence for both."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import dns.rcode

from danelaw.dmarc.record import DMARCRecord
from danelaw.dmarc.tree import Found
from danelaw.dmarc.values import DMARCResult, Policy, PolicyTag
from danelaw.dnsdata import Answer, DNSSECStatus


@dataclass(frozen=True, slots=True, kw_only=True)
class Identifier:
    """A domain that SPF or DKIM was asked about, and how it stands to the author's (RFC 9989 §4.4).

    `method` is spf or dkim, `result` its word. `aligned` is None where that was not looked at or cannot be known now;
    only an identifier that is `authenticated` and aligned makes a pass.
    """

    method: str
    domain: str
    result: str
    authenticated: bool
    aligned: bool | None
    note: str
    selector: str = ""
    organizational_domain: str = ""

    def as_object(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "method": self.method,
            "domain": self.domain,
            "selector": self.selector,
            "result": self.result,
            "authenticated": self.authenticated,
            "aligned": self.aligned,
            "organizational_domain": self.organizational_domain or None,
            "note": self.note,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class DMARCEvaluation:
    """The end of one evaluation.

    `domain` is the Author Domain as A-labels, "" when there is none; `authors` all of them. `policy` is the one of p=,
    sp= and np= that applies to this author (`policy_tag` says which), before t=y; `applied` is what is left of it after
    t=y; both are None without a usable record. `policy_domain` is where the record was found, `testing` its t=y.
    `incomplete` is True when the From field names more domains than are looked at. `exists` is False when the author's
    domain does not exist, None when nobody needed to know. `dnssec` is the weakest status of all answers the result
    rests on; the trace holds each answer with its own.
    """

    result: DMARCResult
    reason: str
    domain: str = ""
    authors: tuple[str, ...] = ()
    policy: Policy | None = None
    policy_tag: PolicyTag | None = None
    applied: Policy | None = None
    policy_domain: str = ""
    organizational_domain: str = ""
    record: DMARCRecord | None = None
    incomplete: bool = False
    exists: bool | None = None
    identifiers: tuple[Identifier, ...] = ()
    trace: tuple[Found, ...] = ()
    existence: tuple[Answer, ...] = ()
    dnssec: DNSSECStatus | None = None

    @property
    def testing(self) -> bool:
        """Whether the owner asks not to apply the policy as it stands (RFC 9989 §4.7, `t`)."""
        return self.record is not None and self.record.testing

    @property
    def disposition(self) -> Policy:
        """What the domain owner asks for this message: none unless it failed (RFC 9989 §5.3.6)."""
        if self.result is not DMARCResult.FAIL or self.applied is None:
            return Policy.NONE
        return self.applied

    @property
    def aligned(self) -> tuple[Identifier, ...]:
        """The identifiers that make it pass."""
        return tuple(one for one in self.identifiers if one.authenticated and one.aligned)

    @property
    def answers(self) -> tuple[Answer, ...]:
        """Everything DNS said that was looked at."""
        return (*(found.answer for found in self.trace if found.answer is not None), *self.existence)

    def as_object(self) -> dict[str, Any]:
        """The JSON form. `result`, `policy` and `domain` are a contract."""
        return {
            "result": self.result.value,
            "policy": self.policy.value if self.policy is not None else None,
            "domain": self.domain,
            "reason": self.reason,
            "policy_tag": self.policy_tag.value if self.policy_tag is not None else None,
            "policy_domain": self.policy_domain or None,
            "organizational_domain": self.organizational_domain or None,
            "testing": self.testing,
            "disposition": self.disposition.value,
            "record": self.record.to_text() if self.record is not None else None,
            "faults": list(self.record.faults) if self.record is not None else [],
            "remarks": list(self.record.remarks) if self.record is not None else [],
            "exists": self.exists,
            "authors": list(self.authors),
            "dnssec": self.dnssec.value if self.dnssec is not None else None,
            "identifiers": [one.as_object() for one in self.identifiers],
            "trace": [_step(found) for found in self.trace],
            "existence": [_asked(answer) for answer in self.existence],
        }


def _step(found: Found) -> dict[str, Any]:
    said = found.record.to_text() if found.record is not None else found.note
    return {
        "domain": found.domain.ascii,
        "outcome": "temperror" if found.failed else "record" if found.record is not None else "no record",
        "note": said,
        "asked": _asked(found.answer) if found.answer is not None else None,
    }


def _asked(answer: Answer) -> dict[str, Any]:
    return {
        "question": str(answer.question),
        "dnssec": answer.status.value,
        "rcode": dns.rcode.to_text(answer.rcode),
        "found": len(answer.records),
        "reason": answer.reason,
    }

"""An aggregate report as values, with the names of its elements (RFC 9990 §3.1.1)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

NAMESPACE = "urn:ietf:params:xml:ns:dmarc-2.0"
"""Of reports in the form of RFC 9990; those of RFC 7489 have none, or another."""

DISPOSITIONS = ("none", "pass", "quarantine", "reject")
POLICIES = ("none", "quarantine", "reject")
ALIGNED = ("pass", "fail")
OVERRIDES = ("local_policy", "mailing_list", "other", "policy_test_mode", "trusted_forwarder")
DKIM_RESULTS = ("none", "pass", "fail", "policy", "neutral", "temperror", "permerror")
SPF_RESULTS = ("none", "pass", "fail", "softfail", "policy", "neutral", "temperror", "permerror")


@dataclass(frozen=True, slots=True)
class OverrideReason:
    """Why the policy was not followed to the letter: `type` is one of `OVERRIDES` (RFC 9990 §3.1.6)."""

    type: str
    comment: str = ""


@dataclass(frozen=True, slots=True)
class DKIMAuthResult:
    """What verifying one signature gave, whatever DMARC thinks of it."""

    domain: str
    selector: str
    result: str
    human_result: str = ""


@dataclass(frozen=True, slots=True)
class SPFAuthResult:
    """What SPF of MAIL FROM gave, whatever DMARC thinks of it."""

    domain: str
    result: str
    scope: str = "mfrom"
    human_result: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportRecord:
    """Messages of one client with the same identifiers and results.

    `source_ip` as text, `count` how many. `dkim` and `spf` are pass or fail as DMARC sees them, `disposition` what was
    done. `envelope_from` is "" for the null reverse-path, None where the reporter does not say.
    """

    source_ip: str
    count: int
    disposition: str
    dkim: str
    spf: str
    header_from: str
    envelope_from: str | None = None
    envelope_to: str | None = None
    reasons: tuple[OverrideReason, ...] = ()
    signatures: tuple[DKIMAuthResult, ...] = ()
    spf_results: tuple[SPFAuthResult, ...] = ()

    @property
    def aligned(self) -> bool:
        """Whether DMARC passed."""
        return "pass" in (self.dkim, self.spf)

    def with_count(self, count: int) -> ReportRecord:
        """The same for so many messages."""
        return replace(self, count=count)

    def as_object(self) -> dict[str, Any]:
        """The JSON form, read back by `from_object`."""
        return {
            "source_ip": self.source_ip,
            "count": self.count,
            "disposition": self.disposition,
            "dkim": self.dkim,
            "spf": self.spf,
            "header_from": self.header_from,
            "envelope_from": self.envelope_from,
            "envelope_to": self.envelope_to,
            "reasons": [[one.type, one.comment] for one in self.reasons],
            "signatures": [[one.domain, one.selector, one.result, one.human_result] for one in self.signatures],
            "spf_results": [[one.domain, one.result, one.scope, one.human_result] for one in self.spf_results],
        }

    @classmethod
    def from_object(cls, found: Mapping[str, Any]) -> ReportRecord:
        """What `as_object` gave."""
        return cls(
            source_ip=found["source_ip"],
            count=found["count"],
            disposition=found["disposition"],
            dkim=found["dkim"],
            spf=found["spf"],
            header_from=found["header_from"],
            envelope_from=found["envelope_from"],
            envelope_to=found["envelope_to"],
            reasons=tuple(OverrideReason(*one) for one in found["reasons"]),
            signatures=tuple(DKIMAuthResult(*one) for one in found["signatures"]),
            spf_results=tuple(SPFAuthResult(*one) for one in found["spf_results"]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedPolicy:
    """The policy that a reporter saw; `domain` is where the record was found. None: the reporter does not say.

    `pct` is of RFC 7489 only and never written.
    """

    domain: str
    p: str
    sp: str | None = None
    np: str | None = None
    adkim: str | None = None
    aspf: str | None = None
    fo: str | None = None
    testing: str | None = None
    discovery_method: str | None = None
    pct: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AggregateReport:
    """One report. `begin` and `end` are the first and last second of the period, POSIX.

    `org_name` reports, `email` is whom to ask, `errors` are what was wrong with the domain's record. `namespace` tells
    the form: "" or another for RFC 7489. `remarks` are what reading found odd; they are not written.
    """

    org_name: str
    email: str
    report_id: str
    begin: int
    end: int
    policy: PublishedPolicy
    records: tuple[ReportRecord, ...]
    extra_contact_info: str = ""
    errors: tuple[str, ...] = ()
    generator: str = ""
    namespace: str = NAMESPACE
    remarks: tuple[str, ...] = ()

    @property
    def domain(self) -> str:
        """The domain the report is about."""
        return self.policy.domain

    @property
    def messages(self) -> int:
        """How many messages it counts."""
        return sum(record.count for record in self.records)

    @property
    def aligned(self) -> int:
        """How many of them passed DMARC."""
        return sum(record.count for record in self.records if record.aligned)

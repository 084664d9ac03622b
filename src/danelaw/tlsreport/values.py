"""A TLS report as values (RFC 8460 §4.4)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class PolicyType(Enum):
    """Which kind of policy was applied (RFC 8460 §4.4, `policy-type`); the value is the word of the report."""

    TLSA = "tlsa"
    STS = "sts"
    NONE = "no-policy-found"


@dataclass(frozen=True, slots=True)
class ReportedPolicy:
    """The policy applied to sessions. `domain` is the policy domain: the TLSA base domain for `TLSA`, else the
    recipient's (§1.1). `strings` is the policy as text, a TLSA record or a line of an MTA-STS policy each;
    `mx_hosts` the `mx` patterns of an MTA-STS policy.
    """

    type: PolicyType
    domain: str
    strings: tuple[str, ...] = ()
    mx_hosts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class FailureDetail:
    """Failed sessions that are alike (§4.4, `failure-details`). `result_type` is a word of §4.3 or, in received
    reports, any other; `count` at least 1. Texts that do not apply are empty.
    """

    result_type: str
    count: int
    sending_mta_ip: str = ""
    receiving_mx_hostname: str = ""
    receiving_mx_helo: str = ""
    receiving_ip: str = ""
    additional_information: str = ""
    failure_reason_code: str = ""


@dataclass(frozen=True, slots=True)
class PolicyResult:
    """Sessions under one policy. The counts of `failures` add up to at most `failed`, and of ours to exactly that."""

    policy: ReportedPolicy
    successful: int
    failed: int
    failures: tuple[FailureDetail, ...] = ()


@dataclass(frozen=True, slots=True)
class TLSReport:
    """One report. `begin` and `end` in POSIX seconds, both within the period; `contact` a mail address or other word
    of whom to ask; `remarks`, of received ones only, name what was odd and harmless.
    """

    organization: str
    contact: str
    report_id: str
    begin: int
    end: int
    policies: tuple[PolicyResult, ...]
    remarks: tuple[str, ...] = ()

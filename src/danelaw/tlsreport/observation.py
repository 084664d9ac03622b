"""What one session adds to a report: the policy it was under, and how it failed (RFC 8460 §4.2, §4.3)."""

from __future__ import annotations

import re
from dataclasses import replace

from danelaw.address import Domain
from danelaw.dane import TLSARecord
from danelaw.mtasts import STSPolicy
from danelaw.tlsreport.values import FailureDetail, PolicyType, ReportedPolicy

MOST_REASON = 200
"""Characters of `failure-reason-code`, a short text (RFC 8460 §4.3.3)."""
MOST_STRINGS = 100
"""Lines of a policy that are told."""
_CONTROLS = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]+")


def reported_policy(
    policy_type: str, domain: Domain, policy: tuple[TLSARecord, ...] | STSPolicy | None
) -> ReportedPolicy:
    """A policy as reports tell it (RFC 8460 §4.5); `policy_type` is the word of the report."""
    kind = PolicyType(policy_type)
    if isinstance(policy, STSPolicy):
        lines = tuple(line for line in policy.to_text().split("\r\n") if line)
        return ReportedPolicy(kind, domain.ascii, lines[:MOST_STRINGS], policy.mx[:MOST_STRINGS])
    records = () if policy is None else policy
    return ReportedPolicy(kind, domain.ascii, tuple(record.to_text() for record in records[:MOST_STRINGS]))


def failure_detail(
    result_type: str, reason: str, *, sending: str = "", host: str = "", helo: str = "", receiving: str = ""
) -> FailureDetail:
    """One failed session: `sending` and `receiving` are addresses, `host` the MX host, `helo` how it greeted."""
    return FailureDetail(
        result_type, 1, sending, host, helo, receiving, failure_reason_code=plain(reason)[:MOST_REASON]
    )


def folded(detail: FailureDetail) -> FailureDetail:
    """What is left of a detail where there are too many of them: how the sessions failed, at which MX host."""
    return replace(
        detail, sending_mta_ip="", receiving_mx_helo="", receiving_ip="", additional_information="",
        failure_reason_code="",
    )  # fmt: skip


def plain(text: str) -> str:
    """A text as I-JSON allows it (RFC 7493 §2.1), on one line."""
    return _CONTROLS.sub(" ", text).strip()

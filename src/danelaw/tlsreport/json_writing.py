"""A report as the JSON document that is sent (RFC 8460 §4.4), in the form of RFC 7493, and compressed (§5.2)."""

from __future__ import annotations

import json
import zlib
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from danelaw.tlsreport.observation import folded, plain
from danelaw.tlsreport.values import FailureDetail, PolicyResult, TLSReport

_GZIP = 16 + zlib.MAX_WBITS
_MOST_COUNT = 2**53 - 1  # RFC 7493 §2.2


def to_json(report: TLSReport) -> bytes:
    """The document in UTF-8; the same report gives the same octets."""
    found = {
        "organization-name": plain(report.organization),
        "date-range": {"start-datetime": _moment(report.begin), "end-datetime": _moment(report.end)},
        "contact-info": plain(report.contact),
        "report-id": plain(report.report_id),
        "policies": [_policy(one) for one in report.policies],
    }
    return json.dumps(found, ensure_ascii=False, separators=(",", ":")).encode("utf-8")


def compress(octets: bytes) -> bytes:
    """As gzip (RFC 1952), without time and name: the same document gives the same octets."""
    deflate = zlib.compressobj(9, zlib.DEFLATED, _GZIP)
    return deflate.compress(octets) + deflate.flush()


def fitted(report: TLSReport, most: int) -> TLSReport:
    """The report, or one with fewer failure details, as gives a document of at most so many octets.

    Counts stay: details that are left out go on in one for each kind of failure and MX host, then for each kind.
    """
    for smaller in (_as_it_is, _by_host, _by_kind):
        fitting = replace(report, policies=tuple(smaller(one) for one in report.policies))
        if len(to_json(fitting)) <= most:
            return fitting
    return fitting


def _as_it_is(result: PolicyResult) -> PolicyResult:
    return result


def _by_host(result: PolicyResult) -> PolicyResult:
    return _joined(result, tuple(map(folded, result.failures)))


def _by_kind(result: PolicyResult) -> PolicyResult:
    return _joined(result, tuple(FailureDetail(one.result_type, one.count) for one in result.failures))


def _joined(result: PolicyResult, details: tuple[FailureDetail, ...]) -> PolicyResult:
    counts: dict[FailureDetail, int] = {}
    for one in details:
        key = replace(one, count=1)
        counts[key] = counts.get(key, 0) + one.count
    failures = tuple(replace(one, count=count) for one, count in counts.items())
    return replace(result, failures=failures)


def _policy(one: PolicyResult) -> dict[str, Any]:
    policy: dict[str, Any] = {"policy-type": one.policy.type.value}
    if one.policy.strings:
        policy["policy-string"] = [plain(text) for text in one.policy.strings]
    policy["policy-domain"] = plain(one.policy.domain)
    if one.policy.mx_hosts:
        policy["mx-host"] = [plain(text) for text in one.policy.mx_hosts]
    found: dict[str, Any] = {
        "policy": policy,
        "summary": {
            "total-successful-session-count": min(one.successful, _MOST_COUNT),
            "total-failure-session-count": min(one.failed, _MOST_COUNT),
        },
    }
    if one.failures:
        found["failure-details"] = [_detail(detail) for detail in one.failures]
    return found


def _detail(detail: FailureDetail) -> dict[str, Any]:
    found: dict[str, Any] = {"result-type": plain(detail.result_type)}
    texts = (
        ("sending-mta-ip", detail.sending_mta_ip),
        ("receiving-mx-hostname", detail.receiving_mx_hostname),
        ("receiving-mx-helo", detail.receiving_mx_helo),
        ("receiving-ip", detail.receiving_ip),
    )
    found |= {name: plain(text) for name, text in texts if text}
    found["failed-session-count"] = min(detail.count, _MOST_COUNT)
    if detail.additional_information:
        found["additional-information"] = plain(detail.additional_information)
    if detail.failure_reason_code:
        found["failure-reason-code"] = plain(detail.failure_reason_code)
    return found


def _moment(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

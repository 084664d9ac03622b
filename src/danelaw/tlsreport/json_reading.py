"""Reading a TLS report (RFC 8460 §4.4), as tolerantly as real reports need it.

The names of earlier drafts, of RFC 8460's own example and of senders that spell them otherwise are known; one value in
place of a list is a list of one. What a report cannot do without is a domain, a period, and a number of sessions.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from danelaw.tlsreport.container import MOST_OCTETS
from danelaw.tlsreport.errors import ReportError
from danelaw.tlsreport.fields import Fields
from danelaw.tlsreport.json_text import MOST_TOKENS, Remarks, parse
from danelaw.tlsreport.values import FailureDetail, PolicyResult, PolicyType, ReportedPolicy, TLSReport

_DAY = 86_400
_TYPES = {
    "tlsa": PolicyType.TLSA, "dane": PolicyType.TLSA, "sts": PolicyType.STS, "mta-sts": PolicyType.STS,
    "no-policy-found": PolicyType.NONE, "no-policy": PolicyType.NONE, "none": PolicyType.NONE,
}  # fmt: skip
_UNKNOWN_RESULT = "validation-failure"


@dataclass(frozen=True, slots=True)
class ReadingLimits:
    """What one report may have; policies and failure details beyond are left out, and a remark says so."""

    octets: int = MOST_OCTETS
    tokens: int = MOST_TOKENS
    policies: int = 500
    failures: int = 5_000


USUAL_LIMITS = ReadingLimits()


def from_json(octets: bytes, *, limits: ReadingLimits = USUAL_LIMITS) -> TLSReport:
    """A report from its JSON text. Raises `ReportError` saying what it lacks."""
    remarks = Remarks()
    value = parse(octets, remarks, most=limits.octets, tokens=limits.tokens)
    if isinstance(value, list) and len(value) == 1:
        remarks.note("the report is the only element of a list")
        value = value[0]
    if not isinstance(value, dict):
        raise ReportError("the JSON text is no report: it is no object")
    top = Fields(value, remarks)
    policies = _policies(top, limits)
    if not policies:
        raise ReportError("the report names no policy domain: it says about nobody how sessions went")
    begin, end = _period(top)
    return TLSReport(
        organization=top.text("organization-name", "org-name"),
        contact=top.text("contact-info", "contact", "email"),
        report_id=top.text("report-id", "id"),
        begin=begin,
        end=end,
        policies=policies,
        remarks=tuple(remarks),
    )


def _period(top: Fields) -> tuple[int, int]:
    named = "date-range" in top
    place = Fields(top.value("date-range"), top.remarks) if named else top
    begin = place.moment("start-datetime", "start-date-time", "start", "begin")
    end = place.moment("end-datetime", "end-date-time", "end")
    if begin is None and end is None:
        raise ReportError("the report does not say for which time it is (date-range)")
    if begin is None or end is None:
        top.remarks.note("one end of its period is missing: a day is assumed")
        begin = max(0, end - _DAY + 1) if begin is None and end is not None else begin or 0
        end = begin + _DAY - 1 if end is None else end
    if end < begin:
        top.remarks.note("its period ends before it begins")
        begin, end = end, begin
    return begin, end


def _policies(top: Fields, limits: ReadingLimits) -> tuple[PolicyResult, ...]:
    value = top.value("policies")
    if value is None:
        # Drafts before the thirteenth had one policy, and its parts beside the rest.
        top.remarks.note("it has no policies array (RFC 8460 §4.4)")
        entries = [top]
    else:
        if not isinstance(value, list):
            top.remarks.note("policies is no array (RFC 8460 §4)")
        entries = [Fields(one, top.remarks) for one in _list(value)[: limits.policies]]
        if len(_list(value)) > limits.policies:
            top.remarks.note(f"only its first {limits.policies} policies are read")
    found: list[PolicyResult] = []
    room = limits.failures
    for entry in entries:
        result = _result(entry, room)
        if result is not None:
            found.append(result)
            room -= len(result.failures)
    return tuple(found)


def _result(entry: Fields, room: int) -> PolicyResult | None:
    remarks = entry.remarks
    stated = _list(entry.value("policy"))
    if len(stated) > 1:
        remarks.note("a policy is a list of several; the first counts")
    place = Fields(stated[0], remarks) if stated and isinstance(stated[0], dict) else entry
    domain = place.domain("policy-domain", "domain")
    if not domain:
        remarks.note("a policy without a domain is left out")
        return None
    summary = Fields(entry.value("summary"), remarks) if "summary" in entry else entry
    successful = summary.count("total-successful-session-count", "total-success-session-count", "success-count")
    failed = summary.count("total-failure-session-count", "total-failed-session-count", "failure-count")
    details = _list(entry.value("failure-details", "failure-detail", "failures"))
    if len(details) > room:
        remarks.note("it has too many failure details; those beyond are left out")
    failures = tuple(
        _failure(Fields(one, remarks), failed, len(details)) for one in details[:room] if isinstance(one, dict)
    )
    failures = tuple(one for one in failures if one.count)
    if successful is None and failed is None and not failures:
        remarks.note(f"nothing is counted for {domain}")
        return None
    if failed is None:
        failed = sum(one.count for one in failures)
        if failures:
            remarks.note("the number of failed sessions is that of their details")
    return PolicyResult(_policy(place, domain), successful or 0, failed, failures)


def _policy(place: Fields, domain: str) -> ReportedPolicy:
    word = place.text("policy-type", "type").lower()
    type_ = _TYPES.get(word)
    if type_ is None:
        place.remarks.note(f"the policy type {word[:40]!r} is none of RFC 8460" if word else "a policy has no type")
    strings = place.texts("policy-string", "policy-strings")
    patterns = place.texts("mx-host", "mx-host-pattern", "mx-hosts")
    hosts = tuple(one.lower().removeprefix("mx:").strip() for one in patterns)
    return ReportedPolicy(type_ or PolicyType.NONE, domain, strings, hosts)


def _failure(detail: Fields, failed: int | None, alone: int) -> FailureDetail:
    count = detail.count("failed-session-count", "failure-session-count", "session-count", "count")
    if count is None:
        detail.remarks.note("a failure is not counted (failed-session-count)")
        count = failed if failed and alone == 1 else 1
    return FailureDetail(
        result_type=detail.text("result-type", "result").lower() or _UNKNOWN_RESULT,
        count=count,
        sending_mta_ip=detail.text("sending-mta-ip", "sending-mta-ip-address", "source-ip"),
        receiving_mx_hostname=detail.domain("receiving-mx-hostname", "receiving-mx-host", "receiving-mx"),
        receiving_mx_helo=detail.text("receiving-mx-helo"),
        receiving_ip=detail.text("receiving-ip", "receiving-mx-ip"),
        additional_information=detail.text("additional-information", "additional-info-uri", "additional-info"),
        failure_reason_code=detail.text("failure-reason-code", "failure-error-code", "failure-reason"),
    )


def _list(value: Any) -> list[Any]:
    """One in place of several is a list of one."""
    return value if isinstance(value, list) else [] if value is None else [value]

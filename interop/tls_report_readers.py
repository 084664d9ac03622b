"""TLS reports in facts that parsedmarc tells too."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from interop.report_readers import Read

from danelaw.state.tls_report_intake import read_tls_reports
from danelaw.tlsreport import FailureDetail, TLSReport

_TEXTS = {
    "sending_mta_ip": "sending_mta_ip",
    "receiving_mx_hostname": "receiving_mx_hostname",
    "receiving_mx_helo": "receiving_mx_helo",
    "receiving_ip": "receiving_ip",
    "additional_information": "additional_info_uri",
    "failure_reason_code": "failure_reason_code",
}
"""Names of ours, and of parsedmarc's."""


def ours(path: Path) -> Read:
    """What we make of a file."""
    for found in read_tls_reports(path.read_bytes()):
        return Read({}, found.refusal) if found.report is None else Read(our_facts(found.report))
    return Read({}, "it holds no report")


def our_facts(report: TLSReport) -> dict[str, Any]:
    """A report as facts."""
    return {
        "kind": "smtp_tls",
        "organization": report.organization,
        "contact": report.contact,
        "id": report.report_id,
        "period": [report.begin, report.end],
        "records": [
            {
                "domain": one.policy.domain,
                "type": one.policy.type.value,
                "strings": list(one.policy.strings),
                "hosts": list(one.policy.mx_hosts),
                "successful": one.successful,
                "failed": one.failed,
                "failures": [_failure(failure) for failure in one.failures],
            }
            for one in report.policies
        ],
    }


def their_facts(report: dict[str, Any]) -> dict[str, Any]:
    """What parsedmarc tells, as the same facts."""
    return {
        "kind": "smtp_tls",
        "organization": report["organization_name"],
        "contact": report["contact_info"],
        "id": report["report_id"],
        "period": [int(datetime.fromisoformat(report[name]).timestamp()) for name in ("begin_date", "end_date")],
        "records": [
            {
                "domain": one["policy_domain"],
                "type": one["policy_type"],
                "strings": one.get("policy_strings", []),
                "hosts": one.get("mx_host_patterns", []),
                "successful": one["successful_session_count"],
                "failed": one["failed_session_count"],
                "failures": [
                    {"result_type": failure["result_type"], "count": failure["failed_session_count"]}
                    | {name: failure.get(theirs, "") for name, theirs in _TEXTS.items()}
                    for failure in one.get("failure_details", [])
                ],
            }
            for one in report["policies"]
        ],
    }


def _failure(failure: FailureDetail) -> dict[str, Any]:
    texts = {name: getattr(failure, name) for name in _TEXTS}
    return {"result_type": failure.result_type, "count": failure.count} | texts

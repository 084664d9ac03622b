"""Who is told of reports about our mail as they come in, and what of each as plain facts."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, TypeAlias

from danelaw.dmarcreport import AggregateReport, FailureReport
from danelaw.tlsreport import TLSReport

if TYPE_CHECKING:
    from danelaw.feedback import Complaint, Notice
    from danelaw.inbound.arrival import Arrival

Reported: TypeAlias = Callable[[str, str, dict[str, object]], Awaitable[bool]]
"""Told of a report: its kind, who reports, and the facts. False where it is not to be kept."""

MOST_RECORDS = 1000
"""Records of an aggregate report, or failures of a TLS report, that are told."""


async def nobody(kind: str, reporter: str, facts: dict[str, object]) -> bool:
    """Nobody wants to know: every report is kept."""
    return True


def authenticated(arrival: Arrival) -> str:
    """The domain that DMARC has proved a mail to come from, or empty."""
    dmarc = arrival.verdicts.dmarc if arrival.verdicts is not None else None
    return (dmarc.domain or "") if dmarc is not None and dmarc.result.value == "pass" else ""


def dmarc_facts(report: AggregateReport | FailureReport, authenticated: str) -> tuple[str, str, dict[str, object]]:
    """Kind, reporter and facts of a DMARC report; `authenticated` is the domain that its mail was proved to be from."""
    facts: dict[str, Any] = {"authenticated": authenticated, "domain": report.domain}
    if isinstance(report, FailureReport):
        kept = asdict(report)
        del kept["header"], kept["remarks"], kept["reporter"]
        return "dmarc-failure", report.reporter, facts | _plain(kept)
    records = [one.as_object() for one in report.records[:MOST_RECORDS]]
    facts |= {"report_id": report.report_id, "begin": report.begin, "end": report.end, "messages": report.messages}
    return "dmarc", report.org_name, facts | {"aligned": report.aligned, "records": records}


def tls_facts(report: TLSReport, authenticated: str) -> tuple[str, str, dict[str, object]]:
    """Kind, reporter and facts of a TLS report; `authenticated` is the domain that has signed it, or is empty."""
    facts: dict[str, object] = {
        "authenticated": authenticated,
        "domains": list(dict.fromkeys(one.policy.domain for one in report.policies)),
        "report_id": report.report_id,
        "begin": report.begin,
        "end": report.end,
        "successful": sum(one.successful for one in report.policies),
        "failed": sum(one.failed for one in report.policies),
        "failures": [
            asdict(failure) | {"domain": one.policy.domain, "policy_type": one.policy.type.value}
            for one in report.policies
            for failure in one.failures
        ][:MOST_RECORDS],
    }
    return "tls", report.organization, facts


def complaint_facts(complaint: Complaint, address: str, authenticated: str) -> dict[str, object]:
    """A complaint that came to `address`."""
    return {"to": address, "authenticated": authenticated, **_plain(asdict(complaint))}


def notice_facts(notice: Notice, address: str, authenticated: str) -> dict[str, object]:
    """A delivery report that came to `address`."""
    facts = _plain(asdict(notice))
    facts["recipients"] = [_plain(asdict(one)) | {"is_permanent": one.is_permanent} for one in notice.recipients]
    return {"to": address, "authenticated": authenticated, **facts}


def _plain(facts: dict[str, Any]) -> dict[str, Any]:
    """As JSON has it: lists for tuples."""
    return {name: list(value) if isinstance(value, tuple) else value for name, value in facts.items()}

"""What parsedmarc makes of reports, and of DMARC reports in the words of ours."""

from __future__ import annotations

import json
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from danelaw.dmarcreport import AggregateReport, FailureReport, ReportError, looks_like_mail, read_failure_mail
from danelaw.dmarcreport import read_file as read_report
from danelaw.dmarcreport import read_mail as read_reports

PYTHON = Path(os.environ.get("DANELAW_INTEROP", "/nonexistent")) / "parsedmarc" / "bin" / "python"
"""Where `interop/run` installs it."""


@dataclass(frozen=True, slots=True)
class Read:
    """One file as somebody reads it: facts that both tell, or why there are none."""

    facts: dict[str, Any]
    refusal: str = ""

    def differences(self, other: Read) -> set[str]:
        """The names of facts that differ, of those of records too; `refused` where only one of both reads it."""
        if bool(self.refusal) is not bool(other.refusal):
            return {"refused"}
        found = {name for name, value in self.facts.items() if other.facts.get(name) != value} - {"records"}
        records, others = self.facts.get("records", []), other.facts.get("records", [])
        if len(records) != len(others):
            return found | {"records"}
        pairs = zip(records, others, strict=True)
        return found | {name for one, theirs in pairs for name, value in one.items() if theirs[name] != value}


class ParseDMARC:
    """An interpreter with parsedmarc, asked file by file."""

    def __init__(self, python: Path = PYTHON) -> None:
        script = str(Path(__file__).with_name("parsedmarc_peer.py"))
        self._process = subprocess.Popen(
            [str(python), script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, stderr=subprocess.DEVNULL
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def read(self, path: Path) -> Read:
        """What it makes of a file."""
        answer = self.answer(path)
        if "error" in answer:
            return Read({}, answer["error"])
        report = answer["report"]
        return Read(_their_aggregate(report) if answer["kind"] == "aggregate" else _their_failure(report))

    def answer(self, path: Path) -> dict[str, Any]:
        """What it says of a file: `kind` and `report`, or `error`."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(str(path)) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        return answer


def ours(path: Path) -> Read:
    """What we make of a file."""
    octets = path.read_bytes()
    try:
        if not looks_like_mail(octets):
            return Read(_our_aggregate(read_report(octets)))
        failure = read_failure_mail(octets)
        if failure is not None:
            return Read(_our_failure(failure))
        for found in read_reports(octets):
            return Read({}, found.refusal) if found.report is None else Read(_our_aggregate(found.report))
    except ReportError as error:
        return Read({}, error.reason)
    return Read({}, "it holds no report")


def _our_aggregate(report: AggregateReport) -> dict[str, Any]:
    return {
        "kind": "aggregate",
        "org_name": report.org_name,
        "domain": report.domain,
        "id": report.report_id.partition("@")[0],
        "policy": report.policy.p,
        "records": [
            {
                "ip": record.source_ip,
                "count": record.count,
                "disposition": record.disposition,
                "dkim": record.dkim == "pass",
                "spf": record.spf == "pass",
                "from": record.header_from,
                "signatures": [[one.domain, one.selector, one.result] for one in record.signatures],
                "senders": [[one.domain, one.result] for one in record.spf_results],
                "reasons": [one.type for one in record.reasons],
            }
            for record in report.records
        ],
    }


def _their_aggregate(report: dict[str, Any]) -> dict[str, Any]:
    told, policy = report["report_metadata"], report["policy_published"]
    return {
        "kind": "aggregate",
        "org_name": told["org_name"],
        "domain": policy["domain"],
        "id": told["report_id"],
        "policy": policy["p"],
        "records": [
            {
                "ip": record["source"]["ip_address"],
                "count": record["count"],
                "disposition": record["policy_evaluated"]["disposition"],
                "dkim": record["alignment"]["dkim"],
                "spf": record["alignment"]["spf"],
                "from": record["identifiers"]["header_from"],
                "signatures": [
                    [one["domain"], one["selector"], one["result"]] for one in record["auth_results"]["dkim"]
                ],
                "senders": [[one["domain"], one["result"]] for one in record["auth_results"]["spf"]],
                "reasons": [one["type"] for one in record["policy_evaluated"]["policy_override_reasons"]],
            }
            for record in report["records"]
        ],
    }


def _our_failure(report: FailureReport) -> dict[str, Any]:
    return {
        "kind": "failure",
        "domain": report.domain,
        "ip": report.source_ip,
        "what": report.kind,
        "failed": list(report.failed),
        "delivery": report.delivery,
        "arrived": report.arrival_date,
        "mail_from": report.mail_from,
    }


def _their_failure(report: dict[str, Any]) -> dict[str, Any]:
    mail_from = report.get("original_mail_from")
    return {
        "kind": "failure",
        "domain": report["reported_domain"],
        "ip": report["source"]["ip_address"],
        "what": ",".join(report["auth_failure"]),
        "failed": sorted(report["authentication_mechanisms"]),
        "delivery": report["delivery_result"],
        "arrived": report["arrival_date"],
        "mail_from": None if mail_from is None else mail_from.strip("<>"),
    }

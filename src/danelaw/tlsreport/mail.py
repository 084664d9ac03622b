"""The mail that carries a report (RFC 8460 §5.1, §5.3), and its names."""

from __future__ import annotations

import re
from dataclasses import dataclass

from danelaw.message import attachment, format_date, text_entity, text_field
from danelaw.tlsreport.errors import ReportError
from danelaw.tlsreport.json_writing import compress, to_json
from danelaw.tlsreport.values import TLSReport

MEDIA_TYPE = "application/tlsrpt+gzip"
SIGNED_FIELDS = ("TLS-Report-Domain", "TLS-Report-Submitter")
"""Fields a signature should cover besides the usual ones (RFC 8460 §5.3)."""
_DOMAIN = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?)*\Z")


def report_id(domain: str, begin: int, submitter: str) -> str:
    """The name of a report: the same for the same day and policy domain, however often it is made or sent."""
    return f"{begin}.{_domain(domain)}@{_domain(submitter)}"


def submitter(contact: str) -> str:
    """Who reports: the domain of the contact address (RFC 8460 §5.3)."""
    return _domain(contact.rpartition("@")[2])


def filename(report: TLSReport, policy_domain: str) -> str:
    """RFC 8460 §5.1: `sender!policy-domain!begin!end.json.gz`."""
    return f"{submitter(report.contact)}!{_domain(policy_domain)}!{report.begin}!{report.end}.json.gz"


def subject(report: TLSReport, policy_domain: str) -> str:
    """RFC 8460 §5.3."""
    names = f"Report Domain: {_domain(policy_domain)} Submitter: {submitter(report.contact)}"
    return f"{names} Report-ID: <{report.report_id}>"


def _domain(text: str) -> str:
    if not _DOMAIN.match(text):
        raise ReportError(f"{text[:60]!r} is no domain name")
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportMail:
    """How to send a report: `sender` is the address in From, `to` who gets it, `domain` the policy domain."""

    sender: str
    to: str
    domain: str

    def build(self, report: TLSReport, *, date: float, message_id: str, boundary: str) -> bytes:
        """The whole message, not signed yet; `date` in POSIX seconds, `boundary` at random. Raises `ReportError`.

        `TLS-Required: No` asks relays on the way to deliver it too when TLS fails (RFC 8689 §3): it may tell just that.
        """
        mark = f"--{boundary}".encode("ascii")
        lines = (
            f"From: <{self.sender}>\r\nTo: <{self.to}>\r\n".encode(),
            text_field("Subject", subject(report, self.domain)),
            f"Date: {format_date(date)}\r\nMessage-ID: {message_id}\r\n".encode("ascii"),
            f"TLS-Report-Domain: {_domain(self.domain)}\r\n".encode("ascii"),
            f"TLS-Report-Submitter: {submitter(report.contact)}\r\n".encode("ascii"),
            b"TLS-Required: No\r\nAuto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n",
            f'Content-Type: multipart/report; report-type="tlsrpt";\r\n\tboundary="{boundary}"\r\n'.encode("ascii"),
        )
        parts = (
            text_entity(self._words(report)),
            attachment(compress(to_json(report)), filename(report, self.domain), MEDIA_TYPE),
        )
        body = b"".join(b"%b\r\n%b\r\n" % (mark, part) for part in parts)
        return b"".join(lines) + b"\r\n" + body + mark + b"--\r\n"

    def _words(self, report: TLSReport) -> str:
        good = sum(one.successful for one in report.policies)
        failed = sum(one.failed for one in report.policies)
        lines = [
            f"TLS report (RFC 8460) about SMTP sessions with {self.domain}",
            f"Reported by {report.organization}",
            f"From {format_date(report.begin)}",
            f"To   {format_date(report.end)}",
            f"Sessions that went well: {good}; that failed: {failed}",
            *(f"  {detail.count} {detail.result_type}" for one in report.policies for detail in one.failures[:20]),
            f"Questions to {report.contact}",
        ]
        return "\n".join(lines) + "\n"

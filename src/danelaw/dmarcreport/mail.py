"""The mail that carries an aggregate report: writing one (RFC 9990 §3.5), and finding reports in those that come."""

from __future__ import annotations

import re
from dataclasses import dataclass

from danelaw.dmarcreport.container import MOST_COMPRESSED, compress, is_compressed, unpack
from danelaw.dmarcreport.errors import ReportError
from danelaw.dmarcreport.values import AggregateReport
from danelaw.dmarcreport.xml_reading import from_xml
from danelaw.dmarcreport.xml_writing import to_xml
from danelaw.message import MessageLimit, Part, attachment, format_date, text_entity, text_field

MOST_REPORTS = 10
"""Reports in one mail that are looked at."""
_DOMAIN = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?(?:\.[A-Za-z0-9_](?:[A-Za-z0-9_-]*[A-Za-z0-9_])?)*\Z")
_TYPES = frozenset({"application/gzip", "application/x-gzip", "application/zip", "application/x-zip-compressed",
                    "application/x-zip", "application/octet-stream", "text/xml", "application/xml"})  # fmt: skip
_ENDINGS = (".xml", ".gz", ".zip")


def report_id(domain: str, begin: int, number: int, submitter: str) -> str:
    """RFC 9990 §3.5.1; `number` tells reports of one period apart, and is the same when one is made again."""
    return f"{begin}.{number}.{_domain(domain)}@{_domain(submitter)}"


def filename(report: AggregateReport, submitter: str) -> str:
    """RFC 9990 §3.5.2: `receiver!policy-domain!begin!end!unique.xml.gz`; again the same for the same report."""
    unique = report.report_id.split(".")[1:2]
    last = f"!{unique[0]}" if unique and unique[0].isascii() and unique[0].isdecimal() else ""
    return f"{_domain(submitter)}!{_domain(report.domain)}!{report.begin}!{report.end}{last}.xml.gz"


def subject(report: AggregateReport, submitter: str) -> str:
    """RFC 9990 §3.5.2."""
    names = f"Report Domain: {_domain(report.domain)} Submitter: {_domain(submitter)}"
    return f"{names} Report-ID: <{report.report_id}>"


def _domain(text: str) -> str:
    if not _DOMAIN.match(text):
        raise ReportError(f"{text[:60]!r} is no domain name")
    return text


@dataclass(frozen=True, slots=True, kw_only=True)
class ReportMail:
    """How to send reports: `submitter` is our own name, `sender` the address in From, `to` who get it."""

    submitter: str
    sender: str
    to: tuple[str, ...]

    def build(self, report: AggregateReport, *, date: float, message_id: str, boundary: str) -> bytes:
        """The whole message, not signed yet; `date` in POSIX seconds, `boundary` at random. Raises `ReportError`."""
        xml = compress(to_xml(report))
        mark = f"--{boundary}".encode("ascii")
        lines = (
            f"From: <{self.sender}>\r\n".encode(),
            "To: {}\r\n".format(",\r\n\t".join(f"<{one}>" for one in self.to)).encode(),
            text_field("Subject", subject(report, self.submitter)),
            f"Date: {format_date(date)}\r\nMessage-ID: {message_id}\r\n".encode("ascii"),
            b"Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n",
            f'Content-Type: multipart/mixed;\r\n\tboundary="{boundary}"\r\n'.encode("ascii"),
        )
        parts = (
            text_entity(self._words(report)),
            attachment(xml, filename(report, self.submitter), "application/gzip"),
        )
        body = b"".join(b"%b\r\n%b\r\n" % (mark, part) for part in parts)
        return b"".join(lines) + b"\r\n" + body + mark + b"--\r\n"

    def _words(self, report: AggregateReport) -> str:
        return (
            f"DMARC aggregate report (RFC 9990)\nAbout mail of {report.domain}\nReported by {self.submitter}\n"
            f"From {format_date(report.begin)}\nTo   {format_date(report.end)}\n"
            f"{report.messages} messages, of which {report.aligned} passed DMARC\nQuestions to {report.email}\n"
        )


@dataclass(frozen=True, slots=True)
class Attached:
    """One file of a mail: its name, and the report in it, or why there is none."""

    name: str
    report: AggregateReport | None
    refusal: str = ""


def read_file(octets: bytes) -> AggregateReport:
    """A report as a file: XML, gzip or zip. Raises `ReportError`."""
    return from_xml(unpack(octets))


def read_mail(message: bytes) -> tuple[Attached, ...]:
    """What a mail holds, file by file; nothing where no part looks like a report. Never more than `MOST_REPORTS`."""
    found: list[Attached] = []
    for part in Part.from_octets(message).walk():
        if len(found) == MOST_REPORTS:
            break
        if part.parts or part.is_multipart:
            continue
        name = part.filename or ""
        if part.content_type.value not in _TYPES and not name.lower().endswith(_ENDINGS):
            continue
        try:
            octets = part.content(max_octets=MOST_COMPRESSED)
            if not is_compressed(octets) and b"<" not in octets[:200]:
                continue  # some other file
            found.append(Attached(name, read_file(octets)))
        except MessageLimit as error:
            found.append(Attached(name, None, error.reason))
        except ReportError as error:
            found.append(Attached(name, None, error.reason))
    return tuple(found)


def looks_like_mail(octets: bytes) -> bool:
    """Whether a file is a mail rather than a report by itself."""
    return not is_compressed(octets) and not octets.lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"<")

"""DMARC reports: what receivers tell the owner of a domain about mail in its name (RFC 9990, RFC 9991).

An *aggregate report* is a day of mail in numbers: for each client, how many messages with which identifiers, whether
SPF and DKIM were aligned, and what was done with them. It is an XML file, compressed, attached to a mail whose subject
names the domain, the reporter and the report. A *failure report* is about one message (RFC 6591).

    seen = observed(verdicts, decision)                    # what one message adds
    found = await resolver.run(confirm(domain, record.rua))  # who agreed to get reports (RFC 9990 §4)
    message = ReportMail(submitter=…, sender=…, to=…).build(report, date=…, message_id=…, boundary=…)
    report = read_file(octets)                             # XML, gzip or zip, of RFC 9990 or RFC 7489
    read_mail(message)                                     # every report a mail holds, or why it holds none
    read_failure_mail(message)                             # the failure report that it is

Whatever strangers send is read within limits: compressed and decompressed octets, elements, their depth, records,
characters of a text. A document type declaration is refused, so entities cannot grow. What is odd but harmless is in
`AggregateReport.remarks`. A size limit behind an address of rua= is ignored, as RFC 9989 §4.8 wants.

Public names: `AggregateReport`, `PublishedPolicy`, `ReportRecord`, `OverrideReason`, `DKIMAuthResult`, `SPFAuthResult`,
`to_xml`, `from_xml`, `ReadingLimits`, `unpack`, `compress`, `ReportMail`, `read_mail`, `read_file`, `looks_like_mail`,
`Attached`, `report_id`, `filename`; `Observation`, `observed`, `published_policy`; `confirm`, `Destinations`,
`Refused`; `Failure`, `FailureMail`, `failures`, `redacted`, `FailureReport`, `read_failure_mail`; `ReportError`.
"""

from danelaw.dmarcreport.container import compress, unpack
from danelaw.dmarcreport.destinations import Destinations, Refused, confirm
from danelaw.dmarcreport.errors import ReportError
from danelaw.dmarcreport.failure import Failure, FailureMail, failures, redacted
from danelaw.dmarcreport.failure_reading import FailureReport, read_failure_mail
from danelaw.dmarcreport.mail import Attached, ReportMail, filename, looks_like_mail, read_file, read_mail, report_id
from danelaw.dmarcreport.observation import Observation, observed, published_policy
from danelaw.dmarcreport.values import (
    AggregateReport,
    DKIMAuthResult,
    OverrideReason,
    PublishedPolicy,
    ReportRecord,
    SPFAuthResult,
)
from danelaw.dmarcreport.xml_reading import ReadingLimits, from_xml
from danelaw.dmarcreport.xml_writing import to_xml

__all__ = [
    "AggregateReport",
    "Attached",
    "DKIMAuthResult",
    "Destinations",
    "Failure",
    "FailureMail",
    "FailureReport",
    "Observation",
    "OverrideReason",
    "PublishedPolicy",
    "ReadingLimits",
    "Refused",
    "ReportError",
    "ReportMail",
    "ReportRecord",
    "SPFAuthResult",
    "compress",
    "confirm",
    "failures",
    "filename",
    "from_xml",
    "looks_like_mail",
    "observed",
    "published_policy",
    "read_failure_mail",
    "read_file",
    "read_mail",
    "redacted",
    "report_id",
    "to_xml",
    "unpack",
]

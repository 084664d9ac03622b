"""TLS reports: what senders tell the owner of a domain about TLS sessions with its servers (RFC 8460).

A *TLS report* counts, for one domain and one day, the sessions that went well and those that did not, by the policy
that was applied (DANE's TLSA records, MTA-STS, none) and by the kind of failure. It is a JSON document (RFC 8460 §4),
compressed with gzip, sent by mail or HTTPS to where the TXT record at `_smtp._tls.` of the policy domain says (§3).

To send:

    wanted = await resolver.run(lookup_record(domain))      # who asked for reports
    policy = reported_policy("tlsa", base, records)         # what one session was under
    detail = failure_detail("tlsa-invalid", reason, …)      # and how it failed
    message = ReportMail(sender=…, to=…, domain=…).build(report, date=…, message_id=…, boundary=…)
    body = compress(to_json(report))                        # what is posted

To read:

    report = read_file(octets)                             # JSON or gzip
    read_mail(message)                                     # every report a mail holds, or why it holds none
    outcome = await resolver.run(dkim.verify(fields, body, now=…, settings=SETTINGS))
    await resolver.run(authenticity(outcome, [reporting_domain(report, header)]))   # did its reporter sign it?
    Posting.from_head(head)                                # a report that comes by HTTPS (§5.4)

Whatever strangers send is read within limits: compressed and decompressed octets, JSON values, policies, failures,
characters of a text. Real reports spell names and types otherwise than agreed: what is odd but harmless is in
`TLSReport.remarks`. `explained` has words for the result types of §4.3, and what to do.

Public names: `TLSReport`, `PolicyResult`, `ReportedPolicy`, `FailureDetail`, `PolicyType`, `ReportError`;
`TLSRPTRecord`, `Destination`, `RefusedDestination`, `Wanted`, `lookup_record`, `wanted_by`; `reported_policy`,
`failure_detail`, `folded`; `to_json`, `fitted`, `compress`, `MEDIA_TYPE`, `ReportMail`, `report_id`, `submitter`;
`from_json`, `ReadingLimits`, `unpack`, `read_file`, `read_mail`, `looks_like_mail`, `Attached`; `SETTINGS`,
`authenticity`, `Authenticity`, `reporting_domain`; `Posting`, `PostingError`; `Explanation`, `explained`.
"""

from danelaw.tlsreport.authenticity import SETTINGS, Authenticity, authenticity, reporting_domain
from danelaw.tlsreport.container import compress, unpack
from danelaw.tlsreport.errors import ReportError
from danelaw.tlsreport.explanation import Explanation, explained
from danelaw.tlsreport.json_reading import ReadingLimits, from_json
from danelaw.tlsreport.json_writing import fitted, to_json
from danelaw.tlsreport.mail import MEDIA_TYPE, ReportMail, report_id, submitter
from danelaw.tlsreport.mail_reading import Attached, looks_like_mail, read_file, read_mail
from danelaw.tlsreport.observation import failure_detail, folded, reported_policy
from danelaw.tlsreport.posting import Posting, PostingError
from danelaw.tlsreport.record import Destination, RefusedDestination, TLSRPTRecord, Wanted, lookup_record, wanted_by
from danelaw.tlsreport.values import FailureDetail, PolicyResult, PolicyType, ReportedPolicy, TLSReport

__all__ = [
    "MEDIA_TYPE",
    "SETTINGS",
    "Attached",
    "Authenticity",
    "Destination",
    "Explanation",
    "FailureDetail",
    "PolicyResult",
    "PolicyType",
    "Posting",
    "PostingError",
    "ReadingLimits",
    "RefusedDestination",
    "ReportError",
    "ReportMail",
    "ReportedPolicy",
    "TLSRPTRecord",
    "TLSReport",
    "Wanted",
    "authenticity",
    "compress",
    "explained",
    "failure_detail",
    "fitted",
    "folded",
    "from_json",
    "looks_like_mail",
    "lookup_record",
    "read_file",
    "read_mail",
    "report_id",
    "reported_policy",
    "reporting_domain",
    "submitter",
    "to_json",
    "unpack",
    "wanted_by",
]

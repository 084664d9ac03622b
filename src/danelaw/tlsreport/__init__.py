"""TLS reports: what senders tell the owner of a domain about TLS sessions with its servers (RFC 8460).

A *TLS report* counts, for one domain and one day, the sessions that went well and those that did not, by the policy
that was applied (DANE's TLSA records, MTA-STS, none) and by the kind of failure. It is a JSON document (RFC 8460 §4),
compressed with gzip, sent by mail or HTTPS to where the TXT record at `_smtp._tls.` of the policy domain says (§3).

    wanted = await resolver.run(lookup_record(domain))      # who asked for reports
    policy = reported_policy("tlsa", base, records)         # what one session was under
    detail = failure_detail("tlsa-invalid", reason, …)      # and how it failed
    message = ReportMail(sender=…, to=…, domain=…).build(report, date=…, message_id=…, boundary=…)
    body = compress(to_json(report))                        # what is posted

Public names: `TLSReport`, `PolicyResult`, `ReportedPolicy`, `FailureDetail`, `PolicyType`, `ReportError`;
`TLSRPTRecord`, `Destination`, `RefusedDestination`, `Wanted`, `lookup_record`, `wanted_by`; `reported_policy`,
`failure_detail`, `folded`; `to_json`, `compress`, `fitted`, `MEDIA_TYPE`, `ReportMail`, `report_id`, `submitter`.
"""

from danelaw.tlsreport.errors import ReportError
from danelaw.tlsreport.json_writing import compress, fitted, to_json
from danelaw.tlsreport.mail import MEDIA_TYPE, ReportMail, report_id, submitter
from danelaw.tlsreport.observation import failure_detail, folded, reported_policy
from danelaw.tlsreport.record import Destination, RefusedDestination, TLSRPTRecord, Wanted, lookup_record, wanted_by
from danelaw.tlsreport.values import FailureDetail, PolicyResult, PolicyType, ReportedPolicy, TLSReport

__all__ = [
    "MEDIA_TYPE",
    "Destination",
    "FailureDetail",
    "PolicyResult",
    "PolicyType",
    "RefusedDestination",
    "ReportError",
    "ReportMail",
    "ReportedPolicy",
    "TLSRPTRecord",
    "TLSReport",
    "Wanted",
    "compress",
    "failure_detail",
    "fitted",
    "folded",
    "lookup_record",
    "report_id",
    "reported_policy",
    "submitter",
    "to_json",
    "wanted_by",
]

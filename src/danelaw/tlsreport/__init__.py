"""TLS reports: what senders tell the owner of a domain about TLS sessions with its servers (RFC 8460).

A *TLS report* counts, for one domain and one day, the sessions that went well and those that did not, by the policy
that was applied (DANE's TLSA records, MTA-STS, none) and by the kind of failure. It is a JSON document (RFC 8460 §4),
compressed with gzip, sent by mail or HTTPS to where the TXT record at `_smtp._tls.` of the policy domain says (§3).

    report = read_file(octets)                             # JSON or gzip
    read_mail(message)                                     # every report a mail holds, or why it holds none
    outcome = await resolver.run(dkim.verify(fields, body, now=…, settings=SETTINGS))
    await resolver.run(authenticity(outcome, [reporting_domain(report, header)]))   # did its reporter sign it?
    Posting.from_head(head)                                # a report that comes by HTTPS (§5.4)

Whatever strangers send is read within limits: compressed and decompressed octets, JSON values, policies, failures,
characters of a text. Real reports spell names and types otherwise than agreed: what is odd but harmless is in
`TLSReport.remarks`. `explained` has words for the result types of §4.3, and what to do.

Public names: `TLSReport`, `PolicyResult`, `ReportedPolicy`, `FailureDetail`, `PolicyType`, `ReportError`; `from_json`,
`ReadingLimits`, `unpack`, `compress`, `read_file`, `read_mail`, `looks_like_mail`, `Attached`; `SETTINGS`,
`authenticity`, `Authenticity`, `reporting_domain`; `Posting`, `PostingError`; `Explanation`, `explained`.
"""

from danelaw.tlsreport.authenticity import SETTINGS, Authenticity, authenticity, reporting_domain
from danelaw.tlsreport.container import compress, unpack
from danelaw.tlsreport.errors import ReportError
from danelaw.tlsreport.explanation import Explanation, explained
from danelaw.tlsreport.json_reading import ReadingLimits, from_json
from danelaw.tlsreport.mail_reading import Attached, looks_like_mail, read_file, read_mail
from danelaw.tlsreport.posting import Posting, PostingError
from danelaw.tlsreport.values import FailureDetail, PolicyResult, PolicyType, ReportedPolicy, TLSReport

__all__ = [
    "SETTINGS",
    "Attached",
    "Authenticity",
    "Explanation",
    "FailureDetail",
    "PolicyResult",
    "PolicyType",
    "Posting",
    "PostingError",
    "ReadingLimits",
    "ReportError",
    "ReportedPolicy",
    "TLSReport",
    "authenticity",
    "compress",
    "explained",
    "from_json",
    "looks_like_mail",
    "read_file",
    "read_mail",
    "reporting_domain",
    "unpack",
]

"""TLS reports: what senders tell the owner of a domain about TLS sessions with its servers (RFC 8460).

A *TLS report* counts, for one domain and one day, the sessions that went well and those that did not, by the policy
that was applied (DANE's TLSA records, MTA-STS, none) and by the kind of failure. It is a JSON document (RFC 8460 §4),
compressed with gzip, sent by mail or HTTPS to where the TXT record at `_smtp._tls.` of the policy domain says (§3).

Public names: `TLSReport`, `PolicyResult`, `ReportedPolicy`, `FailureDetail`, `PolicyType`, `ReportError`.
"""

from danelaw.tlsreport.errors import ReportError
from danelaw.tlsreport.values import FailureDetail, PolicyResult, PolicyType, ReportedPolicy, TLSReport

__all__ = ["FailureDetail", "PolicyResult", "PolicyType", "ReportError", "ReportedPolicy", "TLSReport"]

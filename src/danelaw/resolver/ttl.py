"""How long a response may be remembered (RFC 2308 §5, RFC 9520 §3.2, RFC 1035 §4.1.3)."""

from __future__ import annotations

import dns.message
import dns.rdatatype
from dns.rdtypes.ANY.SOA import SOA

from danelaw.dnssec import Response
from danelaw.resolver.settings import CacheLimits


def response_ttl(response: Response, limits: CacheLimits) -> float:
    """Seconds to keep a raw response; failures are kept for `limits.failure_ttl`."""
    if response.problem is not None or response.message is None:
        return limits.failure_ttl
    message = response.message
    found = [float(rrset.ttl) for rrset in message.answer]
    negative = _negative_ttl(message)
    if negative is not None and not _answered(message, response):
        return min([*found, negative, limits.max_negative_ttl])
    # A denial without SOA must not be cached (RFC 2308 §5); the failure TTL only dampens repetition.
    return min(min(found), limits.max_ttl) if found else min(limits.failure_ttl, limits.max_negative_ttl)


def _answered(message: dns.message.Message, response: Response) -> bool:
    return any(rrset.rdtype == response.question.rdtype for rrset in message.answer)


def _negative_ttl(message: dns.message.Message) -> float | None:
    for rrset in message.authority:
        if rrset.rdtype == dns.rdatatype.SOA and isinstance(rrset[0], SOA):
            return float(min(rrset.ttl, rrset[0].minimum))
    return None

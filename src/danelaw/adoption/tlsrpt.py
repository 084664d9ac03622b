"""Does a domain want TLS reports? (RFC 8460 §3)"""

from __future__ import annotations

from danelaw.address import Domain
from danelaw.dnsdata import Lookup
from danelaw.tlsreport import Wanted, lookup_record


def wants_reports(domain: Domain) -> Lookup[str]:
    """`yes`, `no`, `broken`, or `unknown` when the TXT look-up at `_smtp._tls.` failed."""
    return verdict((yield from lookup_record(domain)))


def verdict(wanted: Wanted) -> str:
    """What the records mean by which we would report ourselves, in the word of a survey."""
    if wanted.undecided:
        return "unknown"
    if wanted.faulty:
        return "broken"
    return "yes" if wanted.record is not None else "no"

"""Does a domain want TLS reports? (RFC 8460 §3)"""

from __future__ import annotations

import re
from collections.abc import Sequence

import dns.name
import dns.rdatatype
from dns.rdtypes.ANY.TXT import TXT

from danelaw.address import Domain
from danelaw.dnsdata import Lookup, Question

_RECORD = re.compile(r"v=TLSRPTv1[ \t]*;[ \t]*(.*)", re.DOTALL)
_RUA = re.compile(
    r"rua[ \t]*=[ \t]*(?:mailto:[^\s;,!]+@[^\s;,!]+|https://[^\s;,!]+)(?:[ \t]*,[ \t]*\S[^;]*)?(?:[ \t]*;.*)?\Z"
)
_MAX_RECORD = 4096


def wants_reports(domain: Domain) -> Lookup[str]:
    """`yes`, `no`, `broken`, or `unknown` when the TXT look-up at `_smtp._tls.` failed."""
    try:
        name = dns.name.from_text("_smtp._tls", None).concatenate(domain.to_dns())
    except dns.name.NameTooLong:
        return "no"
    (answer,) = yield (Question(name, dns.rdatatype.TXT),)
    if answer.failed:
        return "unknown"
    texts = [b"".join(rdata.strings).decode("latin-1") for rdata in answer.records if isinstance(rdata, TXT)]
    return verdict(texts)


def verdict(texts: Sequence[str]) -> str:
    """What some TXT records mean: those that do not begin with `v=TLSRPTv1;` are discarded, and of the rest there must
    be exactly one (RFC 8460 §3), with a `rua` that can be used.
    """
    records = [found[1] for text in texts if (found := _RECORD.match(text[:_MAX_RECORD])) is not None]
    if not records:
        return "no"
    return "yes" if len(records) == 1 and _RUA.match(records[0].strip()) is not None else "broken"

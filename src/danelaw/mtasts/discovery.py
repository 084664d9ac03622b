"""Does a domain announce a policy? (RFC 8461 §3.1)"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

import dns.name
import dns.rcode
import dns.rdatatype
from dns.rdtypes.ANY.TXT import TXT

from danelaw.address import Domain
from danelaw.dnsdata import Answer, Lookup, Question
from danelaw.mtasts.record import RecordError, STSRecord, select


class Announcement(Enum):
    """What the TXT look-up found. Only `FOUND` and `ABSENT` are certain; `FAILED` says nothing at all."""

    FOUND = "found"
    ABSENT = "absent"
    INVALID = "invalid"
    FAILED = "look-up failed"


@dataclass(frozen=True, slots=True)
class STSDiscovery:
    """The end of discovery for one policy domain; `record` is set for `FOUND`, `reason` is in words."""

    domain: Domain
    announcement: Announcement
    record: STSRecord | None = None
    reason: str = ""
    answers: tuple[Answer, ...] = ()


def policy_host(domain: Domain) -> Domain:
    """The host that serves the policy of `domain` (RFC 8461 §3.2)."""
    return Domain.from_text("mta-sts." + domain.ascii)


def policy_url(domain: Domain) -> str:
    """The fixed URL of the policy of `domain` (RFC 8461 §3.2)."""
    return f"https://mta-sts.{domain.ascii}/.well-known/mta-sts.txt"


def discover(domain: Domain) -> Lookup[STSDiscovery]:
    """Ask for the TXT record at `_mta-sts.<domain>`; aliases are followed by the resolver.

    The domain is the policy domain exactly: never its parent (RFC 8461 §3.4).
    """
    try:
        name = dns.name.from_text("_mta-sts", None).concatenate(domain.to_dns())
    except dns.name.NameTooLong:
        return STSDiscovery(domain, Announcement.ABSENT, reason=f"_mta-sts.{domain} is too long for a name")
    (answer,) = yield (Question(name, dns.rdatatype.TXT),)
    if answer.failed:
        why = answer.reason or (dns.rcode.to_text(answer.rcode) if answer.rcode else answer.status.value)
        question = str(answer.question)
        reason = why if why.startswith(question) else f"{question}: {why}"
        return STSDiscovery(domain, Announcement.FAILED, reason=reason, answers=(answer,))
    texts = [b"".join(rdata.strings).decode("latin-1") for rdata in answer.records if isinstance(rdata, TXT)]
    try:
        record = select(texts)
    except RecordError as error:
        return STSDiscovery(domain, Announcement.INVALID, reason=error.reason, answers=(answer,))
    if record is None:
        return STSDiscovery(domain, Announcement.ABSENT, reason=f"no MTA-STS record for {domain}", answers=(answer,))
    return STSDiscovery(domain, Announcement.FOUND, record, f"id {record.id}", (answer,))

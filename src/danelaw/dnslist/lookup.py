"""Asking lists: names, questions, and what the answers mean (RFC 5782 §2, §3)."""

from __future__ import annotations

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

import dns.exception
import dns.name
import dns.rdatatype
from dns.rdtypes.ANY.TXT import TXT
from dns.rdtypes.IN.A import A

from danelaw.address import Domain
from danelaw.dnsdata import Answer, DNSSECStatus, Lookup, Question
from danelaw.dnslist.returncodes import ReturnCodes

Subject: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address | Domain
"""What stands in a list or not."""

_MOST_ADDRESSES = 32
_ANY = ReturnCodes()
_REASON_CHARACTERS = 200


class ListStatus(Enum):
    """`FAILED` says nothing about the subject: DNS failed, or the list does not answer us."""

    LISTED = "listed"
    NOT_LISTED = "not-listed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class DNSList:
    """A list: its zone, and which answers count."""

    zone: Domain
    codes: ReturnCodes = _ANY


@dataclass(frozen=True, slots=True)
class Inquiry:
    """One subject to be asked of one list."""

    list: DNSList
    subject: Subject


@dataclass(frozen=True, slots=True)
class Listing:
    """What a list says. `codes` are the addresses in its answer that count, `reason` is its own text (TXT) for a
    listing and ours for a failure; `expires` is POSIX seconds.
    """

    inquiry: Inquiry
    status: ListStatus
    codes: tuple[str, ...] = ()
    reason: str = ""
    dnssec: DNSSECStatus = DNSSECStatus.INSECURE
    expires: float = 0.0


def query_name(zone: Domain, subject: Subject) -> dns.name.Name | None:
    """Where a list's zone has its records about a subject; None when that name would be too long (RFC 1035 §3.1)."""
    suffix = zone.to_dns()
    try:
        if isinstance(subject, Domain):
            return dns.name.Name((*subject.to_dns().labels[:-1], *suffix.labels))
        if isinstance(subject, ipaddress.IPv6Address) and subject.ipv4_mapped is not None and not _is_test(subject):
            subject = subject.ipv4_mapped
        labels = subject.reverse_pointer.split(".")[:-2]
        return dns.name.Name((*(label.encode() for label in labels), *suffix.labels))
    except dns.exception.DNSException:
        return None


def _is_test(subject: ipaddress.IPv6Address) -> bool:
    """RFC 5782 §5 has its IPv6 test entries within the mapped addresses."""
    mapped = subject.ipv4_mapped
    return mapped is not None and mapped in (ipaddress.IPv4Address("127.0.0.1"), ipaddress.IPv4Address("127.0.0.2"))


def look_up(inquiries: Sequence[Inquiry]) -> Lookup[tuple[Listing, ...]]:
    """Ask all at once, then the reasons of those that are listed; gives listings in the order of the inquiries."""
    names = [query_name(inquiry.list.zone, inquiry.subject) for inquiry in inquiries]
    asked = tuple(Question(name, dns.rdatatype.A) for name in names if name is not None)
    heard = iter((yield asked) if asked else ())
    found = [
        Listing(inquiry, ListStatus.NOT_LISTED, reason="its name would be too long")
        if name is None
        else _listing(inquiry, next(heard))
        for inquiry, name in zip(inquiries, names, strict=True)
    ]
    listed = [number for number, listing in enumerate(found) if listing.status is ListStatus.LISTED]
    if listed:
        wanted = [name for number in listed if (name := names[number]) is not None]
        texts = yield tuple(Question(name, dns.rdatatype.TXT) for name in wanted)
        for number, answer in zip(listed, texts, strict=True):
            found[number] = _with_reason(found[number], answer)
    return tuple(found)


def _listing(inquiry: Inquiry, answer: Answer) -> Listing:
    if answer.failed:
        reason = answer.reason or "the list cannot be asked"
        return Listing(inquiry, ListStatus.FAILED, (), reason, answer.status, answer.expires)
    codes = inquiry.list.codes
    records = answer.records[:_MOST_ADDRESSES]
    addresses = [ipaddress.IPv4Address(rdata.address) for rdata in records if isinstance(rdata, A)]
    counted = tuple(str(address) for address in addresses if codes.accept(address))
    if counted:
        return Listing(inquiry, ListStatus.LISTED, counted, "", answer.status, answer.expires)
    refused = [str(address) for address in addresses if codes.refuses(address)]
    if refused:
        reason = f"the list answers {refused[0]}, which is no listing: it does not serve this resolver, or has ended"
        return Listing(inquiry, ListStatus.FAILED, (), reason, answer.status, answer.expires)
    return Listing(inquiry, ListStatus.NOT_LISTED, (), "", answer.status, answer.expires)


def _with_reason(listing: Listing, answer: Answer) -> Listing:
    texts = [b"".join(rdata.strings) for rdata in answer.records if isinstance(rdata, TXT)]
    if not texts:
        return listing
    words = min(texts)[: 4 * _REASON_CHARACTERS].decode("utf-8", "replace")
    reason = "".join(char if char.isprintable() else "?" for char in words)[:_REASON_CHARACTERS]
    return Listing(listing.inquiry, listing.status, listing.codes, reason, listing.dnssec, listing.expires)

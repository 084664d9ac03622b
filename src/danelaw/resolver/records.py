"""Everything an answer consists of, aliases included, for people and `--json`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import dns.exception
import dns.message
import dns.name
import dns.rdataclass
import dns.rdatatype
import dns.rrset

from danelaw.dnsdata import Answer

_MAX_MESSAGES = 64


def expanded(answer: Answer) -> tuple[dns.rrset.RRset, ...]:
    """The CNAME and DNAME RRsets passed on the way, in order, then the RRset asked for; nothing when it failed.

    `Answer` keeps only the names of aliases; their records are read from its evidence.
    """
    if answer.failed:
        return ()
    found = _alias_records(answer.evidence) if answer.aliases else {}
    rrsets: list[dns.rrset.RRset] = []
    for alias in answer.aliases:
        for owner in _at_and_above(alias):
            dname = found.get((owner, dns.rdatatype.DNAME)) if owner != alias else None
            if dname is not None and dname not in rrsets:
                rrsets.append(dname)
        cname = found.get((alias, dns.rdatatype.CNAME))
        if cname is not None:
            rrsets.append(cname)
    if answer.question.rdtype == dns.rdatatype.ANY:
        rrsets += _all_at_the_end(answer)
    elif answer.rrset is not None:
        rrsets.append(answer.rrset)
    return tuple(rrsets)


def _all_at_the_end(answer: Answer) -> list[dns.rrset.RRset]:
    """The RRsets that answer a question for ANY, signatures left out; `Answer` keeps only the first."""
    for wire in answer.evidence[:_MAX_MESSAGES] if answer.rrset is not None else ():
        try:
            message = dns.message.from_wire(wire)
        except (dns.exception.DNSException, ValueError):
            continue
        if [(asked.name, asked.rdtype) for asked in message.question] == [(answer.question.name, dns.rdatatype.ANY)]:
            return [r for r in message.answer if r.name == answer.canonical_name and r.rdtype != dns.rdatatype.RRSIG]
    return []


def record_lines(rrsets: Iterable[dns.rrset.RRset]) -> list[str]:
    """One line of zone-file form per record: owner, TTL, class, type, data."""
    return [
        f"{rrset.name} {rrset.ttl} IN {dns.rdatatype.to_text(rrset.rdtype)} {rdata.to_text()}"
        for rrset in rrsets
        for rdata in rrset
    ]


def _alias_records(
    evidence: tuple[bytes, ...],
) -> dict[tuple[dns.name.Name, dns.rdatatype.RdataType], dns.rrset.RRset]:
    found: dict[tuple[dns.name.Name, dns.rdatatype.RdataType], dns.rrset.RRset] = {}
    for wire in evidence[:_MAX_MESSAGES]:
        try:
            message = dns.message.from_wire(wire)
        except (dns.exception.DNSException, ValueError):
            continue
        for rrset in message.answer:
            if rrset.rdtype in (dns.rdatatype.CNAME, dns.rdatatype.DNAME) and rrset.rdclass == dns.rdataclass.IN:
                found.setdefault((rrset.name, rrset.rdtype), rrset)
    return found


def _at_and_above(name: dns.name.Name) -> Iterator[dns.name.Name]:
    while True:
        yield name
        if name == dns.name.root:
            return
        name = name.parent()

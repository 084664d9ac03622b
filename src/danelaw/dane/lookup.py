"""Addresses and TLSA records of one host (RFC 7672 §2.2.2, §2.2.3)."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace

import dns.name
import dns.rcode
import dns.rdatatype
from dns.rdtypes.ANY.TLSA import TLSA
from dns.rdtypes.IN.A import A
from dns.rdtypes.IN.AAAA import AAAA

from danelaw.address import Domain
from danelaw.address.domain import DomainError
from danelaw.dane.host import HostRecords, TLSAState
from danelaw.dane.record import TLSARecord
from danelaw.dane.usable import unusable_because
from danelaw.dnsdata import Answer, DNSSECStatus, Lookup, Question

MAX_ADDRESSES = 32
"""Addresses kept per host and family; nobody tries more, and a zone may list thousands."""
MAX_RECORDS = 64
"""TLSA records kept per host."""


def lookup_host(host: Domain, port: int) -> Lookup[HostRecords]:
    """Look up a host's addresses and, where RFC 7672 allows the question, its TLSA records for `port`.

    A look-up error never turns into "no DANE": the host gets an `error` and must be skipped (§2.1.2).

    When one address family fails while the other answers, the signatures decide. Where the way to TLSA records is
    signed, the failed question is one of those "used to locate TLSA records" (§2.1.2; §2.2.2: "any query in the
    process") and costs the host. Where the answer is provably unsigned no TLSA is sought, and the failure does not
    *prevent* address resolution (§2.1.2, first paragraph): many servers of unsigned zones fail on AAAA, and their mail
    must not wait for that. A bogus answer shows forgery or a broken zone and always costs the host.
    """
    name = host.to_dns()
    addresses = yield (Question(name, dns.rdatatype.AAAA), Question(name, dns.rdatatype.A))
    found = HostRecords(host, answers=tuple(addresses))
    problem = _address_problem(host, addresses)
    if problem is not None:
        return replace(found, address_status=_worst(addresses), error=problem)
    secure = next((answer for answer in addresses if answer.secure and answer.records), None)
    status = DNSSECStatus.SECURE if secure is not None else DNSSECStatus.INSECURE
    found = replace(found, addresses=_addresses(addresses), address_status=status)
    if secure is None:
        return (yield from _below_insecure(found, addresses, port))
    if (problem := _half_problem(host, addresses)) is not None:
        return replace(found, addresses=(), error=problem)
    return (yield from _below_secure(found, secure, port))


def _below_secure(found: HostRecords, secure: Answer, port: int) -> Lookup[HostRecords]:
    """The whole expansion is signed: the expanded name first, then the original (RFC 7672 §2.2.2 "Secure CNAME")."""
    candidates = [found.host]
    if secure.canonical_name != found.host.to_dns():
        with suppress(DomainError):  # a name no certificate or SNI can carry is no TLSA base domain either
            candidates.insert(0, Domain.from_dns(secure.canonical_name))
    return (yield from _tlsa(found, candidates, port))


def _below_insecure(found: HostRecords, addresses: Sequence[Answer], port: int) -> Lookup[HostRecords]:
    """The addresses are unsigned: TLSA is asked for only where a signed alias led there ("Insecure CNAME").

    Servers of unsigned zones often fail on TLSA questions, which would block mail for nothing.
    """
    name = found.host.to_dns()
    if not any(answer.aliases and answer.canonical_name != name for answer in addresses if not answer.failed):
        return found
    (alias,) = yield (Question(name, dns.rdatatype.CNAME),)
    found = replace(found, answers=(*found.answers, alias))
    if alias.failed:
        return replace(found, error=f"{found.host} is an alias that cannot be looked up: {_why(alias)}")
    if not alias.secure:
        return found
    if (problem := _half_problem(found.host, addresses)) is not None:
        return replace(found, addresses=(), error=problem)
    return (yield from _tlsa(found, [found.host], port))


def _tlsa(found: HostRecords, candidates: Sequence[Domain], port: int) -> Lookup[HostRecords]:
    """Ask at each candidate TLSA base domain until one has a secure RRset.

    Unsigned records on the way count as none: "If any "insecure" records are encountered, or the TLSA records don't
    exist, the next candidate TLSA base domain is tried instead" (RFC 7672 §2.2.3). An error ends the search and costs
    the host.
    """
    for base in candidates:
        try:
            owner = _owner(base, port)
        except dns.name.NameTooLong:
            continue
        (answer,) = yield (Question(owner, dns.rdatatype.TLSA),)
        found = replace(found, answers=(*found.answers, answer))
        if answer.failed:
            return replace(found, tlsa_base=base, error=f"TLSA records of {base} cannot be looked up: {_why(answer)}")
        if answer.secure and answer.records:
            records = tuple(
                TLSARecord.from_rdata(rdata) for rdata in answer.records[:MAX_RECORDS] if isinstance(rdata, TLSA)
            )
            state = TLSAState.USABLE if any(map(_usable, records)) else TLSAState.UNUSABLE
            return replace(found, tlsa_base=base, tlsa_state=state, records=records)
    return found


def _owner(base: Domain, port: int) -> dns.name.Name:
    """The owner name of TLSA records (RFC 6698 §3). Raises `dns.name.NameTooLong`."""
    return dns.name.from_text(f"_{port}._tcp", None).concatenate(base.to_dns())


def _usable(record: TLSARecord) -> bool:
    return unusable_because(record) is None


def _address_problem(host: Domain, addresses: Sequence[Answer]) -> str | None:
    """Why the host cannot be reached, None when it has addresses."""
    bogus = next((answer for answer in addresses if answer.status is DNSSECStatus.BOGUS), None)
    if bogus is not None:
        return f"addresses of {host} cannot be trusted: {_why(bogus)}"
    if any(answer.records for answer in addresses):
        return None
    failed = next((answer for answer in addresses if answer.failed), None)
    if failed is not None:
        return f"addresses of {host} cannot be looked up: {_why(failed)}"
    if all(answer.nxdomain for answer in addresses):
        return f"{host} does not exist"
    return f"{host} has no address"


def _half_problem(host: Domain, addresses: Sequence[Answer]) -> str | None:
    """Why a host whose TLSA records count must be skipped though one address family answered."""
    failed = next((answer for answer in addresses if answer.failed), None)
    return f"addresses of {host} cannot be looked up completely: {_why(failed)}" if failed is not None else None


def _addresses(answers: Sequence[Answer]) -> tuple[str, ...]:
    return tuple(
        rdata.address for answer in answers for rdata in answer.records[:MAX_ADDRESSES] if isinstance(rdata, A | AAAA)
    )


def _worst(addresses: Sequence[Answer]) -> DNSSECStatus:
    """The status to show for addresses that could not be had."""
    order = (DNSSECStatus.BOGUS, DNSSECStatus.INDETERMINATE, DNSSECStatus.INSECURE)
    return next(
        (status for status in order if any(answer.status is status for answer in addresses)), DNSSECStatus.SECURE
    )


def _why(answer: Answer) -> str:
    """The cause of a failed look-up in words."""
    rcode = dns.rcode.to_text(answer.rcode)
    why = answer.reason or (rcode if answer.rcode else answer.status.value)
    question = str(answer.question)
    # Where the transport failed, the resolver's own words begin with the question.
    return why if why.startswith(question) else f"{question}: {why}"

"""The name a client gives in HELO or EHLO (RFC 5321 §2.3.5, §4.1.1.1, §4.1.4)."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

import dns.rdatatype

from danelaw.address import AddressLiteral, AddressLiteralError, Domain, DomainError
from danelaw.clientname.reverse import IPAddress, address_question, holds, unmapped, weakest
from danelaw.dnsdata import DNSSECStatus, Lookup, Question

_MOST_CHARACTERS = 255
_ADDRESSES = frozenset({dns.rdatatype.A, dns.rdatatype.AAAA})


class HELOResult(Enum):
    """`PASS`: the name or literal is the client's. `MISMATCH`: a host's name, but not with this address.
    `UNRESOLVABLE`: no host has it. `SYNTAX`: no fully-qualified domain name and no literal. `OTHER_LITERAL`: a
    literal of another address. `OWN_NAME`: ours. `TEMPERROR`: DNS failed.
    """

    PASS = "pass"
    MISMATCH = "mismatch"
    UNRESOLVABLE = "unresolvable"
    SYNTAX = "syntax"
    OTHER_LITERAL = "other-literal"
    OWN_NAME = "own-name"
    TEMPERROR = "temperror"


@dataclass(frozen=True, slots=True)
class HELO:
    """What is known of a HELO name. `domain` is set where it is a domain name."""

    result: HELOResult
    reason: str
    domain: Domain | None = None
    dnssec: DNSSECStatus = DNSSECStatus.INSECURE


def look_up_helo(text: str, address: IPAddress, *, own: Iterable[Domain] = ()) -> Lookup[HELO]:
    """Judge the argument of HELO or EHLO. `own` are names no stranger has a right to."""
    address = unmapped(address)
    shown = text[:_MOST_CHARACTERS]
    if text.startswith("["):
        return _literal(shown, address)
    try:
        domain = Domain.from_text(text)
    except DomainError as error:
        return HELO(HELOResult.SYNTAX, error.reason)
    if "." not in domain.ascii or _is_address(domain.ascii):
        return HELO(HELOResult.SYNTAX, f"{shown!r} is not a fully-qualified domain name")
    if domain in tuple(own):
        return HELO(HELOResult.OWN_NAME, f"{domain} is a name of ours", domain)
    question = address_question(domain, address)
    (answer,) = yield (question,)
    if holds(answer, address):
        return HELO(HELOResult.PASS, f"{domain} has the address {address}", domain, answer.status)
    (other_type,) = _ADDRESSES - {question.rdtype}
    (other,) = yield (Question(question.name, other_type),)
    dnssec = weakest((answer, other))
    if answer.records or other.records:
        return HELO(HELOResult.MISMATCH, f"{domain} has other addresses than {address}", domain, dnssec)
    if answer.failed or other.failed:
        reason = f"{domain} cannot be looked up: {answer.reason or other.reason or 'DNS fails'}"
        return HELO(HELOResult.TEMPERROR, reason, domain, dnssec)
    return HELO(HELOResult.UNRESOLVABLE, f"{domain} has no address", domain, dnssec)


def _literal(text: str, address: IPAddress) -> HELO:
    try:
        literal = AddressLiteral.from_text(text)
    except AddressLiteralError as error:
        return HELO(HELOResult.SYNTAX, error.reason)
    if unmapped(ipaddress.ip_address(literal.address)) == address:
        return HELO(HELOResult.PASS, "the literal is its address")
    return HELO(HELOResult.OTHER_LITERAL, f"{text} is not its address {address}")


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True

"""The name of a client's address, confirmed by looking it up again (RFC 8601 §2.7.3 and §3, "iprev")."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum

import dns.rdatatype
import dns.reversename
from dns.rdtypes.ANY.PTR import PTR

from danelaw.address import Domain, DomainError
from danelaw.dnsdata import Answer, DNSSECStatus, Lookup, Question

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
MOST_NAMES = 10
"""As for SPF's "ptr" (RFC 7208 §4.6.4): an address with more names hides something, or shares a machine."""
_STRENGTH = (DNSSECStatus.BOGUS, DNSSECStatus.INDETERMINATE, DNSSECStatus.INSECURE, DNSSECStatus.SECURE)


class ReverseResult(Enum):
    """RFC 8601 §2.7.3. `FAIL`: there are names, and none leads back; `PERMERROR`: there is no name."""

    PASS = "pass"
    FAIL = "fail"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"


@dataclass(frozen=True, slots=True)
class ClientName:
    """`names` lead back to the address, `claimed` are all its reverse zone gives. `expires` is POSIX seconds."""

    result: ReverseResult
    names: tuple[Domain, ...] = ()
    claimed: tuple[Domain, ...] = ()
    reason: str = ""
    dnssec: DNSSECStatus = DNSSECStatus.INSECURE
    expires: float = 0.0


def unmapped(address: IPAddress) -> IPAddress:
    """An IPv4 address that came in IPv6 clothes, undressed (RFC 4291 §2.5.5.2)."""
    return getattr(address, "ipv4_mapped", None) or address


def address_question(name: Domain, address: IPAddress) -> Question:
    """The question whose answer may hold `address`."""
    return Question(name.to_dns(), dns.rdatatype.A if address.version == 4 else dns.rdatatype.AAAA)


def holds(answer: Answer, address: IPAddress) -> bool:
    """True when the address is among the records."""
    return any(rdata.to_text() == str(address) for rdata in answer.records)


def weakest(answers: Iterable[Answer]) -> DNSSECStatus:
    """The status of what rests on all of these."""
    return min((answer.status for answer in answers), key=_STRENGTH.index, default=DNSSECStatus.INSECURE)


def look_up_client_name(address: IPAddress) -> Lookup[ClientName]:
    """Its names, and which of them lead back to it."""
    address = unmapped(address)
    (answer,) = yield (Question(dns.reversename.from_address(str(address)), dns.rdatatype.PTR),)
    if answer.failed:
        return ClientName(
            ReverseResult.TEMPERROR, (), (), answer.reason or "its reverse zone fails", answer.status, answer.expires
        )
    claimed = _names(answer)
    if not claimed:
        reason = f"{address} has no name"
        return ClientName(ReverseResult.PERMERROR, (), (), reason, answer.status, answer.expires)
    back = yield tuple(address_question(name, address) for name in claimed)
    leading = [(name, found) for name, found in zip(claimed, back, strict=True) if holds(found, address)]
    expires = min(item.expires for item in (answer, *back))
    if leading:
        names = tuple(name for name, _ in leading)
        dnssec = weakest((answer, leading[0][1]))
        return ClientName(ReverseResult.PASS, names, claimed, f"{names[0]} leads back", dnssec, expires)
    failed = next((found for found in back if found.failed), None)
    if failed is not None:
        reason = f"{claimed[0]} cannot be looked up: {failed.reason or 'DNS fails'}"
        return ClientName(ReverseResult.TEMPERROR, (), claimed, reason, failed.status, expires)
    reason = f"{claimed[0]} does not lead back to {address}"
    return ClientName(ReverseResult.FAIL, (), claimed, reason, weakest((answer, *back)), expires)


def _names(answer: Answer) -> tuple[Domain, ...]:
    names: list[Domain] = []
    for rdata in answer.records[:MOST_NAMES]:
        if isinstance(rdata, PTR):
            try:
                names.append(Domain.from_dns(rdata.target))
            except DomainError:
                continue  # no host can have this name
    return tuple(dict.fromkeys(names))

"""The mechanisms that ask DNS for addresses and names (RFC 7208 §5.3 to §5.7).

Each is a look-up that ends with a `Verdict`: whether it matches, and why in words.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import dns.name
import dns.rdatatype
from dns.rdtypes.ANY.MX import MX as MXRecord

from danelaw.dnsdata import Answer, Lookup, Question
from danelaw.spf.inquiry import Inquiry, Stop, need
from danelaw.spf.request import absolute_name
from danelaw.spf.result import SPFResult
from danelaw.spf.terms import MX, PTR, A, Exists

Verdict: TypeAlias = tuple[bool, str]


def match_a(inquiry: Inquiry, mechanism: A, domain: str, heard: list[Answer]) -> Lookup[Verdict]:
    """RFC 7208 §5.3: the addresses of a name."""
    text = yield from inquiry.target(mechanism.domain, domain, heard)
    name = absolute_name(text)
    if name is None:
        return _no_name(text)
    (answer,) = yield (Question(name, inquiry.address_type),)
    heard.append(answer)
    found = len(need(answer).records)
    if inquiry.holds(answer, mechanism.ipv4_prefix, mechanism.ipv6_prefix):
        return True, f"{inquiry.client} {_belongs(inquiry, mechanism)} an address of {text}"
    return False, f"{text} has {_counted(found, 'other address', 'other addresses')}"


def match_mx(inquiry: Inquiry, mechanism: MX, domain: str, heard: list[Answer]) -> Lookup[Verdict]:
    """RFC 7208 §5.4: the addresses of a name's MX hosts; no MX means no match, whatever addresses it has."""
    text = yield from inquiry.target(mechanism.domain, domain, heard)
    name = absolute_name(text)
    if name is None:
        return _no_name(text)
    (answer,) = yield (Question(name, dns.rdatatype.MX),)
    heard.append(answer)
    records = [rdata for rdata in need(answer).records if isinstance(rdata, MXRecord)]
    if len(records) > inquiry.limits.names:
        raise Stop(SPFResult.PERMERROR, f"{text} has {len(records)} MX hosts; {inquiry.limits.names} are allowed")
    hosts = [rdata.exchange for rdata in records if rdata.exchange != dns.name.root]
    if not hosts:
        return False, f"{text} has no MX host"
    answers = yield tuple(Question(host, inquiry.address_type) for host in hosts)
    heard.extend(answers)
    for host, found in zip(hosts, answers, strict=True):
        if inquiry.holds(found, mechanism.ipv4_prefix, mechanism.ipv6_prefix):
            belongs = _belongs(inquiry, mechanism)
            return True, f"{inquiry.client} {belongs} an address of {_shown(host)}, an MX host of {text}"
    for found in answers:
        need(found)
    return False, f"{text} has {_counted(len(hosts), 'other MX host', 'other MX hosts')}"


def match_ptr(inquiry: Inquiry, mechanism: PTR, domain: str, heard: list[Answer]) -> Lookup[Verdict]:
    """RFC 7208 §5.5: a validated name of the client lies at or below the target-name."""
    text = yield from inquiry.target(mechanism.domain, domain, heard)
    target = absolute_name(text)
    if target is None:
        return _no_name(text)
    names = yield from inquiry.validated_names(heard)
    for name in names:
        if name.is_subdomain(target):
            return True, f"{_shown(name)} is a validated name of {inquiry.client}"
    if not names:
        return False, f"{inquiry.client} has no name that leads back to it"
    return False, f"no validated name of {inquiry.client} is {text} or below it"


def match_exists(inquiry: Inquiry, mechanism: Exists, domain: str, heard: list[Answer]) -> Lookup[Verdict]:
    """RFC 7208 §5.7: any A record at the expanded name, for IPv6 clients too."""
    text = yield from inquiry.target(mechanism.domain, domain, heard)
    name = absolute_name(text)
    if name is None:
        return _no_name(text)
    (answer,) = yield (Question(name, dns.rdatatype.A),)
    heard.append(answer)
    found = bool(need(answer).records)
    return found, f"{text} has {'an' if found else 'no'} A record"


MATCHES: Mapping[type, Callable[[Inquiry, Any, str, list[Answer]], Lookup[Verdict]]] = {
    A: match_a,
    MX: match_mx,
    PTR: match_ptr,
    Exists: match_exists,
}


def _no_name(text: str) -> Verdict:
    """RFC 7208 §4.8 leaves it open; a name that cannot exist is treated like one that does not."""
    return False, f"{text[:80]!r} cannot be a name in DNS"


def _belongs(inquiry: Inquiry, mechanism: A | MX) -> str:
    prefix, width = (mechanism.ipv4_prefix, 32) if inquiry.version == 4 else (mechanism.ipv6_prefix, 128)
    return "is" if prefix == width else f"shares /{prefix} with"


def _shown(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True)


def _counted(number: int, one: str, many: str) -> str:
    return f"no {one.removeprefix('other ')}" if number == 0 else f"{number} {one if number == 1 else many}"

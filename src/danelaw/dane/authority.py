"""Which name servers are responsible for the TLSA records of a host (RFC 1034 §4.2.1).

Every one of them must answer TLSA questions: of a server that drops them a resolver learns nothing, the look-up
fails now and then, and mail that needs it waits (RFC 7672 §2.1.2).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import dns.name
import dns.rdatatype
from dns.rdtypes.ANY.NS import NS
from dns.rdtypes.IN.A import A
from dns.rdtypes.IN.AAAA import AAAA

from danelaw.dnsdata import Answer, Lookup, Question

MAX_SERVERS = 8
"""Name servers looked at per zone."""
MAX_ADDRESSES = 4
"""Addresses per name server."""
_MAX_DEPTH = 8


@dataclass(frozen=True, slots=True)
class Authority:
    """The zone of a name and its name servers with their addresses (none where they cannot be looked up).

    `error` says in words why the servers are not known; then there are none.
    """

    zone: dns.name.Name | None
    servers: tuple[tuple[dns.name.Name, tuple[str, ...]], ...] = ()
    error: str | None = None


def lookup_authority(name: dns.name.Name) -> Lookup[Authority]:
    """Find the zone `name` is in by the NS records closest above it, and the addresses of its name servers.

    Top-level domains and the root are left out: whoever publishes TLSA records has a zone of his own.
    """
    candidates = _ancestors(name)
    if not candidates:
        return Authority(None, error=f"{name} is no name below a top-level domain")
    answers = yield tuple(Question(candidate, dns.rdatatype.NS) for candidate in candidates)
    zone, targets, error = _closest(answers)
    if zone is None:
        return Authority(None, error=error)
    questions = tuple(
        Question(target, rdtype) for target in targets for rdtype in (dns.rdatatype.AAAA, dns.rdatatype.A)
    )
    addresses = yield questions
    pairs = zip(targets, zip(addresses[::2], addresses[1::2], strict=True), strict=True)
    return Authority(zone, tuple((target, _addresses(pair)) for target, pair in pairs))


def _ancestors(name: dns.name.Name) -> list[dns.name.Name]:
    """The name and those above it that have at least two labels beside the root's, the closest first."""
    found: list[dns.name.Name] = []
    while len(name) > 2 and len(found) < _MAX_DEPTH:
        found.append(name)
        name = name.parent()
    return found


def _closest(answers: Sequence[Answer]) -> tuple[dns.name.Name | None, tuple[dns.name.Name, ...], str]:
    """The first zone cut. A failed look-up on the way hides where it is."""
    for answer in answers:
        if answer.failed:
            return None, (), answer.reason or f"{answer.question}: {answer.status.value}"
        targets = {rdata.target for rdata in answer.records if isinstance(rdata, NS)}
        if targets and answer.canonical_name == answer.question.name:
            return answer.question.name, tuple(sorted(targets)[:MAX_SERVERS]), ""
    return None, (), "no NS records found"


def _addresses(answers: Iterable[Answer]) -> tuple[str, ...]:
    found = [rdata.address for answer in answers for rdata in answer.records if isinstance(rdata, A | AAAA)]
    return tuple(found[:MAX_ADDRESSES])

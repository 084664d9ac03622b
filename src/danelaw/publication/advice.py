"""Which customer domains the TLSA records of our MX hosts protect, and if not, why (RFC 7672 §2.2, §3.1.3).

A domain is protected when its MX records are signed to the end and every host they name has usable TLSA records: an
attacker can block the protected hosts and wait at the weakest.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import Enum

import dns.rdatatype

from danelaw.address import Domain
from danelaw.dane import HostRecords, TLSAState, lookup_host
from danelaw.dnsdata import Answer, DNSSECStatus, Lookup, Question
from danelaw.publication.standing import Standing, explained
from danelaw.routing import MXResult, NextHop, lookup_mx
from danelaw.routing.gather import gather

MOST_HOSTS = 32
"""MX hosts of one domain that are looked at."""
_SHOWN = 4


class Ownership(Enum):
    """What an MX host of a customer is to us."""

    OURS = "ours"
    ALIAS = "alias of ours"
    OTHER_NAME = "our address under another name"
    FOREIGN = "somebody else's"


@dataclass(frozen=True, slots=True)
class OurHosts:
    """What DNS says of our MX hosts."""

    hosts: tuple[HostRecords, ...]

    @property
    def names(self) -> frozenset[Domain]:
        """Their names."""
        return frozenset(one.host for one in self.hosts)

    @property
    def addresses(self) -> frozenset[str]:
        """All their addresses."""
        return frozenset(address for one in self.hosts for address in one.addresses)

    def host(self, name: Domain) -> HostRecords:
        """One of them."""
        return next(one for one in self.hosts if one.host == name)


@dataclass(frozen=True, slots=True)
class Advice:
    """The answer for one domain. `standings` has everything that stands in the way, the first thing to mend first;
    `reason` is one sentence. `ours` and `others` are its MX hosts.
    """

    domain: str
    standings: tuple[Standing, ...]
    reason: str
    ours: tuple[str, ...] = ()
    others: tuple[str, ...] = ()

    @property
    def standing(self) -> Standing:
        """The one word."""
        return self.standings[0]

    @property
    def advice(self) -> str:
        """What the domain's owner would do, empty where there is nothing to do or nothing of ours."""
        return explained(self.standing).advice


def lookup_ours(names: Iterable[Domain], port: int = 25) -> Lookup[OurHosts]:
    """Look up addresses and TLSA records of our MX hosts."""
    return OurHosts((yield from gather(*(lookup_host(name, port) for name in names))))


def trouble(host: HostRecords) -> str | None:
    """Why the TLSA records of a host protect nobody, None when they do."""
    if host.error is not None:
        return f"{host.host}: {host.error}"
    if host.tlsa_state is TLSAState.USABLE:
        return None
    if host.tlsa_state is TLSAState.UNUSABLE:
        return f"no TLSA record of {host.host} can be used for mail"
    if host.address_status is DNSSECStatus.INSECURE:
        return f"{host.host} is in a zone that is not signed, where TLSA records have no effect"
    return f"{host.host} has no signed TLSA record"


def advise(domain: Domain, ours: OurHosts, port: int = 25) -> Lookup[Advice]:
    """The answer for one domain."""
    mx = yield from lookup_mx(NextHop(domain))
    simple = _without_hosts(domain, mx)
    if simple is not None:
        return simple
    names = [host.name for host in mx.hosts[:MOST_HOSTS]]
    foreign = [name for name in names if name not in ours.names]
    records = dict(zip(foreign, (yield from gather(*(lookup_host(name, port) for name in foreign))), strict=True))
    kinds = {name: _ownership(name, records.get(name), ours) for name in names}
    mine = [name for name in names if kinds[name] is not Ownership.FOREIGN]
    others = [name for name in names if kinds[name] is Ownership.FOREIGN]
    hosts = tuple(map(str, mine)), tuple(map(str, others))
    if not mine:
        if mx.implicit and not any(answer.failed or answer.records for answer in records[domain].answers):
            return Advice(domain.ascii, (Standing.NO_MAIL,), "it has neither MX nor address records", *hosts)
        return Advice(domain.ascii, (Standing.ELSEWHERE,), f"its mail goes to {_listed(others)}", *hosts)
    found: list[tuple[Standing, str]] = []
    if not mx.secure:
        found.append((yield from _why_unsigned(domain, mx)))
    found += _of_mine(mine, kinds, records, ours)
    found += _of_others([records[name] for name in others])
    if not found:
        words = f"its signed MX names {_listed(mine)}"
        usable = [name for name in others if records[name].tlsa_state is TLSAState.USABLE]
        if usable:
            words += f"; {_listed(usable)} has TLSA records of its own"
        return Advice(domain.ascii, (Standing.PROTECTED,), words, *hosts)
    found.sort(key=lambda one: _ORDER.index(one[0]))
    reason = "; ".join(dict.fromkeys(words for _, words in found))
    return Advice(domain.ascii, tuple(dict.fromkeys(standing for standing, _ in found)), reason, *hosts)


_ORDER = (
    Standing.UNSIGNED,
    Standing.NO_DS,
    Standing.ALIAS,
    Standing.OTHER_NAME,
    Standing.PARTLY,
    Standing.BOGUS,
    Standing.FAILED,
    Standing.OUR_TLSA,
)


def _without_hosts(domain: Domain, mx: MXResult) -> Advice | None:
    """The answer where the MX look-up alone gives it."""
    name = domain.ascii
    if mx.nxdomain:
        return Advice(name, (Standing.NXDOMAIN,), "the name does not exist")
    if mx.null_mx:
        return Advice(name, (Standing.NULL_MX,), "it says that it takes no mail (RFC 7505)")
    if mx.error is None:
        return None
    bogus = any(answer.status is DNSSECStatus.BOGUS for answer in mx.answers)
    return Advice(name, (Standing.BOGUS if bogus else Standing.FAILED,), mx.error)


def _ownership(name: Domain, records: HostRecords | None, ours: OurHosts) -> Ownership:
    if records is None:
        return Ownership.OURS
    ends = {answer.canonical_name for answer in records.answers if answer.aliases and not answer.failed}
    if any(one.to_dns() in ends for one in ours.names):
        return Ownership.ALIAS
    if ours.addresses & set(records.addresses):
        return Ownership.OTHER_NAME
    return Ownership.FOREIGN


def _of_mine(
    mine: Sequence[Domain], kinds: dict[Domain, Ownership], records: dict[Domain, HostRecords], ours: OurHosts
) -> list[tuple[Standing, str]]:
    """What stands in the way at hosts that are ours by some name."""
    found: list[tuple[Standing, str]] = []
    for name in mine:
        kind = kinds[name]
        if kind is Ownership.OURS:
            words = trouble(ours.host(name))
            if words is not None:
                found.append((Standing.OUR_TLSA, words))
            continue
        host = records[name]
        if host.error is None and host.tlsa_state is TLSAState.USABLE:
            continue
        if host.error is not None:
            found.append((_failed(host), host.error))
        elif kind is Ownership.ALIAS and host.address_status is DNSSECStatus.INSECURE:
            found.append((Standing.ALIAS, f"{name} is an alias of our host, not signed to its end"))
        elif kind is Ownership.ALIAS:
            found.append((Standing.OUR_TLSA, f"{name} is an alias of our host, which has no usable TLSA records"))
        else:
            found.append((Standing.OTHER_NAME, f"{name} has the address of our host, and no TLSA records of its own"))
    return found


def _of_others(hosts: Sequence[HostRecords]) -> list[tuple[Standing, str]]:
    """What stands in the way at hosts of others. Nobody can wait at a host that is proved not to be there."""
    found: list[tuple[Standing, str]] = []
    weak: list[Domain] = []
    for host in hosts:
        if host.error is None and host.tlsa_state is not TLSAState.USABLE:
            weak.append(host.host)
        elif host.error is not None and any(answer.failed for answer in host.answers):
            found.append((_failed(host), host.error))
        elif host.error is not None and not all(answer.secure for answer in host.answers):
            found.append((Standing.PARTLY, f"{host.error}, and nothing proves that: an attacker may answer for it"))
    if weak:
        found.insert(0, (Standing.PARTLY, f"{_listed(weak)} takes its mail too, without usable TLSA records"))
    return found


def _failed(host: HostRecords) -> Standing:
    bogus = any(answer.status is DNSSECStatus.BOGUS for answer in host.answers)
    return Standing.BOGUS if bogus else Standing.FAILED


def _why_unsigned(domain: Domain, mx: MXResult) -> Lookup[tuple[Standing, str]]:
    """The MX records are not signed: an alias into another zone, a missing DS record, or no signatures at all."""
    name = domain.to_dns()
    aliased = any(answer.aliases for answer in mx.answers)
    keys: Answer
    alias: Answer | None = None
    if aliased:
        keys, alias = yield (Question(name, dns.rdatatype.DNSKEY), Question(name, dns.rdatatype.CNAME))
    else:
        (keys,) = yield (Question(name, dns.rdatatype.DNSKEY),)
    if alias is not None:
        end = mx.answers[-1].canonical_name.to_text(omit_final_dot=True)
        if alias.secure:
            return Standing.ALIAS, f"it is an alias of {end}, whose zone is not signed"
        return Standing.UNSIGNED, f"it is an alias of {end}, and not signed"
    if not keys.failed and keys.records and keys.canonical_name == name:
        return Standing.NO_DS, "its zone has keys, and its parent zone no DS record for them"
    return Standing.UNSIGNED, "its zone is not signed"


def _listed(names: Sequence[Domain]) -> str:
    shown = ", ".join(str(name) for name in names[:_SHOWN])
    return shown if len(names) <= _SHOWN else f"{shown} and {len(names) - _SHOWN} more"

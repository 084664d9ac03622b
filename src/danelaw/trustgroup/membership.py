"""Membership in DNS: is a domain vouched for, by a master the root knows? (Trusted Email Services, draft 0.4)"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias

import dns.name
import dns.rcode
import dns.rdatatype
from dns.rdtypes.ANY.CNAME import CNAME

from danelaw.address import Domain, DomainError
from danelaw.dnsdata import Answer, Lookup, Question

_MASTER_LABEL = "tes-master"
_MEMBER_LABEL = "tes-member"
_ROOT = Domain("trusted-email-services.com")


@dataclass(frozen=True, slots=True)
class TES:
    """Trusted Email Services, draft 0.4: `tes-master.<domain>` leads to the master, which lists the domain and is
    itself listed by `root`.
    """

    root: Domain = _ROOT

    def to_text(self) -> str:
        """In a few words."""
        return f"DNS (tes-master, root {self.root})"


@dataclass(frozen=True, slots=True)
class DNSList:
    """One list: a TXT record at `<domain>.<master>` makes a member."""

    master: Domain

    def to_text(self) -> str:
        """In a few words."""
        return f"DNS (below {self.master})"


Scheme: TypeAlias = TES | DNSList


class Standing(Enum):
    """Only `MEMBER` and `NOT_MEMBER` are certain; `UNKNOWN` says that DNS failed, so that mail must wait."""

    MEMBER = "member"
    NOT_MEMBER = "not a member"
    UNKNOWN = "cannot be known now"


@dataclass(frozen=True, slots=True)
class Membership:
    """What DNS, or the operator's list, says of one domain. `master` vouches for it; `answers` are the evidence."""

    domain: Domain
    standing: Standing
    reason: str
    master: Domain | None = None
    answers: tuple[Answer, ...] = ()

    @property
    def expires(self) -> float:
        """POSIX seconds until which all answers hold; infinite where DNS was not asked."""
        return min((answer.expires for answer in self.answers), default=float("inf"))


class _Ended(Exception):
    def __init__(self, standing: Standing, reason: str) -> None:
        self.standing, self.reason = standing, reason


def lookup_membership(domain: Domain, scheme: Scheme) -> Lookup[Membership]:
    """Ask whether `domain` is a member.

    A name that does not exist, has no such record, or is proved to be unsigned ends it: not a member. Any answer that
    failed, bogus ones among them, ends it as unknown, unless the zone above is proved to be unsigned.
    """
    answers: list[Answer] = []
    master: Domain | None = None
    try:
        if isinstance(scheme, TES):
            master = yield from _master(domain, answers)
            yield from _listed(f"{domain}.{_MEMBER_LABEL}.{master}", master, f"the master {master}", answers)
            yield from _listed(
                f"{master}.{_MEMBER_LABEL}.{scheme.root}", scheme.root, f"the root {scheme.root}", answers
            )
            reason = f"{master} vouches for it, and {scheme.root} for {master}"
        else:
            master = scheme.master
            yield from _listed(f"{domain}.{master}", master, f"the list {master}", answers)
            reason = f"listed at {domain}.{master}"
    except _Ended as ended:
        return Membership(domain, ended.standing, ended.reason, master, tuple(answers))
    return Membership(domain, Standing.MEMBER, reason, master, tuple(answers))


def _master(domain: Domain, answers: list[Answer]) -> Lookup[Domain]:
    """The target of the CNAME at `tes-master.<domain>`: that record alone, wherever it leads."""
    answer = yield from _asked(f"{_MASTER_LABEL}.{domain}", dns.rdatatype.CNAME, domain, answers)
    target = next((record.target for record in answer.records if isinstance(record, CNAME)), None)
    if target is None:
        raise _Ended(Standing.NOT_MEMBER, f"{_MASTER_LABEL}.{domain} names no master")
    try:
        return Domain.from_dns(target)
    except DomainError:
        raise _Ended(Standing.NOT_MEMBER, f"{_MASTER_LABEL}.{domain} leads to {target}, which is no master") from None


def _listed(name: str, zone: Domain, by: str, answers: list[Answer]) -> Lookup[None]:
    answer = yield from _asked(name, dns.rdatatype.TXT, zone, answers)
    if not answer.records:
        raise _Ended(Standing.NOT_MEMBER, f"{by} does not list it: {name} does not exist")


def _asked(name: str, rdtype: dns.rdatatype.RdataType, zone: Domain, answers: list[Answer]) -> Lookup[Answer]:
    """A signed answer: data or proved absence. `name` is below `zone`."""
    try:
        question = Question(dns.name.from_text(name), rdtype)
    except dns.name.NameTooLong:
        raise _Ended(Standing.NOT_MEMBER, f"{name[:60]}… would be too long for a name") from None
    (answer,) = yield (question,)
    answers.append(answer)
    if answer.failed:
        # Servers of unsigned zones often fail on names and types they do not know, and could make nobody a member.
        (above,) = yield (Question(zone.to_dns(), dns.rdatatype.SOA),)
        answers.append(above)
        if not above.failed and not above.secure:
            raise _Ended(Standing.NOT_MEMBER, f"{zone} is not signed, so {name} could prove nothing")
        raise _Ended(Standing.UNKNOWN, f"{question}: {_why(answer, question)}")
    if not answer.records and not answer.secure:
        raise _Ended(Standing.NOT_MEMBER, f"{name} does not exist (unsigned)")
    if not answer.secure:
        raise _Ended(Standing.NOT_MEMBER, f"{name} is not signed, so it proves nothing")
    return answer


def _why(answer: Answer, question: Question) -> str:
    why = answer.reason or (dns.rcode.to_text(answer.rcode) if answer.rcode else answer.status.value)
    return why.removeprefix(f"{question}: ")


def strongest(memberships: Iterable[Membership]) -> Membership | None:
    """The one that decides: a member, else one that is unknown, else any."""
    order = (Standing.MEMBER, Standing.UNKNOWN, Standing.NOT_MEMBER)
    return min(memberships, key=lambda one: order.index(one.standing), default=None)

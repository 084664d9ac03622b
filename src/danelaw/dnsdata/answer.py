"""Answers from DNS together with what their signatures prove (RFC 4033 §5, RFC 4035 §4.3)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum

import dns.name
import dns.rcode
import dns.rdata
import dns.rdatatype
import dns.rrset

from danelaw.dnsdata.question import Question


class DNSSECStatus(Enum):
    """RFC 4035 §4.3. `INSECURE` includes names below no trust anchor (RFC 4033 §5 "indeterminate");
    `INDETERMINATE` is RFC 4035's: what would prove the answer could not be fetched, so it is an error.
    """

    SECURE = "secure"
    INSECURE = "insecure"
    BOGUS = "bogus"
    INDETERMINATE = "indeterminate"


# Weakest first: what a result rests on is as weak as the weakest answer it used.
_ORDER = (DNSSECStatus.BOGUS, DNSSECStatus.INDETERMINATE, DNSSECStatus.INSECURE, DNSSECStatus.SECURE)


@dataclass(frozen=True, slots=True)
class ChainLink:
    """One step of the chain of trust in words: the zone, what was found there, and its status."""

    zone: dns.name.Name
    text: str
    status: DNSSECStatus


@dataclass(frozen=True, slots=True)
class Answer:
    """The end of one question.

    `rrset` is the RRset of the asked type at `canonical_name` (the end of the alias chain), or None;
    `aliases` are the names passed on the way, the asked one first, empty when there was no alias.
    `status` covers the whole expansion: the weakest of all steps. `expires` is POSIX seconds.
    `ede` is an RFC 8914 code. `evidence` holds the wire form of every response the status rests on,
    chain included, so that the verdict can be derived again later.
    """

    question: Question
    rcode: dns.rcode.Rcode
    status: DNSSECStatus
    canonical_name: dns.name.Name
    rrset: dns.rrset.RRset | None = None
    aliases: tuple[dns.name.Name, ...] = ()
    expires: float = 0.0
    ede: int | None = None
    reason: str = ""
    chain: tuple[ChainLink, ...] = field(default=(), compare=False)
    evidence: tuple[bytes, ...] = field(default=(), compare=False, repr=False)

    @property
    def failed(self) -> bool:
        """True when nothing can be concluded: bogus, indeterminate, SERVFAIL, time-out, malformed."""
        return self.status in (DNSSECStatus.BOGUS, DNSSECStatus.INDETERMINATE) or self.rcode not in (
            dns.rcode.NOERROR,
            dns.rcode.NXDOMAIN,
        )

    @property
    def secure(self) -> bool:
        """True when data or absence is proved by signatures."""
        return self.status is DNSSECStatus.SECURE and not self.failed

    @property
    def nxdomain(self) -> bool:
        """True when the name is known not to exist (RFC 2308 §2.1)."""
        return not self.failed and self.rcode == dns.rcode.NXDOMAIN

    @property
    def nodata(self) -> bool:
        """True when the name exists without records of this type (RFC 2308 §2.2)."""
        return not self.failed and self.rcode == dns.rcode.NOERROR and self.rrset is None

    @property
    def records(self) -> tuple[dns.rdata.Rdata, ...]:
        """The records found, none when failed or absent."""
        return tuple(self.rrset) if self.rrset is not None and not self.failed else ()


def weakest(answers: Iterable[Answer]) -> DNSSECStatus | None:
    """The weakest status among answers, None without any."""
    found = {answer.status for answer in answers}
    return next((status for status in _ORDER if status in found), None)

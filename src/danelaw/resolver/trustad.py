"""Mode trust-ad: a resolver on this machine has validated, its AD bit is the verdict (RFC 4035 §4.9.3)."""

from __future__ import annotations

from dataclasses import replace

import dns.flags
import dns.message
import dns.name
import dns.rdataclass
import dns.rdatatype
import dns.rrset
from dns.rdtypes.ANY.CNAME import CNAME

from danelaw.dnsdata import Answer, ChainLink, DNSSECStatus
from danelaw.dnssec import Response
from danelaw.resolver.settings import CacheLimits
from danelaw.resolver.ttl import response_ttl

# RFC 8914 §4.7-§4.13: what a validating resolver says about data it found forged or expired.
_EDE_BOGUS = frozenset({6, 7, 8, 9, 10, 11, 12})
_MAX_ALIASES = 8


def believe(response: Response, now: float, limits: CacheLimits) -> Answer:
    """The answer with the upstream's verdict: AD set is secure, not set is insecure, an error is a failure."""
    if response.problem is not None or response.message is None:
        return _failed(response, response.problem or "no response", now)
    message = response.message
    name = response.question.name
    aliases: list[dns.name.Name] = []
    status = DNSSECStatus.SECURE if message.flags & dns.flags.AD else DNSSECStatus.INSECURE
    rrset = _find(message, name, response.question.rdtype)
    while rrset is None:
        alias = _find(message, name, dns.rdatatype.CNAME)
        if alias is None:
            break
        if len(aliases) == _MAX_ALIASES:
            return _failed(response, "the alias chain is too long or a loop", now)
        aliases.append(name)
        target = alias[0]
        assert isinstance(target, CNAME)
        name = target.target
        rrset = _find(message, name, response.question.rdtype)
    words = "the resolver on this machine says its signatures are valid"
    if status is DNSSECStatus.INSECURE:
        words = "the resolver on this machine says it is not signed"
    return Answer(
        question=response.question,
        rcode=message.rcode(),
        status=status,
        canonical_name=name,
        rrset=rrset,
        aliases=tuple(aliases),
        expires=now + response_ttl(response, limits),
        ede=response.ede,
        reason=words,
        chain=(ChainLink(name, words, status),),
        evidence=(response.wire,) if response.wire is not None else (),
    )


def proves_validation(witness: Response) -> bool:
    """True when the response for a name known to be signed carries AD: the upstream does validate."""
    return witness.message is not None and bool(witness.message.flags & dns.flags.AD)


def doubt(answer: Answer, zone: dns.name.Name) -> Answer:
    """An insecure answer of an upstream that does not even vouch for a signed `zone` proves nothing."""
    words = f"the resolver on this machine does not validate: it does not vouch for {zone} either"
    return replace(
        answer,
        status=DNSSECStatus.INDETERMINATE,
        rrset=None,
        reason=words,
        chain=(ChainLink(zone, words, DNSSECStatus.INDETERMINATE),),
    )


def _find(message: dns.message.Message, name: dns.name.Name, rdtype: dns.rdatatype.RdataType) -> dns.rrset.RRset | None:
    for rrset in message.answer:
        if rrset.rdtype == rdtype and rrset.name == name and rrset.rdclass == dns.rdataclass.IN and len(rrset):
            return rrset
    return None


def _failed(response: Response, reason: str, now: float) -> Answer:
    status = DNSSECStatus.BOGUS if response.ede in _EDE_BOGUS else DNSSECStatus.INDETERMINATE
    return Answer(
        question=response.question,
        rcode=response.rcode,
        status=status,
        canonical_name=response.question.name,
        expires=now,
        ede=response.ede,
        reason=reason,
        chain=(ChainLink(response.question.name, reason, status),),
        evidence=(response.wire,) if response.wire is not None else (),
    )

"""What a destination's own records demand: RFC 7672 §2.2, RFC 8461 §5, and how they meet (FIELD rule 7)."""

from __future__ import annotations

from dataclasses import replace

from danelaw.dane import TLSAState
from danelaw.tlspolicy.protection import Protection
from danelaw.tlspolicy.published import Published, STSPublished
from danelaw.tlspolicy.requirement import (
    DANECheck,
    Refusal,
    RefusalKind,
    Requirement,
    STSCheck,
    TLSUse,
)


def published_demand(facts: Published) -> Requirement:
    """The requirement when neither postmaster nor sender say anything."""
    if facts.tlsa_error is not None:
        return lookup_failed(facts)
    dane = dane_demand(facts)
    if dane is not None and facts.tlsa is TLSAState.USABLE and facts.secure_mx:
        return dane
    if facts.wait is not None:
        return refuse(bare(facts), RefusalKind.LOOKUP, facts.wait, "your setting [mta_sts] on_txt_error")
    return _with_sts(facts, dane if dane is not None else _opportunistic(facts))


def lookup_failed(facts: Published) -> Requirement:
    """Nobody knows whether DANE is demanded: the host is skipped (RFC 7672 §2.1.2)."""
    reason = f"{facts.tlsa_error}: it is not known whether DANE is demanded"
    return refuse(bare(facts), RefusalKind.LOOKUP, reason, f"DANE at {facts.host}")


def dane_demand(facts: Published) -> Requirement | None:
    """What secure TLSA records demand; None when there are none."""
    if facts.tlsa is TLSAState.ABSENT:
        return None
    owner = f"signed DNS of {facts.base or facts.host} (TLSA)"
    if facts.tlsa is TLSAState.UNUSABLE:
        reason = "TLSA records exist but none is usable for mail: TLS is demanded, nobody can be authenticated"
        return replace(bare(facts), tls=TLSUse.MANDATORY, earns=Protection.ENCRYPTED, demanded_by=owner, reason=reason)
    reason = "the server must match its signed TLSA records"
    if not facts.secure_mx:
        reason += "; the MX is not signed, so this proves the host and not the domain"
    return replace(
        bare(facts),
        tls=TLSUse.MANDATORY,
        checks=(dane_check(facts),),
        sni=facts.base or facts.host,
        earns=Protection.DANE if facts.secure_mx else Protection.HOST_DANE,
        demanded_by=owner,
        reason=reason,
    )


def _with_sts(facts: Published, base: Requirement) -> Requirement:
    """Add an MTA-STS policy to what DANE leaves open; both must pass."""
    if facts.sts is STSPublished.NONE:
        return base
    if not facts.sts.enforced:
        note = f"MTA-STS of {facts.domain} is in testing: judged and reported, stops nothing"
        return replace(base, observe=(*base.observe, sts_check(facts)), reason=joined(base.reason, note))
    owner = f"MTA-STS policy of {facts.domain}"
    demanded_by = owner if base.tls is not TLSUse.MANDATORY else f"{owner} and {base.demanded_by}"
    if not facts.sts.listed:
        reason = f"{facts.host} is not among the MX hosts of {facts.domain}'s enforced MTA-STS policy"
        return refuse(replace(base, checks=(*base.checks, sts_check(facts))), RefusalKind.DEMAND, reason, owner)
    reason = f"a public CA must vouch for {facts.host}"
    return replace(
        base,
        tls=TLSUse.MANDATORY,
        checks=(*base.checks, sts_check(facts)),
        earns=max(base.earns, Protection.MTA_STS),
        demanded_by=demanded_by,
        reason=reason if base.tls is not TLSUse.MANDATORY else joined(reason, base.reason),
    )


def bare(facts: Published) -> Requirement:
    """A requirement that demands nothing yet, with the name to send in the handshake."""
    return Requirement(
        host=facts.host,
        domain=facts.domain,
        tls=TLSUse.OPPORTUNISTIC,
        sni=None if facts.domain is None else facts.host,
        earns=Protection.ENCRYPTED,
    )


def _opportunistic(facts: Published) -> Requirement:
    what = "an address publishes nothing" if facts.domain is None else "neither DANE nor MTA-STS is enforced"
    return replace(bare(facts), reason=f"{what}: TLS if offered, nothing checked")


def refuse(base: Requirement, kind: RefusalKind, reason: str, demanded_by: str) -> Requirement:
    """The host cannot be used; `reason` in words, `demanded_by` names whose demand it is."""
    return replace(
        base,
        tls=TLSUse.MANDATORY,
        earns=Protection.NOTHING_SENT,
        demanded_by=demanded_by,
        reason=reason,
        refusal=Refusal(kind, reason),
    )


def dane_check(facts: Published) -> DANECheck:
    """The check of the host's TLSA records."""
    return DANECheck(facts.base or facts.host, facts.records, facts.names, facts.secure_mx)


def sts_check(facts: Published) -> STSCheck:
    """The check of the host against the MTA-STS policy."""
    assert facts.domain is not None, "an address has no MTA-STS policy"
    return STSCheck(facts.domain, facts.host, facts.sts.listed, facts.sts.enforced, facts.sts_policy)


def joined(*parts: str) -> str:
    """Sentences side by side, empty ones left out."""
    return "; ".join(part for part in parts if part)

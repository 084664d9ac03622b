"""What a demand of the sender or of a trust group adds to whatever holds already: it can only make it stronger.

Each demand asks for all of the one before it: TLS (`encrypted`), a server proved to be the destination's (`verified`),
proved by DANE (`dane`). REQUIRETLS is a demand on the whole way (RFC 8689): verified here, and offered by the next hop.
"""

from __future__ import annotations

from dataclasses import replace

from danelaw.dane import TLSAState
from danelaw.tlspolicy.demand import SenderDemand
from danelaw.tlspolicy.demands import dane_check, joined, lookup_failed, refuse, sts_check
from danelaw.tlspolicy.override import Override
from danelaw.tlspolicy.overriding import owner_of
from danelaw.tlspolicy.protection import Protection
from danelaw.tlspolicy.published import Published, STSPublished
from danelaw.tlspolicy.requirement import (
    Check,
    DANECheck,
    PKIXCheck,
    RefusalKind,
    Requirement,
    RequireTLSCheck,
    STSCheck,
    TLSUse,
)

_Proof = DANECheck | PKIXCheck | STSCheck


def strengthened(
    facts: Published, override: Override | None, wanted: Requirement, demand: SenderDemand, owner: str = ""
) -> Requirement:
    """`wanted` with what `demand` adds. Where that cannot be had the host is refused. `owner` says in words whose
    demand it is, the sender's unless given.
    """
    if wanted.refusal is not None:
        return wanted
    owner = owner or f"the sender ({demand.value})"
    if demand.requiretls:
        wanted = _require_tls(facts, override, wanted, owner)
        return _require_dane(facts, wanted, owner) if demand.dane else wanted
    if demand.dane:
        return _require_dane(facts, wanted, owner)
    return _verified(facts, wanted, owner) if demand.verified else _encrypted(wanted, owner)


def _encrypted(wanted: Requirement, owner: str) -> Requirement:
    """TLS to this host, whoever answers."""
    if wanted.tls is TLSUse.MANDATORY:
        return wanted
    gives_way = "your override switches TLS off, and gives way" if wanted.tls is TLSUse.NEVER else ""
    reason = joined("TLS is demanded, who answers is not checked", gives_way)
    return replace(
        wanted, tls=TLSUse.MANDATORY, earns=Protection.ENCRYPTED, demanded_by=owner,
        reason=reason,
    )  # fmt: skip


def _verified(facts: Published, wanted: Requirement, owner: str) -> Requirement:
    """The server is proved to be one of the destination's; host-only DANE proves a host (FIELD, levels)."""
    if wanted.earns.verified:
        return replace(wanted, demanded_by=_owners(owner, wanted))
    if not facts.pkix_names:
        return refuse(wanted, RefusalKind.DEMAND, "an address has no name to verify", owner)
    if facts.tlsa_error is not None:
        return lookup_failed(facts)
    return _proved(facts, wanted, _proof(facts, wanted, PKIXCheck(facts.pkix_names)), owner)


def _require_dane(facts: Published, wanted: Requirement, owner: str) -> Requirement:
    """As `dane-require`, which an override for the destination would ask for."""
    if wanted.refusal is not None:
        return wanted
    if facts.domain is None:
        return refuse(wanted, RefusalKind.DEMAND, "an address has no name to verify", owner)
    if facts.tlsa_error is not None:
        return lookup_failed(facts)
    if not facts.secure_mx:
        reason = f"the MX of {facts.domain} is not signed, so DANE cannot prove the domain"
        return refuse(wanted, RefusalKind.DEMAND, reason, owner)
    if facts.tlsa is not TLSAState.USABLE:
        what = "no TLSA record" if facts.tlsa is TLSAState.ABSENT else "no TLSA record that is usable for mail"
        return refuse(wanted, RefusalKind.DEMAND, f"{facts.host} publishes {what} in signed DNS", owner)
    return _proved(facts, wanted, dane_check(facts), owner)


def _require_tls(facts: Published, override: Override | None, wanted: Requirement, owner: str) -> Requirement:
    """RFC 8689 §4.2.1: an authentic server name, a certificate that verifies for it, and REQUIRETLS offered."""
    if facts.domain is None:
        return refuse(wanted, RefusalKind.DEMAND, "an address has no name to verify", owner)
    if wanted.tls is TLSUse.NEVER and override is not None:
        return refuse(wanted, RefusalKind.DEMAND, f"{owner_of(override)} switches TLS off", owner)
    if not facts.authentic and facts.sts_unknown is not None:
        # Not an unmet demand but a failed look-up: the message waits, and is not returned for it (FIELD rule 10).
        reason = f"the MX of {facts.domain} is not signed, and whether an MTA-STS policy covers it is not known"
        return refuse(wanted, RefusalKind.LOOKUP, f"{reason}: {facts.sts_unknown}", owner)
    if not facts.authentic:
        reason = f"the MX of {facts.domain} is neither signed nor covered by an enforced MTA-STS policy"
        return refuse(wanted, RefusalKind.DEMAND, reason, owner)
    if facts.tlsa_error is not None:
        return lookup_failed(facts)
    proof = _proof(facts, wanted, PKIXCheck((facts.host,)))
    return _proved(facts, wanted, proof, owner, RequireTLSCheck())


def _proof(facts: Published, wanted: Requirement, otherwise: PKIXCheck) -> _Proof:
    """The check that proves the server: one that is demanded already, DANE where published, else a public CA."""
    for check in wanted.checks:
        if isinstance(check, STSCheck) or (isinstance(check, DANECheck) and check.secure_mx):
            return check
    if facts.tlsa is TLSAState.USABLE and facts.secure_mx:
        return dane_check(facts)
    if facts.sts is STSPublished.ENFORCE_LISTED:
        return sts_check(facts)
    return otherwise


def _proved(facts: Published, wanted: Requirement, proof: _Proof, owner: str, *more: Check) -> Requirement:
    """`wanted` with one more proof, and with `more` that must hold besides."""
    earned = Protection.DANE if isinstance(proof, DANECheck) else _PKIX_PROOF[facts.sts.enforced]
    # REQUIRETLS comes last: that it is not offered counts only where the server was proved (5.7.30).
    last = tuple(check for check in (*wanted.checks, *more) if isinstance(check, RequireTLSCheck))
    checks = tuple(check for check in wanted.checks if check not in last)
    checks = (*checks, *(() if proof in checks else (proof,)), *last)
    insists = wanted.tls is TLSUse.MANDATORY
    words = "" if proof in wanted.checks and not last else _words(proof, offered=bool(last))
    earns = max(wanted.earns, earned)
    observe = tuple(check for check in wanted.observe if check not in checks)
    return replace(
        wanted,
        tls=TLSUse.MANDATORY,
        checks=checks,
        observe=observe,
        sni=(facts.base or facts.host) if isinstance(proof, DANECheck) else wanted.sni,
        earns=earns,
        at_best=wanted.at_best if observe and wanted.at_best is not None and wanted.at_best > earns else None,
        demanded_by=_owners(owner, wanted),
        reason=joined(wanted.reason if insists else "", words),
    )


_PKIX_PROOF = {True: Protection.MTA_STS, False: Protection.PKIX}


def _owners(owner: str, wanted: Requirement) -> str:
    if wanted.tls is not TLSUse.MANDATORY or owner in wanted.demanded_by:
        return owner
    return f"{owner} and {wanted.demanded_by}"


def _words(proof: _Proof, *, offered: bool) -> str:
    if isinstance(proof, DANECheck):
        return "the server must match its TLSA records" + (" and offer REQUIRETLS" if offered else "")
    if isinstance(proof, STSCheck):
        which = "the listed MX host"
    else:
        which = "the MX host" if offered else " or ".join(name.ascii for name in proof.names)
    return f"a public CA must vouch for {which}" + (", which must offer REQUIRETLS" if offered else "")

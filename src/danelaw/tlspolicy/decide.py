"""The decision: override × published × sender's demand → requirement (the table in docs/decision-table.md).

Three layers, each a function over the one below. `_published_demand` is what RFC 7672 and RFC 8461 make of the
facts. An override *replaces* it, since it is the postmaster's word on his own mail. The sender's demand comes last:
REQUIRETLS adds to whatever holds and can only make it stronger, `TLS-Required: No` turns published demands into
observations and leaves overrides alone.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from danelaw.dane import HostRecords, TLSAState
from danelaw.routing import Destination
from danelaw.tlspolicy.demand import SenderDemand
from danelaw.tlspolicy.override import Override, OverrideTLS
from danelaw.tlspolicy.protection import Protection
from danelaw.tlspolicy.published import Published, STSPublished, published
from danelaw.tlspolicy.requirement import (
    Check,
    DANECheck,
    FingerprintCheck,
    PKIXCheck,
    Refusal,
    RefusalKind,
    Requirement,
    RequireTLSCheck,
    STSCheck,
    TLSUse,
)
from danelaw.tlspolicy.sts import STSState

_SENDER = "the sender (REQUIRETLS)"


def requirement(
    destination: Destination,
    host: HostRecords,
    sts: STSState,
    override: Override | None = None,
    demand: SenderDemand = SenderDemand.NONE,
) -> Requirement:
    """What `host` must prove before it gets mail for `destination`.

    `override` is the one that applies now (see `effective`), or None. The result always says something: a host that
    cannot be used has a `refusal`.
    """
    return decide(published(destination, host, sts), override, demand)


def decide(facts: Published, override: Override | None, demand: SenderDemand) -> Requirement:
    """The decision itself, over facts alone."""
    if facts.unreachable is not None:
        return _refused(_bare(facts), RefusalKind.LOOKUP, facts.unreachable, "nobody")
    wanted = _published_demand(facts) if override is None else _OVERRIDES[override.tls](facts, override)
    if demand is SenderDemand.REQUIRETLS:
        wanted = _require_tls(facts, override, wanted)
    elif demand is SenderDemand.TLS_REQUIRED_NO and override is None:
        wanted = _waive(facts, wanted)
    return replace(wanted, reports=facts.reports)


# What the destination publishes


def _published_demand(facts: Published) -> Requirement:
    """RFC 7672 §2.2, RFC 8461 §5, and how they meet (FIELD rule 7)."""
    if facts.tlsa_error is not None:
        return _lookup_failed(facts)
    dane = _dane_demand(facts)
    if dane is not None and facts.tlsa is TLSAState.USABLE and facts.secure_mx:
        return dane
    if facts.wait is not None:
        return _refused(_bare(facts), RefusalKind.LOOKUP, facts.wait, "your setting [mta_sts] on_txt_error")
    return _with_sts(facts, dane if dane is not None else _opportunistic(facts))


def _lookup_failed(facts: Published) -> Requirement:
    reason = f"{facts.tlsa_error}: it is not known whether DANE is demanded"
    return _refused(_bare(facts), RefusalKind.LOOKUP, reason, f"DANE at {facts.host}")


def _dane_demand(facts: Published) -> Requirement | None:
    """What secure TLSA records demand; None when there are none."""
    if facts.tlsa is TLSAState.ABSENT:
        return None
    owner = f"signed DNS of {facts.base or facts.host} (TLSA)"
    if facts.tlsa is TLSAState.UNUSABLE:
        reason = "TLSA records exist but none is usable for mail: TLS is demanded, nobody can be authenticated"
        return replace(_bare(facts), tls=TLSUse.MANDATORY, earns=Protection.ENCRYPTED, demanded_by=owner, reason=reason)
    reason = "the server must match its signed TLSA records"
    if not facts.secure_mx:
        reason += "; the MX is not signed, so this proves the host and not the domain"
    return replace(
        _bare(facts),
        tls=TLSUse.MANDATORY,
        checks=(_dane_check(facts),),
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
        return replace(base, observe=(*base.observe, _sts_check(facts)), reason=_join(base.reason, note))
    owner = f"MTA-STS policy of {facts.domain}"
    demanded_by = owner if base.tls is not TLSUse.MANDATORY else f"{owner} and {base.demanded_by}"
    if not facts.sts.listed:
        reason = f"{facts.host} is not among the MX hosts of {facts.domain}'s enforced MTA-STS policy"
        return _refused(replace(base, checks=(*base.checks, _sts_check(facts))), RefusalKind.DEMAND, reason, owner)
    reason = f"a public CA must vouch for {facts.host}"
    return replace(
        base,
        tls=TLSUse.MANDATORY,
        checks=(*base.checks, _sts_check(facts)),
        earns=max(base.earns, Protection.MTA_STS),
        demanded_by=demanded_by,
        reason=reason if base.tls is not TLSUse.MANDATORY else _join(reason, base.reason),
    )


# Overrides


def _never(facts: Published, override: Override) -> Requirement:
    return _own(facts, override, TLSUse.NEVER, Protection.CLEAR, "TLS is switched off", observe=())


def _may(facts: Published, override: Override) -> Requirement:
    reason = "TLS if offered, nothing checked, published demands ignored"
    return _own(facts, override, TLSUse.OPPORTUNISTIC, Protection.ENCRYPTED, reason)


def _encrypt(facts: Published, override: Override) -> Requirement:
    reason = "TLS is demanded, who answers is not checked, published demands ignored"
    return _own(facts, override, TLSUse.MANDATORY, Protection.ENCRYPTED, reason)


def _verify(facts: Published, override: Override) -> Requirement:
    if not facts.pkix_names:
        return _refuse_own(facts, override, "a certificate cannot be verified for an address without a name")
    names = " or ".join(name.ascii for name in facts.pkix_names)
    reason = f"a public CA must vouch for {names}"
    if not facts.authentic:
        reason += "; the MX is not signed, so the name of its host proves nothing"
    wanted = _own(facts, override, TLSUse.MANDATORY, Protection.PKIX, reason)
    return replace(wanted, checks=(PKIXCheck(facts.pkix_names),))


def _dane(facts: Published, override: Override) -> Requirement:
    if facts.tlsa_error is not None:
        return _lookup_failed(facts)
    wanted = _dane_demand(facts)
    if wanted is None:
        reason = "no TLSA record is published, and the override leaves MTA-STS aside: TLS if offered, nothing checked"
        return _own(facts, override, TLSUse.OPPORTUNISTIC, Protection.ENCRYPTED, reason, observe=())
    return replace(wanted, demanded_by=f"{wanted.demanded_by} and {_owner(override)}")


def _dane_require(facts: Published, override: Override) -> Requirement:
    if facts.tlsa_error is not None:
        return _lookup_failed(facts)
    wanted = _dane_demand(facts)
    if not facts.secure_mx:
        return _refuse_own(facts, override, f"the MX of {facts.domain} is not signed, so DANE cannot prove the domain")
    if wanted is None or facts.tlsa is not TLSAState.USABLE:
        what = "no TLSA record" if wanted is None else "no TLSA record that is usable for mail"
        return _refuse_own(facts, override, f"{facts.host} publishes {what} in signed DNS")
    if facts.domain is None:  # pragma: no cover - an address has no TLSA records
        return _refuse_own(facts, override, "an address has no TLSA records")
    return replace(wanted, demanded_by=f"{_owner(override)} and {wanted.demanded_by}")


def _fingerprint(facts: Published, override: Override) -> Requirement:
    reason = f"the server must show one of {len(override.fingerprints)} pinned keys"
    wanted = _own(facts, override, TLSUse.MANDATORY, Protection.PINNED, reason)
    return replace(wanted, checks=(FingerprintCheck(override.fingerprints),))


_OVERRIDES: dict[OverrideTLS, Callable[[Published, Override], Requirement]] = {
    OverrideTLS.NONE: _never,
    OverrideTLS.MAY: _may,
    OverrideTLS.ENCRYPT: _encrypt,
    OverrideTLS.VERIFY: _verify,
    OverrideTLS.DANE: _dane,
    OverrideTLS.DANE_REQUIRE: _dane_require,
    OverrideTLS.FINGERPRINT: _fingerprint,
}


# The sender's demand


def _require_tls(facts: Published, override: Override | None, wanted: Requirement) -> Requirement:
    """RFC 8689 §4.2.1: an authentic server name, a certificate that verifies for it, and REQUIRETLS offered."""
    if wanted.refusal is not None:
        return wanted
    if facts.domain is None:
        return _refused(wanted, RefusalKind.DEMAND, "an address has no name to verify", _SENDER)
    if wanted.tls is TLSUse.NEVER and override is not None:
        return _refused(wanted, RefusalKind.DEMAND, f"{_owner(override)} switches TLS off", _SENDER)
    if not facts.authentic:
        reason = f"the MX of {facts.domain} is neither signed nor covered by an enforced MTA-STS policy"
        return _refused(wanted, RefusalKind.DEMAND, reason, _SENDER)
    if facts.tlsa_error is not None:
        return _lookup_failed(facts)
    proof = _proof(facts, wanted)
    earned = Protection.DANE if isinstance(proof, DANECheck) else _PKIX_PROOF[facts.sts.enforced]
    checks = wanted.checks if proof in wanted.checks else (*wanted.checks, proof)
    owners = (_SENDER,) if wanted.tls is not TLSUse.MANDATORY else (_SENDER, wanted.demanded_by)
    return replace(
        wanted,
        tls=TLSUse.MANDATORY,
        checks=(*checks, RequireTLSCheck()),
        observe=tuple(check for check in wanted.observe if check not in checks),
        sni=(facts.base or facts.host) if isinstance(proof, DANECheck) else wanted.sni,
        earns=max(wanted.earns, earned),
        demanded_by=" and ".join(owners),
        reason=_join(wanted.reason if wanted.tls is TLSUse.MANDATORY else "", _PROOF_WORDS[type(proof)]),
    )


_PKIX_PROOF = {True: Protection.MTA_STS, False: Protection.PKIX}
_PROOF_WORDS: dict[type[Check], str] = {
    DANECheck: "the server must match its TLSA records and offer REQUIRETLS",
    PKIXCheck: "a public CA must vouch for the MX host, which must offer REQUIRETLS",
    STSCheck: "a public CA must vouch for the listed MX host, which must offer REQUIRETLS",
}


def _proof(facts: Published, wanted: Requirement) -> DANECheck | PKIXCheck | STSCheck:
    """The check that verifies the certificate for the MX name: DANE where published, else a public CA."""
    for check in wanted.checks:
        if isinstance(check, STSCheck) or (isinstance(check, DANECheck) and check.secure_mx):
            return check
    if facts.tlsa is TLSAState.USABLE and facts.secure_mx:
        return _dane_check(facts)
    if facts.sts is STSPublished.ENFORCE_LISTED:
        return _sts_check(facts)
    return PKIXCheck((facts.host,))


def _waive(facts: Published, wanted: Requirement) -> Requirement:
    """RFC 8689 §4.2.2: try and judge what is published, but do not fail."""
    return replace(
        wanted,
        tls=TLSUse.OPPORTUNISTIC,
        checks=(),
        observe=(*wanted.checks, *wanted.observe),
        earns=Protection.ENCRYPTED,
        at_best=wanted.earns if wanted.checks and wanted.refusal is None else None,
        demanded_by="nobody: the sender waives protection (TLS-Required: No)",
        reason=_join("TLS if offered, failures are counted and stop nothing", _waived_words(wanted)),
        refusal=None,
    )


def _waived_words(wanted: Requirement) -> str:
    if wanted.refusal is not None:
        return f"waived: {wanted.refusal.reason}"
    return f"waived: {wanted.reason}" if wanted.tls is TLSUse.MANDATORY else ""


# Parts


def _bare(facts: Published) -> Requirement:
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
    return replace(_bare(facts), reason=f"{what}: TLS if offered, nothing checked")


def _own(
    facts: Published,
    override: Override,
    tls: TLSUse,
    earns: Protection,
    reason: str,
    observe: tuple[Check, ...] | None = None,
) -> Requirement:
    """An override's requirement: what is published is observed, so that reports and advice stay true."""
    seen = _observable(facts) if observe is None else observe
    watches_dane = any(isinstance(check, DANECheck) for check in seen)
    bare = _bare(facts)
    return replace(
        bare,
        tls=tls,
        observe=seen,
        sni=facts.base if watches_dane else bare.sni,
        earns=earns,
        demanded_by=_owner(override),
        reason=reason,
    )


def _observable(facts: Published) -> tuple[Check, ...]:
    checks: list[Check] = []
    if facts.tlsa is TLSAState.USABLE and facts.tlsa_error is None:
        checks.append(_dane_check(facts))
    if facts.sts is not STSPublished.NONE and not (checks and facts.secure_mx):
        checks.append(_sts_check(facts))
    return tuple(checks)


def _refuse_own(facts: Published, override: Override, reason: str) -> Requirement:
    return _refused(_bare(facts), RefusalKind.DEMAND, reason, _owner(override))


def _refused(base: Requirement, kind: RefusalKind, reason: str, demanded_by: str) -> Requirement:
    return replace(
        base,
        tls=TLSUse.MANDATORY,
        earns=Protection.NOTHING_SENT,
        demanded_by=demanded_by,
        reason=reason,
        refusal=Refusal(kind, reason),
    )


def _dane_check(facts: Published) -> DANECheck:
    return DANECheck(facts.base or facts.host, facts.records, facts.names, facts.secure_mx)


def _sts_check(facts: Published) -> STSCheck:
    assert facts.domain is not None, "an address has no MTA-STS policy"
    return STSCheck(facts.domain, facts.host, facts.sts.listed, facts.sts.enforced)


def _owner(override: Override) -> str:
    ticket = f", because {override.because}" if override.because else ""
    return f"your override {override.destination} = {override.tls.value} ({override.source}{ticket})"


def _join(*parts: str) -> str:
    return "; ".join(part for part in parts if part)

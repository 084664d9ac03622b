"""What an override makes of a destination: it replaces what is published, which then is only observed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType

from danelaw.dane import TLSAState
from danelaw.tlspolicy.demands import bare, dane_check, dane_demand, lookup_failed, refuse, sts_check
from danelaw.tlspolicy.override import Override, OverrideTLS
from danelaw.tlspolicy.protection import Protection
from danelaw.tlspolicy.published import Published, STSPublished
from danelaw.tlspolicy.requirement import (
    Check,
    DANECheck,
    FingerprintCheck,
    PKIXCheck,
    RefusalKind,
    Requirement,
    TLSUse,
)
from danelaw.tlspolicy.tlsrpt import TLSRPTResult


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
        return lookup_failed(facts)
    wanted = dane_demand(facts)
    if wanted is None:
        reason = "no TLSA record is published, and the override leaves MTA-STS aside: TLS if offered, nothing checked"
        return _own(facts, override, TLSUse.OPPORTUNISTIC, Protection.ENCRYPTED, reason, observe=())
    return replace(wanted, demanded_by=f"{wanted.demanded_by} and {owner_of(override)}")


def _dane_require(facts: Published, override: Override) -> Requirement:
    if facts.tlsa_error is not None:
        return lookup_failed(facts)
    wanted = dane_demand(facts)
    if not facts.secure_mx:
        reason = f"the MX of {facts.domain} is not signed, so DANE cannot prove the domain"
        return _dane_required(facts, _refuse_own(facts, override, reason))
    if wanted is None or facts.tlsa is not TLSAState.USABLE:
        what = "no TLSA record" if wanted is None else "no TLSA record that is usable for mail"
        return _dane_required(facts, _refuse_own(facts, override, f"{facts.host} publishes {what} in signed DNS"))
    return replace(wanted, demanded_by=f"{owner_of(override)} and {wanted.demanded_by}")


def _dane_required(facts: Published, refused: Requirement) -> Requirement:
    """A host without TLSA records where DANE is required is a failure to report (RFC 8460 §4.3.2.1)."""
    if facts.tlsa is not TLSAState.ABSENT or refused.refusal is None:
        return refused
    result = TLSRPTResult("tlsa", facts.base or facts.host, "dane-required", refused.refusal.reason)
    return replace(refused, reports=(result,))


def _fingerprint(facts: Published, override: Override) -> Requirement:
    reason = f"the server must show one of {len(override.fingerprints)} pinned keys"
    wanted = _own(facts, override, TLSUse.MANDATORY, Protection.PINNED, reason)
    return replace(wanted, checks=(FingerprintCheck(override.fingerprints),))


BY_OVERRIDE: Mapping[OverrideTLS, Callable[[Published, Override], Requirement]] = MappingProxyType(
    {
        OverrideTLS.NONE: _never,
        OverrideTLS.MAY: _may,
        OverrideTLS.ENCRYPT: _encrypt,
        OverrideTLS.VERIFY: _verify,
        OverrideTLS.DANE: _dane,
        OverrideTLS.DANE_REQUIRE: _dane_require,
        OverrideTLS.FINGERPRINT: _fingerprint,
    }
)


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
    plain = bare(facts)
    return replace(
        plain,
        tls=tls,
        observe=seen,
        sni=facts.base if watches_dane else plain.sni,
        earns=earns,
        demanded_by=owner_of(override),
        reason=reason,
    )


def _observable(facts: Published) -> tuple[Check, ...]:
    checks: list[Check] = []
    if facts.tlsa is TLSAState.USABLE and facts.tlsa_error is None:
        checks.append(dane_check(facts))
    if facts.sts is not STSPublished.NONE and not (checks and facts.secure_mx):
        checks.append(sts_check(facts))
    return tuple(checks)


def _refuse_own(facts: Published, override: Override, reason: str) -> Requirement:
    return refuse(bare(facts), RefusalKind.DEMAND, reason, owner_of(override))


def owner_of(override: Override) -> str:
    """Whose override it is, in words."""
    ticket = f", because {override.because}" if override.because else ""
    return f"your override {override.destination} = {override.tls.value} ({override.source}{ticket})"

"""The decision: override × published × sender's demand → requirement (the table in docs/decision-table.md).

Three layers, each a function over the one below. `demands.published_demand` is what RFC 7672 and RFC 8461 make of the
facts. An override *replaces* it, since it is the postmaster's word on his own mail. The sender's demand comes last:
REQUIRETLS adds to whatever holds and can only make it stronger, `TLS-Required: No` turns published demands into
observations and leaves overrides alone.
"""

from __future__ import annotations

from dataclasses import replace

from danelaw.dane import HostRecords, TLSAState
from danelaw.routing import Destination
from danelaw.tlspolicy.demand import SenderDemand
from danelaw.tlspolicy.demands import bare, dane_check, joined, lookup_failed, published_demand, refuse, sts_check
from danelaw.tlspolicy.override import Override
from danelaw.tlspolicy.overriding import BY_OVERRIDE, owner_of
from danelaw.tlspolicy.protection import Protection
from danelaw.tlspolicy.published import Published, STSPublished, published
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
        return refuse(bare(facts), RefusalKind.LOOKUP, facts.unreachable, "nobody")
    wanted = published_demand(facts) if override is None else BY_OVERRIDE[override.tls](facts, override)
    if demand is SenderDemand.REQUIRETLS:
        wanted = _require_tls(facts, override, wanted)
    elif demand is SenderDemand.TLS_REQUIRED_NO and override is None:
        wanted = _waive(facts, wanted)
    return replace(wanted, reports=facts.reports)


def _require_tls(facts: Published, override: Override | None, wanted: Requirement) -> Requirement:
    """RFC 8689 §4.2.1: an authentic server name, a certificate that verifies for it, and REQUIRETLS offered."""
    if wanted.refusal is not None:
        return wanted
    if facts.domain is None:
        return refuse(wanted, RefusalKind.DEMAND, "an address has no name to verify", _SENDER)
    if wanted.tls is TLSUse.NEVER and override is not None:
        return refuse(wanted, RefusalKind.DEMAND, f"{owner_of(override)} switches TLS off", _SENDER)
    if not facts.authentic and facts.sts_unknown is not None:
        # Not an unmet demand but a failed look-up: the message waits, and is not returned for it (FIELD rule 10).
        reason = f"the MX of {facts.domain} is not signed, and whether an MTA-STS policy covers it is not known"
        return refuse(wanted, RefusalKind.LOOKUP, f"{reason}: {facts.sts_unknown}", _SENDER)
    if not facts.authentic:
        reason = f"the MX of {facts.domain} is neither signed nor covered by an enforced MTA-STS policy"
        return refuse(wanted, RefusalKind.DEMAND, reason, _SENDER)
    if facts.tlsa_error is not None:
        return lookup_failed(facts)
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
        reason=joined(wanted.reason if wanted.tls is TLSUse.MANDATORY else "", _PROOF_WORDS[type(proof)]),
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
        return dane_check(facts)
    if facts.sts is STSPublished.ENFORCE_LISTED:
        return sts_check(facts)
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
        reason=joined("TLS if offered, failures are counted and stop nothing", _waived_words(wanted)),
        refusal=None,
    )


def _waived_words(wanted: Requirement) -> str:
    if wanted.refusal is not None:
        return f"waived: {wanted.refusal.reason}"
    return f"waived: {wanted.reason}" if wanted.tls is TLSUse.MANDATORY else ""

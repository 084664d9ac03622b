"""The decision: override × published × sender's demand × trust group → requirement (docs/decision-table.md).

Four layers, each a function over the one below. `demands.published_demand` is what RFC 7672 and RFC 8461 make of the
facts. An override *replaces* it, since it is the postmaster's word on his own mail. The sender's demand comes last:
`strengthening.strengthened` adds to whatever holds and can only make it stronger, `TLS-Required: No` turns published
demands into observations and leaves overrides alone. What the trust groups of the destination demand is added in the
same way as a sender's demand, after it, so that nothing waives it.
"""

from __future__ import annotations

from dataclasses import replace

from danelaw.dane import HostRecords
from danelaw.routing import Destination
from danelaw.tlspolicy.demand import SenderDemand
from danelaw.tlspolicy.demands import bare, joined, published_demand, refuse
from danelaw.tlspolicy.group import GroupDemand
from danelaw.tlspolicy.override import Override
from danelaw.tlspolicy.overriding import BY_OVERRIDE
from danelaw.tlspolicy.protection import Protection
from danelaw.tlspolicy.published import Published, published
from danelaw.tlspolicy.requirement import RefusalKind, Requirement, TLSUse
from danelaw.tlspolicy.strengthening import strengthened
from danelaw.tlspolicy.sts import STSState


def requirement(
    destination: Destination,
    host: HostRecords,
    sts: STSState,
    override: Override | None = None,
    demand: SenderDemand = SenderDemand.NONE,
    group: GroupDemand | None = None,
) -> Requirement:
    """What `host` must prove before it gets mail for `destination`.

    `override` is the one that applies now (see `effective`), or None; `group` what the trust groups of the destination
    demand. The result always says something: a host that
    cannot be used has a `refusal`.
    """
    return decide(published(destination, host, sts), override, demand, group)


def decide(
    facts: Published, override: Override | None, demand: SenderDemand, group: GroupDemand | None = None
) -> Requirement:
    """The decision itself, over facts alone."""
    if facts.unreachable is not None:
        return refuse(bare(facts), RefusalKind.LOOKUP, facts.unreachable, "nobody")
    wanted = published_demand(facts) if override is None else BY_OVERRIDE[override.tls](facts, override)
    if demand is SenderDemand.TLS_REQUIRED_NO:
        wanted = _waive(facts, wanted) if override is None else wanted
    elif demand is not SenderDemand.NONE:
        wanted = strengthened(facts, override, wanted, demand)
    if group is not None:
        wanted = _for_group(strengthened(facts, override, wanted, group.demand, group.owner), wanted, group)
    return replace(wanted, reports=(*facts.reports, *wanted.reports))


def _for_group(wanted: Requirement, before: Requirement, group: GroupDemand) -> Requirement:
    """Say in every word that people read whose demand it is too, also where others demand as much."""
    words = f"{group.owner} demand{'' if len(group.names) > 1 else 's'} {group.demand.value}"
    owners = wanted.demanded_by if group.owner in wanted.demanded_by else f"{group.owner} and {wanted.demanded_by}"
    if wanted.refusal is None:
        return replace(wanted, demanded_by=owners, reason=joined(wanted.reason, words))
    if before.refusal is not None:
        return wanted
    reason = joined(wanted.reason, words)
    return replace(wanted, demanded_by=owners, reason=reason, refusal=replace(wanted.refusal, reason=reason))


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

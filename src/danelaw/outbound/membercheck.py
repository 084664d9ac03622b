"""Does a member keep its promise? What a survey and a probe of its servers say, for the watch and for people."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from danelaw.dnsdata import DNSSECStatus
from danelaw.outbound.probe import Probed, probe
from danelaw.tlspolicy import Failure, RefusalKind
from danelaw.trustgroup import Observation

if TYPE_CHECKING:
    from danelaw.outbound.destination import HostPlan, Survey
    from danelaw.outbound.opening import Door
    from danelaw.pkix import Roots

Found = tuple[Observation, str]
_UNHEARD = frozenset({Failure.UNREACHABLE, Failure.LOOKUP})


async def look(survey: Survey, door: Door, roots: Roots | None, clock: Callable[[], float]) -> Found:
    """Connect to every server as far as the end of the handshake, unless DNS has said enough. Sends no mail."""
    decided = by_dns(survey)
    if decided is not None:
        return decided
    return by_servers(await probe(survey, door, roots, clock))


def by_dns(survey: Survey) -> Found | None:
    """What needs no connection; None where the servers must be asked."""
    if survey.undeliverable is not None:
        return Observation.UNKNOWN, f"nothing to verify: {survey.undeliverable.reason}"
    if survey.error is not None:
        broken = survey.destination.mx.status == DNSSECStatus.BOGUS.value
        return (Observation.BROKEN if broken else Observation.UNKNOWN), survey.error
    broken_hosts = [reason for plan in survey.hosts if (reason := _broken_in_dns(plan)) is not None]
    if broken_hosts:
        return Observation.BROKEN, "; ".join(broken_hosts)
    return None


def by_servers(probes: Iterable[Probed]) -> Found:
    """The weakest server decides: one that shows less breaks the promise for all, one that is down does not."""
    tried = tuple(probes)
    broken = [one for one in tried if _broken(one)]
    if broken:
        return Observation.BROKEN, "; ".join(dict.fromkeys(_at(one.plan, one.reason) for one in broken))
    kept = [one for one in tried if one.takes_mail]
    if not kept:
        reasons = "; ".join(dict.fromkeys(_at(one.plan, one.reason) for one in tried))
        return Observation.UNKNOWN, f"no server could be asked: {reasons or 'there is none'}"
    hosts = {one.plan.host for one in tried}
    heard = {one.plan.host for one in kept}
    weakest = min(one.protection for one in kept if one.protection is not None)
    down = f"; {', '.join(sorted(host.ascii for host in hosts - heard))} not reached" if hosts - heard else ""
    return (
        Observation.KEPT,
        f"{len(heard)} of {len(hosts)} server{'s' if len(hosts) > 1 else ''}: {weakest.value}{down}",
    )


def _broken(probed: Probed) -> bool:
    judgement = probed.judgement
    return judgement is not None and judgement.clearance is None and judgement.failure not in _UNHEARD


def _broken_in_dns(plan: HostPlan) -> str | None:
    refusal = plan.requirement.refusal
    if refusal is None:
        return None
    bogus = any(answer.status is DNSSECStatus.BOGUS for answer in plan.records.answers)
    if refusal.kind is RefusalKind.LOOKUP and not bogus:
        return None
    return _at(plan, refusal.reason)


def _at(plan: HostPlan, reason: str) -> str:
    """A reason with its host, where it does not begin with it."""
    return reason if reason.startswith(plan.host.ascii) else f"{plan.host}: {reason}"

"""What a destination demands right now: the one function behind deliveries, `danelaw check` and the console."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from danelaw.address import Domain
from danelaw.dane import HostRecords, TLSAState
from danelaw.dnsdata import Lookup
from danelaw.mtasts import STSPolicy
from danelaw.routing import Destination, MXHost, NextHop, Undeliverable, lookup_destination, order, takes_no_mail
from danelaw.state.trust_roll import NO_GROUPS, GroupsOf
from danelaw.tlspolicy import (
    NO_STS,
    Effective,
    GroupDemand,
    Override,
    OverrideTLS,
    Requirement,
    SenderDemand,
    STSState,
    effective,
    requirement,
)

T = TypeVar("T")
# A failed look-up must not be believed for long, whatever TTL came with it (RFC 9520 §3.2).
_FAILED_SECONDS = 5.0
_MEMORY = 10_000
# Overrides under which MTA-STS plays no part, unless the sender insists.
_WITHOUT_STS = frozenset({OverrideTLS.NONE, OverrideTLS.DANE, OverrideTLS.DANE_REQUIRE})


class Resolves(Protocol):
    """What this module needs of `danelaw.resolver.Resolver`."""

    async def run(self, lookup: Lookup[T]) -> T:
        """Drive a look-up to its result."""


class KnowsSTS(Protocol):
    """What this module needs of `danelaw.state.STSStore`."""

    async def state_for(self, domain: Domain, now: float) -> STSState:
        """The policy that applies now."""

    async def recheck(self, domain: Domain, now: float, *, seen: STSPolicy | None = None) -> bool:
        """Whether another policy applies now than `seen`, or than the one remembered."""


class KnowsOverrides(Protocol):
    """What this module needs of `danelaw.state.OverrideStore`."""

    def all(self, now: float) -> tuple[Override, ...]:
        """Every override in order of precedence."""

    def current_version(self, now: float) -> int:
        """Grows whenever an override changes."""


class KnowsGroups(Protocol):
    """What this module needs of `danelaw.state.TrustRoll`."""

    async def demand_on(self, domain: Domain | None, now: float) -> GroupsOf:
        """What the trust groups of a next-hop domain demand."""


@dataclass(frozen=True, slots=True)
class HostPlan:
    """One MX host: what DNS says about it, and what it must prove."""

    preference: int
    records: HostRecords
    requirement: Requirement

    @property
    def host(self) -> Domain:
        """Its name."""
        return self.records.host


@dataclass(frozen=True, slots=True)
class Survey:
    """Everything known about a destination before connecting.

    `hosts` are in MX order. `undeliverable` is final, `error` means wait; in both cases there are no hosts.
    `override` says which one applies and why. `sts_asked` is False where DANE decides and MTA-STS was not
    consulted (RFC 8461 §2: it must not interfere with DANE). `groups` says which trust groups there are about it.
    Valid until `expires` (POSIX seconds).
    """

    next_hop: NextHop
    demand: SenderDemand
    destination: Destination
    sts: STSState
    sts_asked: bool
    override: Effective
    hosts: tuple[HostPlan, ...]
    undeliverable: Undeliverable | None
    error: str | None
    made_at: float
    expires: float
    groups: GroupsOf = NO_GROUPS

    def ordered(self, shuffle: Callable[[list[MXHost]], None]) -> tuple[HostPlan, ...]:
        """The hosts in the order to try: by preference, equal ones mixed by `shuffle` (RFC 5321 §5.1)."""
        if len(self.hosts) < 2:
            return self.hosts
        by_name = {plan.host: plan for plan in self.hosts}
        return tuple(by_name[host.name] for host in order([MXHost(p.preference, p.host) for p in self.hosts], shuffle))


async def survey(
    next_hop: NextHop,
    resolver: Resolves,
    sts_store: KnowsSTS | None,
    overrides: Iterable[Override],
    demand: SenderDemand = SenderDemand.NONE,
    *,
    now: float,
    sts_always: bool = False,
    groups: KnowsGroups | None = None,
) -> Survey:
    """Look everything up and decide what each host must prove.

    `overrides` in order of precedence; `sts_store` None leaves MTA-STS aside; `sts_always` asks for the policy even
    where DANE decides, to show it. `groups` knows what trust groups demand. `now` in POSIX seconds. Never raises for
    what DNS or HTTPS do.
    """
    destination = await resolver.run(lookup_destination(next_hop))
    applied = effective(overrides, next_hop.policy_domain, now)
    undeliverable = takes_no_mail(destination)
    trusted = NO_GROUPS
    if groups is not None and undeliverable is None:
        trusted = await groups.demand_on(next_hop.policy_domain, now)
    error = destination.mx.error or trusted.error
    ended = undeliverable is not None or error is not None
    verified = demand.verified or (trusted.demand is not None and trusted.demand.demand.verified)
    asked = sts_store is not None and not ended and (sts_always or _needs_sts(destination, applied.override, verified))
    sts = NO_STS
    if asked and sts_store is not None and next_hop.policy_domain is not None:
        sts = await sts_store.state_for(next_hop.policy_domain, now)
    plans = () if ended else tuple(_plans(destination, sts, applied.override, demand, trusted.demand))
    return Survey(
        next_hop=next_hop,
        demand=demand,
        destination=destination,
        sts=sts,
        sts_asked=asked and next_hop.policy_domain is not None,
        override=applied,
        hosts=plans,
        undeliverable=undeliverable,
        error=error,
        made_at=now,
        expires=min(_expires(destination, sts, overrides, now), _groups_expire(trusted, now)),
        groups=trusted,
    )


def _plans(
    destination: Destination, sts: STSState, override: Override | None, demand: SenderDemand, group: GroupDemand | None
) -> Iterable[HostPlan]:
    for host, records in zip(destination.mx.hosts, destination.hosts, strict=False):
        yield HostPlan(host.preference, records, requirement(destination, records, sts, override, demand, group))


def _groups_expire(groups: GroupsOf, now: float) -> float:
    return groups.expires if groups.error is None else now + _FAILED_SECONDS


def _needs_sts(destination: Destination, override: Override | None, verified: bool) -> bool:
    """Whether any host's requirement can depend on a policy (FIELD rule 7); `verified` where somebody insists."""
    if override is not None and override.tls in _WITHOUT_STS and not verified:
        return False
    decided = (host.error is not None or host.tlsa_state is TLSAState.USABLE for host in destination.hosts)
    return not (destination.mx.secure and all(decided))


def _expires(destination: Destination, sts: STSState, overrides: Iterable[Override], now: float) -> float:
    """Until when nothing can have changed by itself."""
    ends = [destination.expires, sts.fresh_until, sts.expires]
    ends += [override.expires for override in overrides if override.expires is not None and override.expires > now]
    if destination.mx.error is not None or any(host.error is not None for host in destination.hosts):
        ends.append(now + _FAILED_SECONDS)
    return min(ends)


class Surveyor:
    """Remembers surveys, so that a busy destination costs a dictionary look-up per message.

    A survey is used until the first of its answers expires, its MTA-STS policy is due for a look, or an override
    changes. Equal questions at the same time are worked out once.
    """

    def __init__(
        self,
        resolver: Resolves,
        sts_store: KnowsSTS | None,
        overrides: KnowsOverrides,
        groups: KnowsGroups | None = None,
    ) -> None:
        self._resolver = resolver
        self._sts = sts_store
        self._overrides = overrides
        self._groups = groups
        self._known: OrderedDict[tuple[NextHop, SenderDemand], tuple[int, Survey]] = OrderedDict()
        self._running: dict[tuple[NextHop, SenderDemand], asyncio.Task[Survey]] = {}

    def cached(self, next_hop: NextHop, demand: SenderDemand, now: float) -> Survey | None:
        """A survey that still holds, without any await; None when it must be made."""
        known = self._known.get((next_hop, demand))
        if known is None or known[0] != self._overrides.current_version(now):
            return None
        if not known[1].made_at <= now < known[1].expires:  # made in what is the future now: the clock stepped back
            return None
        return known[1]

    async def survey(self, next_hop: NextHop, demand: SenderDemand, now: float) -> Survey:
        """The survey of a destination, made when it is not known."""
        found = self.cached(next_hop, demand, now)
        if found is not None:
            return found
        key = (next_hop, demand)
        task = self._running.get(key)
        if task is None:
            task = asyncio.ensure_future(self._make(next_hop, demand, now))
            self._running[key] = task
            task.add_done_callback(lambda _: self._running.pop(key, None))
        return await asyncio.shield(task)

    async def recheck(self, next_hop: NextHop, demand: SenderDemand, now: float) -> bool:
        """Before mail is returned: did the MTA-STS policy it failed under change meanwhile (RFC 8461 §5.1 step 3)?

        False at once where no policy took part. When true, the next survey is made with the new policy.
        """
        domain, (_, last) = next_hop.policy_domain, self._known.get((next_hop, demand), (0, None))
        if self._sts is None or domain is None or (last is not None and last.sts.policy is None):
            return False
        changed = await self._sts.recheck(domain, now, seen=last.sts.policy if last is not None else None)
        if changed:
            for known in SenderDemand:
                self._known.pop((next_hop, known), None)
        return changed

    def forget(self) -> None:
        """Drop everything remembered, after a change of configuration."""
        self._known.clear()

    async def _make(self, next_hop: NextHop, demand: SenderDemand, now: float) -> Survey:
        version = self._overrides.current_version(now)
        overrides = self._overrides.all(now)
        made = await survey(next_hop, self._resolver, self._sts, overrides, demand, now=now, groups=self._groups)
        # An override that changed meanwhile has another version, and the next caller asks again.
        self._known[next_hop, demand] = (version, made)
        self._known.move_to_end((next_hop, demand))
        while len(self._known) > _MEMORY:
            self._known.popitem(last=False)
        return made

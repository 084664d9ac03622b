"""Which trust groups a domain belongs to now: by the operator's list, or by signed DNS."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol, TypeVar

from danelaw.address import Domain
from danelaw.dnsdata import Lookup
from danelaw.tlspolicy import GroupDemand, SenderDemand
from danelaw.trustgroup import Membership, Standing, TrustGroup, lookup_membership

T = TypeVar("T")


class Resolves(Protocol):
    """What this module needs of `danelaw.resolver.Resolver`, which remembers answers for their TTL."""

    async def run(self, lookup: Lookup[T]) -> T:
        """Drive a look-up to its result."""


@dataclass(frozen=True, slots=True)
class Belonging:
    """A group, and how a domain stands to it."""

    group: TrustGroup
    membership: Membership


@dataclass(frozen=True, slots=True)
class GroupsOf:
    """All groups about one destination. `error` says why it cannot be known now what they demand; then mail waits.
    `demand` is that of all groups it is a member of. Valid until `expires` (POSIX seconds).
    """

    belongings: tuple[Belonging, ...] = ()
    demand: GroupDemand | None = None
    error: str | None = None
    expires: float = float("inf")

    @property
    def member_of(self) -> tuple[Belonging, ...]:
        """The groups it is a member of."""
        return tuple(one for one in self.belongings if one.membership.standing is Standing.MEMBER)


NO_GROUPS = GroupsOf()


class TrustRoll:
    """The trust groups of this gateway. `met` is told of each member of a group that mail goes to or comes from."""

    def __init__(
        self,
        groups: Iterable[TrustGroup],
        resolver: Resolves,
        met: Callable[[TrustGroup, Domain], None] = lambda group, domain: None,
    ) -> None:
        self._groups = tuple(groups)
        self._resolver = resolver
        self.met = met

    @property
    def groups(self) -> tuple[TrustGroup, ...]:
        """All of them, expired ones included."""
        return self._groups

    def configure(self, groups: Iterable[TrustGroup]) -> None:
        """Replace them, on reload."""
        self._groups = tuple(groups)

    def group(self, name: str) -> TrustGroup | None:
        """The group of that name."""
        return next((one for one in self._groups if one.name == name), None)

    async def belongings(self, domain: Domain, now: float, groups: Iterable[TrustGroup]) -> tuple[Belonging, ...]:
        """How a domain stands to each of these groups that has not expired; `now` in POSIX seconds. Never raises for
        what DNS does.
        """
        return tuple([await self._belonging(domain, group) for group in groups if group.active(now)])

    async def demand_on(self, domain: Domain | None, now: float) -> GroupsOf:
        """What the groups of a next-hop domain demand; an address (None) belongs to none."""
        sending = [group for group in self._groups if group.send is not SenderDemand.NONE]
        if domain is None or not sending:
            return NO_GROUPS
        found = await self.belongings(domain, now, sending)
        unknown = next((one for one in found if one.membership.standing is Standing.UNKNOWN), None)
        error = None
        if unknown is not None:
            reason = unknown.membership.reason
            error = f'whether {domain} is a member of trust group "{unknown.group.name}" cannot be known now: {reason}'
        ends = [one.membership.expires for one in found]
        ends += [group.expires for group in sending if group.expires is not None and group.expires > now]
        members = [one.group for one in found if one.membership.standing is Standing.MEMBER]
        demand = GroupDemand.together(group.demand for group in members if not group.exempts(domain))
        return GroupsOf(found, demand, error, min(ends, default=float("inf")))

    async def _belonging(self, domain: Domain, group: TrustGroup) -> Belonging:
        if group.exempts(domain):  # of which nothing is demanded, so that a failing look-up must not matter either
            standing = Standing.MEMBER if group.lists(domain) else Standing.NOT_MEMBER
            return Belonging(group, Membership(domain, standing, "exempt: nothing is demanded of it"))
        membership = await self.membership(domain, group)
        if membership.standing is Standing.MEMBER:
            self.met(group, domain)
        return Belonging(group, membership)

    async def membership(self, domain: Domain, group: TrustGroup) -> Membership:
        """Whether a domain belongs to a group; the operator's list goes first, DNS is asked after it."""
        if group.lists(domain):
            return Membership(domain, Standing.MEMBER, "in the list of members")
        if group.scheme is None:
            return Membership(domain, Standing.NOT_MEMBER, "not in the list of members")
        return await self._resolver.run(lookup_membership(domain, group.scheme))

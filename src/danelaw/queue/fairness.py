"""Deficit round robin over tenants, then over priorities, then over queues.

Shreedhar and Varghese's scheme with payment after service: whoever is at the front is served once and goes to the
back; what it cost above a small message is a debt, worked off by turns passed over. A tenant with a million queues
and one with a single queue therefore get equal shares, and so do queues of large and small messages.

Priority is a word of a tenant about its own mail. Of seven turns of a tenant that has mail of every priority ready,
four are for high, two for normal and one for low; a priority without mail leaves its turns to the others. So nothing
starves, and nobody gets more than a tenant's share by calling everything urgent.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable, Iterator
from itertools import chain
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)
_STREAK = 3
# Highest first: of equal clocks the first is taken.
_TURN_COSTS = {1: 1.0, 0: 2.0, -1: 4.0}


class Ring(Generic[T]):
    """Members take turns by credit. A member leaves with `remove` and its credit is forgotten. Its first turn a member
    may have `soon`, before those who always have more (RFC 8290 §4.2 calls them new and old flows).
    """

    __slots__ = ("_credit", "_order", "_soon", "_streak")

    def __init__(self) -> None:
        self._order: deque[T] = deque()
        self._soon: deque[T] = deque()
        self._streak = 0
        self._credit: dict[T, float] = {}

    def __len__(self) -> int:
        return len(self._credit)

    def __contains__(self, member: T) -> bool:
        return member in self._credit

    def add(self, member: T, *, soon: bool = False) -> None:
        """Join at the back, with nothing owed; no effect for a member."""
        if member not in self._credit:
            self._credit[member] = 0.0
            (self._soon if soon else self._order).append(member)

    def remove(self, member: T) -> None:
        """Leave; quick for the member at the front or the one just served."""
        if self._credit.pop(member, None) is None:
            return
        order, soon = self._order, self._soon
        if order and order[-1] == member:
            order.pop()
        elif order and order[0] == member:
            order.popleft()
        elif soon and soon[-1] == member:
            soon.pop()
        elif soon and soon[0] == member:
            soon.popleft()
        elif member in soon:
            soon.remove(member)
        else:
            order.remove(member)

    def __iter__(self) -> Iterator[T]:
        """All members, in no order that means anything."""
        return iter(self._credit)

    @property
    def hasty(self) -> bool:
        """Whether anybody has turns soon."""
        return bool(self._soon)

    def front(self, *, ahead: bool = False) -> T:
        """Whose turn it is. The ring must not be empty. With `ahead` only those count who have turns soon; there must
        be one.
        """
        order, credit = self._soon if ahead else self._turn(), self._credit
        while credit[order[0]] < 0:
            credit[order[0]] += 1.0
            order.rotate(-1)
        return order[0]

    def charge(self, member: T, cost: float) -> None:
        """Charge a member for a service out of turn."""
        self._credit[member] -= cost - 1.0

    def pay(self, cost: float, *, soon: bool = False, ahead: bool = False) -> None:
        """Charge the member at the front for one service, `cost` 1 being a small message, and end its turn. Who came to
        have turns soon keeps them with `soon`. `ahead` as `front` was asked.
        """
        order = self._soon if ahead else self._turn()
        self._credit[order[0]] -= cost - 1.0
        if order is not self._soon:
            self._streak = 0
            order.rotate(-1)
            return
        self._streak += 1
        if soon:
            order.rotate(-1)
        else:
            self._order.append(order.popleft())

    def _turn(self) -> deque[T]:
        """Those with turns soon, but of four turns one is for the others."""
        return self._soon if self._soon and (self._streak < _STREAK or not self._order) else self._order


class Ranks(Generic[T]):
    """The ready queues of one tenant that has mail of other than normal priority: a ring for each priority.

    Behaves as a `Ring`. Which priority has the next turn is decided by start-time fair queueing (Goyal, Vin, Cheng):
    each has a clock that its turns advance, the more the lower it is, and who is furthest behind goes next. A clock
    runs on where it stood when mail of its priority comes again, so that leaving saves nobody's debt.
    """

    __slots__ = ("_clocks", "_count", "_rings")

    def __init__(self, normal: Ring[T] | None = None) -> None:
        """`normal` is the ring the tenant had before."""
        self._rings: dict[int, Ring[T]] = {priority: Ring() for priority in _TURN_COSTS}
        self._clocks = dict.fromkeys(_TURN_COSTS, 0.0)
        self._count = 0
        if normal is not None:
            self._rings[0], self._count = normal, len(normal)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[T]:
        """All members, in no order that means anything."""
        return chain.from_iterable(self._rings.values())

    def add(self, member: T, *, soon: bool = False, priority: int = 0) -> None:
        """Join those of this priority."""
        ring = self._rings[priority]
        before = len(ring)
        if not before and self._count:
            now = min(clock for other, clock in self._clocks.items() if len(self._rings[other]))
            self._clocks[priority] = max(self._clocks[priority], now)
        ring.add(member, soon=soon)
        self._count += len(ring) - before

    def remove(self, member: T) -> None:
        """Leave."""
        for ring in self._rings.values():
            if member in ring:
                ring.remove(member)
                self._count -= 1
                return

    @property
    def hasty(self) -> bool:
        """Whether anybody has turns soon."""
        return any(ring.hasty for ring in self._rings.values())

    def front(self, *, ahead: bool = False) -> T:
        """Whose turn it is. There must be somebody; with `ahead` somebody who has turns soon."""
        return self._rings[self._turn(ahead)].front(ahead=ahead)

    def pay(self, cost: float, *, soon: bool = False, ahead: bool = False) -> None:
        """Charge the member at the front, and its priority, for one service; `ahead` as `front` was asked."""
        priority = self._turn(ahead)
        self._rings[priority].pay(cost, soon=soon, ahead=ahead)
        self._clocks[priority] += _TURN_COSTS[priority]

    def _turn(self, ahead: bool) -> int:
        """The priority that is furthest behind of those with somebody ready, the higher of equal ones."""
        ready = (priority for priority, ring in self._rings.items() if (ring.hasty if ahead else len(ring)))
        return min(ready, key=self._clocks.__getitem__)


class TenantRing(Generic[T]):
    """A ring of tenants, each with a ring of its ready queues."""

    __slots__ = ("_count", "_hasty", "_queues", "_tenants")

    def __init__(self) -> None:
        self._count = 0
        # Tenants that had a queue with turns soon; who has none any more is found out when asked.
        self._hasty: dict[str, None] = {}
        self._tenants: Ring[str] = Ring()
        self._queues: dict[str, Ring[T] | Ranks[T]] = {}

    def __len__(self) -> int:
        """How many queues are ready."""
        return self._count

    def __iter__(self) -> Iterator[T]:
        """All queues that are ready, in no order that means anything."""
        return chain.from_iterable(self._queues.values())

    def add(self, tenant: str, queue: T, *, soon: bool = False, priority: int = 0) -> None:
        """A queue has something to send; `soon` before those of the tenant that had a turn."""
        if tenant not in self._queues:
            self._queues[tenant] = Ring()
        ring = self._queues[tenant]
        before = len(ring)
        if priority or type(ring) is Ranks:
            ranks = ring if isinstance(ring, Ranks) else Ranks(ring if before else None)
            self._queues[tenant] = ring = ranks
            ranks.add(queue, soon=soon, priority=priority)
        else:
            ring.add(queue, soon=soon)
        self._count += len(ring) - before
        self._tenants.add(tenant)
        if soon:
            self._hasty[tenant] = None

    def remove(self, tenant: str, queue: T) -> None:
        """A queue has nothing to send, or may not."""
        ring = self._queues.get(tenant)
        if ring is None:
            return
        before = len(ring)
        ring.remove(queue)
        self._count += len(ring) - before
        if not len(ring):
            del self._queues[tenant]
            self._tenants.remove(tenant)

    def front(self) -> tuple[str, T]:
        """Whose turn it is. The ring must not be empty."""
        tenant = self._tenants.front()
        return tenant, self._queues[tenant].front()

    def front_ahead(self) -> tuple[str, T] | None:
        """Whose turn it is among the queues that have turns soon; None when there is none."""
        while self._hasty:
            tenant = next(iter(self._hasty))
            ring = self._queues.get(tenant)
            if ring is not None and ring.hasty:
                return tenant, ring.front(ahead=True)
            del self._hasty[tenant]
        return None

    def pay(self, tenant: str, cost: float, *, soon: bool = False, ahead: bool = False) -> None:
        """Charge the queue at the front, and its tenant, for one service; `soon` as for `Ring`, `ahead` when it was at
        the front of those only.
        """
        self._queues[tenant].pay(cost, soon=soon, ahead=ahead)
        if not ahead:
            self._tenants.pay(cost)
            return
        self._tenants.charge(tenant, cost)
        del self._hasty[tenant]  # to the back
        self._hasty[tenant] = None

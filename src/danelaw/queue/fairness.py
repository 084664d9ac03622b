"""Deficit round robin over tenants, then over the queues of a tenant.

Shreedhar and Varghese's scheme with payment after service: whoever is at the front is served once and goes to the
back; what it cost above a small message is a debt, worked off by turns passed over. A tenant with a million queues
and one with a single queue therefore get equal shares, and so do queues of large and small messages.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Hashable
from typing import Generic, TypeVar

T = TypeVar("T", bound=Hashable)


class Ring(Generic[T]):
    """Members take turns by credit. A member leaves with `remove` and its credit is forgotten."""

    __slots__ = ("_credit", "_order")

    def __init__(self) -> None:
        self._order: deque[T] = deque()
        self._credit: dict[T, float] = {}

    def __len__(self) -> int:
        return len(self._order)

    def __contains__(self, member: T) -> bool:
        return member in self._credit

    def add(self, member: T) -> None:
        """Join at the back, with nothing owed; no effect for a member."""
        if member not in self._credit:
            self._credit[member] = 0.0
            self._order.append(member)

    def remove(self, member: T) -> None:
        """Leave; quick for the member at the front or the one just served."""
        if self._credit.pop(member, None) is None:
            return
        if self._order[-1] == member:
            self._order.pop()
        elif self._order[0] == member:
            self._order.popleft()
        else:
            self._order.remove(member)

    def front(self) -> T:
        """Whose turn it is. The ring must not be empty."""
        order, credit = self._order, self._credit
        while credit[order[0]] < 0:
            credit[order[0]] += 1.0
            order.rotate(-1)
        return order[0]

    def pay(self, cost: float) -> None:
        """Charge the member at the front for one service, `cost` 1 being a small message, and end its turn."""
        self._credit[self._order[0]] -= cost - 1.0
        self._order.rotate(-1)


class TenantRing(Generic[T]):
    """A ring of tenants, each with a ring of its ready queues."""

    __slots__ = ("_queues", "_tenants")

    def __init__(self) -> None:
        self._tenants: Ring[str] = Ring()
        self._queues: dict[str, Ring[T]] = {}

    def __bool__(self) -> bool:
        return len(self._tenants) > 0

    def add(self, tenant: str, queue: T) -> None:
        """A queue has something to send."""
        if tenant not in self._queues:
            self._queues[tenant] = Ring()
        self._queues[tenant].add(queue)
        self._tenants.add(tenant)

    def remove(self, tenant: str, queue: T) -> None:
        """A queue has nothing to send, or may not."""
        ring = self._queues.get(tenant)
        if ring is None:
            return
        ring.remove(queue)
        if not len(ring):
            del self._queues[tenant]
            self._tenants.remove(tenant)

    def front(self) -> tuple[str, T]:
        """Whose turn it is. The ring must not be empty."""
        tenant = self._tenants.front()
        return tenant, self._queues[tenant].front()

    def pay(self, tenant: str, cost: float) -> None:
        """Charge the queue at the front, and its tenant, for one service."""
        self._queues[tenant].pay(cost)
        self._tenants.pay(cost)

"""Limits on the way: before a host is used, and for the connections kept to it."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from danelaw.queue.limits import Allowance
from danelaw.queue.permits import Refused

if TYPE_CHECKING:
    from danelaw.outbound.opening import Door
    from danelaw.outbound.pool import OpenConnection, Pool
    from danelaw.queue.gate import Gate
    from danelaw.queue.pages import Work

_FREE = Allowance()


class LimitReached(Exception):
    """A limit refused a delivery before anything was sent: the message waits, and this counts as no try."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(refused)
        self.refused = refused


class Checkpoint:
    """Asks the gate for one process's deliveries. Without a gate everything is allowed."""

    __slots__ = ("_door", "_gate", "_pool")

    def __init__(self, gate: Gate | None, pool: Pool, door: Door) -> None:
        self._gate = gate
        self._pool = pool
        self._door = door

    def passes(self, work: Work, mx: str, address: str, *, new: bool = False) -> Allowance:
        """What using this host, or opening a new connection to it, is allowed to. Raises `LimitReached`."""
        gate = self._gate
        if gate is None:
            return _FREE
        answer = gate.connect(
            work.serial, work.key, mx, address, self._door.source(address, work.key.next_hop, mx), new=new
        )
        if isinstance(answer, Refused):
            raise LimitReached(answer)
        if new:
            self._make_room(gate, answer)
        return answer

    def _make_room(self, gate: Gate, allowance: Allowance) -> None:
        """Idle connections of other destinations count at the host: as many end as the new one needs."""
        for key in allowance.keys:
            idle = self._pool.idle(key)
            allowed = gate.broker.allowed(key)
            if idle and allowed < math.inf:
                self._pool.shed(key, min(idle, gate.broker.in_use(key) + idle - int(allowed)))

    @staticmethod
    def mark(opened: OpenConnection, allowance: Allowance) -> None:
        """The connection serves as many messages as is allowed now, and while idle counts for its limits."""
        opened.keys = allowance.keys
        opened.most = allowance.messages_per_connection

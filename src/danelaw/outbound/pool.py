"""Idle connections, kept for the next message under the same requirement (FIELD rule: never by host alone)."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from danelaw.outbound.steps import USUAL, Way
from danelaw.tlspolicy import judge

if TYPE_CHECKING:
    from danelaw.outbound.connection import Connection
    from danelaw.pkix import Roots
    from danelaw.queue.permits import PermitKey
    from danelaw.tlspolicy import Handshake, Judgement, Requirement


@dataclass(slots=True, eq=False)
class OpenConnection:
    """A connection after its last EHLO, with the facts it is judged on each time it is used.

    `keys` are the limits it counts for, `most` the messages they let it serve, `local` is our address.
    """

    connection: Connection
    handshake: Handshake
    messages: int = 0
    idle_since: float = 0.0
    verdict: tuple[Requirement, Judgement] | None = None
    keys: tuple[PermitKey, ...] = ()
    most: int | None = None
    local: str = ""

    def judged(self, requirement: Requirement, roots: Roots | None, now: float) -> Judgement:
        """The verdict on this connection for `requirement`, anew for each message.

        Where the requirement checks nothing, time and roots play no part, and the verdict on the same
        requirement is the one given before.
        """
        if self.verdict is not None and self.verdict[0] is requirement:
            return self.verdict[1]
        judgement = judge(requirement, self.handshake, roots, now)
        if not (requirement.checks or requirement.observe):
            self.verdict = (requirement, judgement)
        return judgement


class Pool:
    """Keeps unused connections for `idle` seconds, by next hop, requirement and way."""

    def __init__(self, idle: float, messages_per_connection: int) -> None:
        self._idle = idle
        self._most_messages = messages_per_connection
        self._kept: dict[tuple[str, Requirement, Way], list[OpenConnection]] = {}
        self._counts: Counter[PermitKey] = Counter()
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return sum(len(kept) for kept in self._kept.values())

    def take(self, next_hop: str, requirement: Requirement, way: Way = USUAL) -> OpenConnection | None:
        """The connection used last, if it still lives."""
        kept = self._kept.get((next_hop, requirement, way))
        while kept:
            candidate = kept.pop()
            self._uncount(candidate)
            if candidate.connection.usable:
                return candidate
            candidate.connection.abort()
        return None

    def give(self, next_hop: str, requirement: Requirement, used: OpenConnection, way: Way = USUAL) -> None:
        """Take a connection back after a transaction, or close it when it has served enough."""
        used.messages += 1
        most = self._most_messages if used.most is None else min(used.most, self._most_messages)
        if not used.connection.usable or used.messages >= most or self._idle <= 0:
            used.connection.close()
            return
        self.put_back(next_hop, requirement, used, way)

    def put_back(self, next_hop: str, requirement: Requirement, unused: OpenConnection, way: Way = USUAL) -> None:
        """Keep a connection that was taken."""
        loop = asyncio.get_running_loop()
        unused.idle_since = loop.time()
        self._kept.setdefault((next_hop, requirement, way), []).append(unused)
        if unused.keys:
            self._counts.update(unused.keys)
        if self._timer is None:
            self._timer = loop.call_later(1.0, self._close_idle)

    def idle(self, key: PermitKey) -> int:
        """How many idle connections count for a limit."""
        return self._counts[key]

    def shed(self, key: PermitKey, number: int) -> None:
        """Close so many idle connections that count for a limit, those idle longest first."""
        found = [one for kept in self._kept.values() for one in kept if key in one.keys]
        found.sort(key=lambda one: one.idle_since)
        going = set(found[: max(0, number)])
        for one in going:
            self._uncount(one)
            one.connection.close()
        for kept in self._kept.values():
            kept[:] = [one for one in kept if one not in going]

    def close(self) -> None:
        """Close everything."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for kept in self._kept.values():
            for one in kept:
                one.connection.close()
        self._kept.clear()
        self._counts.clear()

    def _uncount(self, one: OpenConnection) -> None:
        if one.keys:
            self._counts.subtract(one.keys)
            for key in one.keys:
                if not self._counts[key]:
                    del self._counts[key]

    def _close_idle(self) -> None:
        loop = asyncio.get_running_loop()
        oldest = loop.time() - self._idle
        for key, kept in list(self._kept.items()):
            living = []
            for one in kept:
                if one.idle_since >= oldest and one.connection.usable:
                    living.append(one)
                else:
                    self._uncount(one)
                    one.connection.close()
            if living:
                self._kept[key] = living
            else:
                del self._kept[key]
        self._timer = loop.call_later(1.0, self._close_idle) if self._kept else None

"""Idle connections, kept for the next message under the same requirement (FIELD rule: never by host alone)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from danelaw.tlspolicy import judge

if TYPE_CHECKING:
    from danelaw.outbound.connection import Connection
    from danelaw.pkix import Roots
    from danelaw.tlspolicy import Handshake, Judgement, Requirement


@dataclass(slots=True, eq=False)
class OpenConnection:
    """A connection after its last EHLO, with the facts it is judged on each time it is used."""

    connection: Connection
    handshake: Handshake
    messages: int = 0
    idle_since: float = 0.0
    verdict: tuple[Requirement, Judgement] | None = None

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
    """Keeps unused connections for `idle` seconds, by next hop and requirement."""

    def __init__(self, idle: float, messages_per_connection: int) -> None:
        self._idle = idle
        self._most_messages = messages_per_connection
        self._kept: dict[tuple[str, Requirement], list[OpenConnection]] = {}
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        return sum(len(kept) for kept in self._kept.values())

    def take(self, next_hop: str, requirement: Requirement) -> OpenConnection | None:
        """The connection used last, if it still lives."""
        kept = self._kept.get((next_hop, requirement))
        while kept:
            candidate = kept.pop()
            if candidate.connection.usable:
                return candidate
            candidate.connection.abort()
        return None

    def give(self, next_hop: str, requirement: Requirement, used: OpenConnection) -> None:
        """Take a connection back after a transaction, or close it when it has served enough."""
        used.messages += 1
        if not used.connection.usable or used.messages >= self._most_messages or self._idle <= 0:
            used.connection.close()
            return
        loop = asyncio.get_running_loop()
        used.idle_since = loop.time()
        self._kept.setdefault((next_hop, requirement), []).append(used)
        if self._timer is None:
            self._timer = loop.call_later(1.0, self._close_idle)

    def close(self) -> None:
        """Close everything."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for kept in self._kept.values():
            for one in kept:
                one.connection.close()
        self._kept.clear()

    def _close_idle(self) -> None:
        loop = asyncio.get_running_loop()
        oldest = loop.time() - self._idle
        for key, kept in list(self._kept.items()):
            living = []
            for one in kept:
                if one.idle_since >= oldest and one.connection.usable:
                    living.append(one)
                else:
                    one.connection.close()
            if living:
                self._kept[key] = living
            else:
                del self._kept[key]
        self._timer = loop.call_later(1.0, self._close_idle) if self._kept else None

"""Where a gateway runs: alone in its process, or as one worker of several."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from danelaw.gateway.acceptor import SLACK, Acceptor
from danelaw.gateway.board import Board, InHand, Seat
from danelaw.gateway.conditions import SharedConditions
from danelaw.gateway.listeners import BACKLOG, Listeners

if TYPE_CHECKING:
    from danelaw.config.receiving import Listen
    from danelaw.gateway.permit_line import LinePermits
    from danelaw.gateway.shared_line import LineCarrier
    from danelaw.gateway.slots import LineSlots
    from danelaw.inbound.intake import Closeable
    from danelaw.inbound.ledger import Ledger
    from danelaw.inbound.session import Session

_BEAT_SECONDS = 0.25


@dataclass(slots=True)
class Place:
    """A worker's place among `workers`: the shard it begins with, the messages to hold in it, the sockets all share,
    its seat on the board, its ways to the broker of permits, to shares of slots and to shared state, and what all
    workers know of destinations.
    """

    home: int
    hold: tuple[int, ...]
    workers: int
    listeners: Listeners
    board: Board
    seat: Seat
    clients: Callable[[], int] = lambda: 0
    permits: LinePermits | None = None
    slots: LineSlots | None = None
    shared: LineCarrier | None = None
    conditions: SharedConditions = field(default_factory=lambda: SharedConditions(time.time))
    _acceptors: list[Acceptor] = field(default_factory=list)
    _timer: asyncio.TimerHandle | None = None

    def sit_down(self, clients: Callable[[], int]) -> None:
        """Give signs of life from now on; `clients` counts those this worker serves."""
        self.clients = clients
        self._beat()

    def leave(self) -> None:
        """Give no more signs of life."""
        if self._timer is not None:
            self._timer.cancel()

    async def open_listener(
        self, listen: Listen, factory: Callable[[], Session]
    ) -> tuple[Closeable, list[tuple[str, int]]]:
        """Serve one of the shared sockets. A worker without others takes what comes: that costs less."""
        listening = self.listeners.mail(listen.address)
        addresses = [listening.getsockname()[:2]]
        if self.workers == 1:
            loop = asyncio.get_running_loop()
            return await loop.create_server(factory, sock=listening.dup(), backlog=BACKLOG), addresses
        acceptor = Acceptor(listening, factory, self._may_accept)
        self._acceptors.append(acceptor)
        return acceptor, addresses

    async def settled(self) -> None:
        """Returns once every accepted connection is a session."""
        for acceptor in self._acceptors:
            await acceptor.settled()

    def crowd(self) -> int:
        """The clients of all workers together."""
        self.seat.load(self._clients_now())
        return self.board.total_load()

    def ledger(self) -> Ledger:
        """What clients have used of their ceilings, in all workers."""
        return self.board.ledger(self.seat.number)

    def in_hand(self, work: Coroutine[Any, Any, None], message: int) -> Coroutine[Any, Any, None]:
        """The same work, showing on the board which message it is for."""
        return _shown(work, message, self.seat.hold)

    def _clients_now(self) -> int:
        return self.clients() + sum(acceptor.arriving for acceptor in self._acceptors)

    def _may_accept(self) -> bool:
        mine = self._clients_now()
        self.seat.load(mine)
        least = self.board.least_load(time.monotonic())
        return mine <= least + max(SLACK, least >> 3)

    def _beat(self) -> None:
        self.seat.beat(time.monotonic())
        self.seat.load(self._clients_now())
        self._timer = asyncio.get_running_loop().call_later(_BEAT_SECONDS, self._beat)


async def _shown(work: Coroutine[Any, Any, None], message: int, show: Callable[[int], None]) -> None:
    await InHand(work, message, show)

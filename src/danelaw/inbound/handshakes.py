"""How many TLS handshakes are under way at once: each costs as much as several messages, so a crowd waits in line.

A client that dawdles within its handshake costs nothing while it does, and must not keep others out: after two seconds
its place is given to the next.
"""

from __future__ import annotations

import asyncio
from collections import deque

from danelaw.errors import DanelawError

_DAWDLES_SECONDS = 2.0


class Handshakes:
    """Places for handshakes. `most` is how many there are."""

    def __init__(self, most: int) -> None:
        self.most = most
        self._loop = asyncio.get_running_loop()
        self._running: dict[object, float] = {}
        self._waiting: deque[asyncio.Future[object]] = deque()

    @property
    def under_way(self) -> int:
        """Places taken."""
        return len(self._running)

    @property
    def waiting(self) -> int:
        """Clients in line."""
        return len(self._waiting)

    async def begin(self, seconds: float) -> object:
        """Take a place, waiting at most so long for one; gives what `ended` is to be told. Raises `DanelawError`."""
        if len(self._running) < self.most and not self._waiting:
            return self._taken()
        return await self._wait(seconds)

    def ended(self, place: object) -> None:
        """A handshake is over, well or not."""
        if self._running.pop(place, None) is not None:
            self._admit()

    def look(self, now: float) -> None:
        """Give the places of those who dawdle to others; to be called every second with the loop's time."""
        for place, begun in list(self._running.items()):
            if now - begun < _DAWDLES_SECONDS:
                break  # they began in this order
            del self._running[place]
        self._admit()

    def _taken(self) -> object:
        place = object()
        self._running[place] = self._loop.time()
        return place

    async def _wait(self, seconds: float) -> object:
        turn: asyncio.Future[object] = self._loop.create_future()
        self._waiting.append(turn)
        timer = self._loop.call_later(seconds, _give_up, turn)
        try:
            return await turn
        except BaseException:
            if turn in self._waiting:
                self._waiting.remove(turn)
            elif turn.done() and not turn.cancelled() and turn.exception() is None:
                self.ended(turn.result())  # cancelled just when its turn had come
            raise
        finally:
            timer.cancel()

    def _admit(self) -> None:
        while len(self._running) < self.most and self._waiting:
            turn = self._waiting.popleft()
            if not turn.done():
                turn.set_result(self._taken())


def _give_up(turn: asyncio.Future[object]) -> None:
    if not turn.done():
        turn.set_exception(DanelawError("too many TLS handshakes at once: none could be begun in time"))


def tls_facts(transport: asyncio.Transport) -> tuple[str, str] | None:
    """Version and cipher of a protected transport."""
    tls = transport.get_extra_info("ssl_object")
    cipher = tls.cipher() if tls is not None else None
    return (str(tls.version()), str(cipher[0])) if cipher else None

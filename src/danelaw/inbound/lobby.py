"""Slower accept: under lasting overload new clients wait for their greeting, and come in no faster than is bearable.

Clients that are refused at MAIL come again at once, and a gateway that greets all of them is busy with refusing. So
while transactions find no room, or the event loop turns late, second after second, greetings are paced: fewer each
second while it lasts, and twice as many each second once it is over. A client waits up to five minutes for its
greeting (RFC 5321 §4.5.3.2.1); here it is let wait for half a minute, then it is told 421.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

T = TypeVar("T")
LATE_SECONDS = 0.25
"""The event loop turning so late is overload."""
LASTS = 3
"""Looks in a row after which overload is no passing matter."""
PATIENCE_SECONDS = 30.0
_LEAST = 5.0
_LESS, _MORE = 0.7, 2.0


class Lobby(Generic[T]):
    """Who waits for a greeting. Pure: `look` is called about once a second, `admit` whenever somebody waits."""

    __slots__ = ("_allowed", "_at", "_bad", "_greeted", "_waiting", "pace")

    def __init__(self) -> None:
        self.pace = float("inf")
        """Greetings in a second."""
        self._waiting: OrderedDict[T, float] = OrderedDict()
        self._bad = 0
        self._greeted = 0
        self._allowed = 0.0
        self._at = 0.0

    def __len__(self) -> int:
        return len(self._waiting)

    @property
    def open(self) -> bool:
        """Nobody needs to wait."""
        return self.pace == float("inf")

    def enter(self, client: T, now: float) -> bool:
        """A client connected: True when it must wait."""
        if self.open:
            self._greeted += 1
            return False
        self._waiting[client] = now
        return True

    def leave(self, client: T) -> None:
        """A client that may be waiting is gone."""
        self._waiting.pop(client, None)

    def look(self, now: float, *, full: bool, lag: float) -> None:
        """Judge the last second: `full` when transactions find no room, `lag` is how late the loop turns."""
        bad = full or lag > LATE_SECONDS
        self._bad = self._bad + 1 if bad else 0
        greeted, self._greeted = self._greeted, 0
        if self._bad >= LASTS:
            if self.open:
                self._at, self._allowed = now, 0.0
            self.pace = max(_LEAST, min(self.pace, float(greeted)) * _LESS)
        elif not bad and not self.open:
            self.pace *= _MORE
            if not self._waiting and greeted * _MORE < self.pace:
                self.pace = float("inf")

    def admit(self, now: float) -> tuple[list[T], list[T]]:
        """Who is to be greeted now, and who has waited in vain."""
        # Time without waiting clients gives no claim to more than a second's worth of greetings.
        pace = min(self.pace, 1e9)
        self._allowed = min(pace, self._allowed + pace * max(0.0, now - self._at))
        self._at = now
        late: list[T] = []
        while self._waiting:
            client, since = next(iter(self._waiting.items()))
            if now - since < PATIENCE_SECONDS:
                break
            del self._waiting[client]
            late.append(client)
        greeted: list[T] = []
        while self._waiting and self._allowed >= 1:
            greeted.append(self._waiting.popitem(last=False)[0])
            self._allowed -= 1
        self._greeted += len(greeted)
        return greeted, late

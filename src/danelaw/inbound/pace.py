"""Whether a client gets on: one that begins a message or a command and then hardly sends is not kept.

A client that sends one octet a minute is never silent for as long as the time-outs allow, and many such clients would
hold every connection there is. So while something of a client's is unfinished, it is looked at now and then: message
data must come with so many octets per second on average over a window, and a command line must end within one.
Between commands a client may be silent, up to the time-out (RFC 5321 §4.5.3.2.7).
"""

from __future__ import annotations

from typing import NamedTuple

IDLE = 0
"""The client owes nothing, or we do not read it."""


class Floor(NamedTuple):
    """The slowest that is borne: `rate` octets per second over `window` seconds, from `grace` seconds on after the
    client began. A rate of 0 bears everything.
    """

    rate: int = 100
    window: float = 60.0
    grace: float = 30.0

    @property
    def look_seconds(self) -> float:
        """How long to wait from one look at a client to the next."""
        return max(1.0, min(self.window, self.grace or self.window) / 4) if self.rate else float("inf")


class Pace:
    """What was seen of one client."""

    __slots__ = ("_begun", "_octets", "_since", "_unfinished")

    def __init__(self) -> None:
        self._unfinished: object = IDLE
        self._begun = self._since = 0.0
        self._octets = 0

    def too_slow(self, floor: Floor, now: float, octets: int, unfinished: object, *, line: bool) -> bool:
        """Look at the client: `octets` is all it has sent so far, `unfinished` what it is in the middle of (equal
        values are the same thing, `IDLE` is nothing), `line` tells that this is a command line.
        """
        if unfinished == IDLE or unfinished != self._unfinished:
            self._unfinished = unfinished
            self._begun, self._since, self._octets = now, -1.0, octets
            return False
        if self._since < 0:
            if now - self._begun >= floor.grace:
                self._since, self._octets = now, octets
            return False
        seconds = now - self._since
        if seconds < floor.window:
            return False
        slow = line or octets - self._octets < floor.rate * seconds
        self._since, self._octets = now, octets
        return slow

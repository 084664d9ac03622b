"""Room for new mail beside a backlog: how fast what has waited on disk may begin while new mail comes.

A host that returns with thousands of domains gives the event loop as much to do as it can do, and then everything that
comes in waits behind it, at each of its steps. So while new mail comes, what waited begins at a pace that leaves the
event loop some time: the pace follows the measured share of time for which the loop's thread runs. Time in which it
waits for a processor does not count: to hold mail back would give that to other programs. Without new mail there is no
pace. For three deliveries of new mail one of what waited may always begin, so that new mail cannot keep it from going.
"""

from __future__ import annotations

import math

ATTENTION = 1.0
"""Seconds for which new mail counts as coming after the last message."""
SPAN = 0.05
"""Seconds from one look at the share to the next."""
BUSY, FREE = 0.85, 0.8
"""Shares of the event loop's time above which the pace falls, and below which it rises."""
LEAST, START = 100.0, 300.0
"""Deliveries in a second below which the pace does not fall, and with which it begins: what has waited for an hour can
wait for the second until it is found out how much there is time for.
"""
_LESS, _MORE = 0.95, 1.1
_SMOOTHING = 0.25
_BURST = 2.0
_FOR_NEW = 1 / 3


class Headroom:
    """The pace of one backlog. Pure: times are seconds of one clock; when that is set, a moment is lost and no more."""

    __slots__ = ("_at", "_hungry", "_looked", "_mail", "_share", "_tokens", "_worked", "pace")

    def __init__(self) -> None:
        self.pace = math.inf
        """Deliveries in a second that may begin."""
        self._mail = self._looked = self._at = -math.inf
        self._worked = self._tokens = self._share = 0.0
        self._hungry = False

    def came(self, now: float) -> None:
        """New mail came in."""
        self._mail = now

    def wants_look(self, now: float) -> bool:
        """Whether it is time for `look`: never while no new mail comes."""
        return not 0 <= now - self._looked < SPAN and (0 <= now - self._mail < ATTENTION or self.pace < math.inf)

    def look(self, now: float, worked: float) -> None:
        """Judge the time since the last look; `worked` are all seconds for which the event loop's thread ever ran."""
        seconds, share, hungry = now - self._looked, worked - self._worked, self._hungry
        self._looked, self._worked, self._hungry = now, worked, False
        if not 0 <= now - self._mail < ATTENTION:
            self.pace = math.inf
            return
        if self.pace == math.inf:
            self.pace = START
        if not 0 < seconds < 10 * SPAN:
            return  # the first look, or the clock was set
        self._share += (share / seconds - self._share) * _SMOOTHING
        if self._share > BUSY:
            self.pace = max(LEAST, self.pace * _LESS)
        elif self._share < FREE and hungry:
            self.pace *= _MORE

    def admits(self, now: float) -> bool:
        """Whether one more of what waited may begin now: then say so with `began`."""
        if self.pace == math.inf:
            return True
        if now > self._at:
            self._tokens = min(_BURST, self._tokens + self.pace * min(now - self._at, 1.0))
        self._at = now
        if self._tokens >= 1:
            return True
        self._hungry = True
        return False

    def began(self) -> None:
        """One of what waited has begun."""
        self._tokens -= 1

    def began_new(self) -> None:
        """One of new mail has begun."""
        self._tokens = min(_BURST, self._tokens + _FOR_NEW)

    def next_wakeup(self) -> float:
        """When one more may begin by time alone, as of the last `admits`; 0 for at once."""
        if self.pace == math.inf or self._tokens >= 1:
            return 0.0
        return self._at + (1 - self._tokens) / self.pace

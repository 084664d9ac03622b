"""Room for new mail beside a backlog: how fast what has waited on disk may begin while new mail comes.

A host that returns with thousands of domains gives the event loop as much to do as it can do, and then everything that
comes in waits behind it, at each of its steps. So while new mail comes, what waited begins at a pace that leaves the
event loop some time: the pace follows the measured share of time that the loop works. Without new mail there is none.
For three deliveries of new mail one of what waited may always begin, so that new mail cannot keep it from going.
"""

from __future__ import annotations

import math

ATTENTION = 1.0
"""Seconds for which new mail counts as coming after the last message."""
SPAN = 0.05
"""Seconds from one look at the share to the next."""
BUSY, FREE = 0.85, 0.8
"""Shares of the event loop's time above which the pace falls, and below which it rises."""
LEAST = 50.0
_LESS, _MORE = 0.95, 1.08
_SMOOTHING = 0.25
_BURST = 2.0
_FOR_NEW = 1 / 3


class Headroom:
    """The pace of one backlog. Pure: times are seconds of one clock; when that is set, a moment is lost and no more."""

    __slots__ = ("_at", "_began", "_hungry", "_looked", "_mail", "_rate", "_share", "_tokens", "_worked", "pace")

    def __init__(self) -> None:
        self.pace = math.inf
        """Deliveries in a second that may begin."""
        self._mail = self._looked = self._at = -math.inf
        self._worked = self._tokens = self._share = self._rate = 0.0
        self._began = 0
        self._hungry = False

    def came(self, now: float) -> None:
        """New mail came in."""
        self._mail = now

    def wants_look(self, now: float) -> bool:
        """Whether it is time for `look`: never while no new mail comes."""
        return not 0 <= now - self._looked < SPAN and (0 <= now - self._mail < ATTENTION or self.pace < math.inf)

    def look(self, now: float, worked: float) -> None:
        """Judge the time since the last look; `worked` are all seconds that the event loop ever worked or wanted to."""
        seconds, share = now - self._looked, worked - self._worked
        began, hungry = self._began, self._hungry
        self._looked, self._worked, self._began, self._hungry = now, worked, 0, False
        if not 0 <= now - self._mail < ATTENTION:
            self.pace = math.inf
            return
        if not 0 < seconds < 10 * SPAN:
            return  # the first look, or the clock was set
        self._share += (share / seconds - self._share) * _SMOOTHING
        self._rate += (began / seconds - self._rate) * _SMOOTHING
        if self._share > BUSY:
            if self.pace == math.inf:
                self.pace = max(LEAST, self._rate)  # what the loop can do
            else:
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
        self._began += 1
        self._tokens -= 1

    def began_new(self) -> None:
        """One of new mail has begun."""
        self._tokens = min(_BURST, self._tokens + _FOR_NEW)

    def next_wakeup(self) -> float:
        """When one more may begin by time alone, as of the last `admits`; 0 for at once."""
        if self.pace == math.inf or self._tokens >= 1:
            return 0.0
        return self._at + (1 - self._tokens) / self.pace

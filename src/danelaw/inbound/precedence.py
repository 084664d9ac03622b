"""Delivery before intake: where both want more of the event loop than there is, what was taken goes out first.

To take a message is less work than to deliver it, so under overload clients would be served for as long as they like
and deliveries with what is left: more and more would be queued, and leave more slowly than without the overload. So
while the event loop has no time left and more comes in than goes out, second after second, fewer transactions may
begin; who comes too early is told at MAIL to come again. Where the event loop has time left, others are what deliveries
wait for (a slow host, a limit, a host that is down): then mail is taken, which is what a queue is for.
"""

from __future__ import annotations

BUSY = 0.9
"""Share of its time that the event loop works, from which on there is no time left."""
IDLE = 0.7
"""Share below which there is time for more; between the two nothing changes."""
LASTS = 3
"""Looks in a row after which this is no passing matter."""
LEAST = 20.0
_LESS, _MORE = 0.8, 1.1


class Precedence:
    """How many messages may come in. Pure: `look` is called about once a second, times are seconds of one clock."""

    __slots__ = ("_allowed", "_at", "_bad", "_ended", "_looked", "_taken", "pace")

    def __init__(self) -> None:
        self.pace = float("inf")
        """Transactions in a second."""
        self._allowed = self._at = self._looked = 0.0
        self._taken = self._ended = 0.0
        self._bad = 0

    def look(self, now: float, *, taken: float, ended: float, busy: float) -> None:
        """Judge the time since the last look: `taken` are all messages that ever came in, `ended` all recipients ever
        tried, `busy` is the share of the time that the event loop worked.
        """
        seconds = max(now - self._looked, 0.001)
        came, went = (taken - self._taken) / seconds, (ended - self._ended) / seconds
        self._taken, self._ended, self._looked = taken, ended, now
        bad = busy >= BUSY and came > went
        self._bad = self._bad + 1 if bad else 0
        if self._bad >= LASTS:
            if self.pace == float("inf"):
                self._at, self._allowed = now, 0.0
            # Never below what goes out: intake that only replaces it takes nothing from it.
            self.pace = max(LEAST, went, min(self.pace, came) * _LESS)
        elif (busy < IDLE or came <= went) and self.pace < float("inf"):
            self.pace *= _MORE
            if self.pace > 2 * max(came, LEAST):
                self.pace = float("inf")

    def refuses(self, now: float) -> bool:
        """Whether a transaction must not begin now; one that may is counted."""
        if self.pace == float("inf"):
            return False
        self._allowed = min(self.pace / 10 + 1, self._allowed + self.pace * max(0.0, now - self._at))
        self._at = now
        if self._allowed < 1:
            return True
        self._allowed -= 1
        return False

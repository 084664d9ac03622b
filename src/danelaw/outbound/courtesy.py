"""How a survey minds those it asks: limits on what it does at once, and the pace of its questions."""

from __future__ import annotations

from dataclasses import dataclass

_GROWTH, _LEAST_RATE, _BURST_SECONDS = 0.02, 5.0, 10.0


@dataclass(frozen=True, slots=True)
class Courtesy:
    """Limits on what a survey does at once. `domains` are under way in all; `asking` of them in DNS, `fetching` an
    MTA-STS policy; `connections` open in all and `per_site` to one provider (`routing.mx_site`), whose next one waits
    `pause` seconds. `questions` to the resolver a second in the mean; `budget` seconds for all, None without end.
    """

    domains: int = 256
    asking: int = 32
    fetching: int = 32
    connections: int = 64
    per_site: int = 2
    pause: float = 0.2
    questions: float = 500.0
    budget: float | None = None


class Pace:
    """How long the next domain has to wait, by what was really asked so far: the mean stays at `rate` a second, and
    what was not used is saved for one second only. After silence it is half of what it really was, and grows again.
    """

    def __init__(self, rate: float, now: float) -> None:
        self.rate = rate
        self._most = rate
        self._paid = 0
        self._until = now
        self._window = (now, 0)
        self._measured = rate
        self._slowed = float("-inf")

    def wait(self, now: float, asked: int) -> float:
        """Seconds to wait at `now`, when `asked` questions were sent since the beginning."""
        begun, before = self._window
        if now - begun >= 1.0:
            self._measured = (asked - before) / (now - begun)
            self._window = (now, asked)
            self.rate = min(self._most, self.rate * (1 + _GROWTH * (now - begun)))
        self._until = max(self._until, now - 1.0) + (asked - self._paid) / self.rate
        self._paid = asked
        return max(self._until - now, 0.0)

    def slower(self, now: float) -> None:
        """The resolver left a question without an answer: ask half as much, once for each burst of silence."""
        if now - self._slowed >= _BURST_SECONDS:
            self._slowed = now
            self.rate = max(_LEAST_RATE, min(self.rate, self._measured) / 2)

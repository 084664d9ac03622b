"""Leaving a server alone that fails, and trying it again with one message at a time."""

from __future__ import annotations

from enum import Enum


class BreakerState(Enum):
    """`closed`: asked as usual; `open`: left alone; `half-open`: one message tries whether it works again."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half-open"


class Breaker:
    """Opens after `failures` in a row, for `seconds`; then one trial at a time decides. Time is an argument."""

    __slots__ = ("_failures", "_in_a_row", "_seconds", "_trying", "_until")

    def __init__(self, failures: int, seconds: float) -> None:
        self._failures = failures
        self._seconds = seconds
        self._in_a_row = 0
        self._until: float | None = None
        self._trying = False

    def state(self, now: float) -> BreakerState:
        """What it is at the moment."""
        if self._until is None:
            return BreakerState.CLOSED
        return BreakerState.HALF_OPEN if self._trying or now >= self._until else BreakerState.OPEN

    def allows(self, now: float) -> bool:
        """Whether the server may be asked; a True must be followed by `succeeded`, `failed` or `given_up`."""
        if self._until is None:
            return True
        if self._trying or now < self._until:
            return False
        self._trying = True
        return True

    def succeeded(self) -> None:
        """It answered."""
        self._in_a_row, self._until, self._trying = 0, None, False

    def failed(self, now: float) -> bool:
        """It did not; True when that opened the breaker."""
        self._in_a_row += 1
        was_open = self._until is not None
        self._trying = False
        if was_open or self._in_a_row >= self._failures:
            self._until = now + self._seconds
        return self._until is not None and not was_open

    def given_up(self) -> None:
        """Nobody waited for the answer: that says nothing about the server."""
        self._trying = False

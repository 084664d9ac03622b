"""A clock that moves only when told."""

from __future__ import annotations


class FakeClock:
    """Callable like `time.time`; starts at `now` (POSIX seconds) and stands still."""

    __slots__ = ("now",)

    def __init__(self, now: float = 1_790_000_000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now

    def advance(self, seconds: float) -> float:
        """Move forward and return the new time. Raises `ValueError` for a negative step."""
        if seconds < 0:
            raise ValueError("a clock for tests does not run backwards; set `now` to do that on purpose")
        self.now += seconds
        return self.now

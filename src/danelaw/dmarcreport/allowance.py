"""How many failure reports may go out (RFC 9991 §2 wants a limit): counted by the hour, for each domain and in all."""

from __future__ import annotations

from collections import Counter

HOUR = 3600.0
_MOST_KEYS = 10_000


class Allowance:
    """`each` reports an hour for one key, `total` for all. What is too much is counted for the next report."""

    def __init__(self, each: int, total: int) -> None:
        self._each = each
        self._total = total
        self._hour = float("-inf")
        self._used: Counter[str] = Counter()
        self._suppressed: Counter[str] = Counter()

    def take(self, key: str, now: float) -> int:
        """How many failures the report that may be sent now stands for, 0 when none may; `now` in POSIX seconds."""
        if not self._hour <= now < self._hour + HOUR:
            self._hour = now
            self._used.clear()
        if self._used[key] >= self._each or self._used.total() >= self._total:
            if key in self._suppressed or len(self._suppressed) < _MOST_KEYS:
                self._suppressed[key] += 1
            return 0
        self._used[key] += 1
        return 1 + self._suppressed.pop(key, 0)

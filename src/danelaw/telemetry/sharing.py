"""What is counted of state that gateways share."""

from __future__ import annotations

from danelaw.telemetry.instruments import Counter, Gauge


class SharingMetrics:
    """A part of `Metrics`."""

    def _sharing(self) -> None:
        """Names of spaces and caches are those that policy declares, 200 of each at most."""
        self.shared_calls = Counter(
            "danelaw_shared_state_calls",
            "Calls of policy about shared state; `answer` is local (from what the process holds) or asked.",
            "space",
            "answer",
        )
        self.shared_refused = Counter(
            "danelaw_shared_state_refused",
            "Operations on shared state that were not done: full, of another kind.",
            "space",
        )
        self.shared_forgotten = Counter(
            "danelaw_shared_state_forgotten_keys", "Keys that had to make room for others.", "space"
        )
        self.shared_lost = Counter(
            "danelaw_shared_state_lost_adds", "What was added to leased counters and perhaps never told to the store."
        )
        self.shared_late = Counter(
            "danelaw_shared_state_late_answers", "Requests of workers to the store that were not answered in time."
        )
        self.shared_keys = Gauge("danelaw_shared_state_keys", "Keys of a space of shared state.", "space")
        self.shared_octets = Gauge("danelaw_shared_state_bytes", "Room that shared state takes, as it is accounted.")
        self.cache_lookups = Counter(
            "danelaw_cache_lookups",
            "Look-ups in caches of policy; `result` is hit, miss, stale (an old value while a new one is computed), "
            "joined (waited for another's computation), or failed, which is a miss too.",
            "cache",
            "result",
        )
        self.cache_evicted = Counter("danelaw_cache_evicted", "Values that had to make room for others.", "cache")
        self.cache_entries = Gauge("danelaw_cache_entries", "Values in a cache of policy.", "cache")
        self.cache_octets = Gauge("danelaw_cache_bytes", "About how much memory they take.", "cache")

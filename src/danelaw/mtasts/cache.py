"""A policy as it is remembered between look-ups (RFC 8461 §3.3, §5.1)."""

from __future__ import annotations

from dataclasses import dataclass

from danelaw.mtasts.policy import STSPolicy


@dataclass(frozen=True, slots=True)
class CachedPolicy:
    """A policy fetched at `fetched` under the `id` of the TXT record; times are POSIX seconds.

    `fetched` moves on with every successful fetch. `failed` is when the last fetch failed, None when none has
    failed since; `failed_id` is the `id` it was for.
    """

    policy: STSPolicy
    id: str
    fetched: float
    failed: float | None = None
    failed_id: str = ""

    @property
    def expires(self) -> float:
        """POSIX seconds at which the policy must no longer be applied (RFC 8461 §3.2 `max_age`)."""
        return self.fetched + self.policy.max_age

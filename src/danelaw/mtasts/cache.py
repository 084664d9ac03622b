"""What is remembered about a policy domain between look-ups (RFC 8461 §3.3, §5.1)."""

from __future__ import annotations

from dataclasses import dataclass

from danelaw.mtasts.policy import STSPolicy


@dataclass(frozen=True, slots=True)
class CachedPolicy:
    """A policy last fetched at `fetched` (POSIX seconds) under the `id` of the TXT record."""

    policy: STSPolicy
    id: str
    fetched: float

    @property
    def expires(self) -> float:
        """POSIX seconds after which the policy must no longer be applied (RFC 8461 §3.2 `max_age`)."""
        return self.fetched + self.policy.max_age

    def applies(self, now: float) -> bool:
        """True while time since fetch has not exceeded `max_age` (RFC 8461 §5.1)."""
        return now <= self.expires


@dataclass(frozen=True, slots=True)
class FetchFailure:
    """The last fetch failed at `at` (POSIX seconds) for `id`; `tlsrpt` is the result type of RFC 8460 §4.3.2.2."""

    at: float
    tlsrpt: str
    reason: str
    id: str = ""

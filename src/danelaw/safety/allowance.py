"""Rates per caller: a bucket each, of bounded number, on a clock that is an argument."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from ipaddress import IPv6Address, ip_address

from danelaw.queue.rates import Rate

_BURST_SECONDS = 10.0
_MOST_CALLERS = 10_000


@dataclass(slots=True)
class _Bucket:
    full_at: float
    """When it is full again, in seconds of the clock: the generic cell rate algorithm."""


class Allowance:
    """At most `rate`, of which ten seconds' worth may come at once, and never less than `least`. A caller that is
    forgotten starts with a full bucket; the least recently seen is forgotten first.
    """

    def __init__(self, rate: Rate, least: int = 1) -> None:
        self._each = rate.period / rate.count if rate.count else float("inf")
        self._burst = max(float(least), rate.count * min(1.0, _BURST_SECONDS / rate.period))
        self._buckets: OrderedDict[str, _Bucket] = OrderedDict()

    def take(self, caller: str, count: int, now: float) -> float:
        """Take `count` tokens at once: 0.0 when they are there, else after how many seconds they will be (at most an
        hour: more than the bucket holds never is). `now` in seconds of a monotonic clock.
        """
        bucket = self._buckets.get(caller)
        if bucket is None:
            bucket = self._buckets[caller] = _Bucket(now)
            if len(self._buckets) > _MOST_CALLERS:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(caller)
        full_at = max(bucket.full_at, now) + count * self._each
        wait = full_at - now - self._burst * self._each
        if wait > 1e-9:
            return min(max(wait, 0.001), 3600.0)
        bucket.full_at = full_at
        return 0.0


def caller_of(address: str) -> str:
    """The caller behind an address: itself, or its /64, which one host of IPv6 has for itself."""
    try:
        found = ip_address(address.partition("%")[0])
    except ValueError:
        return address
    if isinstance(found, IPv6Address) and found.ipv4_mapped is None:
        return f"{found.exploded[:19]}::/64"
    return str(getattr(found, "ipv4_mapped", None) or found)

"""When a staged version of the policy is taken back by itself."""

from __future__ import annotations

LEAST_SHARE = 0.01
"""Below this share of failures a version is not worse than the network it asks."""


def fails_too_often(calls: int, failures: int, after: int) -> bool:
    """Whether so many failures in so many calls are reason to withdraw; `after` is from how many on, 0 for never."""
    return 0 < after <= failures and failures >= calls * LEAST_SHARE

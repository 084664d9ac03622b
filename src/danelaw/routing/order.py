"""The order in which hosts are tried (RFC 5321 §5.1)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby

from danelaw.routing.mx import MXHost

Shuffle = Callable[[list[MXHost]], None]


def order(hosts: Sequence[MXHost], shuffle: Shuffle) -> tuple[MXHost, ...]:
    """Sort by preference and let `shuffle` (such as `random.shuffle`) mix hosts of equal preference in place.

    Nothing else may change the order: a host with TLSA records is never preferred (RFC 7672 §2.2.1).
    """
    ordered: list[MXHost] = []
    for _, group in groupby(sorted(hosts, key=_preference), key=_preference):
        equals = list(group)
        if len(equals) > 1:
            shuffle(equals)
        ordered += equals
    return tuple(ordered)


def _preference(host: MXHost) -> int:
    return host.preference

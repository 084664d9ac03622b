"""How often one server is probed, however many domains name it: who owns a zone could point a thousand names at it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from danelaw.outbound.destination import HostPlan
from danelaw.outbound.probe import MAX_ADDRESSES
from danelaw.queue.rates import Rate
from danelaw.safety.allowance import Allowance, caller_of

_RATE = Rate(30, 60)
_AT_ONCE = 8


class ProbeLimits:
    """At most eight connections at once, and thirty a minute, to an IPv4 address or a /64."""

    def __init__(self) -> None:
        self._connections = Allowance(_RATE, _AT_ONCE)

    def allowed(self, hosts: Iterable[HostPlan], now: float) -> tuple[HostPlan, ...]:
        """The hosts that may be probed now; `now` in seconds of a monotonic clock.

        A host is probed at all its addresses or not at all: the one left out could be its weakest.
        """
        allowed = []
        for host in hosts:
            if host.requirement.refusal is not None:  # nobody connects to it
                allowed.append(host)
                continue
            places = Counter(map(caller_of, host.records.addresses[:MAX_ADDRESSES]))
            waits = [self._connections.take(place, count, now) for place, count in places.items()]
            if not any(waits):
                allowed.append(host)
        return tuple(allowed)

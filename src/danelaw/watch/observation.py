"""One destination on one day, as the recorded tries have it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from danelaw.tlspolicy import Protection

MOST_HOSTS = 8
"""Mail servers remembered of a destination."""
_BY_WORD = {one.value: one for one in Protection}
_MAY_BE_THE_NETWORK = frozenset({"no-connection", "broke-off", "turned-away", "dns-failed"})


class Tally(NamedTuple):
    """Tries of one kind, counted as `messages`: `demander` as in `queue.Attempt`; `facts` those of the latest."""

    host: str
    protection: str
    outcome: str
    cause: str
    demander: str
    messages: int
    facts: str


@dataclass(frozen=True, slots=True)
class HostDay:
    """What one server took on a day: `level` the weakest protection of `messages` that count."""

    host: str
    level: Protection
    messages: int
    facts: str = ""


@dataclass(frozen=True, slots=True)
class Observation:
    """A day: what servers took, how often a server was left out for want of protection (`stopped`), and how many
    messages went less protected by somebody's own wish (`others`: a waiver, an override).
    """

    day: int
    hosts: tuple[HostDay, ...] = ()
    stopped: int = 0
    others: int = 0

    @property
    def level(self) -> Protection:
        """That of the weakest server that took mail (FIELD rule 12); `NOTHING_SENT` when none did."""
        return min((one.level for one in self.hosts), default=Protection.NOTHING_SENT)

    @property
    def messages(self) -> int:
        """Messages that count."""
        return sum(one.messages for one in self.hosts)

    @classmethod
    def of(cls, day: int, tallies: Iterable[Tally]) -> Observation:
        """From counted tries. What is more than `MOST_HOSTS` servers is told of the weakest."""
        hosts: dict[str, HostDay] = {}
        stopped = others = 0
        for one in tallies:
            level = _BY_WORD.get(one.protection)
            if one.outcome != "delivered":
                stopped += (
                    one.messages if one.cause and one.cause not in _MAY_BE_THE_NETWORK and level is _NOTHING else 0
                )
            elif level is None or level is _NOTHING:
                continue  # handed to a carrier: no protection was asked for
            elif one.demander and not level.verified:
                others += one.messages
            else:
                hosts[one.host] = _with(hosts.get(one.host), one, level)
        weakest_first = sorted(hosts.values(), key=lambda host: (host.level, -host.messages, host.host))
        return cls(day, tuple(weakest_first[:MOST_HOSTS]), stopped, others)


_NOTHING = Protection.NOTHING_SENT


def _with(before: HostDay | None, one: Tally, level: Protection) -> HostDay:
    if before is None:
        return HostDay(one.host, level, one.messages, one.facts)
    facts = one.facts if level < before.level else before.facts
    return HostDay(one.host, min(level, before.level), before.messages + one.messages, facts)

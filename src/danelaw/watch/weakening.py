"""When is a day weaker than a steady history, and what was it that went away?"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import Enum

from danelaw.tlspolicy import Protection
from danelaw.watch.history import History, Standing
from danelaw.watch.observation import HostDay, Observation


class Kind(Enum):
    """What went away. The value is the word in logs, metrics and JSON.

    `WITHDRAWN`: signed DNS says that there are no TLSA records any more, so whoever holds its keys took them away.
    `UNSIGNED`: the DNS of the domain or of its servers is no longer signed. `POLICY_GONE`: no MTA-STS policy is
    enforced any more. `MOVED`: mail goes to servers of somebody else. `HOST_ONLY`: servers are proved, but no longer
    that they are the domain's.
    """

    WITHDRAWN = "tlsa-withdrawn"
    UNSIGNED = "unsigned"
    POLICY_GONE = "policy-gone"
    MOVED = "moved"
    HOST_ONLY = "host-only"
    OTHER = "other"

    @property
    def words(self) -> str:
        """For people."""
        return _WORDS[self]


_WORDS = {
    Kind.WITHDRAWN: "TLSA records are gone, as signed DNS says: its owner, or who runs its servers, took them away",
    Kind.UNSIGNED: "DNS of the domain or its servers is no longer signed: given up, or somebody took over",
    Kind.POLICY_GONE: "no MTA-STS policy is enforced any more",
    Kind.MOVED: "its mail goes to other servers than before, which prove less",
    Kind.HOST_ONLY: "its servers are proved, but DNS no longer proves that they are its servers",
    Kind.OTHER: "its servers prove less than before",
}


@dataclass(frozen=True, slots=True)
class Rules:
    """How steady a history must be before a weaker day is an event: days with mail, and messages."""

    days: int = 7
    messages: int = 10


@dataclass(frozen=True, slots=True)
class Weakening:
    """`before` held over `days` days and `messages` messages since day `since`; `after` was seen on `day` at `hosts`.
    `facts` are what DNS and MTA-STS said then.
    """

    destination: str
    day: int
    kind: Kind
    before: Protection
    after: Protection
    since: int
    days: int
    messages: int
    hosts: tuple[str, ...]
    facts: str

    def depth(self) -> tuple[int, int, str]:
        """To sort by: the deepest fall first, then by the messages it held for."""
        return (self.after.strength - self.before.strength, -self.messages, self.destination)


def weakening_of(
    history: History, seen: Observation, rules: Rules, site_of: Callable[[str], str] = lambda host: host
) -> Weakening | None:
    """What to say about a day after a history that ends before it; None where there is nothing to say.

    `site_of` gives the provider of a mail server.
    """
    standing = history.standing
    if standing is None or not seen.messages or seen.level >= standing.level:
        return None
    if standing.days < rules.days or standing.messages < rules.messages:
        return None
    weak = [one for one in seen.hosts if one.level < standing.level]
    if _took_its_turn(standing, seen, weak):
        return None
    lowest = weak[0]
    return Weakening(
        history.destination,
        seen.day,
        _kind(standing, lowest, site_of),
        standing.level,
        seen.level,
        standing.first,
        standing.days,
        standing.messages,
        tuple(one.host for one in weak),
        lowest.facts,
    )


def _took_its_turn(standing: Standing, seen: Observation, weak: Iterable[HostDay]) -> bool:
    """Another server than the known ones, while they are still there: the domain's weakest server was always weak, and
    nothing went away. No such is a server put beside them when what held for all of them is gone.
    """
    weak = list(weak)
    if any(one.host in standing.hosts or _lacks_what_held_for_all(standing, one) for one in weak):
        return False
    strong = any(one.level >= standing.level for one in seen.hosts)
    listed = any(_listed(host, one.facts) for one in weak for host in standing.hosts)
    return strong or listed


def _lacks_what_held_for_all(standing: Standing, weak: HostDay) -> bool:
    """DANE rests on a signed MX; an enforced MTA-STS policy leaves no server out (RFC 8461 §4)."""
    if standing.level is Protection.DANE:
        return "(not signed)" in weak.facts.partition(" · ")[0]
    return standing.level is Protection.MTA_STS


def _listed(host: str, facts: str) -> bool:
    """Whether the MX records of the day still name a server: `MX 10 mx1.example.org, 20 mx2… (signed) · …`."""
    mx = facts.partition(" · ")[0]
    return any(word.rstrip(",") == host for word in mx.split())


def _kind(standing: Standing, lowest: HostDay, site_of: Callable[[str], str]) -> Kind:
    sites = {site_of(host) for host in standing.hosts}
    if site_of(lowest.host) not in sites:
        return Kind.MOVED
    if lowest.level is Protection.HOST_DANE:
        return Kind.HOST_ONLY
    if standing.level is Protection.DANE:
        mx, _, rest = lowest.facts.partition(" · ")
        if rest.startswith("no TLSA (signed)") and "(signed)" in mx:
            return Kind.WITHDRAWN
        if rest.startswith("no TLSA") or "(not signed)" in mx:
            return Kind.UNSIGNED
    if standing.level is Protection.MTA_STS:
        return Kind.POLICY_GONE
    return Kind.OTHER

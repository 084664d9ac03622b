"""What one shard learned about a destination, told to all: suspensions and slow-downs that replies called for.

A host that says "no more for an hour" to one worker says it to the gateway. So whatever is suspended or slowed down at
one shard is told to the other shards of the process, and over the line to all other workers; each of them keeps it
across restarts as its own. The supervisor passes such words on and remembers those in force, for workers that start
later. It understands nothing of them but what they are about and when they end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

from danelaw.errors import DanelawError

if TYPE_CHECKING:
    from danelaw.gateway.shards import Shard
    from danelaw.gateway.switchboard import Switchboard

OPERATION = "conditions"
SUSPENDED, SLOWED = "suspended", "slowed"
MOST = 4000
"""Conditions remembered; of more, those that end first are forgotten."""
MOST_AT_ONCE = 2 * MOST
REMEMBERED = 86400.0
"""Seconds for which an end by command is remembered."""
_LONGEST_TEXT = 2000
WORKER = "worker-"


class Condition(NamedTuple):
    """One suspension or slow-down (`kind`) of the queues that the filter `text` names. `until` is its end in POSIX
    seconds; 0 says that a command ends it now, and below 0 it is when one did; `share` of what was is left from `begun`
    on, growing.
    """

    kind: str
    text: str
    until: float
    because: str = ""
    who: str = ""
    share: float = 0.0
    begun: float = 0.0


def decoded(value: Any) -> list[Condition]:
    """Conditions after JSON. Raises `DanelawError` for anything else."""
    if not isinstance(value, list) or len(value) > MOST_AT_ONCE:
        raise DanelawError("conditions are told in lists")
    return [_decoded(one) for one in value]


def _decoded(value: Any) -> Condition:
    try:
        kind, text, until, because, who, share, begun = value
    except (TypeError, ValueError):
        raise DanelawError("this is no condition") from None
    texts, numbers = (text, because, who), (until, share, begun)
    if (
        kind not in (SUSPENDED, SLOWED)
        or not all(isinstance(one, str) and len(one) <= _LONGEST_TEXT for one in texts)
        or not all(type(one) in (int, float) and abs(one) < 1e12 for one in numbers)
    ):
        raise DanelawError("this is no condition")
    return Condition(kind, text, float(until), because, who, float(share), float(begun))


class Conditions:
    """The conditions in force by what they are about, and for a day those that a command has ended: a shard that was in
    nobody's hands then does not know.
    """

    def __init__(self) -> None:
        self._all: dict[tuple[str, str], Condition] = {}

    def learn(self, one: Condition, now: float) -> None:
        """This holds now, or has been ended."""
        name = (one.kind, one.text)
        self._all.pop(name, None)
        self._all[name] = one if one.until else one._replace(until=-now)
        if len(self._all) > MOST:
            del self._all[min(self._all, key=lambda each: abs(self._all[each].until))]

    def in_force(self, now: float) -> list[Condition]:
        """Those that have not ended by themselves, oldest news first."""
        return [one for one in self._all.values() if one.until > now]

    def ended(self, now: float) -> list[Condition]:
        """Those that a command ended lately."""
        return [one for one in self._all.values() if now - REMEMBERED < -one.until]


class ConditionService:
    """The supervisor's side: passes on, and tells a worker that asks what is in force. `clock` gives POSIX seconds."""

    def __init__(self, switchboard: Switchboard, clock: Callable[[], float]) -> None:
        self.known = Conditions()
        self._switchboard = switchboard
        self._clock = clock
        switchboard.services[OPERATION] = self._serve

    def _serve(self, sender: str, args: dict[str, Any]) -> list[Condition]:
        told = decoded(args.get("told", []))
        now = self._clock()
        for one in told:
            self.known.learn(one, now)
        if told:
            for name in [one for one in self._switchboard.peers if one.startswith(WORKER) and one != sender]:
                self._switchboard.tell(name, OPERATION, told=told)
        return self.known.in_force(now) + self.known.ended(now)


class SharedConditions:
    """One process's side: `attach` every shard once it has restored its own. `tell` takes what others should hear."""

    def __init__(self, clock: Callable[[], float], tell: Callable[[list[Condition]], None] = lambda told: None) -> None:
        self.known = Conditions()
        self._clock = clock
        self._tell = tell
        self._shards: list[Shard] = []

    def attach(self, shard: Shard) -> None:
        """Tell it what is in force, hear what it kept itself, and what it learns from now on."""
        now = self._clock()
        for one in self.known.in_force(now) + self.known.ended(now):
            apply(shard, one)
        self._shards.append(shard)
        slowing, suspending = shard.engine.slowing, shard.engine.suspending
        slowing.spread = lambda *told: self._said(shard, [Condition(SLOWED, *told)])
        if suspending is not None:
            suspending.spread = lambda *told: self._said(shard, [Condition(SUSPENDED, *told)])
        self._said(shard, kept(shard))

    def detach(self, shard: Shard) -> None:
        """The shard is let go."""
        if shard in self._shards:
            self._shards.remove(shard)

    def hear(self, sender: str, args: Mapping[str, Any]) -> None:
        """Another worker learned something. Raises `DanelawError` for what is no condition."""
        self.learn(decoded(args.get("told")))

    def learn(self, told: Iterable[Condition]) -> None:
        """What others know."""
        for one in told:
            self.known.learn(one, self._clock())
            for shard in self._shards:
                apply(shard, one)

    def _said(self, origin: Shard, told: list[Condition]) -> None:
        for one in told:
            self.known.learn(one, self._clock())
            for shard in self._shards:
                if shard is not origin:
                    apply(shard, one)
        if told:
            self._tell(told)


def apply(shard: Shard, one: Condition) -> None:
    """Have it hold at a shard too."""
    engine = shard.engine
    if one.kind == SLOWED:
        engine.slowing.follow(one.text, one.until, one.because, one.who, one.share, one.begun)
    elif engine.suspending is not None:
        engine.suspending.follow(one.text, one.until, one.because, one.who)


def kept(shard: Shard) -> list[Condition]:
    """What holds at a shard by what it remembers."""
    engine = shard.engine
    found = [Condition(SLOWED, *told) for told in engine.slowing.told()]
    if engine.suspending is not None:
        found += [Condition(SUSPENDED, *told) for told in engine.suspending.told()]
    return found

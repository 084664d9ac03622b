"""What the gate keeps of each queue under limits, of each delivery, and of each question on the way."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from danelaw.queue.asking import Ask, Name, Waits
from danelaw.queue.limits import Allowance, Subject
from danelaw.queue.pages import VirtualQueue
from danelaw.queue.permits import Ceiling, PermitKey, Refused
from danelaw.queue.values import RoutingKey

NOTHING = Allowance()


@dataclass(slots=True, eq=False)
class Slots:
    """One permit in this process. `until` is when it has to go back although it is wanted, `lingers` when although
    nobody calls for it.
    """

    number: int
    keys: tuple[PermitKey, ...]
    until: float
    turn: bool
    narrow: bool
    lingers: float = math.inf

    def covers(self, wanted: tuple[PermitKey, ...]) -> bool:
        """True when all these are among its keys."""
        return self.keys == wanted or set(self.keys).issuperset(wanted)


class Token(NamedTuple):
    """Tokens of rates for one message, to be used within `at` and `until` (monotonic seconds)."""

    keys: tuple[PermitKey, ...]
    at: float
    until: float

    def covers(self, needed: tuple[PermitKey, ...]) -> bool:
        """True when all these are among its keys."""
        return self.keys == needed or set(self.keys).issuperset(needed)


@dataclass(slots=True, eq=False)
class Held:
    """What one delivery holds. Its tokens count until `until`; when it has sent nothing by then, it needs new ones."""

    state: GateState
    slots: list[Slots] = field(default_factory=list)
    tokens: set[PermitKey] = field(default_factory=set)
    until: float = math.inf
    suspended: tuple[PermitKey, ...] = ()
    serial: int = 0

    @property
    def keys(self) -> set[PermitKey]:
        """All slots it holds."""
        return {key for slots in self.slots for key in slots.keys}


@dataclass(slots=True, eq=False)
class GateState:
    """What the gate knows of one queue: what its deliveries need, what is ready for them, what it waits for."""

    queue: VirtualQueue
    subject: Subject
    group: Name
    allowance: Allowance = NOTHING
    suspended: tuple[PermitKey, ...] = ()
    besides: Allowance = NOTHING
    version: int = -1
    cleared: tuple[str, str, str] | None = None
    free: bool = False
    slots: deque[Slots] = field(default_factory=deque)
    tokens: deque[Token] = field(default_factory=deque)
    ask: Ask | None = None
    asked: int = 0
    waits: bool = False
    why: Waits | None = None
    parked_on: PermitKey | None = None
    woken_by: PermitKey | None = None
    timer: float = math.inf

    @property
    def needs(self) -> tuple[tuple[PermitKey, ...], tuple[PermitKey, ...]]:
        """Slots and tokens of the next delivery."""
        if self.besides is NOTHING:
            return self.allowance.slots, self.allowance.tokens
        slots = dict.fromkeys(self.allowance.slots + self.besides.slots)
        return tuple(slots), tuple(dict.fromkeys(self.allowance.tokens + self.besides.tokens))


@dataclass(slots=True, eq=False)
class Question:
    """Whether a delivery under way may go on. `answer` is set and `answered` called once the broker has spoken."""

    holder: int
    ask: Ask
    allowance: Allowance
    tries: int = 1
    answer: Allowance | Refused | None = None
    answered: Callable[[], None] = lambda: None

    @property
    def refusal(self) -> Refused:
        """The answer where none comes."""
        return Refused((self.ask.tokens or self.ask.slots)[0], None)


class Waiting(NamedTuple):
    """A queue that a limit or a suspension keeps waiting, for people."""

    key: RoutingKey
    reason: str


def reason(why: Waits | None, ceiling: Callable[[PermitKey], Ceiling]) -> str:
    """What a queue lacks, in words."""
    if why is None:
        return "limits: a permit is asked for"
    if why.allowed:
        return f"limit {why.key.to_text()}: {why.allowed} at once"
    rate = ceiling(why.key).rate
    return f"limit {why.key.to_text()}: {rate.to_text()}" if rate else f"limit {why.key.to_text()}"

"""How long what is held stays, what happens then, and what goes first when there is too much of it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from danelaw.queue import Custody, HeldBy

DAY = 86_400.0


class AtEnd(Enum):
    """What becomes of a held message at the end of its time."""

    DELETE = "delete"
    RELEASE = "release"
    RETURN = "return"


@dataclass(frozen=True, slots=True)
class Term:
    """For one step: how long its holds last (seconds; None: until somebody acts), and what happens then."""

    seconds: float | None = 30 * DAY
    at_end: AtEnd = AtEnd.DELETE


@dataclass(frozen=True, slots=True)
class Retention:
    """The quarantine's terms. Operators' own holds have no end unless a step named `operator` is given one."""

    usual: Term = Term()
    by_step: Mapping[str, Term] = field(default_factory=dict)
    most_messages: int = 100_000
    most_octets: int = 10 << 30

    def of(self, step: str) -> Term:
        """The term of what this step holds."""
        return self.by_step.get(step, self.usual)

    def custody(self, holds: Iterable[tuple[HeldBy, float | None]], now: float) -> Custody:
        """Of a message held `now` by these, each with the seconds its step asked for (None: the step's term).

        The longest term counts: a message is not free while anybody still wants it held.
        """
        given = tuple(holds)
        ends: list[float | None] = []
        for hold, asked in given:
            seconds = self.of(hold.step).seconds if asked is None else asked
            ends.append(None if seconds is None else now + seconds)
        until = None if None in ends else max(end for end in ends if end is not None)
        return Custody(tuple(hold for hold, _ in given), now, until)


@dataclass(frozen=True, slots=True)
class Held:
    """One held message as limits see it."""

    id: int
    since: float
    octets: int


def excess(held: Iterable[Held], most_messages: int, most_octets: int) -> list[int]:
    """The ids that must go, oldest first, so that the rest is within the limits."""
    ordered = sorted(held, key=lambda one: (one.since, one.id))
    count, octets = len(ordered), sum(one.octets for one in ordered)
    gone = []
    for one in ordered:
        if count <= most_messages and octets <= most_octets:
            break
        gone.append(one.id)
        count, octets = count - 1, octets - one.octets
    return gone

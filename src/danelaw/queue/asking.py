"""What the gates of all workers and the broker say to each other about permits. Values only; who carries them, and how
late, is somebody else's business.

A *name* stands for one request of one gate, and is never used again; a *group* for one queue, whose own requests do
not call its own permits back. Both begin with the number of the gate.
"""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from danelaw.queue.permits import PermitKey

Name: TypeAlias = tuple[int, int]


class Ask(NamedTuple):
    """So many permits of all `slots` and `tokens`, one at a time. With `wait` the request stays in line until it has
    them; without, it is answered at once and is over.
    """

    name: Name
    group: Name
    slots: tuple[PermitKey, ...]
    tokens: tuple[PermitKey, ...]
    wanted: int = 1
    wait: bool = True


class Drop(NamedTuple):
    """No more of this request."""

    name: Name


class Give(NamedTuple):
    """A permit is given back; `good` is how the other side took the last use, None for nothing learned."""

    number: int
    good: bool | None = None


class Heard(NamedTuple):
    """How the other side took a use, while the permit is kept for the next one."""

    number: int
    good: bool


class Grant(NamedTuple):
    """One permit. `number` is to be given back, 0 when there are only tokens, which are spent. Tokens count within
    `at` and `until` (monotonic seconds). With `turn` others wait for the slots: they are kept for a turn only. With
    `narrow` good answers are wanted too.
    """

    name: Name
    number: int
    at: float
    until: float
    turn: bool
    narrow: bool


class Waits(NamedTuple):
    """Nothing now: `key` has no room. `allowed` is how many of it there are at once, 0 where its rate is used up."""

    name: Name
    key: PermitKey
    allowed: int
    retry_at: float | None


class Recall(NamedTuple):
    """Others wait for what this permit holds: it comes back after the use under way, or at once."""

    gate: int
    number: int


Word: TypeAlias = Ask | Drop | Give | Heard
News: TypeAlias = Grant | Waits | Recall

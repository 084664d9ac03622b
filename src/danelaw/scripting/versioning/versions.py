"""Which version of the policy a connection belongs to: the active one, or a staged one for part of the traffic.

A `Versions` never changes: a step holds one, and when an operator stages or promotes there is another step with
another one. A connection keeps the step it was begun with, so that whatever changes meanwhile, one version speaks in
all of it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from danelaw.policy import Defer, Hook
from danelaw.scripting.loading import EMPTY, LoadedPolicy

if TYPE_CHECKING:
    from pathlib import Path

    from danelaw.policy import Address, Client, Context
    from danelaw.scripting.versioning.portion import Portion

_BESIDE_DELIVERIES = frozenset({"pre_delivery", "post_delivery"})
_NOT_EXAMINED = Defer("this gateway cannot examine your mail now; try again later", 451, "4.3.0")


def _defer(context: Context) -> Defer:
    return _NOT_EXAMINED


def unusable(version: str, directory: Path) -> LoadedPolicy:
    """What stands for a version that cannot be loaded: it defers everything, at the client and in the queue. Mail that
    should have been examined waits until it can be.
    """
    points = ("mail_from", "rcpt_to", "end_of_data", "pre_delivery")
    hooks = tuple(Hook(point, f"unusable_policy_{point}", _defer, "danelaw") for point in points)
    return LoadedPolicy(version, directory, hooks, (), is_usable=False)


@dataclass(slots=True)
class Candidate:
    """A staged version and its part of the traffic; `trial` is the number of the staging. `quota` says whether one more
    may go to it; `is_open` is made False when it is withdrawn: connections that have not asked it anything then stay
    with the active version.
    """

    policy: LoadedPolicy
    portion: Portion
    quota: Callable[[], bool] = field(default=lambda: True)
    trial: int = 0
    is_open: bool = True

    def takes_client(self, client: Client, now: float) -> bool:
        """Whether a connection begun `now` (POSIX seconds) is in its part, recipients aside."""
        return self.is_open and self.portion.has_client(client, now, self.policy.version)

    def takes_transaction(self, recipient: Address) -> bool:
        """Whether a transaction moves to it at this recipient."""
        return self.is_open and self.portion.has_recipient(recipient) and self.quota()


@dataclass(frozen=True, slots=True)
class Versions:
    """The policies in use. `waiting` are others that mail in the queue was judged by, None where that is not known yet;
    `find` gives any such one by its version.
    """

    active: LoadedPolicy = EMPTY
    candidate: Candidate | None = None
    shadow: Candidate | None = None
    waiting: tuple[LoadedPolicy, ...] | None = None
    find: Callable[[str], LoadedPolicy] | None = field(default=None, compare=False, repr=False)

    @property
    def points(self) -> frozenset[str]:
        """The steps at which any of them has hooks."""
        others = (one.policy for one in (self.candidate, self.shadow) if one is not None)
        return self.active.points.union(*(one.points for one in others))

    @property
    def all(self) -> tuple[LoadedPolicy, ...]:
        """Each of them, the active one first."""
        others = (one.policy for one in (self.candidate, self.shadow) if one is not None)
        return (self.active, *others, *(self.waiting or ()))

    @property
    def judging(self) -> tuple[LoadedPolicy, ...]:
        """All that judge mail, or have judged mail that waits."""
        staged = () if self.candidate is None else (self.candidate.policy,)
        return (self.active, *staged, *(self.waiting or ()))

    @property
    def delivery_points(self) -> frozenset[str]:
        """The steps beside deliveries at which any of them has hooks, or may have."""
        if self.waiting is None and self.find is not None:
            return _BESIDE_DELIVERIES
        return frozenset(point for one in self.judging for point in one.points if point in _BESIDE_DELIVERIES)

    def of(self, version: str) -> LoadedPolicy:
        """The version that goes on with a message which `version` has judged: that one, unless it was withdrawn or
        rolled back from; then the active one.
        """
        if version in ("", EMPTY.version, self.active.version) or self.find is None:
            return self.active
        return self.find(version)

    def choose(self, client: Client, now: float) -> LoadedPolicy:
        """The version for a connection that begins `now` (POSIX seconds)."""
        candidate = self.candidate
        if candidate is None or candidate.portion.domains or not candidate.takes_client(client, now):
            return self.active
        return candidate.policy if candidate.quota() else self.active

    def by_recipient(self, client: Client, now: float) -> Candidate | None:
        """The staged version that transactions of such a connection move to when a recipient is in its part; None
        where recipients do not matter.
        """
        candidate = self.candidate
        if candidate is None or not candidate.portion.domains or not candidate.takes_client(client, now):
            return None
        return candidate

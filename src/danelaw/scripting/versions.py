"""Which version of the policy a connection belongs to: the active one, or a staged one for part of the traffic."""

from __future__ import annotations

from danelaw.policy import Client
from danelaw.scripting.loading import EMPTY, LoadedPolicy


class Versions:
    """The policies in use."""

    __slots__ = ("active",)

    def __init__(self, active: LoadedPolicy = EMPTY) -> None:
        self.active = active

    @property
    def points(self) -> frozenset[str]:
        """The steps at which any of them has hooks."""
        return self.active.points

    def of(self, version: str) -> LoadedPolicy:
        """The version that judged a message before, or the active one where that is not at hand any more."""
        return self.active

    def choose(self, client: Client, now: float) -> LoadedPolicy:
        """The version for a connection that begins `now` (POSIX seconds)."""
        return self.active

"""How requests reach the store: the one place where a client meets processes, time limits, or nothing of either."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

Done = Callable[[Any], None]
"""Told the result of a request; a `SharedStateError` is one too."""


class Carrier(Protocol):
    """Takes requests in order. Both ways, the result or `StoreUnavailable` comes within the carrier's time limit."""

    def ask(self, code: str, space: str, key: str, *args: Any, wait: float = 0.0) -> Awaitable[Any]:
        """Say it now; awaiting gives the result or raises `SharedStateError`, which arguments of another form may do at
        once. `wait` seconds more are allowed.
        """

    def say(self, code: str, space: str, key: str, *args: Any, done: Done) -> None:
        """Say it now; `done` is told."""

    def now(self) -> float:
        """Steady seconds."""

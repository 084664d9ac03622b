"""What goes to the disk together, and who waits for it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from danelaw.queue import Settlement
from danelaw.spool.errors import SpoolError
from danelaw.spool.writer import Appended, BatchWriter

Stored: TypeAlias = Callable[[SpoolError | None], None]
"""Called once on the loop: with None when it is on stable storage, with the reason when it is not."""
Observer: TypeAlias = Callable[[int, float | None], None]
"""Told of each batch how many messages it held and how many seconds it took; None when it failed."""
Action: TypeAlias = Callable[[BatchWriter], None]
"""Repeatable statements inside the transaction."""


@dataclass(slots=True)
class Batch:
    """One transaction: messages, outcomes of deliveries, other changes; `doomed` are body files whose rows it ends.

    `begun` is loop time.
    """

    appends: list[tuple[Appended, Stored]] = field(default_factory=list)
    settlements: list[tuple[Settlement, Stored | None]] = field(default_factory=list)
    actions: list[tuple[Action, Callable[[], None] | None]] = field(default_factory=list)
    doomed: list[str] = field(default_factory=list)
    begun: float = 0.0

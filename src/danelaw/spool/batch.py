"""What goes to the disk together, and who waits for it."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeAlias

from danelaw.queue import Settlement
from danelaw.spool.errors import SpoolError
from danelaw.spool.writer import Appended, BatchWriter

MAX_OCTETS = 4 << 20
"""Octets of bodies in one batch."""
HEAVY = 1000
"""Recipients of a message whose rows are written in the commit thread."""
Together: TypeAlias = tuple[Appended, ...]
"""Messages that are stored in one transaction or not at all; mostly it is one."""
Stored: TypeAlias = Callable[[SpoolError | None], None]
"""Called once on the loop: with None when it is on stable storage, with the reason when it is not."""
Observer: TypeAlias = Callable[[int, float | None], None]
"""Told of each batch how many messages it held and how many seconds it took; None when it failed."""
Action: TypeAlias = Callable[[BatchWriter], None]
"""Repeatable statements inside the transaction."""


@dataclass(slots=True, eq=False)
class Batch:
    """One transaction: messages, outcomes of deliveries, other changes; `doomed` are body files whose rows it ends.

    `begun` is loop time.
    """

    appends: list[tuple[Together, Stored]] = field(default_factory=list)
    settlements: list[tuple[Settlement, Stored | None]] = field(default_factory=list)
    actions: list[tuple[Action, Callable[[], None] | None]] = field(default_factory=list)
    doomed: list[str] = field(default_factory=list)
    begun: float = 0.0

    def fill(
        self,
        appends: deque[tuple[Together, Stored]],
        settlements: deque[tuple[Settlement, Stored | None]],
        limit: int,
        *,
        together: bool,
    ) -> int:
        """Take up to `limit` of each, or with `together` false of both; gives the octets of bodies."""
        octets = 0
        while appends and len(self.appends) < limit and octets < MAX_OCTETS:
            self.appends.append(appends.popleft())
            octets += sum(len(one.body) for one in self.appends[-1][0] if one.body is not None)
        room = limit if together else limit - len(self.appends)
        while settlements and len(self.settlements) < room:
            self.settlements.append(settlements.popleft())
        return octets

    @property
    def messages(self) -> list[Appended]:
        """The new messages."""
        return [item for items, _ in self.appends for item in items]

    @property
    def heavy(self) -> bool:
        """Whether its statements take longer than the event loop may stand still."""
        return any(item.message.recipient_count > HEAVY for item in self.messages) or any(
            settlement.message.recipient_count > HEAVY for settlement, _ in self.settlements
        )

    def tell(self, report: Callable[[Exception], None]) -> None:
        """It is durable: everybody who gave something to it hears so. `report` is told of callbacks that fail."""
        for _, done in self.actions:
            if done is not None:
                try:
                    done()
                except Exception as fault:
                    report(fault)
        call([stored for _, stored in self.appends], None, report)
        call([stored for _, stored in self.settlements], None, report)


def call(callbacks: Iterable[Stored | None], error: SpoolError | None, report: Callable[[Exception], None]) -> None:
    """Call each that is one; `report` is told of those that fail."""
    for callback in callbacks:
        if callback is None:
            continue
        try:
            callback(error)
        except Exception as fault:
            report(fault)

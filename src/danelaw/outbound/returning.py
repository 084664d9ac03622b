"""What the senders of mail that an operator returns are told, and how those notices go on."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from danelaw.outbound.notices import Notices
    from danelaw.outbound.owing import Owing
    from danelaw.queue import QueuedMessage, Settlement


class Returning:
    """`danelaw.spool.acts.Bounce` of a running engine. `told` is called with each notice that is on disk."""

    __slots__ = ("_notices", "_owing", "_told")

    def __init__(self, notices: Notices, owing: Owing, told: Callable[[QueuedMessage], None]) -> None:
        self._notices = notices
        self._owing = owing
        self._told = told

    def __call__(self, message: QueuedMessage, now: float) -> Settlement:
        """The notice, or for a message with very many recipients what a later one will say."""
        return self._notices.operator(message, now)

    def stored(self, settlement: Settlement) -> None:
        """What `__call__` gave is durable."""
        self._owing.stored(settlement)
        for notice, _ in settlement.notices:
            self._told(notice)

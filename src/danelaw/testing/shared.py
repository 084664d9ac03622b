"""Shared state in memory, under a clock that tests move: the same store and the same calls as in the gateway."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from danelaw.shared import DirectCarrier, SharedStore, Store


class FakeSharedStore(SharedStore):
    """`SharedStore` on a store of its own. After moving the clock, `look` lets leases and waits end."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.store = Store()
        self._direct = DirectCarrier(self.store, clock, lambda: asyncio.get_running_loop().create_future())
        super().__init__(self._direct)

    def look(self) -> None:
        """Do what time asks for: what has expired is gone, who waited for it is served, what is leased is told."""
        self._direct.look()
        self.flush()

"""Shared state in a gateway of one process, and what keeps leased spaces of any process up to date."""

from __future__ import annotations

import asyncio
import threading
import time
from typing import TYPE_CHECKING

from danelaw.gateway import shared_file
from danelaw.shared import FLUSH_SECONDS, DirectCarrier, SharedStore, lines

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from danelaw.shared import Store
    from danelaw.telemetry import Log

_LAPSING_SECONDS = 0.25
_SETTLING_SECONDS = 2.0


async def keep_flushing(shared: SharedStore) -> None:
    """Tell the store what leased spaces hold, from the first such space on."""
    leasing = asyncio.Event()
    shared.when_leasing(leasing.set)
    await leasing.wait()
    while True:
        await asyncio.sleep(FLUSH_SECONDS)
        shared.flush()


async def settle(shared: SharedStore, log: Log) -> None:
    """Tell the store all that it does not know yet, at the end."""
    loop = asyncio.get_running_loop()
    deadline = loop.time() + _SETTLING_SECONDS
    shared.flush()
    while not shared.settled and loop.time() < deadline:
        await asyncio.sleep(FLUSH_SECONDS / 4)
        shared.flush()
    if shared.lost or not shared.settled:
        log.warning("shared-state-lost", adds=shared.lost or None, reason="the store did not answer in time")


class SharedHere:
    """The store of a gateway in one process, with its file."""

    def __init__(self, directory: Path, most_octets: int, log: Log, clock: Callable[[], float]) -> None:
        """Load what was saved last. `clock` gives POSIX seconds."""
        self._clock = clock
        self._directory = directory
        self._log = log
        self._loop = asyncio.get_running_loop()
        shared_file.sweep(directory)
        self.store: Store = shared_file.load(directory, most_octets, log, clock=clock)
        self.carrier = DirectCarrier(self.store, time.monotonic, self._loop.create_future)
        self.shared = SharedStore(self.carrier)
        self._saved = self.store.changes
        self._writing = threading.Lock()

    async def keep(self) -> None:
        """Let time work, and save what has changed."""
        due = self._loop.time() + shared_file.SAVE_SECONDS
        while True:
            await asyncio.sleep(_LAPSING_SECONDS)
            self.carrier.look()
            if self._loop.time() >= due:
                await self.save()
                due = self._loop.time() + shared_file.SAVE_SECONDS

    async def save(self) -> None:
        """Save what has changed since the last time: the lines are made here, some hundred at a time with turns of the
        loop between them, and written in a thread.
        """
        changes = self.store.changes
        if changes == self._saved:
            return
        chunks = []
        for octets in lines(self.store, time.monotonic(), self._clock()):
            chunks.append(octets)
            await asyncio.sleep(0)
        try:
            await asyncio.to_thread(self._write, chunks, changes)
        except OSError as error:
            self._log.error("shared-state-unsaved", reason=error.strerror or str(error))

    def _write(self, chunks: list[bytes], changes: int) -> None:
        # A task that is cancelled leaves its thread at work: the last one at the end must come after it, and be last.
        with self._writing:
            if changes > self._saved:
                shared_file.save(self._directory, chunks)
                self._saved = changes

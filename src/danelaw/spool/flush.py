"""Flushing the write-ahead log where the disk is slow.

On a quick disk SQLite flushes within COMMIT. On a slow one (`LogFlush.slow`) the next transaction is written while the
flush before it is still under way, so that several wait for the disk at once; without that a message would wait for one
flush and a half on average, and clients / 2 flushes would be the limit of the rate.

Each thread has a descriptor of its own. The kernel tells a failed write to every descriptor once: with a shared one
the first flush would hear of it, and the second believe that all is well.
"""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import SimpleQueue

from danelaw.spool.batch import Batch

MOST = 4
"""Flushes under way at most."""
_SLOW_SECONDS, _QUICK_SECONDS = 0.004, 0.0025
_WEIGHT = 0.125
_LEAST_SPACING = 0.001


class LogFlush:
    """Flushes one log. `open` before anything else, again for a new file, and `close`."""

    def __init__(self, flush: Callable[[int], None] = os.fdatasync) -> None:
        """`flush` is given a descriptor; tests and benchmarks put failures and delays in its place."""
        self.slow = False
        self._flush = flush
        self._descriptors: list[int] = []
        self._seconds = 0.0
        self._threads: list[threading.Thread] = []
        self._tickets: SimpleQueue[Batch | None] = SimpleQueue()

    @property
    def spacing(self) -> float:
        """Seconds from one COMMIT to the next while flushes are under way: a lone message waits no longer for
        company.
        """
        return max(_LEAST_SPACING, self._seconds / MOST)

    def open(self, log: Path) -> None:
        """Flush this file from now on; nothing may be under way. Raises `OSError`."""
        self._release()
        for _ in range(1 + MOST):
            self._descriptors.append(os.open(log, os.O_RDWR | os.O_CLOEXEC))

    def octets(self) -> int:
        """The size of the file. Raises `OSError`."""
        return os.fstat(self._descriptors[0]).st_size

    def now(self) -> None:
        """Flush in this thread; only one may do that at a time. Raises `OSError`."""
        self._flush(self._descriptors[0])

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Around what waits for the disk: so it is found out whether that is slow."""
        begun = time.monotonic()
        yield
        self._took(time.monotonic() - begun)

    def later(self, batch: Batch, done: Callable[[Batch, Exception | None], None]) -> None:
        """Flush for a batch in a thread of its own; `done` is called there."""
        while len(self._threads) < MOST:
            number = len(self._threads) + 1
            thread = threading.Thread(target=self._work, args=(number, done), name=f"spool-flush-{number}", daemon=True)
            self._threads.append(thread)
            thread.start()
        self._tickets.put(batch)

    def close(self) -> None:
        """End the threads, after what they have been given."""
        for _ in self._threads:
            self._tickets.put(None)
        for thread in self._threads:
            thread.join()
        self._threads.clear()
        self._release()

    def _work(self, number: int, done: Callable[[Batch, Exception | None], None]) -> None:
        while (batch := self._tickets.get()) is not None:
            error: Exception | None = None
            try:
                self._timed(number)
            except Exception as cause:
                error = cause
            done(batch, error)

    def _timed(self, number: int) -> None:
        begun = time.monotonic()
        self._flush(self._descriptors[number])
        self._took(time.monotonic() - begun)

    def _took(self, seconds: float) -> None:
        self._seconds += (seconds - self._seconds) * _WEIGHT
        if self._seconds > _SLOW_SECONDS:
            self.slow = True
        elif self._seconds < _QUICK_SECONDS:
            self.slow = False

    def _release(self) -> None:
        for descriptor in self._descriptors:
            with suppress(OSError):
                os.close(descriptor)
        self._descriptors.clear()

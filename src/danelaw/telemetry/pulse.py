"""The process feels its own pulse: how late the event loop turns, and how long the garbage collector holds it up."""

from __future__ import annotations

import asyncio
import gc
import time
from typing import TYPE_CHECKING, Any

from danelaw.telemetry.collector import REST

if TYPE_CHECKING:
    from danelaw.telemetry.metrics import Metrics

BEAT_SECONDS = 0.1
_SMOOTHING = 0.3


def _wanted_time() -> float:
    """Seconds for which this thread ran or was ready to run; without Linux's schedstat only those for which it ran."""
    try:
        with open("/proc/thread-self/schedstat", "rb") as file:
            ran, waited, *_ = file.read(100).split()
        return (int(ran) + int(waited)) / 1e9
    except (OSError, ValueError):
        return time.thread_time()


class Pulse:
    """Beats ten times a second between `start` and `stop`.

    `lag` is how late the last beats came, smoothed, in seconds; `busy` the share of the time that the event loop's
    thread worked or waited for a processor.
    """

    def __init__(self, metrics: Metrics) -> None:
        self.lag = self.busy = 0.0
        self._worked = 0.0
        self._lags = metrics.loop_lag
        self._pauses = metrics.gc_pauses
        self._due = 0.0
        self._collecting_since = 0.0
        self._handle: asyncio.TimerHandle | None = None

    def start(self) -> None:
        """Begin; the running loop is the one that is watched."""
        loop = asyncio.get_running_loop()
        self._due = loop.time() + BEAT_SECONDS
        self._worked = _wanted_time()
        self._handle = loop.call_at(self._due, self._beat, loop)
        gc.callbacks.append(self._collected)

    def stop(self) -> None:
        """End; no effect when it was not begun."""
        if self._handle is not None:
            self._handle.cancel()
            self._handle = None
            gc.callbacks.remove(self._collected)
        REST.end()

    def _beat(self, loop: asyncio.AbstractEventLoop) -> None:
        now = loop.time()
        late = max(0.0, now - self._due)
        self._lags.observe(late)
        self.lag += (late - self.lag) * _SMOOTHING
        worked = _wanted_time()
        share = min(1.0, max(worked - self._worked, late) / (BEAT_SECONDS + late))
        self.busy += (share - self.busy) * _SMOOTHING / 3
        self._worked = worked
        self._due = now + BEAT_SECONDS
        self._handle = loop.call_at(self._due, self._beat, loop)

    def _collected(self, phase: str, _: dict[str, Any]) -> None:
        if phase == "start":
            self._collecting_since = time.perf_counter()
        else:
            self._pauses.observe(time.perf_counter() - self._collecting_since)

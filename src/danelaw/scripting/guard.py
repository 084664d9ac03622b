"""Stops a script that works without waiting: an endless loop, a pattern that backtracks for ever, a `time.sleep`.

A timer per call would cost more than most hooks do, and a signal that comes late would end the event loop instead of
the script. So a thread looks at the clock of the loop's thread while scripts run and, when one has had its time,
sends that thread a signal; the handler raises `Overrun` only while a step of a script runs, and never while the script
is inside the gateway's own code, which is shielded. A regular expression keeps the interpreter to itself, so that no
thread can look: for it there is a timer of the kernel's beside, which counts processor time and costs a few ticks per
second of work. Neither can stop one long call into C, nor a script that catches `BaseException` for ever: there the
worker's heartbeat ends, and the supervisor replaces it.

Only for the main thread, which is where the event loop of a gateway runs.
"""

from __future__ import annotations

import atexit
import contextlib
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

R = TypeVar("R")

SIGNAL = signal.SIGVTALRM
TICK = 0.01
"""Seconds between two looks; a script is stopped at most two of them late."""
BLOCKED = 10.0
"""How many times its budget a step may last by the wall clock: a process that waits for a processor is no loop."""
_IDLE = 2.0
_PERIOD = 0.05  # seconds of processor time between two ticks of the kernel's timer


class Overrun(BaseException):
    """A step of a script had its time. No `Exception`: a script that catches those is stopped nevertheless."""


class Guard:
    """Watches the steps of scripts in the main thread, while anybody there has installed it: each `install` has its
    `remove`, and the last one takes signals and timer away.
    """

    __slots__ = (
        "_cpu_clock", "_deadline", "_holders", "_main", "_pending", "_running", "_serial", "_shields", "_thread",
        "_tick", "_wake",
    )  # fmt: skip

    def __init__(self) -> None:
        self._serial = 0
        self._running = False
        self._deadline = 0.0
        self._shields = 0
        self._pending = False
        self._holders = 0
        self._main = 0
        self._cpu_clock = 0
        self._tick = (0, 0.0)
        self._thread: threading.Thread | None = None
        self._wake = threading.Event()

    @property
    def is_installed(self) -> bool:
        """Whether steps are watched."""
        return self._main != 0

    def install(self) -> None:
        """Watch from now on, until `remove` was called as often. Raises `ValueError` outside the main thread."""
        signal.signal(SIGNAL, self._on_signal)
        self._holders += 1
        if self._main:
            return
        self._main = threading.get_ident()
        self._cpu_clock = time.pthread_getcpuclockid(self._main)
        signal.signal(signal.SIGPROF, self._on_tick)
        signal.setitimer(signal.ITIMER_PROF, _PERIOD, _PERIOD)
        # Python puts signals back to what they were before it has ended: a tick would kill it then.
        atexit.register(self._end_watching)

    def remove(self) -> None:
        """Whoever installed it needs it no more, in the main thread. When nobody does, wait for the end of the thread
        that watches: it is at most one tick away.
        """
        if self._holders:
            self._holders -= 1
            if not self._holders:
                self._end_watching()

    @contextlib.contextmanager
    def installed(self) -> Iterator[None]:
        """Watch while entered. Raises `ValueError` outside the main thread."""
        self.install()
        try:
            yield
        finally:
            self.remove()

    def _end_watching(self) -> None:
        self._holders = self._main = 0
        atexit.unregister(self._end_watching)
        self._wake.set()
        if self._thread is not None:
            self._thread.join()
        self._wake.clear()
        signal.signal(SIGNAL, signal.SIG_DFL)
        signal.setitimer(signal.ITIMER_PROF, 0.0)
        signal.signal(signal.SIGPROF, signal.SIG_IGN)  # one may be on its way

    def step(self, seconds: float, call: Callable[..., R], *arguments: Any) -> R:
        """Call something of a script, which may work for so many seconds. Raises `Overrun`, and what it raises."""
        # A hook within a hook has the time of the outer one, and other threads get no signals.
        if self._running or threading.get_ident() != self._main:
            return call(*arguments)
        self._serial += 1
        self._deadline = seconds
        if not self._wake.is_set():
            self._begin()
        self._running = True
        try:
            return call(*arguments)
        finally:
            self._end()

    def _end(self) -> None:
        while self._running:
            try:
                self._running = False
            except Overrun:  # the signal came at this very moment
                continue
        self._pending = False

    def shield(self) -> Shield:
        """While entered, what runs is the gateway's: an overrun waits until it is left."""
        return Shield(self)

    def enter_shield(self) -> None:
        """Begin to shield."""
        self._shields += 1

    def leave_shield(self) -> None:
        """End it, and stop the script if it was to be stopped meanwhile. Raises `Overrun`."""
        self._shields -= 1
        if self._pending and not self._shields and self._running:
            self._pending = False
            raise Overrun

    def leave_in_debt(self) -> bool:
        """End it where the script cannot be stopped yet; True when it was to be, and whoever asks must see to it."""
        owed = self._pending and self._running and self._shields == 1
        if owed:
            self._pending = False
        self._shields -= 1
        return owed

    def _on_signal(self, number: int, frame: object) -> None:
        if not self._running:
            return
        if self._shields:
            self._pending = True
            return
        raise Overrun

    def _on_tick(self, number: int, frame: object) -> None:
        if not self._running:
            return
        spent = time.clock_gettime(self._cpu_clock)
        serial, before = self._tick
        if serial != self._serial:
            self._tick = self._serial, spent
        elif spent - before >= self._deadline:
            self._on_signal(number, frame)

    def _begin(self) -> None:
        self._wake.set()
        if self._thread is None or not self._thread.is_alive():
            self._thread = threading.Thread(target=self._watch, name="danelaw-policy-guard", daemon=True)
            self._thread.start()

    def _watch(self) -> None:
        seen, cpu, wall = 0, 0.0, 0.0
        quiet = time.monotonic()
        while self._main:
            time.sleep(TICK)
            now = time.monotonic()
            if not self._running:
                if self._serial != seen:
                    seen, quiet = self._serial, now
                elif now - quiet > _IDLE:
                    self._wake.clear()
                    if self._main and self._serial == seen:  # else nobody would wake it who has called just now
                        self._wake.wait()
                    quiet = time.monotonic()
                continue
            spent = time.clock_gettime(self._cpu_clock)
            if self._serial != seen:
                seen, cpu, wall, quiet = self._serial, spent, now, now
            elif spent - cpu >= self._deadline or now - wall >= self._deadline * BLOCKED:
                signal.pthread_kill(self._main, SIGNAL)


class Shield:
    """Entered around code of the gateway that a script calls."""

    __slots__ = ("_guard",)

    def __init__(self, guard: Guard) -> None:
        self._guard = guard

    def __enter__(self) -> None:
        self._guard.enter_shield()

    def __exit__(self, *error: object) -> None:
        self._guard.leave_shield()


GUARD = Guard()
"""The one of this process: there is one main thread."""


class Meter(Guard):
    """A guard that counts the seconds for which steps of scripts work, and leaves the guarding to another."""

    __slots__ = ("_guard", "spent")

    def __init__(self, guard: Guard) -> None:
        super().__init__()
        self._guard = guard
        self.spent = 0.0

    def step(self, seconds: float, call: Callable[..., Any], *arguments: Any) -> Any:
        """As the other's."""
        began = time.thread_time()
        try:
            return self._guard.step(seconds, call, *arguments)
        finally:
            self.spent += time.thread_time() - began

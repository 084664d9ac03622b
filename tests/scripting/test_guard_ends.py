"""What a guard leaves behind: nothing in a process that goes on, and nothing that kills one on its way out."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
from collections.abc import Iterator

import pytest

import danelaw.scripting.guard
from danelaw.scripting.guard import SIGNAL, Guard, Overrun

_PROGRAM = """
import atexit, signal
atexit.register(lambda: print(signal.getitimer(signal.ITIMER_PROF)))
from danelaw.scripting.guard import GUARD
GUARD.install()
GUARD.install()
GUARD.step(1.0, print, "worked")
"""


def test_the_timer_is_off_before_python_drops_its_handlers() -> None:
    result = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=False, timeout=60)
    assert (result.returncode, result.stdout) == (0, "worked\n(0.0, 0.0)\n"), result.stderr


def test_the_last_who_needs_it_takes_signals_and_timer_away() -> None:
    guard = Guard()
    guard.install()
    with guard.installed():
        assert guard.is_installed
    assert guard.is_installed
    assert signal.getitimer(signal.ITIMER_PROF)[1] > 0
    guard.remove()
    assert not guard.is_installed
    assert signal.getitimer(signal.ITIMER_PROF) == (0.0, 0.0)
    assert signal.getsignal(SIGNAL) is signal.SIG_DFL
    guard.remove()  # once too often
    with guard.installed():
        assert guard.is_installed
    assert not guard.is_installed


class LateEvent(threading.Event):
    """Is cleared when `meanwhile` has happened: what may come between a look at the clock and this."""

    def __init__(self) -> None:
        super().__init__()
        self.reached, self.meanwhile = threading.Event(), threading.Event()
        self.waits = 0

    def set(self) -> None:
        super().set()
        if self.reached.is_set():
            self.meanwhile.set()

    def clear(self) -> None:
        if threading.current_thread() is not threading.main_thread():
            self.reached.set()
            self.meanwhile.wait()
        super().clear()

    def wait(self, timeout: float | None = None) -> bool:
        self.waits += 1
        return super().wait(10)


@pytest.fixture
def resting(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Guard, LateEvent]]:
    """A guard whose thread is just about to rest."""
    monkeypatch.setattr(danelaw.scripting.guard, "_IDLE", 0.0)
    guard = Guard()
    guard._wake = event = LateEvent()
    with guard.installed():
        guard.step(1.0, lambda: None)
        event.reached.wait()
        yield guard, event


def test_a_guard_that_is_removed_as_its_thread_goes_to_rest_waits_for_nothing(
    resting: tuple[Guard, LateEvent],
) -> None:
    guard, event = resting
    guard.remove()
    assert event.waits == 0


def test_a_step_that_begins_as_the_thread_goes_to_rest_is_watched(resting: tuple[Guard, LateEvent]) -> None:
    guard, event = resting

    def blocked() -> None:
        event.meanwhile.set()
        threading.Event().wait(9)

    with pytest.raises(Overrun):
        guard.step(0.01, blocked)

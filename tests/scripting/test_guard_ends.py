"""A process that watched scripts ends as it wants to: no tick of the guard's timer kills it on its way out."""

from __future__ import annotations

import subprocess
import sys

_PROGRAM = """
import atexit, signal
atexit.register(lambda: print(signal.getitimer(signal.ITIMER_PROF)))
from danelaw.scripting.guard import GUARD
GUARD.install()
GUARD.step(1.0, print, "worked")
"""


def test_the_timer_is_off_before_python_drops_its_handlers() -> None:
    result = subprocess.run([sys.executable, "-c", _PROGRAM], capture_output=True, text=True, check=False, timeout=60)
    assert (result.returncode, result.stdout) == (0, "worked\n(0.0, 0.0)\n"), result.stderr

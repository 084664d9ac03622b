"""A directory for one benchmark that is gone afterwards, also when the benchmark is told to stop."""

from __future__ import annotations

import os
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType


def _leave(number: int, _: FrameType | None) -> None:
    raise SystemExit(128 + number)


@contextmanager
def workplace(name: str) -> Iterator[Path]:
    """An empty directory on a real disk that every account may enter. SIGTERM and SIGHUP end the program in the usual
    way from here on, so that servers and load tools are stopped by its `finally` blocks.
    """
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _leave)
    with tempfile.TemporaryDirectory(prefix=f"danelaw-bench-{name}-{os.getpid()}-", dir="/var/tmp") as made:
        directory = Path(made)
        directory.chmod(0o755)
        yield directory

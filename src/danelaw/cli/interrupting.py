"""SIGINT and SIGTERM of a command that runs on an event loop."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Callable, Iterator


@contextlib.contextmanager
def interrupted_by_signals(stop: Callable[[], object]) -> Iterator[None]:
    """Call `stop` on the running loop for each SIGINT and SIGTERM while entered.

    To be left before the loop ends: asyncio's closes the descriptor that signals wake it by, and only then forgets
    its handlers. Any signal between the two, of a timer too, would be written to a closed descriptor.
    """
    loop = asyncio.get_running_loop()
    numbers = (signal.SIGINT, signal.SIGTERM)
    for number in numbers:
        loop.add_signal_handler(number, stop)
    try:
        yield
    finally:
        for number in numbers:
            loop.remove_signal_handler(number)

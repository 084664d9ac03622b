"""What becomes due within the next minute, told to the scheduler by the disk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from danelaw.spool import SpoolError

if TYPE_CHECKING:
    from danelaw.queue import Scheduler
    from danelaw.spool import Spool
    from danelaw.telemetry import Log

AHEAD = 60.0
"""Seconds."""


def begin(spool: Spool, scheduler: Scheduler) -> None:
    """At start, or when times on disk were changed: nothing is known of the disk until `look` has told it."""
    spool.look_again()
    scheduler.reached = float("-inf")


async def look(
    spool: Spool, scheduler: Scheduler, clock: Callable[[], float], log: Log, pump: Callable[[], None]
) -> None:
    """Tell the scheduler what has come into view, much of it in several turns of the event loop; `pump` after each."""
    complete = False
    while not complete:
        try:
            found, reached, complete = spool.coming_due(clock() + AHEAD)
        except SpoolError as error:
            log.error("spool", reason=error.reason, advice=error.advice)
            return
        scheduler.reached = reached
        now = clock()
        for key, due in found:
            scheduler.deferred(key, due, now)
        pump()
        await asyncio.sleep(0)

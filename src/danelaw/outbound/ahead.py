"""What becomes due within the next minute, told to the scheduler by the disk."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import TYPE_CHECKING

from danelaw.queue import RecipientState
from danelaw.spool import SpoolError

if TYPE_CHECKING:
    from danelaw.queue import QueuedMessage, Scheduler
    from danelaw.spool import Spool
    from danelaw.telemetry import Log

AHEAD = 60.0
"""Seconds."""
_AT_A_TURN = 500


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


async def tell(
    scheduler: Scheduler, message: QueuedMessage, clock: Callable[[], float], pump: Callable[[], None]
) -> None:
    """A message with very many recipients is on disk: their queues hear of it in several turns of the event loop."""
    for first in range(0, len(message.recipients), _AT_A_TURN):
        now = clock()
        for recipient in message.recipients[first : first + _AT_A_TURN]:
            if recipient.state is RecipientState.QUEUED:
                scheduler.deferred(recipient.key, recipient.due, now)
        pump()
        await asyncio.sleep(0)

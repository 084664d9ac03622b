"""What an operator's act waits for between its steps, and at its end, so that the event loop need not."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from danelaw.spool.commit import GroupCommit

_LOOK_AGAIN_SECONDS = 0.005


async def unoccupied(commits: GroupCommit) -> None:
    """Returns after a turn of the loop, or more, when a transaction at once would not have to wait for long."""
    await asyncio.sleep(0)
    while commits.occupied:
        await asyncio.sleep(_LOOK_AGAIN_SECONDS)


async def durable(commits: GroupCommit) -> None:
    """Returns once all that was done before is on stable storage. Raises `SpoolError` when the disk is out of order."""
    if commits.broken is not None:
        raise commits.broken
    future = asyncio.get_running_loop().create_future()
    commits.later(lambda _: None, lambda: None if future.done() else future.set_result(None), soon=True)
    await future

"""Asking the steps about a client's commands: in order, each within its time, until one says no."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from typing import TYPE_CHECKING, Any, Protocol

from danelaw.inbound.within import Rest, within
from danelaw.smtp import Reply

if TYPE_CHECKING:
    from danelaw.inbound.arrival import Arrival, Client, Discard
    from danelaw.inbound.steps import Step

STEP_SECONDS = 120.0
"""Longest time one step may take at one stage: clients wait five minutes for a reply (RFC 5321 §4.5.3.2)."""
NOT_EXAMINED = Reply.of(451, "4.3.0", "this gateway could not examine your mail; try again later")


class Journal(Protocol):
    """Where faults of steps are written down."""

    def step_failed(self, step: str, stage: str, reason: str) -> None:
        """A step raised, or took too long."""

    def discarded(self, arrival: Arrival, ruling: Discard) -> Reply:
        """A step ruled that a message goes nowhere: what would be said otherwise."""


async def first_refusal(
    steps: Iterable[Step], stage: str, ask: Callable[[Step], Coroutine[Any, Any, Reply | None]], journal: Journal
) -> tuple[Reply | None, str]:
    """The first no, and whose it is. A step that fails gives 451, since nothing unexamined may pass."""
    for step in steps:
        try:
            asked = ask(step)
            reply = await (asked if step.prompt else within(STEP_SECONDS, asked))
        except Exception as error:  # operators' steps too are asked here
            journal.step_failed(step.name, stage, in_words(error))
            reply = NOT_EXAMINED
        if reply is not None:
            return reply, step.name
    return None, ""


async def hesitate(steps: Iterable[Step], client: Client, journal: Journal) -> None:
    """Let steps take their time before a refusal is said."""
    for step in steps:
        try:
            await within(STEP_SECONDS, step.before_refusal(client))
        except Exception as error:  # the refusal stands without them
            journal.step_failed(step.name, "refusal", in_words(error))


def in_words(error: Exception) -> str:
    """What a step's fault was, for the log."""
    if isinstance(error, TimeoutError):
        return f"no answer within {STEP_SECONDS:.0f} seconds"
    return f"{type(error).__name__}: {error}"


def begin(asking: Coroutine[Any, Any, None], steps: Iterable[Step]) -> asyncio.Task[None] | None:
    """Run what asks these steps; None when it has ended already.

    Where all of them are prompt it is begun at once, and a task is made only for one that has to wait: a task costs
    more than most scripts do.
    """
    loop = asyncio.get_running_loop()
    if not all(step.prompt for step in steps):
        return loop.create_task(asking)
    try:
        waits_for = asking.send(None)
    except StopIteration:
        return None
    return loop.create_task(_go_on(Rest(asking, waits_for)))


async def _go_on(rest: Rest[None]) -> None:
    await rest

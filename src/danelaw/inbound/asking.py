"""Asking the steps about a client's commands: in order, each within its time, until one says no."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Generator, Iterable
from typing import TYPE_CHECKING, Any, Protocol

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
    steps: Iterable[Step], stage: str, ask: Callable[[Step], Awaitable[Reply | None]], journal: Journal
) -> tuple[Reply | None, str]:
    """The first no, and whose it is. A step that fails gives 451, since nothing unexamined may pass."""
    for step in steps:
        try:
            if step.prompt:
                reply = await ask(step)
            else:
                async with asyncio.timeout(STEP_SECONDS):
                    reply = await ask(step)
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
            async with asyncio.timeout(STEP_SECONDS):
                await step.before_refusal(client)
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
    return loop.create_task(_go_on(_Rest(asking, waits_for)))


class _Rest:
    """What is left of a coroutine that waits for the first time."""

    __slots__ = ("_coroutine", "_waits_for")

    def __init__(self, coroutine: Coroutine[Any, Any, None], waits_for: Any) -> None:
        self._coroutine = coroutine
        self._waits_for = waits_for

    def __await__(self) -> Generator[Any, Any, None]:
        waits_for = self._waits_for
        while True:
            try:
                yield waits_for
            except BaseException as error:
                call, argument = self._coroutine.throw, error
            else:
                call, argument = self._coroutine.send, None  # type: ignore[assignment]
            try:
                waits_for = call(argument)
            except StopIteration:
                return


async def _go_on(rest: _Rest) -> None:
    await rest

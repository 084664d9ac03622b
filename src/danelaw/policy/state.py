"""What scripts remember together: counters, rates, sets, small values and semaphores, the same in all workers.

    count = await ctx.library.state.counter("logins").add(ctx.client.address, expires=3600)
    sent = ctx.library.state.rate("per-user", limit=200, span=3600, mode="leased")
    if not await sent.take(ctx.client.user):
        return Defer("too much mail in an hour")

A space has a name, is declared by its first use and keeps its kind. In `exact` mode every call is a round trip to the
one store; in `leased` mode a worker answers from what it holds: rates never let through more than their limit, and what
is read may be as old as `fresh_for` seconds. `docs/shared-state.md` says what each costs, and what a crash can lose.
"""

from __future__ import annotations

from typing import Literal, Protocol, TypeAlias

from danelaw.shared.interface import Counter, Held, Rate, Semaphore, Set, Taken, Value

__all__ = ["Counter", "Held", "Mode", "Rate", "Semaphore", "Set", "State", "Taken", "Value"]

Mode: TypeAlias = Literal["exact", "leased"]


class State(Protocol):
    """The spaces. A setting that is not given is as it was declared before, or as `docs/shared-state.md` says. Each may
    raise `LibraryError`: for settings that cannot be, a name of another kind, and every call on it when the store does
    not answer within 5 seconds or is full.
    """

    def counter(
        self, name: str, *, mode: Mode | None = None, keys: int | None = None, kept: bool | None = None
    ) -> Counter:
        """Sums by key. At most so many `keys`, then the one used least recently is forgotten; `kept` over restarts.

        Raises `LibraryError`.

            tried = await ctx.library.state.counter("failed-logins").add(ctx.client.address, expires=900)
        """

    def rate(
        self, name: str, *, limit: int | None = None, span: float | None = None, mode: Mode | None = None,
        keys: int | None = None, kept: bool | None = None,
    ) -> Rate:  # fmt: skip
        """Events by key, at most `limit` in any `span` seconds.

        Raises `LibraryError`.

            allowed = await ctx.library.state.rate("per-user", limit=200, span=3600).take(ctx.client.user)
        """

    def set(
        self, name: str, *, members: int | None = None, mode: Mode | None = None, fresh_for: float | None = None,
        keys: int | None = None, kept: bool | None = None,
    ) -> Set:  # fmt: skip
        """Members by key, each with its own end; at most so many `members` in a set.

        Raises `LibraryError`.

            suppressed = await ctx.library.state.set("suppressed").contains("all", ctx.recipient)
        """

    def value(
        self, name: str, *, mode: Mode | None = None, fresh_for: float | None = None, keys: int | None = None,
        kept: bool | None = None,
    ) -> Value:  # fmt: skip
        """A small JSON value by key.

        Raises `LibraryError`.

            await ctx.library.state.value("flags").put("warm-up", True, expires=86400)
        """

    def semaphore(
        self, name: str, *, limit: int | None = None, lease: float | None = None, keys: int | None = None,
    ) -> Semaphore:  # fmt: skip
        """So many at once by key, over all workers; what a dead worker held is free again after its `lease`.

        Raises `LibraryError`.

            async with await ctx.library.state.semaphore("scans", limit=4).hold("all", wait=5): ...
        """

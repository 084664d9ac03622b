"""What scripts see of shared state: five kinds of space, typed. `SharedStore` is one implementation; with
`danelaw.testing.fake_store` the same runs in memory under a clock that tests move.

Every call may raise `StoreUnavailable` (no answer in time; whether it was done is not known), and those that need room
`StoreFull`. `expires` are seconds from now; None is for ever.
"""

from __future__ import annotations

from types import TracebackType
from typing import NamedTuple, Protocol, TypeAlias, Union

JSON: TypeAlias = Union[str, int, float, bool, list["JSON"], dict[str, "JSON"], None]  # noqa: UP007
"""What a value may be; at most 4 KiB of JSON."""


class Taken(NamedTuple):
    """Whether a rate had room; if not, seconds until it may, None for never."""

    allowed: bool
    retry_after: float | None

    def __bool__(self) -> bool:
        """Whether there was room."""
        return self.allowed


class Counter(Protocol):
    """A sum by key."""

    async def add(self, key: str, by: int = 1, *, expires: float | None = None, prolong: bool = False) -> int:
        """Add to a key and give its sum. A new key lives for `expires`; `prolong` lets any key live so long anew."""

    async def get(self, key: str) -> int:
        """The sum of a key, 0 for one that does not exist."""

    async def clear(self, key: str) -> None:
        """Forget a key."""


class Rate(Protocol):
    """Events per time by key: never more than the limit in any stretch of the span."""

    async def take(self, key: str, number: int = 1, *, limit: int | None = None) -> Taken:
        """Count events if all of them are within the limit, or else none. `limit` instead of the space's own."""

    async def taken(self, key: str) -> int:
        """Events that count now."""

    async def clear(self, key: str) -> None:
        """Forget the events of a key."""


class Set(Protocol):
    """Members by key, each with its own end."""

    async def add(self, key: str, member: str, *, expires: float | None = None) -> bool:
        """Add a member, or renew its end. True when it is new."""

    async def remove(self, key: str, member: str) -> bool:
        """Remove a member. True when it was there."""

    async def contains(self, key: str, member: str) -> bool:
        """Whether it is a member."""

    async def size(self, key: str) -> int:
        """The number of members."""

    async def members(self, key: str, *, after: str = "", most: int = 100) -> list[str]:
        """Members in order of their text, at most 1000, those behind `after`."""

    async def clear(self, key: str) -> None:
        """Remove all members."""


class Value(Protocol):
    """A small JSON value by key."""

    async def get(self, key: str, default: JSON = None) -> JSON:
        """What was put, or `default`."""

    async def put(self, key: str, value: JSON, *, expires: float | None = None) -> None:
        """Put a value in place of what is there."""

    async def compare_and_set(self, key: str, expected: JSON, value: JSON, *, expires: float | None = None) -> bool:
        """Put `value` only if `expected` is there; True when it was. None stands for nothing there, on both sides.
        Equal means equal as JSON: 1 is not 1.0.
        """

    async def clear(self, key: str) -> None:
        """Forget a key."""


class Held(Protocol):
    """A part of a semaphore that is ours. Lost when its lease is over, or when this process is dead."""

    async def renew(self, lease: float) -> bool:
        """Let it last so many seconds from now; False when it is lost."""

    async def release(self) -> bool:
        """Give it back; False when it was lost before."""

    async def __aenter__(self) -> Held:
        """Itself."""

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give it back."""


class Semaphore(Protocol):
    """So many at once by key, over all workers."""

    async def acquire(self, key: str, *, lease: float = 60.0, wait: float = 0.0) -> Held | None:
        """A part for so many seconds at most; None when there is none within `wait` seconds."""

    async def hold(self, key: str, *, lease: float = 60.0, wait: float = 0.0) -> Held:
        """The same for `async with await …`. Raises `NotAcquired` instead."""

    async def held(self, key: str) -> int:
        """How many have a part now."""

"""Shared state for scripts: the gateway's `SharedStore`, each call shielded and seen by traces."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from danelaw.policy import LibraryError
from danelaw.policy.notes import JSON
from danelaw.policy.state import Counter, Held, Mode, Rate, Semaphore, Set, Taken, Value
from danelaw.scripting.guard import GUARD
from danelaw.scripting.library.call import library_call
from danelaw.shared import Mode as SpaceMode
from danelaw.shared import SharedStateError

if TYPE_CHECKING:
    from danelaw.shared import SharedStore

T = TypeVar("T")
W = TypeVar("W", bound="_Space")


class SharedState:
    """`policy.state.State` over the store of a gateway, or one in memory."""

    def __init__(self, store: SharedStore) -> None:
        self._store = store
        # By name, as it was asked for last: hooks declare their spaces at every call, mostly with the same settings.
        self._last: dict[str, tuple[object, Any]] = {}

    def counter(
        self, name: str, *, mode: Mode | None = None, keys: int | None = None, kept: bool | None = None
    ) -> Counter:
        """Sums by key."""
        return self._space(SharedCounter, self._store.counter, name, mode=mode, keys=keys, kept=kept)

    def rate(
        self, name: str, *, limit: int | None = None, span: float | None = None, mode: Mode | None = None,
        keys: int | None = None, kept: bool | None = None,
    ) -> Rate:  # fmt: skip
        """Events by key and time."""
        return self._space(SharedRate, self._store.rate, name, limit=limit, span=span, mode=mode, keys=keys, kept=kept)

    def set(
        self, name: str, *, members: int | None = None, mode: Mode | None = None, fresh_for: float | None = None,
        keys: int | None = None, kept: bool | None = None,
    ) -> Set:  # fmt: skip
        """Members by key."""
        return self._space(
            SharedSet, self._store.set, name, members=members, mode=mode, fresh_for=fresh_for, keys=keys, kept=kept
        )

    def value(
        self, name: str, *, mode: Mode | None = None, fresh_for: float | None = None, keys: int | None = None,
        kept: bool | None = None,
    ) -> Value:  # fmt: skip
        """A value by key."""
        return self._space(SharedValue, self._store.value, name, mode=mode, fresh_for=fresh_for, keys=keys, kept=kept)

    def semaphore(
        self, name: str, *, limit: int | None = None, lease: float | None = None, keys: int | None = None
    ) -> Semaphore:
        """So many at once by key."""
        return self._space(SharedSemaphore, self._store.semaphore, name, limit=limit, lease=lease, keys=keys)

    def _space(self, made: type[W], declare: Callable[..., object], name: str, **settings: object) -> W:
        asked = (made, *settings.values())
        last = self._last.get(name)
        if last is not None and last[0] == asked:
            found: W = last[1]
            return found
        with GUARD.shield():
            try:
                found = made(name, declare(name, **_given(settings)))
            except SharedStateError as error:
                raise _told(error) from None
            self._last[name] = (asked, found)
        return found


def _told(error: SharedStateError) -> LibraryError:
    """What the store refuses, in the library's own error."""
    return LibraryError(error.reason, advice=error.advice)


async def _asked(call: Awaitable[T]) -> T:
    try:
        return await call
    except SharedStateError as error:
        raise _told(error) from None


def _given(settings: Mapping[str, object]) -> dict[str, object]:
    """What a script has said, and nothing of what it has left out."""
    given = {name: value for name, value in settings.items() if value is not None}
    if "mode" in given:
        try:
            given["mode"] = SpaceMode(str(given["mode"]))
        except ValueError:
            raise LibraryError(
                f'{str(given["mode"])[:40]!r} is no mode of a space; write "exact" or "leased"'
            ) from None
    return given


class _Space:
    """What works on one space; its name is what traces show."""

    __slots__ = ("_of", "name")

    def __init__(self, name: str, of: Any) -> None:
        self.name = name
        self._of = of

    @library_call("state.clear")
    async def clear(self, key: str) -> None:
        """Forget a key."""
        await _asked(self._of.clear(key))


class SharedCounter(_Space):
    """`policy.state.Counter`."""

    __slots__ = ()

    @library_call("state.counter.add")
    async def add(self, key: str, by: int = 1, *, expires: float | None = None, prolong: bool = False) -> int:
        """Add, and give the sum."""
        found: int = await _asked(self._of.add(key, by, expires=expires, prolong=prolong))
        return found

    @library_call("state.counter.get")
    async def get(self, key: str) -> int:
        """The sum."""
        found: int = await _asked(self._of.get(key))
        return found


class SharedRate(_Space):
    """`policy.state.Rate`."""

    __slots__ = ()

    @library_call("state.rate.take")
    async def take(self, key: str, number: int = 1, *, limit: int | None = None) -> Taken:
        """Count events if there is room for all."""
        found: Taken = await _asked(self._of.take(key, number, limit=limit))
        return found

    @library_call("state.rate.taken")
    async def taken(self, key: str) -> int:
        """Events that count now."""
        found: int = await _asked(self._of.taken(key))
        return found


class SharedSet(_Space):
    """`policy.state.Set`."""

    __slots__ = ()

    @library_call("state.set.add")
    async def add(self, key: str, member: str, *, expires: float | None = None) -> bool:
        """Add a member."""
        found: bool = await _asked(self._of.add(key, member, expires=expires))
        return found

    @library_call("state.set.remove")
    async def remove(self, key: str, member: str) -> bool:
        """Remove one."""
        found: bool = await _asked(self._of.remove(key, member))
        return found

    @library_call("state.set.contains")
    async def contains(self, key: str, member: str) -> bool:
        """Whether it is one."""
        found: bool = await _asked(self._of.contains(key, member))
        return found

    @library_call("state.set.size")
    async def size(self, key: str) -> int:
        """How many there are."""
        found: int = await _asked(self._of.size(key))
        return found

    @library_call("state.set.members")
    async def members(self, key: str, *, after: str = "", most: int = 100) -> list[str]:
        """Members in order."""
        found: list[str] = await _asked(self._of.members(key, after=after, most=most))
        return found


class SharedValue(_Space):
    """`policy.state.Value`."""

    __slots__ = ()

    @library_call("state.value.get")
    async def get(self, key: str, default: JSON = None) -> JSON:
        """What was put."""
        found: JSON = await _asked(self._of.get(key, default))
        return found

    @library_call("state.value.put")
    async def put(self, key: str, value: JSON, *, expires: float | None = None) -> None:
        """Put a value."""
        await _asked(self._of.put(key, value, expires=expires))

    @library_call("state.value.compare_and_set")
    async def compare_and_set(self, key: str, expected: JSON, value: JSON, *, expires: float | None = None) -> bool:
        """Put a value only in place of another."""
        found: bool = await _asked(self._of.compare_and_set(key, expected, value, expires=expires))
        return found


class SharedSemaphore(_Space):
    """`policy.state.Semaphore`."""

    __slots__ = ()

    @library_call("state.semaphore.acquire")
    async def acquire(self, key: str, *, lease: float = 60.0, wait: float = 0.0) -> Held | None:
        """A part, or None."""
        found = await _asked(self._of.acquire(key, lease=lease, wait=wait))
        return None if found is None else SharedHeld(found)

    @library_call("state.semaphore.hold")
    async def hold(self, key: str, *, lease: float = 60.0, wait: float = 0.0) -> Held:
        """A part, or an error."""
        return SharedHeld(await _asked(self._of.hold(key, lease=lease, wait=wait)))

    @library_call("state.semaphore.held")
    async def held(self, key: str) -> int:
        """How many have a part."""
        found: int = await _asked(self._of.held(key))
        return found


class SharedHeld:
    """`policy.state.Held`."""

    __slots__ = ("_of",)

    def __init__(self, of: Held) -> None:
        self._of = of

    @library_call("state.semaphore.renew")
    async def renew(self, lease: float) -> bool:
        """Let it last longer."""
        return await _asked(self._of.renew(lease))

    @library_call("state.semaphore.release")
    async def release(self) -> bool:
        """Give it back."""
        return await _asked(self._of.release())

    async def __aenter__(self) -> Held:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.release()

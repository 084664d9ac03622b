"""Spaces whose every operation is a round trip to the store."""

from __future__ import annotations

import json
from types import TracebackType
from typing import Any

from danelaw.shared.carrier import Carrier, Done
from danelaw.shared.errors import BadRequest, NoSuchSpace, NotAcquired
from danelaw.shared.interface import JSON, Held, Taken
from danelaw.shared.spaces import LONGEST_VALUE, Space


class Teller:
    """The way to one space: declares it to the store before its first use, and again where the store forgot it. `asked`
    and `local` count calls that went to the store, and that were answered here.
    """

    __slots__ = ("_known", "asked", "carrier", "local", "space")

    def __init__(self, space: Space, carrier: Carrier, known: set[str]) -> None:
        self.space = space
        self.carrier = carrier
        self._known = known
        self.asked = 0
        self.local = 0

    async def ask(self, code: str, key: str, *args: Any, wait: float = 0.0) -> Any:
        """One operation. Raises `SharedStateError`."""
        name = self.space.name
        self.asked += 1
        if name not in self._known:
            self._declare()
        try:
            return await self.carrier.ask(code, name, key, *args, wait=wait)
        except NoSuchSpace:
            # Whether the declaration was refused, and why, is told here.
            await self.carrier.ask("declare", name, "", self.space.to_json())
        return await self.carrier.ask(code, name, key, *args, wait=wait)

    def say(self, code: str, key: str, *args: Any, done: Done) -> None:
        """One operation whose result is told later."""
        if self.space.name not in self._known:
            self._declare()
        self.carrier.say(code, self.space.name, key, *args, done=done)

    def forget(self) -> None:
        """Declare it again before its next use."""
        self._known.discard(self.space.name)

    def _declare(self) -> None:
        """Said just before the operation that needs it; nobody waits for it."""
        self._known.add(self.space.name)
        self.carrier.say("declare", self.space.name, "", self.space.to_json(), done=_nothing)


class Exact:
    """What all have."""

    __slots__ = ("_teller",)

    def __init__(self, teller: Teller) -> None:
        self._teller = teller

    @property
    def calls(self) -> tuple[int, int]:
        """Calls answered here, and calls that went to the store."""
        return self._teller.local, self._teller.asked

    def renew(self, space: Space) -> None:
        """The space was declared anew."""
        self._teller.space = space

    async def clear(self, key: str) -> None:
        """Forget a key."""
        await self._teller.ask("clear", key)


class ExactCounter(Exact):
    """`Counter`, exact."""

    __slots__ = ()

    async def add(self, key: str, by: int = 1, *, expires: float | None = None, prolong: bool = False) -> int:
        """Add, and give the sum."""
        total: int = await self._teller.ask("add", key, by, expires, prolong)
        return total

    async def get(self, key: str) -> int:
        """The sum."""
        total: int = await self._teller.ask("count", key)
        return total


class ExactRate(Exact):
    """`Rate`, exact."""

    __slots__ = ()

    async def take(self, key: str, number: int = 1, *, limit: int | None = None) -> Taken:
        """Count events within the limit, or none."""
        return Taken(*await self._teller.ask("take", key, number, limit))

    async def taken(self, key: str) -> int:
        """Events that count now."""
        number: int = await self._teller.ask("taken", key)
        return number


class ExactSet(Exact):
    """`Set`, exact."""

    __slots__ = ()

    async def add(self, key: str, member: str, *, expires: float | None = None) -> bool:
        """True when it is new."""
        return bool(await self._teller.ask("join", key, member, expires))

    async def remove(self, key: str, member: str) -> bool:
        """True when it was there."""
        return bool(await self._teller.ask("leave", key, member))

    async def contains(self, key: str, member: str) -> bool:
        """Whether it is there."""
        return bool(await self._teller.ask("has", key, member))

    async def size(self, key: str) -> int:
        """Members."""
        number: int = await self._teller.ask("size", key)
        return number

    async def members(self, key: str, *, after: str = "", most: int = 100) -> list[str]:
        """Members in order."""
        found: list[str] = await self._teller.ask("members", key, after, most)
        return found


class ExactValue(Exact):
    """`Value`, exact."""

    __slots__ = ()

    async def get(self, key: str, default: JSON = None) -> JSON:
        """What is there."""
        return value_from_text(await self._teller.ask("read", key), default)

    async def put(self, key: str, value: JSON, *, expires: float | None = None) -> None:
        """Put it there."""
        await self._teller.ask("put", key, value_to_text(value), expires)

    async def compare_and_set(self, key: str, expected: JSON, value: JSON, *, expires: float | None = None) -> bool:
        """Put it in place of what is expected only."""
        wanted, text = (None if one is None else value_to_text(one) for one in (expected, value))
        return bool((await self._teller.ask("swap", key, wanted, text, expires))[0])


class ExactSemaphore(Exact):
    """`Semaphore`."""

    __slots__ = ()

    async def acquire(self, key: str, *, lease: float = 60.0, wait: float = 0.0) -> Held | None:
        """A part, or None."""
        number, _ = await self._teller.ask("acquire", key, lease, wait, wait=wait)
        return HeldPart(self._teller, key, number) if number else None

    async def hold(self, key: str, *, lease: float = 60.0, wait: float = 0.0) -> Held:
        """A part. Raises `NotAcquired`."""
        found = await self.acquire(key, lease=lease, wait=wait)
        if found is None:
            raise NotAcquired(f"semaphore {self._teller.space.name} {key} has no room within {wait:g} s")
        return found

    async def held(self, key: str) -> int:
        """Parts that are held."""
        number: int = await self._teller.ask("held", key)
        return number


class HeldPart:
    """`Held`."""

    __slots__ = ("_key", "_number", "_teller")

    def __init__(self, teller: Teller, key: str, number: int) -> None:
        self._teller = teller
        self._key = key
        self._number = number

    async def renew(self, lease: float) -> bool:
        """Let it last so long from now."""
        return bool(await self._teller.ask("renew", self._key, self._number, lease))

    async def release(self) -> bool:
        """Give it back."""
        return bool(await self._teller.ask("release", self._key, self._number))

    async def __aenter__(self) -> Held:
        """Itself."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give it back, also when the task that held it is cancelled: nobody waits for the answer."""
        self._teller.say("release", self._key, self._number, done=_nothing)


def value_to_text(value: JSON) -> str:
    """The one JSON text of a value, with keys in order. Raises `BadRequest` for what has none, or is too long."""
    if value is None:
        raise BadRequest("None stands for nothing there", advice="use clear")
    try:
        text = json.dumps(value, sort_keys=True, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError, RecursionError) as error:
        raise BadRequest(f"this value cannot be shared: {error}") from None
    if len(text) > LONGEST_VALUE:
        raise BadRequest(f"a value has at most {LONGEST_VALUE} octets of JSON, not {len(text)}")
    return text


def value_from_text(text: str | None, default: JSON) -> JSON:
    """The value of a text, `default` for none."""
    if text is None:
        return default
    value: JSON = json.loads(text)
    return value


def _nothing(result: Any) -> None:
    """Nobody needs to know."""

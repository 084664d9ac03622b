"""Leased sets and values: answers are remembered for a while; changes go to the store at once."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from danelaw.shared.exact import ExactSet, ExactValue, Teller, value_from_text
from danelaw.shared.interface import JSON

_MOST_ANSWERS = 10_000


class _Remembered:
    """Answers that are fresh enough, by key and member."""

    __slots__ = ("_answers", "_fresh_for")

    def __init__(self, fresh_for: float) -> None:
        self._answers: OrderedDict[tuple[str, str | None], tuple[Any, float]] = OrderedDict()
        self._fresh_for = fresh_for

    def get(self, key: str, member: str | None, now: float) -> tuple[Any, float] | None:
        found = self._answers.get((key, member))
        return found if found is not None and now - found[1] <= self._fresh_for else None

    def keep(self, key: str, member: str | None, answer: Any, asked_at: float) -> None:
        self._answers[key, member] = (answer, asked_at)
        self._answers.move_to_end((key, member))
        if len(self._answers) > _MOST_ANSWERS:
            self._answers.popitem(last=False)

    def drop(self, key: str, member: str | None = None) -> None:
        self._answers.pop((key, member), None)

    def drop_key(self, key: str) -> None:
        for one in [one for one in self._answers if one[0] == key]:
            del self._answers[one]


class LeasedSet(ExactSet):
    """`Set`, leased: `contains` is answered from memory; the rest is exact."""

    __slots__ = ("_seen",)

    def __init__(self, teller: Teller) -> None:
        super().__init__(teller)
        self._seen = _Remembered(teller.space.fresh_for)

    async def add(self, key: str, member: str, *, expires: float | None = None) -> bool:
        """True when it is new."""
        try:
            return await super().add(key, member, expires=expires)
        finally:
            self._seen.drop(key, member)  # an answer from before came first, whatever became of this

    async def remove(self, key: str, member: str) -> bool:
        """True when it was there."""
        try:
            return await super().remove(key, member)
        finally:
            self._seen.drop(key, member)

    async def contains(self, key: str, member: str) -> bool:
        """Whether it was there lately."""
        now = self._teller.carrier.now()
        seen = self._seen.get(key, member, now)
        if seen is not None:
            self._teller.local += 1
            return bool(seen[0])
        found = await super().contains(key, member)
        self._seen.keep(key, member, found, now)
        return found

    async def clear(self, key: str) -> None:
        """Remove all."""
        try:
            await super().clear(key)
        finally:
            self._seen.drop_key(key)


class LeasedValue(ExactValue):
    """`Value`, leased: `get` is answered from memory; the rest is exact."""

    __slots__ = ("_seen",)

    def __init__(self, teller: Teller) -> None:
        super().__init__(teller)
        self._seen = _Remembered(teller.space.fresh_for)

    async def get(self, key: str, default: JSON = None) -> JSON:
        """What was there lately."""
        now = self._teller.carrier.now()
        seen = self._seen.get(key, None, now)
        if seen is None:
            seen = (await self._teller.ask("read", key), now)
            self._seen.keep(key, None, *seen)
        else:
            self._teller.local += 1
        return value_from_text(seen[0], default)

    async def put(self, key: str, value: JSON, *, expires: float | None = None) -> None:
        """Put it there."""
        try:
            await super().put(key, value, expires=expires)
        finally:
            self._seen.drop(key)

    async def compare_and_set(self, key: str, expected: JSON, value: JSON, *, expires: float | None = None) -> bool:
        """Put it in place of what is expected only."""
        try:
            return await super().compare_and_set(key, expected, value, expires=expires)
        finally:
            self._seen.drop(key)

    async def clear(self, key: str) -> None:
        """Forget a key."""
        try:
            await super().clear(key)
        finally:
            self._seen.drop(key)

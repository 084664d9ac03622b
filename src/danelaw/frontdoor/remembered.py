"""A bounded memory of what was found out a while ago."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class Remembered(Generic[K, V]):
    """Values until a time of their own; the oldest goes when there are more than `most`."""

    __slots__ = ("_most", "_values")

    def __init__(self, most: int) -> None:
        self._most = most
        self._values: OrderedDict[K, tuple[V, float]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._values)

    def get(self, key: K, now: float) -> V | None:
        """The value, None when there is none or its time has passed."""
        found = self._values.get(key)
        if found is None:
            return None
        if found[1] <= now:
            del self._values[key]
            return None
        return found[0]

    def put(self, key: K, value: V, until: float) -> None:
        """Remember a value until `until`, by the same clock as `now`."""
        self._values[key] = (value, until)
        self._values.move_to_end(key)
        while len(self._values) > self._most:
            self._values.popitem(last=False)

    def forget(self) -> None:
        """Everything."""
        self._values.clear()

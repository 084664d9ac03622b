"""A cache bounded in entries and bytes, least recently used first out; time is an argument."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable
from typing import Generic, NamedTuple, TypeAlias, TypeVar

from danelaw.dnsdata import Question

V = TypeVar("V")
Key: TypeAlias = Hashable


class _Entry(NamedTuple):
    value: object
    expires: float
    size: int
    parts: tuple[bytes, ...]


def key_of(question: Question) -> Key:
    """A key that hashes in C. Names that differ only in case merely miss each other."""
    return (question.name.labels, int(question.rdtype))


class BoundedCache(Generic[V]):
    """Values until their time is over.

    `parts` of an entry are byte strings it may share with others, such as the signed keys of a zone under
    a thousand names: each distinct one counts once.
    """

    __slots__ = ("_entries", "_max_bytes", "_max_entries", "_shared", "size")

    def __init__(self, max_entries: int, max_bytes: int) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._entries: OrderedDict[Key, _Entry] = OrderedDict()
        self._shared: dict[bytes, int] = {}
        self.size = 0

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: Key, now: float) -> V | None:
        """The value if it has not expired at `now` (POSIX seconds)."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        if entry.expires <= now:
            self.drop(key)
            return None
        self._entries.move_to_end(key)
        return entry.value  # type: ignore[return-value]

    def expires(self, key: Key) -> float | None:
        """When the entry ends (POSIX seconds), None when there is none."""
        entry = self._entries.get(key)
        return None if entry is None else entry.expires

    def put(self, key: Key, value: V, *, expires: float, size: int, parts: tuple[bytes, ...] = ()) -> None:
        """Remember until `expires`; `size` is an estimate in bytes without the parts.

        What alone exceeds the bound is not remembered.
        """
        self.drop(key)
        if size + sum(map(len, parts)) > self._max_bytes or self._max_entries < 1:
            return
        self._entries[key] = _Entry(value, expires, size, parts)
        self.size += size
        for part in parts:
            users = self._shared.get(part, 0)
            self._shared[part] = users + 1
            if not users:
                self.size += len(part)
        while len(self._entries) > self._max_entries or self.size > self._max_bytes:
            self.drop(next(iter(self._entries)))

    def drop(self, key: Key) -> None:
        """Forget one entry, if it is there."""
        entry = self._entries.pop(key, None)
        if entry is None:
            return
        self.size -= entry.size
        for part in entry.parts:
            users = self._shared[part] - 1
            if users:
                self._shared[part] = users
            else:
                del self._shared[part]
                self.size -= len(part)

    def clear(self) -> None:
        """Forget everything."""
        self._entries.clear()
        self._shared.clear()
        self.size = 0

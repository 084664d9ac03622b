"""What an archive says it holds, before anything is looked into."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field


class DamagedArchive(Exception):
    """An archive that cannot be followed; the text says why."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One member. `read` unpacks at most so many octets of it; None where that cannot be done."""

    path: str
    size: int
    encrypted: bool = False
    read: Callable[[int], bytes] | None = None


@dataclass(slots=True)
class Contents:
    """Members in the order of the archive; `odd` says what could not be followed."""

    entries: list[Entry] = field(default_factory=list)
    encrypted: bool = False
    odd: list[str] = field(default_factory=list)

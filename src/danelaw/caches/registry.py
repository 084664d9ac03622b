"""All caches of a process, by name."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypedDict, Unpack

from danelaw.caches.cache import Cache, CacheError
from danelaw.caches.contents import Failure

MOST_CACHES = 200
"""Names there may be; they are label values of metrics."""
SCHEMA = "danelaw/caches/1"
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,59}", re.ASCII)
_LONGEST_SHOWN = 200
_COUNTS = ("hits", "misses", "stale", "joined", "failures", "evicted", "in_flight", "entries", "octets")


class CacheSettings(TypedDict, total=False):
    """What `Cache` takes beside its name, `ttl` and clock."""

    negative_ttl: float | None
    failure_ttl: float
    stale_for: float
    entries: int
    octets: int
    negative: Callable[[Any], bool]
    size: Callable[[Any], int]


class Caches:
    """The caches of a process. `clock` is steady seconds."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._caches: dict[str, Cache[Any]] = {}
        self._past: dict[str, dict[str, int]] = {}

    def cache(self, name: str, *, ttl: float, **settings: Unpack[CacheSettings]) -> Cache[Any]:
        """A new cache under this name, in place of one that has it: a script that is loaded anew begins anew. Raises
        `CacheError` for a name that is none, or one too many.
        """
        if not _NAME.fullmatch(name):
            raise CacheError(f"{name!r} is no name of a cache", advice="small letters, digits, dots, hyphens")
        if name not in self._caches and len(self._caches) >= MOST_CACHES:
            raise CacheError(f"there are {MOST_CACHES} caches already")
        found: Cache[Any] = Cache(name, ttl=ttl, clock=self._clock, **settings)
        # What is counted under a name never falls.
        self._past |= {one: counts for one, counts in self.counts().items() if one == name}
        self._caches[name] = found
        return found

    def counts(self) -> dict[str, dict[str, int]]:
        """The numbers of every cache; what is counted includes those that had its name before."""
        found = {}
        for name, one in self._caches.items():
            past = self._past.get(name, {})
            found[name] = {
                "hits": one.hits, "misses": one.misses, "stale": one.stale, "joined": one.joined,
                "failures": one.failures, "evicted": one.contents.evicted,
            }  # fmt: skip
            found[name] = {count: number + past.get(count, 0) for count, number in found[name].items()}
            found[name] |= {
                "in_flight": one.in_flight, "entries": len(one.contents), "octets": one.contents.octets,
            }  # fmt: skip
        return found

    def listed(self) -> dict[str, Any]:
        """All caches with their numbers, as JSON has it."""
        return {
            "schema": SCHEMA,
            "caches": [
                {"name": name, "ttl": self._caches[name].ttl, **counts}
                for name, counts in sorted(self.counts().items())
            ],
        }

    def shown(self, name: str, match: str, most: int) -> dict[str, Any]:
        """The entries of one cache whose key contains `match`, those used last first. Raises `CacheError`."""
        now, rows = self._clock(), []
        for key, entry in self._named(name).contents.items():
            text = _text(key)
            if match in text:
                failed = isinstance(entry.value, Failure)
                rows.append(
                    {
                        "key": text, "value": _text(entry.value.error if failed else entry.value), "failed": failed,
                        "fresh_for": max(0.0, entry.fresh_until - now), "octets": entry.octets,
                    }
                )  # fmt: skip
                if len(rows) >= most:
                    break
        return {"schema": SCHEMA, "name": name, "entries": rows}

    def clear(self, name: str, key: str | None) -> int:
        """Forget one key, by its text, or all; gives how many went. Raises `CacheError`."""
        cache = self._named(name)
        if key is None:
            return cache.clear()
        found = [one for one, _ in cache.contents.items() if str(one) == key]
        return sum(map(cache.forget, found))

    def _named(self, name: str) -> Cache[Any]:
        cache = self._caches.get(name)
        if cache is None:
            raise CacheError(f"there is no cache {name}", advice="danelaw cache list")
        return cache


def together(listings: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """What `listed` gave in several processes, added up."""
    sums: dict[str, dict[str, Any]] = {}
    for listing in listings:
        for one in listing["caches"]:
            total = sums.setdefault(one["name"], {"name": one["name"], "ttl": one["ttl"], **dict.fromkeys(_COUNTS, 0)})
            for count in _COUNTS:
                total[count] += one[count]
    return {"schema": SCHEMA, "caches": [sums[name] for name in sorted(sums)]}


def _text(value: object) -> str:
    text = value if isinstance(value, str) else repr(value)
    return text if len(text) <= _LONGEST_SHOWN else text[: _LONGEST_SHOWN - 1] + "…"

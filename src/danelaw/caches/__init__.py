"""Caches of policy: each value is computed once, however many deliveries and sessions ask for it at the same time.

    caches = Caches()
    lists = caches.cache("lists", ttl=300, negative_ttl=30, stale_for=60)
    value = await lists.get(client, lambda: ask_the_list(client))

A cache belongs to one process and is bounded in entries and octets; the value used least recently goes first. A failed
computation is told to all who wait for it and is not kept, unless `failure_ttl` says so. Caches have names, by which
`danelaw cache` lists, shows and clears them. What must be the same in all workers is no cache: see `danelaw.shared`.
"""

from __future__ import annotations

from danelaw.caches.cache import Cache, CacheError
from danelaw.caches.registry import MOST_CACHES, Caches, together

__all__ = ["MOST_CACHES", "Cache", "CacheError", "Caches", "together"]

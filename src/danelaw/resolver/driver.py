"""The asyncio stub resolver: caches in front, the validator in the middle, upstreams behind."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

from danelaw.dnsdata import Answer, Lookup, Question
from danelaw.resolver.probe import ProbeReport
from danelaw.resolver.settings import ResolverSettings

T = TypeVar("T")


class Resolver:
    """Answers questions with their DNSSEC status and drives `Lookup` generators.

    `clock` gives POSIX seconds. Must be used from one event loop. Nothing here raises for what DNS does.
    """

    def __init__(self, settings: ResolverSettings, *, clock: Callable[[], float] = time.time) -> None:
        self.settings = settings
        self._clock = clock

    async def ask(self, question: Question) -> Answer:
        """The answer to one question, from the cache when it is there."""
        raise NotImplementedError

    async def run(self, lookup: Lookup[T]) -> T:
        """Drive a look-up to its result; the questions of a batch are asked at the same time."""
        raise NotImplementedError

    def cached(self, question: Question) -> Answer | None:
        """A validated answer that is still good, without any await; None when DNS must be asked."""
        raise NotImplementedError

    async def probe(self) -> ProbeReport:
        """Ask every upstream what a good one must be able to answer; see `danelaw.resolver.probe`."""
        raise NotImplementedError

    async def close(self) -> None:
        """End everything in flight; unfinished questions are answered as failed."""
        raise NotImplementedError

"""One configured filter: an engine at its servers, within a budget of time, behind breakers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from typing import TypeVar

from danelaw.filters.breaker import Breaker, BreakerState
from danelaw.filters.engine import Engine
from danelaw.filters.result import FilterError, FilterResult, Verdict
from danelaw.filters.specimen import Specimen
from danelaw.filters.stream import ServerAddress

T = TypeVar("T")
BREAKER_FAILURES = 3
BREAKER_SECONDS = 30.0


class Servers:
    """The servers of a filter in the order of preference, each with its breaker."""

    def __init__(
        self,
        addresses: Sequence[ServerAddress],
        *,
        failures: int = BREAKER_FAILURES,
        seconds: float = BREAKER_SECONDS,
        changed: Callable[[ServerAddress, BreakerState, str], None] = lambda server, state, reason: None,
    ) -> None:
        """`changed` is told when a breaker opens, and when it closes again."""
        self.addresses = tuple(addresses)
        self.breakers = {address: Breaker(failures, seconds) for address in self.addresses}
        self._changed = changed

    def states(self) -> dict[ServerAddress, BreakerState]:
        """Each server's breaker now."""
        now = asyncio.get_running_loop().time()
        return {address: breaker.state(now) for address, breaker in self.breakers.items()}

    async def first(
        self, ask: Callable[[ServerAddress], Awaitable[T]], seconds: float, *, settles: bool = True
    ) -> tuple[ServerAddress, T]:
        """What the first server gives that answers; each has its share of the time that is left.

        Where an answer does not settle that the server works, `succeeded`, `failed` or `given_up` must follow. Raises
        `FilterError` with every server's reason.
        """
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        reasons = []
        for number, server in enumerate(self.addresses):
            if not self.breakers[server].allows(loop.time()):
                reasons.append(f"{server}: left alone after failures")
                continue
            share = max(end - loop.time(), 0.0) / (len(self.addresses) - number)
            try:
                async with asyncio.timeout(share):
                    answer = await ask(server)
            except TimeoutError:
                reason = f"no answer within {share:.3g} s"
            except FilterError as error:
                reason = error.reason
            except BaseException:
                self.given_up(server)
                raise
            else:
                if settles:
                    self.succeeded(server)
                return server, answer
            reasons.append(f"{server}: {reason}")
            self.failed(server, reason)
        raise FilterError("; ".join(reasons))

    def succeeded(self, server: ServerAddress) -> None:
        """It works."""
        breaker = self.breakers[server]
        was = breaker.state(asyncio.get_running_loop().time())
        breaker.succeeded()
        if was is not BreakerState.CLOSED:
            self._changed(server, BreakerState.CLOSED, "it answers again")

    def failed(self, server: ServerAddress, reason: str) -> None:
        """It does not work."""
        if self.breakers[server].failed(asyncio.get_running_loop().time()):
            self._changed(server, BreakerState.OPEN, reason)

    def given_up(self, server: ServerAddress) -> None:
        """Nobody waits for its answer any more."""
        self.breakers[server].given_up()


class Filter:
    """A filter that looks at whole messages and changes nothing while it does."""

    def __init__(
        self, name: str, engine: Engine, servers: Servers, *, seconds: float, largest: int, at_once: int = 20
    ) -> None:
        """`seconds` for one message in all; above `largest` octets a message is not shown; `at_once` messages at a
        time, others wait within their seconds.
        """
        self.name = name
        self.engine = engine
        self.servers = servers
        self._seconds = seconds
        self._largest = largest
        self._places = asyncio.Semaphore(at_once)

    async def examine(self, specimen: Specimen) -> FilterResult:
        """The result, `Verdict.FAILED` with the reasons where no server gives one."""
        if specimen.content.size > self._largest:
            return FilterResult(self.name, Verdict.TOO_LARGE, f"larger than {self._largest} octets, not shown to it")
        loop = asyncio.get_running_loop()
        begun = loop.time()
        try:
            async with asyncio.timeout(self._seconds):
                await self._places.acquire()
        except TimeoutError:
            reason = f"too many messages wait for it; none ended within {self._seconds:g} s"
            return FilterResult(self.name, Verdict.FAILED, reason, seconds=loop.time() - begun)
        try:
            left = self._seconds - (loop.time() - begun)
            server, result = await self.servers.first(lambda server: self.engine.examine(server, specimen), left)
        except FilterError as error:
            return FilterResult(self.name, Verdict.FAILED, error.reason, seconds=loop.time() - begun)
        finally:
            self._places.release()
        return replace(result, filter=self.name, server=str(server), seconds=loop.time() - begun)

    async def ping(self, seconds: float | None = None) -> dict[ServerAddress, str | FilterError]:
        """Ask each server whether it works, breakers aside: its words, or what is wrong. At most `seconds`, or the
        time for a message.
        """
        longest = min(seconds or self._seconds, self._seconds)

        async def one(server: ServerAddress) -> str | FilterError:
            try:
                async with asyncio.timeout(longest):
                    return await self.engine.ping(server)
            except TimeoutError:
                return FilterError(f"no answer within {longest:g} s")
            except FilterError as error:
                return error

        answers = await asyncio.gather(*(one(server) for server in self.servers.addresses))
        return dict(zip(self.servers.addresses, answers, strict=True))

"""One question, several attempts: each starts when the one before failed or stayed silent for a moment."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias

import dns.rcode

from danelaw.dnsdata import Question
from danelaw.dnssec import Response
from danelaw.resolver.transport import Transport
from danelaw.resolver.upstream import Upstream

# These say something about the server or the way to it, not about the name asked for.
_SERVER_AT_FAULT = frozenset({dns.rcode.REFUSED, dns.rcode.NOTIMP, dns.rcode.FORMERR})


@dataclass(frozen=True, slots=True)
class Attempt:
    """The end of one attempt.

    `usable`: the race is over. `response`: what to fall back on when nothing better comes. `by_tcp`: the same
    server must be asked by TCP next. `edns_missing`: the reply came back without EDNS. `failure`: why it is
    not usable.
    """

    response: Response | None
    usable: bool = False
    by_tcp: bool = False
    edns_missing: bool = False
    failure: str = ""


Start: TypeAlias = "Callable[[Upstream, Transport], Coroutine[Any, Any, Attempt]]"


@dataclass(frozen=True, slots=True)
class _Runner:
    upstream: Upstream
    transport: Transport
    started: float


class Race:
    """Runs `attempts` by calling `start`; `stagger` is the silence in seconds before the next one joins.

    Attempts keep running beside later ones: a slow answer is still an answer.
    """

    def __init__(
        self, question: Question, attempts: Iterable[tuple[Upstream, Transport]], start: Start, stagger: float
    ) -> None:
        self._question = question
        self._plan = deque(attempts)
        self._start = start
        self._stagger = stagger
        self._running: dict[asyncio.Task[Attempt], _Runner] = {}
        self.fallback: Response | None = None
        self.failures: list[str] = []
        self.winner: Upstream | None = None

    async def run(self) -> Response | None:
        """The first usable response, else the best of the others, else None. Waits as long as any attempt does."""
        loop = asyncio.get_running_loop()
        try:
            while self._plan or self._running:
                if self._plan:
                    upstream, transport = self._plan.popleft()
                    runner = _Runner(upstream, transport, loop.time())
                    self._running[asyncio.create_task(self._start(upstream, transport))] = runner
                unsigned = self.fallback is not None and self.fallback.problem is None
                timeout = self._stagger if self._plan or unsigned else None
                done, _ = await asyncio.wait(self._running, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
                if not done and not self._plan and unsigned:
                    break  # an answer without EDNS is at hand, and nothing better seems to come
                for task in done:
                    response = self._settle(task.result(), self._running.pop(task), loop.time())
                    if response is not None:
                        return response
            return self.fallback
        finally:
            self._stop(loop.time())

    def _settle(self, attempt: Attempt, runner: _Runner, now: float) -> Response | None:
        upstream = runner.upstream
        if attempt.usable:
            upstream.succeeded(runner.transport, self._question.rdtype)
            self.winner = upstream
            return attempt.response
        self.failures.append(f"{upstream.name} by {runner.transport.value}: {attempt.failure}")
        if attempt.edns_missing:
            upstream.edns_missing(now)
        if attempt.response is not None:
            self.fallback = self.fallback or attempt.response
            if attempt.response.rcode in _SERVER_AT_FAULT:
                upstream.failed(now)
        if attempt.response is None and runner.transport is Transport.TCP:
            upstream.tcp_useless()
        if attempt.by_tcp:
            self._without(upstream, Transport.TCP)
            self._plan.appendleft((upstream, Transport.TCP))
        elif attempt.response is not None:
            self._without(upstream)  # it has said what it has to say
        elif not any(other.upstream is upstream for other in self._running.values()):
            upstream.failed(now)
        return None

    def _without(self, upstream: Upstream, transport: Transport | None = None) -> None:
        """Strike the steps that ask this upstream, all or those of one transport."""
        self._plan = deque(
            (other, how) for other, how in self._plan if other is not upstream or transport not in (None, how)
        )

    def _stop(self, now: float) -> None:
        """End what still runs, and remember who stayed silent though asked early enough."""
        for task, runner in self._running.items():
            task.cancel()
            if now - runner.started < self._stagger:
                continue
            if runner.upstream is not self.winner:
                runner.upstream.failed(now)
            elif runner.transport is Transport.UDP:
                runner.upstream.udp_silent(self._question.rdtype, now)
        self._running.clear()

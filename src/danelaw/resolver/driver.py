"""The asyncio stub resolver: caches in front, the validator in the middle, upstreams behind."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import replace
from types import TracebackType
from typing import Self, TypeVar

import dns.rcode
import dns.rdatatype

from danelaw.dnsdata import Answer, DNSSECStatus, Lookup, Question
from danelaw.dnssec import Response, Validator
from danelaw.resolver.cache import BoundedCache, Key, key_of
from danelaw.resolver.counts import ResolverCounts
from danelaw.resolver.direct import response_of
from danelaw.resolver.examine import Examination
from danelaw.resolver.fetch import EDE_NO_REACHABLE_AUTHORITY, Fetcher
from danelaw.resolver.probe import ProbeReport
from danelaw.resolver.settings import ResolverMode, ResolverSettings
from danelaw.resolver.trustad import believe, doubt, proves_validation

T = TypeVar("T")
_log = logging.getLogger("danelaw.resolver")
# An Answer with its RRset and chain, without the shared evidence: measured, rounded up.
_ANSWER_SIZE = 4_096
_RETRIES_AT_ONCE = 8
_OVERDRAWN = "the look-up took too long or asked too much"


class Resolver:
    """Answers questions with their DNSSEC status and drives `Lookup` generators.

    `clock` gives POSIX seconds. Must be used from one event loop. Nothing here raises for what DNS does.
    """

    def __init__(self, settings: ResolverSettings, *, clock: Callable[[], float] = time.time) -> None:
        self.settings = settings
        self.counts = ResolverCounts()
        self._clock = clock
        self._fetcher = Fetcher(settings, clock, self.counts)
        self._validator = self._new_validator()
        self._answers: BoundedCache[Answer] = BoundedCache(settings.cache.entries, settings.cache.bytes)
        self._flights: dict[Key, asyncio.Task[Answer]] = {}
        self._retrying = 0
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def ask(self, question: Question) -> Answer:
        """The answer to one question, from the cache when it is there."""
        known = self.cached(question)
        if known is not None:
            return known
        return await asyncio.shield(self._flight(question))

    async def run(self, lookup: Lookup[T]) -> T:
        """Drive a look-up to its result; the questions of a batch are asked at the same time.

        Past `timeouts.run` seconds or `load.questions` questions every further answer is a failure, so that
        the look-up comes to an end on its own.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + self.settings.timeouts.run
        left = self.settings.load.questions
        try:
            batch = next(lookup)
            while True:
                left -= len(batch)
                if left < -self.settings.load.questions:
                    lookup.close()
                    raise RuntimeError("a look-up went on asking after it was told that its questions are used up")
                answers = tuple(known for question in batch if (known := self.cached(question)) is not None)
                if len(answers) != len(batch):
                    answers = await self._batch(batch, deadline if left >= 0 else 0.0)
                batch = lookup.send(answers)
        except StopIteration as stop:
            result: T = stop.value
            return result

    async def ask_of(self, server: tuple[str, int], question: Question) -> Answer:
        """What one authoritative server says, judged as any answer is: its response to the question itself comes from
        `server`, without recursion, and whatever else it takes from the configured servers. Not cached.
        """
        steps = self._validator.resolve(question, self._clock())
        try:
            async with asyncio.timeout(self.settings.timeouts.lookup):
                batch = next(steps)
                while True:
                    wanted = (
                        response_of(server, one, lambda: secrets.randbelow(65_536))
                        if one == question
                        else self._fetcher.fetch(one)
                        for one in batch
                    )
                    batch = steps.send(tuple(await asyncio.gather(*wanted)))
        except StopIteration as stop:
            answer: Answer = stop.value
            return answer
        except TimeoutError:
            return self._failure(question, f"no verdict within {self.settings.timeouts.lookup:g} s")

    def cached(self, question: Question) -> Answer | None:
        """What is known and still good, without any await; None when DNS must be asked.

        Failures are remembered too, for `cache.failure_ttl` seconds.
        """
        known = self._answers.get(key_of(question), self._clock())
        if known is not None:
            self.counts.hits += 1
        return known

    def forget(self) -> None:
        """Empty every cache, validated keys included: the next question starts at the trust anchor."""
        self._answers.clear()
        self._fetcher.clear()
        self._validator = self._new_validator()

    async def probe(self) -> ProbeReport:
        """Ask every upstream what a good one must be able to answer; see `danelaw.resolver.probe`."""
        return await Examination(self.settings, self._fetcher, self._clock()).run()

    async def keep_probing(
        self,
        interval: float,
        report: Callable[[ProbeReport], None],
        *,
        unfit_interval: float | None = None,
        again: asyncio.Event | None = None,
    ) -> None:
        """Probe now and every `interval` seconds until cancelled, and hand over each report. While no upstream is fit,
        the next probe comes after `unfit_interval`; when `again` is set, at once.
        """
        again = again or asyncio.Event()
        while True:
            again.clear()
            found = await self.probe()
            report(found)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(interval if found.usable else unfit_interval or interval):
                    await again.wait()

    async def close(self) -> None:
        """End everything in flight; who waits for it is answered with a failure."""
        self._closed = True
        flights = list(self._flights.values())
        await self._fetcher.close()
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)

    def _new_validator(self) -> Validator:
        settings = self.settings
        return Validator(settings.anchors, negative=settings.negative, limits=settings.limits)

    async def _batch(self, batch: tuple[Question, ...], deadline: float) -> tuple[Answer, ...]:
        timeout = deadline - asyncio.get_running_loop().time()
        if timeout <= 0:
            return tuple(self.cached(question) or self._failure(question, _OVERDRAWN) for question in batch)
        flights = [self._flight(question) for question in batch]
        await asyncio.wait(set(flights), timeout=timeout)
        return tuple(
            flight.result() if flight.done() else self._failure(question, _OVERDRAWN)
            for question, flight in zip(batch, flights, strict=True)
        )

    def _flight(self, question: Question) -> asyncio.Future[Answer]:
        key = key_of(question)
        flight = self._flights.get(key)
        if flight is not None:
            return flight
        known = self.cached(question)
        if known is None and (self._closed or len(self._flights) >= self.settings.load.pending):
            self.counts.refused += 1
            known = self._failure(question, "the resolver is closed" if self._closed else "too many look-ups at once")
        if known is not None:
            finished: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
            finished.set_result(known)
            return finished
        task = asyncio.create_task(self._resolve(question))
        self._flights[key] = task
        task.add_done_callback(lambda _: self._flights.pop(key, None))
        return task

    async def _resolve(self, question: Question) -> Answer:
        self.counts.misses += 1
        begun = asyncio.get_running_loop().time()
        try:
            async with asyncio.timeout(self.settings.timeouts.lookup):
                answer = await self._validated(question)
        except TimeoutError:
            answer = self._failure(question, f"no verdict within {self.settings.timeouts.lookup:g} s")
        except asyncio.CancelledError:
            if not self._closed:
                raise
            return self._failure(question, "the resolver was closed meanwhile")
        except Exception as error:  # what a remote sent must never stop mail with a traceback
            _log.exception("look-up of %s failed inside danelaw", question)
            answer = self._failure(question, f"danelaw could not digest the response ({type(error).__name__})")
        self.counts.answers[answer.status] += 1
        self.counts.observe(asyncio.get_running_loop().time() - begun)
        return self._remember(answer)

    async def _validated(self, question: Question) -> Answer:
        if self.settings.mode is ResolverMode.TRUST_AD:
            return await self._believed(question)
        answer, asked = await self._drive(self._validator, question, fresh=False)
        if answer.status is not DNSSECStatus.BOGUS:
            return answer
        for used in asked:
            self._fetcher.forget(used)
        if self._retrying >= _RETRIES_AT_ONCE:
            return answer
        return await self._second_opinion(answer)

    async def _believed(self, question: Question) -> Answer:
        """The upstream's verdict; "not signed" counts only from one that does vouch for what is signed."""
        answer = believe(await self._fetcher.fetch(question), self._clock(), self.settings.cache)
        if answer.status is not DNSSECStatus.INSECURE:
            return answer
        zone = self.settings.probe_zone
        witness = await self._fetcher.fetch(Question(zone, dns.rdatatype.SOA))
        return answer if proves_validation(witness) else doubt(answer, zone)

    async def _second_opinion(self, bogus: Answer) -> Answer:
        """Ask all of it again, past every cache and of another upstream: keys may just have been rolled,
        or one of several resolvers may strip signatures. What stays bogus is bogus.
        """
        self._retrying += 1
        self.counts.retried += 1
        try:
            validator = self._new_validator()
            answer, asked = await self._drive(validator, bogus.question, fresh=True)
        finally:
            self._retrying -= 1
        if not answer.failed:
            self._validator = validator
            return answer
        for used in asked:
            self._fetcher.forget(used)
        return bogus

    async def _drive(
        self, validator: Validator, question: Question, *, fresh: bool
    ) -> tuple[Answer, dict[Question, None]]:
        """Run the validator over fetched responses; the answer lives no longer than what it was made of."""
        asked: dict[Question, None] = {}
        steps = validator.resolve(question, self._clock())
        try:
            batch = next(steps)
            while True:
                asked.update(dict.fromkeys(batch))
                batch = steps.send(await self._responses(batch, fresh))
        except StopIteration as stop:
            answer: Answer = stop.value
        known = [expires for used in asked if (expires := self._fetcher.expires(used)) is not None]
        if not answer.failed and known and min(known) < answer.expires:
            answer = replace(answer, expires=min(known))
        return answer, asked

    async def _responses(self, batch: tuple[Question, ...], fresh: bool) -> tuple[Response, ...]:
        if len(batch) == 1:
            return (await self._fetcher.fetch(batch[0], fresh=fresh),)
        return tuple(await asyncio.gather(*(self._fetcher.fetch(question, fresh=fresh) for question in batch)))

    def _failure(self, question: Question, reason: str) -> Answer:
        return Answer(
            question=question,
            rcode=dns.rcode.SERVFAIL,
            status=DNSSECStatus.INDETERMINATE,
            canonical_name=question.name,
            expires=self._clock(),
            ede=EDE_NO_REACHABLE_AUTHORITY,
            reason=reason,
        )

    def _remember(self, answer: Answer) -> Answer:
        limits = self.settings.cache
        now = self._clock()
        if answer.failed:
            longest = limits.failure_ttl
            answer = replace(answer, expires=now + longest)
        else:
            longest = limits.max_ttl if answer.rrset is not None else limits.max_negative_ttl
            if answer.expires > now + longest:
                answer = replace(answer, expires=now + longest)
        if answer.expires > now:
            size = _ANSWER_SIZE + (256 * len(answer.rrset) if answer.rrset is not None else 0)
            key = key_of(answer.question)
            self._answers.put(key, answer, expires=answer.expires, size=size, parts=answer.evidence)
        return answer

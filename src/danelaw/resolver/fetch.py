"""Raw responses: raced over upstreams and transports, cached, one flight for equal questions."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Callable

import dns.rcode

from danelaw.dnsdata import Question
from danelaw.dnssec import Response
from danelaw.resolver.cache import BoundedCache, Key, key_of
from danelaw.resolver.counts import ResolverCounts
from danelaw.resolver.race import Attempt, Race
from danelaw.resolver.settings import ResolverMode, ResolverSettings
from danelaw.resolver.transport import ExchangeFailed, ForgerySuspected, Transport, exchange
from danelaw.resolver.ttl import response_ttl
from danelaw.resolver.upstream import Upstream, plan
from danelaw.resolver.wire import Belongs, Query

EDE_NO_REACHABLE_AUTHORITY = 22  # RFC 8914 §4.23
EDE_NETWORK_ERROR = 23  # RFC 8914 §4.24
# A parsed message takes many times its octets in memory.
_MESSAGE_OVERHEAD = 2_048
_MESSAGE_FACTOR = 12


class Fetcher:
    """Fetches raw responses for the validator. One event loop; `clock` gives POSIX seconds."""

    def __init__(self, settings: ResolverSettings, clock: Callable[[], float], counts: ResolverCounts) -> None:
        self._settings = settings
        self._clock = clock
        self._counts = counts
        self.upstreams = tuple(Upstream(address) for address in settings.servers)
        self._cache: BoundedCache[Response] = BoundedCache(settings.cache.entries, settings.cache.bytes)
        self._sources: BoundedCache[Upstream] = BoundedCache(settings.cache.entries, settings.cache.bytes)
        self._flights: dict[Key, asyncio.Task[Response]] = {}
        self._idents: set[int] = set()
        self._slots = asyncio.Semaphore(settings.load.in_flight)

    async def fetch(self, question: Question, *, fresh: bool = False) -> Response:
        """The response for one question; `fresh` passes the cache by and prefers another upstream."""
        key = key_of(question)
        last: Upstream | None = None
        if fresh:
            last = self._sources.get(key, self._clock())
            key = (key, "fresh")
        elif (known := self._cache.get(key, self._clock())) is not None:
            self._counts.raw_hits += 1
            return known
        flight = self._flights.get(key)
        if flight is None:
            flight = asyncio.create_task(self._fly(question, last))
            self._flights[key] = flight
            flight.add_done_callback(lambda _: self._flights.pop(key, None))
        return await asyncio.shield(flight)

    def expires(self, question: Question) -> float | None:
        """Until when the cached response for a question counts (POSIX seconds)."""
        return self._cache.expires(key_of(question))

    def forget(self, question: Question) -> None:
        """Take a response out of the cache, since what it led to is bogus."""
        self._cache.drop(key_of(question))

    def clear(self) -> None:
        """Forget every response."""
        self._cache.clear()
        self._sources.clear()

    async def close(self) -> None:
        """Cancel what is in flight."""
        flights = list(self._flights.values())
        for flight in flights:
            flight.cancel()
        await asyncio.gather(*flights, return_exceptions=True)

    async def attempt(self, question: Question, upstream: Upstream, transport: Transport) -> Attempt:
        """Ask one upstream once by one transport, without cache or deadline; never raises for DNS."""
        query = self._query(question)
        udp = transport is Transport.UDP
        if udp:
            self._counts.udp += 1
        else:
            self._counts.tcp += 1
        try:
            wire = await exchange(transport, upstream.address, query)
        except ForgerySuspected as error:
            return Attempt(None, by_tcp=True, failure=str(error))
        except ExchangeFailed as error:
            return Attempt(None, failure=str(error))
        finally:
            self._idents.discard(query.ident)
        return self._judge(query, udp, wire)

    async def _fly(self, question: Question, last: Upstream | None) -> Response:
        loop = asyncio.get_running_loop()
        attempts = plan(self.upstreams, question.rdtype, loop.time(), last)
        race = Race(question, attempts, lambda *whom: self.attempt(question, *whom), self._settings.timeouts.stagger)
        try:
            async with asyncio.timeout(self._settings.timeouts.query), self._slots:
                found = await race.run()
            response = found or Response.failed(question, "; ".join(dict.fromkeys(race.failures)), EDE_NETWORK_ERROR)
        except TimeoutError:
            self._counts.timeouts += 1
            response = race.fallback or self._silence(question, race.failures)
        self._store(question, response, race.winner)
        return response

    def _silence(self, question: Question, failures: list[str]) -> Response:
        names = ", ".join(upstream.name for upstream in self.upstreams)
        words = [f"no answer within {self._settings.timeouts.query:g} s from {names}", *dict.fromkeys(failures)]
        return Response.failed(question, "; ".join(words), EDE_NO_REACHABLE_AUTHORITY)

    def _store(self, question: Question, response: Response, winner: Upstream | None) -> None:
        key = key_of(question)
        size = _MESSAGE_OVERHEAD + _MESSAGE_FACTOR * len(response.wire or b"")
        expires = self._clock() + response_ttl(response, self._settings.cache)
        self._cache.put(key, response, expires=expires, size=size)
        if winner is not None and len(self.upstreams) > 1:
            self._sources.put(key, winner, expires=expires, size=_MESSAGE_OVERHEAD)

    def _judge(self, query: Query, udp: bool, wire: bytes) -> Attempt:
        belongs = query.belongs(wire)
        if belongs is Belongs.REFUSES:
            rcode = dns.rcode.to_text(dns.rcode.Rcode(wire[3] & 0x0F))
            return Attempt(None, by_tcp=udp, failure=f"answered {rcode} without reading the question")
        if belongs is Belongs.TRUNCATED:
            self._counts.truncated += 1
            return Attempt(None, by_tcp=udp, failure="the answer was truncated")
        response = parse(query.question, wire)
        if response.message is None:
            return Attempt(None, by_tcp=udp, failure=response.failure or "the response cannot be parsed")
        if udp and response.message.edns < 0:
            self._counts.edns_missing += 1
            return Attempt(response, by_tcp=True, edns_missing=True, failure="the answer came back without EDNS")
        return Attempt(response, usable=response.problem is None, failure=response.problem or "")

    def _query(self, question: Question) -> Query:
        ident = secrets.randbelow(65_536)
        while ident in self._idents:
            ident = secrets.randbelow(65_536)
        self._idents.add(ident)
        validates = self._settings.mode is ResolverMode.VALIDATE
        return Query.build(question, ident, payload=self._settings.udp_payload, checking_disabled=validates)


def parse(question: Question, wire: bytes) -> Response:
    """`Response.from_wire`, with every surprise inside the parser turned into a failure too."""
    try:
        return Response.from_wire(question, wire)
    except Exception as error:  # remote bytes must never end a look-up with a traceback
        return Response.failed(question, f"the response cannot be parsed: {type(error).__name__}")

"""A survey over many domains: polite, bounded, and resumable through its book (`danelaw.state.SurveyBook`).

Every domain is examined as `danelaw check` does it, with these differences: a server that serves many domains is met
once, and its handshake judged for each; what was said is kept in the book; nobody's overrides and remembered policies
count, since the question is what domains publish now. DNS, policies and servers have places of their own, so that what
is slow or dead holds up nobody else.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Literal
from weakref import WeakValueDictionary

from danelaw.address import Domain
from danelaw.adoption import wants_reports
from danelaw.errors import DanelawError
from danelaw.mtasts import STSDiscovery, discover
from danelaw.outbound.checkup import Checkup, untaken
from danelaw.outbound.destination import HostPlan, KnowsSTS, Survey, survey
from danelaw.outbound.opening import Door
from danelaw.outbound.probe import Meeting, Probed, Unreached, addresses_of, judged, meet, skipped
from danelaw.outbound.standing import facts_of
from danelaw.pkix import Roots
from danelaw.resolver import Resolver
from danelaw.routing import SMTP_PORT, Destination, NextHop, lookup_destination, mx_site
from danelaw.state import SurveyBook
from danelaw.tlspolicy import Handshake, StartTLSOutcome

_SLICE = 200
_UNREACHED_KEPT = 20_000
_FIT_SECONDS = 10.0
_GROWTH, _LEAST_RATE, _BURST_SECONDS = 0.02, 5.0, 10.0
_SECOND_LOOK_AFTER = 1.0
# What a resolver of ours says when nobody answered it (RFC 8914 §4.23, §4.24), and others of an authority.
_SILENCE = frozenset({22, 23})
Blocked = Callable[[Sequence[Probed]], Awaitable[str | None]]


class NetworkGone(DanelawError):
    """The name servers stopped answering, so that nothing found out now would be about the domains."""


@dataclass(frozen=True, slots=True)
class Courtesy:
    """Limits on what a survey does at once. `domains` are under way in all; `asking` of them in DNS, `fetching` an
    MTA-STS policy; `connections` open in all and `per_site` to one provider (`routing.mx_site`), whose next one waits
    `pause` seconds. `questions` to the resolver a second in the mean; `budget` seconds for all, None without end.
    """

    domains: int = 256
    asking: int = 32
    fetching: int = 32
    connections: int = 64
    per_site: int = 2
    pause: float = 0.2
    questions: float = 500.0
    budget: float | None = None


class Ended(Enum):
    """How a run came to its end."""

    DONE = "done"
    STOPPED = "stopped"
    BUDGET = "budget"


class Pace:
    """How long the next domain has to wait, by what was really asked so far: the mean stays at `rate` a second, and
    what was not used is saved for one second only. After silence it is half of what it really was, and grows again.
    """

    def __init__(self, rate: float, now: float) -> None:
        self.rate = rate
        self._most = rate
        self._paid = 0
        self._until = now
        self._window = (now, 0)
        self._measured = rate
        self._slowed = float("-inf")

    def wait(self, now: float, asked: int) -> float:
        """Seconds to wait at `now`, when `asked` questions were sent since the beginning."""
        begun, before = self._window
        if now - begun >= 1.0:
            self._measured = (asked - before) / (now - begun)
            self._window = (now, asked)
            self.rate = min(self._most, self.rate * (1 + _GROWTH * (now - begun)))
        self._until = max(self._until, now - 1.0) + (asked - self._paid) / self.rate
        self._paid = asked
        return max(self._until - now, 0.0)

    def slower(self, now: float) -> None:
        """The resolver left a question without an answer: ask half as much, once for each burst of silence."""
        if now - self._slowed >= _BURST_SECONDS:
            self._slowed = now
            self.rate = max(_LEAST_RATE, min(self.rate, self._measured) / 2)


class SurveyRun:
    """One run over what is open in the book. `clock` gives POSIX seconds.

    `door` None asks DNS only. `blocked` says in words why our own network reaches no server, asked when the first is
    not reached. `progress` is called after each domain. `stop` ends the run: what is under way is not written.
    """

    def __init__(
        self,
        book: SurveyBook,
        resolver: Resolver,
        sts: KnowsSTS | None,
        door: Door | None,
        roots: Roots | None,
        clock: Callable[[], float],
        courtesy: Courtesy,
        blocked: Blocked,
        progress: Callable[[], None] = lambda: None,
    ) -> None:
        self._book = book
        self._resolver = resolver
        self._sts = sts
        self._roots = roots
        self._clock = clock
        self._courtesy = courtesy
        self._progress = progress
        self._servers = Servers(book, door, courtesy, blocked)
        self._under_way = asyncio.Semaphore(courtesy.domains)
        self._asking = asyncio.Semaphore(courtesy.asking)
        self._fetching = asyncio.Semaphore(courtesy.fetching)
        self._ending = asyncio.Event()
        self._ended = Ended.DONE
        self._fault: BaseException | None = None
        self._fit_until = float("-inf")
        self._fit_lock = asyncio.Lock()
        self._pace = Pace(courtesy.questions, 0.0)
        self.defects: list[str] = []

    @property
    def blocked(self) -> str | None:
        """Why our own network reaches no server, in words; None when it does, or nobody was to be reached."""
        return self._servers.blocked

    def stop(self, why: Ended = Ended.STOPPED) -> None:
        """End the run soon; call on the loop."""
        self._ended = why
        self._ending.set()

    async def run(self) -> Ended:
        """Until everything is done, the budget is used, or `stop`. Raises `NetworkGone`."""
        loop = asyncio.get_running_loop()
        budget = self._courtesy.budget
        timer = loop.call_later(budget, self.stop, Ended.BUDGET) if budget is not None else None
        tasks: set[asyncio.Task[None]] = set()
        ending = loop.create_task(self._ending.wait())
        try:
            await self._begin_all(tasks, ending)
            while tasks and not self._ending.is_set():
                await asyncio.wait({*tasks, ending}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if timer is not None:
                timer.cancel()
            for task in (*tasks, ending):
                task.cancel()
            await asyncio.gather(*tasks, ending, return_exceptions=True)
            await self._servers.close()
        if self._fault is not None:
            raise self._fault
        return self._ended

    async def _begin_all(self, tasks: set[asyncio.Task[None]], ending: asyncio.Task[Literal[True]]) -> None:
        """Begin with one domain after the other, as there is room and the pace allows."""
        loop = asyncio.get_running_loop()
        pace, before = self._pace, self._asked
        after: tuple[int, int] | None = None
        while rows := self._book.open_domains(_SLICE, after):
            for number, name, recipients in rows:
                after = (recipients, number)
                await self._under_way.acquire()
                wait = pace.wait(loop.time(), self._asked - before)
                if wait > 0:
                    await asyncio.wait({ending}, timeout=wait)
                if self._ending.is_set():
                    return
                task = loop.create_task(self._one(number, name, recipients))
                tasks.add(task)
                task.add_done_callback(tasks.discard)

    @property
    def _asked(self) -> int:
        return self._resolver.counts.udp + self._resolver.counts.tcp

    async def _one(self, number: int, name: str, recipients: int) -> None:
        """One domain from beginning to end. A defect of ours costs this domain and no other."""
        try:
            facts = await self._examine(Domain(name), recipients)
            if facts is not None:
                self._book.done(number, facts)
                self._progress()
        except asyncio.CancelledError:
            raise
        except Exception as error:
            self.defects.append(f"{name}: {type(error).__name__}: {error}")
        finally:
            self._under_way.release()

    async def _examine(self, domain: Domain, recipients: int) -> str | None:
        next_hop = NextHop.of_domain(domain)
        destination, discovery, tlsrpt = await self._ask(next_hop, domain)
        if any(answer.failed and answer.ede in _SILENCE for answer in (*destination.answers, *discovery.answers)):
            # Silence may be the domain's, ours, or the resolver's that has too much to do: once more, and slower.
            self._pace.slower(asyncio.get_running_loop().time())
            await asyncio.sleep(self._resolver.settings.cache.failure_ttl + _SECOND_LOOK_AFTER)
            destination, discovery, tlsrpt = await self._ask(next_hop, domain)
        if destination.mx.status == "indeterminate" and not await self._fit():
            return None
        async with self._fetching:
            # From here on DNS answers from memory; only a policy may have to be fetched.
            found = await survey(
                next_hop, self._resolver, self._sts, (), now=self._clock(), sts_always=self._sts is not None
            )
        probes = await self._servers.probes(found, self._roots, self._clock)
        ours = await self._servers.why_unreached(probes)
        checkup = Checkup(domain.ascii, found, probes, ours)
        return facts_of(checkup, _asked_for(found, discovery), tlsrpt, recipients, self._clock()).encode()

    async def _ask(self, next_hop: NextHop, domain: Domain) -> tuple[Destination, STSDiscovery, str]:
        """What DNS says of a domain; asked again later, most of it comes from memory."""
        async with self._asking:
            return await asyncio.gather(
                self._resolver.run(lookup_destination(next_hop)),
                self._resolver.run(discover(domain)),
                self._resolver.run(wants_reports(domain)),
            )

    async def _fit(self) -> bool:
        """Whether the name servers still answer; if not, the run ends with `NetworkGone`."""
        loop = asyncio.get_running_loop()
        async with self._fit_lock:
            if self._ending.is_set():
                return False
            if loop.time() >= self._fit_until:
                report = await self._resolver.probe()
                if not report.usable:
                    self._fault = NetworkGone(
                        "the name servers stopped answering; what was found out until then is kept",
                        advice="when they answer again, give the same command to go on",
                    )
                    self.stop()
                    return False
                self._fit_until = loop.time() + _FIT_SECONDS
        return True


def _asked_for(found: Survey, discovery: STSDiscovery) -> STSDiscovery | None:
    """A domain without mail has no say in MTA-STS."""
    return None if found.undeliverable is not None else discovery


class Servers:
    """Meets each server once, however many domains it serves."""

    def __init__(self, book: SurveyBook, door: Door | None, courtesy: Courtesy, blocked: Blocked) -> None:
        self._book = book
        self._door = door
        self._courtesy = courtesy
        self._ask_blocked = blocked
        self._room = asyncio.Semaphore(courtesy.connections)
        self._sites: WeakValueDictionary[str, asyncio.Semaphore] = WeakValueDictionary()
        self._flights: dict[tuple[str, str, str], asyncio.Future[Meeting]] = {}
        self._visits: set[asyncio.Task[None]] = set()
        self._unreached: OrderedDict[tuple[str, str, str], Meeting] = OrderedDict()
        self._reached = book.meetings() > 0
        self._blocked_lock = asyncio.Lock()
        self.blocked: str | None = None

    async def probes(self, found: Survey, roots: Roots | None, clock: Callable[[], float]) -> tuple[Probed, ...]:
        """Every address of every host, judged for this domain."""
        pairs = [(plan, address) for plan in found.hosts for address in addresses_of(plan)]
        meetings = iter(await asyncio.gather(*(self._meeting(plan, address) for plan, address in pairs)))
        now, probes = clock(), list[Probed]()
        for plan in found.hosts:
            addresses = addresses_of(plan)
            probes += [judged(plan, address, next(meetings), roots, now) for address in addresses]
            if not addresses:
                probes.append(skipped(plan))
        return tuple(probes)

    async def why_unreached(self, probes: Sequence[Probed]) -> str | None:
        """The words when nobody can be reached from here; asked of the network until somebody was reached."""
        if self._door is None:
            return _NOT_CONNECTED
        if self.blocked is not None or self._reached or not untaken(probes):
            return self.blocked
        async with self._blocked_lock:
            if self.blocked is None and not self._reached:
                self.blocked = await self._ask_blocked(probes)
        return self.blocked

    async def close(self) -> None:
        """End every visit."""
        for visit in tuple(self._visits):
            visit.cancel()
        await asyncio.gather(*self._visits, return_exceptions=True)

    async def _meeting(self, plan: HostPlan, address: str) -> Meeting:
        if self._door is None:
            return Meeting(None, _NOT_CONNECTED, Unreached.SILENT)
        if self.blocked is not None:
            return Meeting(None, self.blocked, Unreached.SILENT)
        sni = plan.requirement.sni.ascii if plan.requirement.sni is not None else ""
        key = (plan.host.ascii, address, sni)
        known = self._book.meeting(plan.host.ascii, address, SMTP_PORT, sni)
        if known is not None:
            return _read(plan, address, *known)
        if key in self._unreached:
            return self._unreached[key]
        flight = self._flights.get(key)
        if flight is None:
            flight = self._flights[key] = asyncio.get_running_loop().create_future()
            visit = asyncio.get_running_loop().create_task(self._visit(self._door, plan, address, key, flight))
            self._visits.add(visit)
            visit.add_done_callback(self._visits.discard)
        return await asyncio.shield(flight)

    async def _visit(
        self, door: Door, plan: HostPlan, address: str, key: tuple[str, str, str], flight: asyncio.Future[Meeting]
    ) -> None:
        site = mx_site(plan.host.ascii)
        turn = self._sites.get(site)
        if turn is None:
            turn = self._sites[site] = asyncio.Semaphore(self._courtesy.per_site)
        try:
            async with turn:
                async with self._room:
                    if self.blocked is not None:
                        meeting = Meeting(None, self.blocked, Unreached.SILENT)
                    else:
                        meeting = await meet(plan, address, SMTP_PORT, door)
                self._remember(key, meeting)
                self._flights.pop(key, None)
                if not flight.done():
                    flight.set_result(meeting)
                await asyncio.sleep(self._courtesy.pause)
        except asyncio.CancelledError:
            flight.cancel()
            raise
        except Exception as error:
            self._flights.pop(key, None)
            with contextlib.suppress(asyncio.InvalidStateError):
                flight.set_exception(error)

    def _remember(self, key: tuple[str, str, str], meeting: Meeting) -> None:
        """Who did not answer may do so in a later run; who did is asked no more."""
        if meeting.unreached is not None:
            self._unreached[key] = meeting
            if len(self._unreached) > _UNREACHED_KEPT:
                self._unreached.popitem(last=False)
            return
        self._reached = True
        host, address, sni = key
        said, chain = _written(meeting)
        self._book.met(host, address, SMTP_PORT, sni, said, chain)


_NOT_CONNECTED = "not tested: asked not to connect (--no-connect)"


def _written(meeting: Meeting) -> tuple[str, tuple[bytes, ...]]:
    handshake = meeting.handshake
    if handshake is None:
        return json.dumps([meeting.reason]), ()
    said = [
        meeting.reason,
        handshake.starttls.name,
        handshake.version,
        handshake.cipher,
        handshake.requiretls_offered,
        handshake.detail,
    ]
    return json.dumps(said), handshake.chain


def _read(plan: HostPlan, address: str, said: str, chain: tuple[bytes, ...]) -> Meeting:
    """A meeting from the book. Its handshake belongs to no connection, so that nothing can be sent on its verdict."""
    reason, *rest = json.loads(said)
    if not rest:
        return Meeting(None, reason)
    outcome, version, cipher, requiretls, detail = rest
    handshake = Handshake(
        plan.host,
        address,
        SMTP_PORT,
        0,
        StartTLSOutcome[outcome],
        version,
        cipher,
        chain,
        plan.requirement.sni,
        bool(requiretls),
        detail,
    )
    return Meeting(handshake, reason)

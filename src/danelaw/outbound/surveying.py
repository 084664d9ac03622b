"""A survey over many domains: polite, bounded, and resumable through its book (`danelaw.state.SurveyBook`).

Every domain is examined as `danelaw check` does it, with these differences: a server that serves many domains is met
once, and its handshake judged for each; what was said is kept in the book; nobody's overrides and remembered policies
count, since the question is what domains publish now. DNS, policies and servers have places of their own, so that what
is slow or dead holds up nobody else.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import Enum
from typing import Literal

from danelaw.address import Domain
from danelaw.adoption import wants_reports
from danelaw.errors import DanelawError
from danelaw.mtasts import STSDiscovery, discover
from danelaw.outbound.acquaintance import Blocked, Servers
from danelaw.outbound.checkup import Checkup
from danelaw.outbound.courtesy import Courtesy, Pace
from danelaw.outbound.destination import KnowsSTS, Survey, survey
from danelaw.outbound.opening import Door
from danelaw.outbound.standing import facts_of
from danelaw.pkix import Roots
from danelaw.resolver import Resolver
from danelaw.routing import Destination, NextHop, lookup_destination, mx_site
from danelaw.state import SurveyBook

_SLICE = 200
_FIT_SECONDS = 10.0
_SECOND_LOOK_AFTER = 1.0
# What a resolver of ours says when nobody answered it (RFC 8914 §4.23, §4.24), and others of an authority.
_SILENCE = frozenset({22, 23})


class NetworkGone(DanelawError):
    """The name servers stopped answering, so that nothing found out now would be about the domains."""


class Ended(Enum):
    """How a run came to its end."""

    DONE = "done"
    STOPPED = "stopped"
    BUDGET = "budget"


class SurveyRun:
    """One run over what is open in the book. `clock` gives POSIX seconds.

    `door` None asks DNS only. `blocked` says in words why our own network reaches no server, asked when the first is
    not reached. `progress` is called after each domain. `site_of` names who runs a host. `stop` ends the run: what is
    under way is not written.
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
        site_of: Callable[[str], str] = mx_site,
    ) -> None:
        self._book = book
        self._resolver = resolver
        self._sts = sts
        self._roots = roots
        self._clock = clock
        self._courtesy = courtesy
        self._progress = progress
        self._servers = Servers(book, door, courtesy, blocked, site_of)
        self._site_of = site_of
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
        asked_for = _asked_for(found, discovery)
        return facts_of(checkup, asked_for, tlsrpt, recipients, self._clock(), self._site_of).encode()

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

"""The servers a survey has met: each once, however many domains it serves, and across runs."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from weakref import WeakValueDictionary

from danelaw.outbound.checkup import untaken
from danelaw.outbound.courtesy import Courtesy
from danelaw.outbound.destination import HostPlan, Survey
from danelaw.outbound.opening import Door
from danelaw.outbound.probe import Meeting, Probed, Unreached, addresses_of, judged, meet, skipped
from danelaw.pkix import Roots
from danelaw.routing import SMTP_PORT, mx_site
from danelaw.state import SurveyBook
from danelaw.tlspolicy import Handshake, StartTLSOutcome

Blocked = Callable[[Sequence[Probed]], Awaitable[str | None]]
"""Asks the network why nobody is reached; None when that is not its fault."""
_UNREACHED_KEPT = 20_000


class Servers:
    """Meets each server once, however many domains it serves."""

    def __init__(
        self,
        book: SurveyBook,
        door: Door | None,
        courtesy: Courtesy,
        blocked: Blocked,
        site_of: Callable[[str], str] = mx_site,
    ) -> None:
        self._book = book
        self._door = door
        self._courtesy = courtesy
        self._ask_blocked = blocked
        self._site_of = site_of
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
        site = self._site_of(plan.host.ascii)
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

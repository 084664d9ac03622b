"""Trying every address of a destination without sending mail: what `danelaw check` shows.

The way is that of a delivery up to MAIL: the same survey, `open_connection`, and `judge`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import Enum

from danelaw.net.dialer import DialError
from danelaw.outbound.destination import HostPlan, Survey
from danelaw.outbound.opening import Door, HostUnusable, close, open_connection
from danelaw.pkix import Roots
from danelaw.tlspolicy import Failure, Handshake, Judgement, Protection, StartTLSOutcome, judge, refused

_AT_ONCE = 32
MAX_ADDRESSES = 8
"""Addresses tried per host; more say nothing new."""


class Unreached(Enum):
    """Why there was no verdict. All but `BROKEN`, a conversation that began, may be our own network's fault."""

    REFUSED = "refused"
    SILENT = "silent"
    NO_ROUTE = "no route"
    BROKEN = "conversation broken off"


@dataclass(frozen=True, slots=True)
class Probed:
    """One address of one host (`address` None: it has none that could be tried).

    `judgement` is None exactly when nobody answered; then `unreached` says how, and `reason` in words.
    """

    plan: HostPlan
    address: str | None
    handshake: Handshake | None
    judgement: Judgement | None
    reason: str
    unreached: Unreached | None = None

    @property
    def protection(self) -> Protection | None:
        """What mail over this address would get, `NOTHING_SENT` when it would be skipped, None when unknown."""
        return self.judgement.protection if self.judgement is not None else None

    @property
    def takes_mail(self) -> bool:
        """True when a delivery would use this address now."""
        return self.judgement is not None and self.judgement.clearance is not None


async def probe(survey: Survey, door: Door, roots: Roots | None, clock: Callable[[], float]) -> tuple[Probed, ...]:
    """Try every address of every host at the same time, in MX order of the result. Sends no MAIL; never raises for
    what servers do. `clock` gives POSIX seconds for the dates of certificates.
    """
    turns = asyncio.Semaphore(_AT_ONCE)

    async def one(plan: HostPlan, address: str) -> Probed:
        async with turns:
            return await probe_address(plan, address, survey.next_hop.port, door, roots, clock)

    tasks = [one(plan, address) for plan in survey.hosts for address in addresses_of(plan)]
    tried = iter(await asyncio.gather(*tasks))
    found: list[Probed] = []
    for plan in survey.hosts:
        addresses = addresses_of(plan)
        found += [next(tried) for _ in addresses] or [skipped(plan)]
    return tuple(found)


def addresses_of(plan: HostPlan) -> tuple[str, ...]:
    """The addresses to connect to: none where a refusal says that nobody would."""
    return () if plan.requirement.refusal is not None else plan.records.addresses[:MAX_ADDRESSES]


def skipped(plan: HostPlan) -> Probed:
    judgement = refused(plan.requirement)
    address = plan.records.addresses[0] if plan.records.addresses else None
    return Probed(plan, address, None, judgement, judgement.reason)


@dataclass(frozen=True, slots=True)
class Meeting:
    """What one address did when we came, whatever is demanded of it: either a `handshake`, or `reason` and
    `unreached`; with neither of them it spoke and takes no mail now.
    """

    handshake: Handshake | None
    reason: str = ""
    unreached: Unreached | None = None


async def probe_address(
    plan: HostPlan, address: str, port: int, door: Door, roots: Roots | None, clock: Callable[[], float]
) -> Probed:
    """Come as far as a delivery would before MAIL, then hang up."""
    return judged(plan, address, await meet(plan, address, port, door), roots, clock())


async def meet(plan: HostPlan, address: str, port: int, door: Door) -> Meeting:
    """Connect, shake hands, hang up. What is found holds for every domain with this host."""
    try:
        connection, handshake = await open_connection(door, plan.host, address, port, plan.requirement)
    except HostUnusable as error:
        return _unusable(error)
    connection.close()
    close(door, connection)
    return Meeting(handshake)


def judged(plan: HostPlan, address: str, meeting: Meeting, roots: Roots | None, now: float) -> Probed:
    """What a meeting means under the requirement of one domain; `now` in POSIX seconds."""
    handshake = meeting.handshake
    if handshake is not None:
        judgement = judge(plan.requirement, handshake, roots, now)
        if judgement.retry_clear:
            judgement = _in_clear(plan, handshake, judgement, roots, now)
        return Probed(plan, address, handshake, judgement, judgement.reason)
    if meeting.unreached is not None:
        return Probed(plan, address, None, None, meeting.reason, meeting.unreached)
    judgement = Judgement(
        plan.host, address, None, Protection.NOTHING_SENT, meeting.reason, failure=Failure.UNREACHABLE
    )
    return Probed(plan, address, None, judgement, meeting.reason)


def _in_clear(plan: HostPlan, handshake: Handshake, failed: Judgement, roots: Roots | None, now: float) -> Judgement:
    """Where opportunistic TLS broke, a delivery comes back without it; EHLO has worked, so that would go through."""
    again = replace(handshake, starttls=StartTLSOutcome.NOT_TRIED)
    judgement = judge(plan.requirement, again, roots, now)
    return replace(judgement, reason=f"{failed.reason}; then in clear text, since nobody demands TLS")


def _unusable(error: HostUnusable) -> Meeting:
    """Tell apart who would not talk (skip the host) from a network that may be our own."""
    if error.reply is not None:
        return Meeting(None, error.reason)
    dialled = error.__context__
    how = Unreached.BROKEN
    if isinstance(dialled, DialError):
        how = Unreached.REFUSED
        if dialled.no_route:
            how = Unreached.NO_ROUTE
        elif dialled.reason.startswith(("no answer", "no route", "connection forbidden")):
            how = Unreached.SILENT
    return Meeting(None, error.reason, how)

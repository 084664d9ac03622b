"""Answering "how safe is this address?" from what is remembered, and from look-ups as far as a deadline allows.

Equal look-ups at the same time are one; each goes on after the deadline and is remembered, so that who asks again gets
it. Their number is bounded, and so is everything that is remembered. The network is behind `Means`.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Coroutine, Hashable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from danelaw.address import Domain, Mailbox
from danelaw.errors import DanelawError
from danelaw.keydiscovery import KeyReport, KeySource
from danelaw.outbound.destination import Survey
from danelaw.outbound.probe import Probed
from danelaw.queue import Attempt
from danelaw.routing import NextHop
from danelaw.safety.enquiry import EnquiryError, Subject
from danelaw.safety.facts import UNKNOWN, DomainFacts, described, label_of, worded

T = TypeVar("T")
_FEWEST_SECONDS = 5.0


class TooBusy(DanelawError):
    """As many look-ups are under way as may be."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """How things are found out. `next_hop` gives None for domains whose mail goes to a carrier; `tries` the last tries
    of our own by host; `probe` is None where nothing is to be probed; `clock` gives POSIX seconds.
    """

    next_hop: Callable[[Domain], NextHop | None]
    survey: Callable[[NextHop], Awaitable[Survey]]
    tries: Callable[[Survey], Awaitable[Mapping[str, Attempt]]]
    probe: Callable[[Survey], Awaitable[tuple[Probed, ...]]] | None
    keys: Callable[[KeySource, Mailbox], Awaitable[KeyReport]]
    clock: Callable[[], float]
    failed: Callable[[str, BaseException], None] = lambda what, error: None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """`remember`: seconds an answer is believed at most; `probe_every`: seconds between probes of one domain;
    `at_once`: look-ups under way; `probes_at_once`; `entries`: domains, and addresses, remembered.
    """

    remember: float = 600.0
    probe_every: float = 600.0
    at_once: int = 64
    probes_at_once: int = 4
    entries: int = 10_000


class _Kept(Generic[T]):
    """One thing remembered: `shown` is what is made of it, when it has been."""

    __slots__ = ("expires", "made", "shown", "value")

    def __init__(self, value: T, made: float, expires: float) -> None:
        self.value, self.made, self.expires = value, made, expires
        self.shown: dict[str, Any] | None = None


class SafetyService:
    """Answers subjects; `close` ends what is under way."""

    def __init__(self, means: Means, bounds: Bounds) -> None:
        self._means = means
        self._bounds = bounds
        self._facts: OrderedDict[Domain, _Kept[DomainFacts]] = OrderedDict()
        self._keys: OrderedDict[tuple[KeySource, Mailbox], _Kept[KeyReport]] = OrderedDict()
        self._probed: OrderedDict[Domain, float] = OrderedDict()
        self._running: dict[Hashable, asyncio.Task[None]] = {}
        self._turns = asyncio.Semaphore(bounds.at_once)
        self._probe_turns = asyncio.Semaphore(bounds.probes_at_once)

    @property
    def under_way(self) -> int:
        """Look-ups that go on."""
        return len(self._running)

    def knows(self, subject: Subject) -> bool:
        """Whether an answer needs no look-up."""
        return not self._wanting(subject, self._means.clock())

    def forget(self) -> None:
        """Drop what is remembered, after a change of configuration."""
        self._facts.clear()
        self._keys.clear()

    async def answer(self, subject: Subject, seconds: float) -> dict[str, Any]:
        """The answer as docs/safety-api.md shows it, within `seconds`. Raises `EnquiryError` for a domain whose mail
        goes to no server, `TooBusy` when nothing more can be begun.
        """
        began = self._means.clock()
        tasks = [self._flight(key, work) for key, work in self._wanting(subject, began).items()]
        if tasks:
            await asyncio.wait(tasks, timeout=seconds)
        return self._assembled(subject, self._means.clock(), looked=bool(tasks))

    async def close(self) -> None:
        """End all look-ups."""
        running = tuple(self._running.values())
        for task in running:
            task.cancel()
        await asyncio.gather(*running, return_exceptions=True)

    # what is missing

    def _wanting(self, subject: Subject, now: float) -> dict[Hashable, Callable[[], Coroutine[None, None, None]]]:
        domain, mailbox = subject.domain, subject.mailbox
        wanting: dict[Hashable, Callable[[], Coroutine[None, None, None]]] = {}
        facts = _valid(self._facts, domain, now)
        if facts is None:
            wanting["facts", domain] = lambda: self._find_facts(domain)
        if self._wants_probe(domain, facts, now):
            wanting["probe", domain] = lambda: self._find_probe(domain)
        if mailbox is not None:
            for source in KeySource:
                if _valid(self._keys, (source, mailbox), now) is None:
                    wanting[source, mailbox] = lambda source=source: self._find_keys(source, mailbox)  # type: ignore[misc]
        return wanting

    def _wants_probe(self, domain: Domain, facts: _Kept[DomainFacts] | None, now: float) -> bool:
        if self._means.probe is None or (facts is not None and facts.value.probes is not None):
            return False
        if ("probe", domain) in self._running:
            return True
        return now - self._probed.get(domain, float("-inf")) >= self._bounds.probe_every

    def _flight(self, key: Hashable, work: Callable[[], Coroutine[None, None, None]]) -> asyncio.Task[None]:
        task = self._running.get(key)
        if task is None:
            if len(self._running) >= 16 * self._bounds.at_once:
                raise TooBusy("too many look-ups are under way", advice="ask again in a moment")
            task = self._running[key] = asyncio.get_running_loop().create_task(self._carefully(key, work))
        return task

    async def _carefully(self, key: Hashable, work: Callable[[], Coroutine[None, None, None]]) -> None:
        """A look-up that fails for a defect of ours leaves its answer partial, and is told."""
        try:
            # A probe waits for facts, which need a turn: it must not hold one.
            async with self._turns if isinstance(key, tuple) and key[0] != "probe" else nullcontext():
                await work()
        except Exception as error:
            self._means.failed(str(key), error)
        finally:
            self._running.pop(key, None)

    # finding out

    async def _find_facts(self, domain: Domain) -> None:
        next_hop = self._means.next_hop(domain)
        if next_hop is None:
            return
        survey = await self._means.survey(next_hop)
        facts = DomainFacts(survey, await self._means.tries(survey))
        now = self._means.clock()
        before = self._facts.get(domain)
        if before is not None and _same_demands(before.value.survey, survey):
            fresh = now - before.value.probed < self._bounds.probe_every
            facts = replace(facts, probes=before.value.probes, probed=before.value.probed) if fresh else facts
        self._remember(self._facts, domain, facts, now, survey.expires)

    async def _find_probe(self, domain: Domain) -> None:
        """After the facts, which say where to probe; one per domain and `probe_every`, whatever comes of it."""
        probe, now = self._means.probe, self._means.clock()
        if probe is None:
            return
        self._probed[domain] = now
        self._probed.move_to_end(domain)
        while len(self._probed) > self._bounds.entries:
            self._probed.popitem(last=False)
        looking = self._running.get(("facts", domain))
        if looking is not None:
            await asyncio.wait([looking])
        kept = self._facts.get(domain)
        if kept is None or not kept.value.survey.hosts:
            return
        survey = kept.value.survey
        async with self._probe_turns:
            probes = await probe(survey)
        kept = self._facts.get(domain)
        if kept is not None and _same_demands(kept.value.survey, survey):
            now = self._means.clock()
            facts = replace(kept.value, probes=probes, probed=now)
            self._remember(self._facts, domain, facts, kept.made, kept.expires)

    async def _find_keys(self, source: KeySource, mailbox: Mailbox) -> None:
        report = await self._means.keys(source, mailbox)
        self._remember(self._keys, (source, mailbox), report, self._means.clock(), report.expires)

    def _remember(
        self, memory: OrderedDict[Any, _Kept[T]], key: Hashable, value: T, made: float, expires: float
    ) -> None:
        latest = made + self._bounds.remember
        memory[key] = _Kept(value, made, min(max(expires, made + _FEWEST_SECONDS), latest))
        memory.move_to_end(key)
        while len(memory) > self._bounds.entries:
            memory.popitem(last=False)

    # putting together

    def _assembled(self, subject: Subject, now: float, *, looked: bool) -> dict[str, Any]:
        domain, mailbox = subject.domain, subject.mailbox
        missing: list[str] = []
        times: list[float] = []
        answer: dict[str, Any] = {"address": mailbox.to_text() if mailbox is not None else None}
        facts = _valid(self._facts, domain, now)
        if facts is not None:
            if facts.shown is None:
                facts.shown = described(domain.ascii, facts.value)
            answer |= facts.shown
            times.append(facts.made)
        else:
            if self._means.next_hop(domain) is None:
                raise EnquiryError(f"mail for {domain} is handed over here and goes to no other server")
            answer |= _nothing_known(domain)
            missing.append("dns")
        if ("probe", domain) in self._running:
            missing.append("probe")
        if mailbox is not None:
            answer["end_to_end"] = self._end_to_end(mailbox, now, missing, times)
        checked = min(times, default=now)
        answer["state"] = "partial" if missing else "fresh" if looked else "cached"
        answer["missing"] = missing
        answer["checked"] = round(checked, 3)
        answer["age"] = round(max(0.0, now - checked), 3)
        return answer

    def _end_to_end(self, mailbox: Mailbox, now: float, missing: list[str], times: list[float]) -> dict[str, Any]:
        sources, usable = [], False
        for source in KeySource:
            kept = _valid(self._keys, (source, mailbox), now)
            if kept is None:
                missing.append(source.value)
                continue
            if kept.shown is None:
                kept.shown = kept.value.to_json()
            times.append(kept.made)
            usable |= bool(kept.value.usable)
            sources.append(kept.shown)
        unsure = any(name in missing for name in (one.value for one in KeySource)) or any(
            one["state"] == "failed" for one in sources
        )
        return {"possible": True if usable else None if unsure else False, "sources": sources}


def _valid(memory: OrderedDict[Any, _Kept[T]], key: Hashable, now: float) -> _Kept[T] | None:
    kept = memory.get(key)
    if kept is None or not kept.made <= now < kept.expires:  # made in what is the future now: the clock stepped back
        return None
    memory.move_to_end(key)
    return kept


def _same_demands(one: Survey, other: Survey) -> bool:
    """Whether probes under one survey say the same under the other."""
    return [(plan.host, plan.requirement) for plan in one.hosts] == [
        (plan.host, plan.requirement) for plan in other.hosts
    ]


def _nothing_known(domain: Domain) -> dict[str, Any]:
    """The deadline came before the first answer."""
    return {
        "domain": domain.ascii,
        "next_hop": None,
        "level": UNKNOWN,
        "label": label_of(UNKNOWN),
        "guaranteed": UNKNOWN,
        "words": worded(UNKNOWN),
        "reason": "not looked up within the deadline",
        "requirement": None,
        "mx": None,
        "mta_sts": None,
        "hosts": [],
        "requiretls": None,
    }

"""A survey whose network fails it: what was found out is kept, and nothing is written that is not about a domain."""

from __future__ import annotations

import asyncio
import time
from dataclasses import replace

import pytest

from danelaw.adoption import DomainFacts
from danelaw.lab import Lab
from danelaw.lab.scenario import Host, Scenario
from danelaw.outbound.courtesy import Courtesy
from danelaw.outbound.surveying import Ended, NetworkGone, SurveyRun
from danelaw.resolver import CacheLimits, Resolver, ResolverTimeouts
from danelaw.state import SurveyBook

SHARED = (Host(name="mx.shared.lab.", elsewhere=True),)
SCENARIOS = (
    Scenario(domain="shared.lab"),
    *(Scenario(domain=f"d{number}.lab", hosts=SHARED) for number in range(30)),
)
QUICK = ResolverTimeouts(stagger=0.05, query=0.3, lookup=0.6, run=1.0)


def book() -> SurveyBook:
    made = SurveyBook(":memory:")
    with made.reading_in():
        made.count({one.domain: 1 for one in SCENARIOS})
    return made


async def nobody(_: object) -> None:
    return None


def survey(lab: Lab, kept: SurveyBook, after: int) -> tuple[SurveyRun, Resolver]:
    """A run of DNS only; after so many domains the name server goes."""
    settings = replace(lab.resolver, timeouts=QUICK, cache=CacheLimits(failure_ttl=1.0))
    resolver = Resolver(settings)

    def one_more() -> None:
        if kept.progress()[0] == after:
            asyncio.get_running_loop().create_task(lab.name_server.close())

    courtesy = Courtesy(domains=2, asking=2, questions=100_000.0)
    return SurveyRun(kept, resolver, None, None, None, time.time, courtesy, nobody, one_more), resolver


def test_name_servers_that_go_away_end_it_and_leave_what_is_open_open() -> None:
    async def play() -> None:
        kept = book()
        async with Lab(SCENARIOS, senders=()) as lab:
            run, resolver = survey(lab, kept, 8)
            async with resolver:
                with pytest.raises(NetworkGone, match="what was found out until then is kept"):
                    await run.run()
        done, total = kept.progress()
        assert 8 <= done < total == len(SCENARIOS)
        found = [DomainFacts.decode(*row) for row in kept.found()]
        assert {(one.dnssec, one.dane) for one in found} == {("signed", "untested")}
        async with Lab(SCENARIOS, senders=()) as lab:
            run, resolver = survey(lab, kept, -1)
            async with resolver:
                assert await run.run() is Ended.DONE
            assert sum(n for (_, rdtype), n in lab.name_server.questions.items() if rdtype == "MX") == total - done
        assert kept.progress() == (total, total)
        kept.close()

    asyncio.run(play())


def test_stopped_it_writes_nothing_half_done() -> None:
    async def play() -> None:
        kept = book()
        async with Lab(SCENARIOS, senders=()) as lab:
            run, resolver = survey(lab, kept, -1)
            async with resolver:
                task = asyncio.ensure_future(run.run())
                while not kept.progress()[0]:
                    await asyncio.sleep(0)
                run.stop()
                assert await task is Ended.STOPPED
        assert 0 < kept.progress()[0] < len(SCENARIOS)
        kept.close()

    asyncio.run(play())


def test_a_defect_costs_one_domain_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    from danelaw.outbound import surveying

    usual = surveying.facts_of

    def broken(checkup: object, *rest: object) -> DomainFacts:
        if checkup.domain == "d7.lab":  # type: ignore[attr-defined]
            raise ZeroDivisionError("a defect")
        return usual(checkup, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(surveying, "facts_of", broken)

    async def play() -> None:
        kept = book()
        async with Lab(SCENARIOS, senders=()) as lab:
            run, resolver = survey(lab, kept, -1)
            async with resolver:
                assert await run.run() is Ended.DONE
        assert kept.progress() == (len(SCENARIOS) - 1, len(SCENARIOS))
        assert run.defects == ["d7.lab: ZeroDivisionError: a defect"]
        kept.close()

    asyncio.run(play())

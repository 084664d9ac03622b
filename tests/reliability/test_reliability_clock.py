"""The clock jumps a day ahead or back: nothing is lost, nothing returned before its time, nothing waits a day longer.

Whole gateways over sockets, with the waits of the default settings, on a loop on which minutes are a second.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
from reliability_time import PATIENT, DayClock, patiently, run_fast
from tests.ends import Running, Sink, gateway, patience, until

from danelaw.doctor import Severity
from danelaw.gateway.health import findings
from danelaw.gateway.rehearsal import Rehearsal
from danelaw.lab.scenario import Scenario

DAY = 86_400.0
BOTH = pytest.mark.parametrize("jump", [DAY, -DAY], ids=["ahead", "back"])
# An hour of life: to a clock a day ahead it is over, and so is everything else that is measured in hours. No word of a
# delay before that: an hour is a quarter of a minute here, and a busy machine may need half of that for a story.
SHORT = PATIENT + '[queue]\nlifetime = "1h"\nwarn_after = "59m"\n'
LATER = "451 4.3.2 later"


class Door:
    """What the next hop says to RCPT: later, until it is opened."""

    def __init__(self) -> None:
        self.open = False

    def __call__(self, verb: str, line: str, connection: int) -> str | None:
        return LATER if verb == "RCPT" and not self.open else None


class Story:
    """A gateway with a clock in the test's hand, and its next hop."""

    def __init__(self, running: Running, sink: Sink, clock: DayClock) -> None:
        self.running, self.sink, self.clock = running, sink, clock

    async def noticed(self, jumps: int = 1) -> None:
        """Wait until the gateway has seen the clock jump so often."""
        await until(lambda: len(self.running.lines("clock")) == jumps, f"jump {jumps} to be noticed")

    async def health(self) -> dict[str, Severity]:
        """What the doctor would hear, by check."""
        return {one.check: one.severity for one in await findings(self.running.gateway)}

    def notices(self) -> list[bytes]:
        """What was sent back to senders."""
        return [taken.data for taken in self.sink.taken if "FROM:<>" in taken.mail]

    def mail(self) -> Counter[str]:
        """What arrived, by recipient."""
        return Counter(line for taken in self.sink.taken if "FROM:<>" not in taken.mail for line in taken.recipients)


@contextlib.asynccontextmanager
async def story(directory: Path, answer: Callable[..., Any]) -> AsyncIterator[Story]:
    clock = DayClock(asyncio.get_running_loop())
    async with Sink(answer) as sink, gateway(directory, sink.smarthost + SHORT, clock=clock) as running:
        yield Story(running, sink, clock)


def play(work: Coroutine[Any, Any, None]) -> None:
    run_fast(work, 240.0)


@BOTH
@pytest.mark.parametrize("returns", [True, False], ids=["for a moment", "for good"])
def test_mail_that_waits_is_tried_in_time_and_delivered_once(tmp_path: Path, jump: float, returns: bool) -> None:
    async def told() -> None:
        door = Door()
        async with story(tmp_path, door) as now:
            sent = [await now.running.send(f"r{n}@x.test") for n in range(5)]
            for number in sent:
                await now.running.tried(number)
            now.clock.jump(jump)
            await now.noticed()
            tried = {number: len(now.running.look(number)["attempts"]) for number in sent}
            for number in sent:  # the next try comes, and not a day later
                await now.running.tried(number, tried[number] + 1)
            if returns:
                now.clock.jump(-jump)
                await now.noticed(2)
            door.open = True
            for number in sent:
                await now.running.reaches(number, "delivered")
            assert now.mail() == Counter(f"RCPT TO:<r{n}@x.test>" for n in range(5))
            assert now.notices() == []

    play(told())


def test_a_refusal_while_the_clock_is_ahead_does_not_make_a_storm(tmp_path: Path) -> None:
    """To that clock the lifetime is over; the waits of the schedule hold all the same."""

    async def told() -> None:
        async with story(tmp_path, Door()) as now:
            number = await now.running.send("r@x.test")
            await now.running.tried(number)
            now.clock.jump(DAY)
            found = await now.running.tried(number, 4)
            times = [item["time"] for item in found["attempts"]]
            assert times[3] - times[2] > 300.0
            assert times[2] - times[1] > 150.0
            assert found["state"] == "waiting"
            assert now.notices() == []

    play(told())


@BOTH
def test_mail_in_delivery_ends_as_it_would_have(tmp_path: Path, jump: float) -> None:
    async def told() -> None:
        reached, go_on = asyncio.Event(), asyncio.Event()

        async def wait() -> None:
            reached.set()
            await go_on.wait()

        def answer(verb: str, line: str, connection: int) -> Any:
            return wait() if verb == "DOT" and not go_on.is_set() else None

        try:
            async with story(tmp_path, answer) as now:
                number = await now.running.send("r@x.test")
                await asyncio.wait_for(reached.wait(), patience())
                now.clock.jump(jump)
                await now.noticed()
                go_on.set()
                found = await now.running.reaches(number, "delivered")
                assert len(found["attempts"]) == 1
                assert now.mail() == {"RCPT TO:<r@x.test>": 1}
                assert now.notices() == []
        finally:
            go_on.set()

    play(told())


@BOTH
def test_mail_that_arrives_within_a_jump_is_delivered_and_keeps_its_lifetime(tmp_path: Path, jump: float) -> None:
    async def told() -> None:
        door = Door()
        async with story(tmp_path, door) as now:
            async with await now.running.client() as client:
                await client.expect(250, "MAIL FROM:<a@sender.test>")
                await client.expect(250, "RCPT TO:<r@x.test>")
                await client.expect(354, "DATA")
                client.send(b"Subject: over the jump\r\n")
                now.clock.jump(jump)
                await now.noticed()
                number = (await client.expect(250, "\r\n.")).text.rpartition(" ")[2]
            await now.running.tried(number)
            during = await now.running.send("during@x.test")
            await now.running.tried(during)
            now.clock.jump(-jump)
            await now.noticed(2)
            for one in (number, during):
                await now.running.tried(one, 2)
            door.open = True
            for one in (number, during):
                await now.running.reaches(one, "delivered")
            assert now.notices() == []

    play(told())


def test_a_host_that_failed_while_the_clock_was_ahead_is_tried_again_when_it_is_right(tmp_path: Path) -> None:
    """Its back-off ends by a clock that is a day away."""

    async def told() -> None:
        open_for_business = False

        def answer(verb: str, line: str, connection: int) -> str | None:
            return None if open_for_business else "421 4.3.2 down"

        async with story(tmp_path, answer) as now:
            now.clock.jump(DAY)
            await now.noticed()
            number = await now.running.send("r@x.test")
            await now.running.tried(number)
            now.clock.jump(-DAY)
            await now.noticed(2)
            open_for_business = True
            await now.running.reaches(number, "delivered")

    play(told())


def test_a_restart_after_the_clock_was_ahead_does_not_wait_for_that_day(tmp_path: Path) -> None:
    async def told() -> None:
        door = Door()
        clock = DayClock(asyncio.get_running_loop())
        clock.jump(DAY)
        async with Sink(door) as sink:
            async with gateway(tmp_path, sink.smarthost + SHORT, clock=clock) as running:
                number = await running.send("r@x.test")
                await running.tried(number)
            clock.jump(-DAY)
            door.open = True
            async with gateway(tmp_path, sink.smarthost + SHORT, clock=clock) as running:
                await running.reaches(number, "delivered")

    play(told())


def test_a_machine_that_comes_up_with_its_clock_ahead_returns_nothing_before_a_try(tmp_path: Path) -> None:
    """Or after a day of being off: lifetimes are over, and the mail is delivered all the same."""

    async def told() -> None:
        door = Door()
        clock = DayClock(asyncio.get_running_loop())
        async with Sink(door) as sink:
            async with gateway(tmp_path, sink.smarthost + SHORT, clock=clock) as running:
                number = await running.send("r@x.test")
                await running.tried(number)
            clock.jump(DAY)
            async with gateway(tmp_path, sink.smarthost + SHORT, clock=clock) as running:
                assert running.lines("patient")
                await running.tried(number, 3)
                door.open = True
                await running.reaches(number, "delivered")
            assert [taken.mail for taken in sink.taken if "FROM:<>" in taken.mail] == []

    play(told())


def test_a_clock_that_stays_ahead_is_believed_after_an_hour(tmp_path: Path) -> None:
    """Time to repair it; then it is right, and mail that cannot be delivered is returned as it should be."""

    async def told() -> None:
        loop = asyncio.get_running_loop()
        async with story(tmp_path, lambda verb, line, connection: LATER if "x.test" in line else None) as now:
            number = await now.running.send("r@x.test")
            await now.running.tried(number)
            now.clock.jump(DAY)
            begun = loop.time()
            await now.running.reaches(number, "returned")
            assert loop.time() - begun >= 3600.0
            [notice] = await now.sink.messages()
            assert b"5.4.7" in notice.data

    run_fast(told(), 400.0)


@BOTH
def test_the_doctor_hears_of_it_and_of_its_end(tmp_path: Path, jump: float) -> None:
    async def told() -> None:
        async with story(tmp_path, Door()) as now:
            assert "gateway-clock" not in await now.health()
            now.clock.jump(jump)
            await now.noticed()
            severity = (await now.health())["gateway-clock"]
            assert severity is (Severity.ERROR if jump > 0 else Severity.WARNING)
            assert "advice=" in now.running.lines("clock")[0]
            now.clock.jump(-jump)
            await now.noticed(2)
            assert (await now.health())["gateway-clock"] is Severity.NOTE

    play(told())


SIGNED = Scenario(domain="dane.lab")


def test_signatures_out_of_date_by_a_wrong_clock_make_mail_wait_loudly_and_go_when_it_is_right(tmp_path: Path) -> None:
    async def told() -> None:
        loop = asyncio.get_running_loop()
        clock = DayClock(loop)
        # Signed so that they are good for twelve hours more.
        made = clock() - 13.5 * DAY
        async with Rehearsal((SIGNED,), tmp_path, clock=clock, made=made) as rehearsal:
            await patiently(rehearsal)
            gateway = rehearsal.gateway
            await until(lambda: gateway.resolver_report is not None, "the first probe")
            assert gateway.resolver_report is not None
            assert gateway.resolver_report.usable, gateway.resolver_report
            clock.jump(DAY)
            result = await rehearsal.play(SIGNED, 3600)
            assert (result.outcome, result.protection) == ("waiting", "nothing sent"), result.reason
            assert rehearsal.lab.exposed("dane.lab") == ()
            await until(lambda: not gateway.resolver_report.usable, "the probe by the new clock")  # type: ignore[union-attr]
            found = {one.check: one for one in await findings(gateway)}
            assert found["gateway-clock"].severity is Severity.ERROR
            assert found["gateway-resolver"].severity is Severity.ERROR
            clock.jump(-DAY)
            await until(lambda: rehearsal.lab.received("dane.lab"), "the message")
            [taken] = rehearsal.lab.received("dane.lab")
            assert taken.tls is not None
            await until(lambda: gateway.resolver_report.usable, "a fit name server")  # type: ignore[union-attr]
            assert "gateway-resolver" not in {one.check for one in await findings(gateway)}

    run_fast(told(), 20.0)

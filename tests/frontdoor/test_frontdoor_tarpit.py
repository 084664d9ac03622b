"""Waits before greetings and refusals, early talkers, and their bounds; the test holds the clock."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.ends import Client, Running, run, until
from tests.frontdoor.door import MESSAGE, TRUSTED, answering, findings, front

from danelaw.frontdoor.tarpit import TarpitStep
from danelaw.testing import FakeDNS

SLOW = '[tarpit]\ngreeting_delay = "20s"\n'


class Sleep:
    """Waits until the test says so."""

    def __init__(self, running: Running) -> None:
        self.asked: list[float] = []
        self.over = asyncio.Event()
        (self.step,) = [step for step in running.gateway.parts.intake.steps.all if isinstance(step, TarpitStep)]
        self.step.sleep = self

    async def __call__(self, seconds: float) -> None:
        self.asked.append(seconds)
        await self.over.wait()


def test_a_stranger_waits_for_the_greeting_and_a_trusted_client_does_not(tmp_path: Path) -> None:
    async def play() -> None:
        async with front(tmp_path, SLOW) as (running, _):
            sleep = Sleep(running)
            async with await running.client(source=TRUSTED):
                assert sleep.asked == []
            async with await Client.connect(running.address, source="127.0.0.5") as client:
                await until(lambda: sleep.asked == [20.0], "the wait")
                assert sleep.step.waiting == 1
                sleep.over.set()
                await client.expect(220)
                await client.expect(250, "EHLO x.test")
            assert sleep.step.waiting == 0

    run(play())


def test_an_early_talker_is_refused(tmp_path: Path) -> None:
    async def play() -> None:
        async with front(tmp_path, SLOW) as (running, _):
            sleep = Sleep(running)
            async with await Client.connect(running.address, source="127.0.0.5") as client:
                client.send(b"EHLO x.test\r\n")
                await until(lambda: any(one._spoke_early for one in running.gateway.parts.intake.sessions), "its words")
                sleep.over.set()
                answer = await client.expect(554)
                assert answer.text == "you spoke before you were greeted"
                await client.expect(503, "MAIL FROM:<a@sender.test>")
            assert "step=tarpit" in running.lines("refused")[0]
            numbers = running.gateway.metrics.to_openmetrics().decode()
            assert 'danelaw_tarpit_total{result="early-talker"} 1.0' in numbers
            assert 'danelaw_inbound_refusals_total{class="5",stage="connect"} 1.0' in numbers

    run(play())


def test_an_early_talker_is_only_noted_where_that_is_set(tmp_path: Path) -> None:
    async def play() -> None:
        async with front(tmp_path, SLOW + 'early_talker = "tag"\n') as (running, sink):
            sleep = Sleep(running)
            async with await Client.connect(running.address, source="127.0.0.5") as client:
                client.send(b"EHLO x.test\r\n")
                await until(lambda: any(one._spoke_early for one in running.gateway.parts.intake.sessions), "its words")
                sleep.over.set()
                await client.expect(220)
                await client.expect(250)
                ident = await client.message(MESSAGE, "b@ours.test")
            await sink.messages()
            assert findings(running, ident) == [("tarpit", "early-talker", "the client spoke before it was greeted")]

    run(play())


def test_only_so_many_wait_at_once_and_who_leaves_waits_no_more(tmp_path: Path) -> None:
    async def play() -> None:
        async with front(tmp_path, SLOW + "connections = 1\n") as (running, _):
            sleep = Sleep(running)
            async with await Client.connect(running.address, source="127.0.0.5"):
                await until(lambda: sleep.step.waiting == 1, "the first to wait")
                async with await running.client(source="127.0.0.6"):
                    assert sleep.asked == [20.0]
            await until(lambda: sleep.step.waiting == 0, "the place to be free")
            numbers = running.gateway.metrics.to_openmetrics().decode()
            assert 'danelaw_tarpit_total{result="full"} 1.0' in numbers

    run(play())


def test_refusals_come_late_for_strangers_by_steps_and_by_relaying_rules(tmp_path: Path) -> None:
    settings = '[tarpit]\nrefusal_delay = "15s"\n[[dns_list]]\nzone = "bad.test"\nuse = "refuse"\nof = "sender"\n'

    async def play() -> None:
        async with front(tmp_path, settings, FakeDNS(insecure="spam.test.bad.test. A 127.0.0.2")) as (running, sink):
            sleep = Sleep(running)
            async with await running.client(source="127.0.0.5") as client:
                await client.expect(250, "MAIL FROM:<a@spam.test>")
                client.send(b"RCPT TO:<b@ours.test>\r\nRCPT TO:<c@elsewhere.test>\r\n")
                await until(lambda: len(sleep.asked) == 1, "the wait for the first")
                sleep.over.set()
                await client.expect(550)
                await client.expect(550)
                assert sleep.asked == [15.0, 15.0]
                await client.expect(250, "RSET")
                await client.message(MESSAGE, "b@ours.test")
            assert sleep.asked == [15.0, 15.0], "who is welcome does not wait"
            await sink.messages()

    run(play())


def test_who_is_in_an_allow_list_does_not_wait(tmp_path: Path) -> None:
    settings = SLOW + '[[dns_list]]\nzone = "good.test"\nuse = "allow"\n'

    async def play() -> None:
        async with front(tmp_path, settings) as (running, _):
            answering(running, FakeDNS(insecure="5.0.0.127.good.test. A 127.0.0.2"))
            sleep = Sleep(running)
            async with await running.client(source="127.0.0.5"):
                assert sleep.asked == []

    run(play())

"""Breakers, failover and budgets: what fails, for how long, and who is asked instead."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.filters.fake_engines import (
    MESSAGE,
    FakeMilter,
    closed_port,
    instream,
    packet,
    saying,
    serving,
    silent,
    specimen,
)

from danelaw.filters import (
    Breaker,
    BreakerState,
    Clamd,
    Filter,
    FilterError,
    Milter,
    MilterFilter,
    Party,
    ServerAddress,
    Servers,
    Verdict,
)

PARTY = Party("mx.example", "192.0.2.7", 4711, "client.example", "192.0.2.1:25")


async def clean(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await instream(reader)
    writer.write(b"stream: OK\0")


def clamd(servers: Servers, **settings: Any) -> Filter:
    return Filter("clamd", Clamd(), servers, **({"seconds": 30.0, "largest": 1 << 20} | settings))


def milter(servers: Servers, *, seconds: float = 30.0) -> MilterFilter:
    engine = Milter(step_seconds=seconds, largest=1 << 20)
    return MilterFilter("milter", engine, servers, seconds=seconds, largest=1 << 20)


def test_a_breaker_opens_after_failures_in_a_row_and_lets_one_trial_through() -> None:
    breaker = Breaker(3, 30.0)
    for _ in range(2):
        assert breaker.allows(0.0)
        assert not breaker.failed(0.0)
    breaker.succeeded()
    assert [breaker.failed(1.0) for _ in range(3)] == [False, False, True]
    assert breaker.state(2.0) is BreakerState.OPEN
    assert not breaker.allows(30.9)
    assert breaker.state(31.0) is BreakerState.HALF_OPEN
    assert breaker.allows(31.0)
    assert not breaker.allows(31.0)
    assert not breaker.failed(31.5)
    assert not breaker.allows(61.0)
    assert breaker.allows(61.5)
    breaker.given_up()
    assert breaker.allows(61.5)
    breaker.succeeded()
    assert breaker.state(61.5) is BreakerState.CLOSED


def test_the_next_server_is_asked_and_a_dead_one_left_alone() -> None:
    async def run() -> None:
        changes: list[tuple[ServerAddress, BreakerState]] = []
        dead = await closed_port()
        async with serving(clean) as fake:
            servers = Servers(
                [dead, fake.address], failures=2, changed=lambda server, state, _: changes.append((server, state))
            )
            subject = clamd(servers)
            for _ in range(4):
                result = await subject.examine(specimen())
                assert (result.verdict, result.server) == (Verdict.CLEAN, str(fake.address))
            assert changes == [(dead, BreakerState.OPEN)]
            assert servers.states() == {dead: BreakerState.OPEN, fake.address: BreakerState.CLOSED}

    asyncio.run(run())


def test_a_server_that_works_again_is_used_again() -> None:
    async def run() -> None:
        changes: list[BreakerState] = []
        async with serving(saying(b"")) as fake:
            servers = Servers(
                [fake.address], failures=1, seconds=0.0, changed=lambda _, state, __: changes.append(state)
            )
            subject = clamd(servers)
            assert (await subject.examine(specimen())).verdict is Verdict.FAILED
            fake.behaviour = clean
            assert (await subject.examine(specimen())).verdict is Verdict.CLEAN
            assert changes == [BreakerState.OPEN, BreakerState.CLOSED]

    asyncio.run(run())


def test_a_silent_server_costs_its_share_and_the_next_one_still_has_time() -> None:
    async def run() -> None:
        async with serving(silent) as slow, serving(clean) as good:
            result = await clamd(Servers([slow.address, good.address]), seconds=2.0).examine(specimen())
            assert (result.verdict, result.server) == (Verdict.CLEAN, str(good.address))

    asyncio.run(run())


def test_every_server_s_reason_is_told() -> None:
    async def run() -> None:
        dead = await closed_port()
        async with serving(saying(b"gibberish\0")) as liar:
            result = await clamd(Servers([dead, liar.address])).examine(specimen())
            assert result.verdict is Verdict.FAILED
            assert f"{dead}: " in result.reason
            assert "refused" in result.reason.lower() or "Connect call failed" in result.reason
            assert f"{liar.address}: it answers 'gibberish'" in result.reason

    asyncio.run(run())


def test_messages_above_the_limit_are_not_shown() -> None:
    async def run() -> None:
        async with serving(clean) as fake:
            result = await clamd(Servers([fake.address]), largest=len(MESSAGE) - 1).examine(specimen())
            assert result.verdict is Verdict.TOO_LARGE
            assert fake.connections == 0

    asyncio.run(run())


def test_no_more_messages_at_once_than_configured() -> None:
    async def run() -> None:
        most = now = 0
        turn = asyncio.Event()

        async def counting(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            nonlocal most, now
            now += 1
            most = max(most, now)
            await instream(reader)
            if now == 2:
                turn.set()
            await turn.wait()
            now -= 1
            writer.write(b"stream: OK\0")

        async with serving(counting) as fake:
            subject = clamd(Servers([fake.address]), at_once=2)
            results = await asyncio.gather(*(subject.examine(specimen()) for _ in range(6)))
            assert {result.verdict for result in results} == {Verdict.CLEAN}
            assert most == 2

    asyncio.run(run())


def test_a_message_whose_client_leaves_does_not_block_the_trial() -> None:
    async def run() -> None:
        async with serving(silent) as fake:
            servers = Servers([fake.address], failures=1, seconds=0.0)
            with pytest.raises(FilterError):
                await servers.first(lambda server: asyncio.sleep(1, None), 0.0)
            task = asyncio.ensure_future(clamd(servers).examine(specimen()))
            while not fake.connections:
                await asyncio.sleep(0)
            assert not servers.breakers[fake.address].allows(1e12)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            assert servers.breakers[fake.address].allows(1e12)

    asyncio.run(run())


def test_ping_asks_every_server() -> None:
    async def run() -> None:
        dead = await closed_port()

        async def pong(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            command = await reader.readuntil(b"\0")
            writer.write(b"PONG\0" if command == b"zPING\0" else b"ClamAV 1.4.6/27000\0")

        async with serving(pong) as fake:
            answers = await clamd(Servers([dead, fake.address])).ping()
            assert isinstance(answers[dead], FilterError)
            assert answers[fake.address] == "ClamAV 1.4.6/27000"
        other = FakeMilter(actions=0x11)
        async with serving(other) as fake:
            assert list((await milter(Servers([fake.address])).ping()).values()) == [
                "milter protocol 6, may: ADDHDRS, CHGHDRS"
            ]

    asyncio.run(run())


def test_a_milter_hears_a_session_step_by_step_and_may_refuse_one_recipient() -> None:
    async def run() -> None:
        fake = FakeMilter()
        async with serving(fake) as server:
            session = milter(Servers([server.address])).begin(PARTY)
            assert (await session.connect()).verdict is Verdict.CLEAN
            assert (await session.mail("helo.example", None, "a@b.example")).verdict is Verdict.CLEAN
            assert (await session.rcpt("good@here.example")).verdict is Verdict.CLEAN
            fake.answers["R"] = packet(b"y", b"550 5.1.1 nobody\0")
            result = await session.rcpt("bad@here.example")
            assert (result.verdict, result.reply) == (Verdict.FOUND, (550, "5.1.1", ("nobody",)))
            assert (await session.message(specimen())).verdict is Verdict.CLEAN
            # A second message over the same connection: HELO is no news.
            del fake.answers["R"]
            await session.mail("helo.example", None, "a@b.example")
            await session.rcpt("good@here.example")
            assert (await session.message(specimen())).verdict is Verdict.CLEAN
            session.close()
            while not fake.letters().endswith("Q"):
                await asyncio.sleep(0)
        assert fake.letters() == "CHMRRTLLLNBEMRTLLLNBEQ"
        assert server.connections == 1
        assert fake.told("D")[0].startswith(b"Cj\0mx.example\0_\0client.example [192.0.2.7]\0")

    asyncio.run(run())


def test_a_milter_that_hangs_up_is_told_everything_again_elsewhere() -> None:
    async def run() -> None:
        fragile, solid = FakeMilter({"N": b"hang up"}), FakeMilter()
        async with serving(fragile) as first, serving(solid) as second:
            servers = Servers([first.address, second.address], failures=1)
            session = milter(servers).begin(PARTY)
            await session.connect()
            await session.mail("client.example", None, "anna@sender.example")
            await session.rcpt("bob@here.example")
            result = await session.message(specimen())
            assert (result.verdict, result.server) == (Verdict.CLEAN, str(second.address))
            assert servers.states()[first.address] is BreakerState.OPEN
        assert solid.letters().rstrip("Q") == "CHMRRTLLLNBE"

    asyncio.run(run())


def test_a_milter_that_is_down_at_connect_is_tried_again_at_mail() -> None:
    async def run() -> None:
        fake = FakeMilter({"C": b"hang up"})
        async with serving(fake) as server:
            session = milter(Servers([server.address])).begin(PARTY)
            assert (await session.connect()).verdict is Verdict.FAILED
            del fake.answers["C"]
            assert (await session.mail("x", None, "a@b.example")).verdict is Verdict.CLEAN
            assert fake.letters() == "CCHM"
            session.close()

    asyncio.run(run())


def test_a_recipient_refused_after_it_was_accepted_makes_the_client_come_again() -> None:
    async def run() -> None:
        fake = FakeMilter({"R": packet(b"r")})
        async with serving(fake) as server:
            subject = milter(Servers([server.address]))
            assert (await subject.examine(specimen())).verdict is Verdict.FOUND
            fake.answers["R"] = packet(b"c")
            assert (await subject.examine(specimen())).verdict is Verdict.CLEAN

    asyncio.run(run())

"""The short way over a kept connection: whatever the next hop does on it, the message fares as on the long way."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from pathlib import Path

import pytest
from tests.ends import CLOSE, OFFERS, Sink, gateway, run, until

from danelaw.outbound.express import Express


class Counted:
    """Counts the messages that set out on the short way."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun: list[Express] = []
        start = Express.start

        def counting(express: Express) -> bool:
            self.begun.append(express)
            return start(express)

        monkeypatch.setattr(Express, "start", counting)


@pytest.fixture
def counted(monkeypatch: pytest.MonkeyPatch) -> Counted:
    return Counted(monkeypatch)


@pytest.mark.parametrize(
    ("verb", "reply", "outcome", "words"),
    [
        ("RCPT", "550 5.1.1 no such user", "returned", "no such user"),
        ("RCPT", "451 4.2.0 later", "waiting", "later"),
        ("DATA", "451 4.3.0 not now", "waiting", "not now"),
        ("DOT", "552 5.2.3 too much", "returned", "too much"),
        ("DOT", CLOSE, "waiting", "may arrive twice"),
        ("DATA", CLOSE, "delivered", ""),
    ],
)
def test_what_the_next_hop_says_on_a_kept_connection_counts(
    tmp_path: Path, counted: Counted, verb: str, reply: str, outcome: str, words: str
) -> None:
    def answer(said: str, line: str, connection: int) -> str | None:
        return reply if said == verb and connection == 1 and len(sink.taken) == 1 else None

    sink = Sink(answer)

    async def play() -> None:
        async with sink, gateway(tmp_path, sink.smarthost) as running:
            await running.reaches(await running.send("a@x.test"), "delivered")
            second = await running.send("b@x.test")
            if outcome == "waiting":
                await until(lambda: running.look(second)["attempts"], "the try")
                found = running.look(second)
            else:
                found = await running.reaches(second, outcome)
            assert len(counted.begun) >= 1
            assert found["recipients"][0]["state"] == outcome
            assert words in found["attempts"][-1]["reason"] + found["attempts"][-1]["reply"], found["attempts"]
            assert len([one for one in sink.taken if "b@x.test" in one.recipients[0]]) == (outcome == "delivered")

    run(play())


def test_a_next_hop_that_lacks_an_extension_is_not_asked_on_the_short_way_either(
    tmp_path: Path, counted: Counted
) -> None:
    offers = tuple(word for word in OFFERS if word != "SMTPUTF8")

    async def play() -> None:
        async with Sink(offers=offers) as sink, gateway(tmp_path, sink.smarthost) as running:
            await running.reaches(await running.send("a@x.test"), "delivered")
            found = await running.reaches(await running.send("bücher@x.test", mail=" SMTPUTF8"), "returned")
            assert len(counted.begun) >= 1
            assert "does not take internationalised mail" in found["recipients"][0]["reason"]
            await running.reaches(await running.send("c@x.test"), "delivered")
            assert sink.connections == 1, "the connection goes on"

    run(play())


def test_an_abort_ends_it_and_the_message_goes_another_way(tmp_path: Path, counted: Counted) -> None:
    silent, released = asyncio.Event(), asyncio.Event()

    async def says_nothing() -> str:
        silent.set()
        await released.wait()
        return CLOSE

    def answer(verb: str, line: str, connection: int) -> Awaitable[str | None] | None:
        return says_nothing() if verb == "RCPT" and connection == 1 and sink.taken else None

    sink = Sink(answer)

    async def play() -> None:
        async with sink, gateway(tmp_path, sink.smarthost) as running:
            await running.reaches(await running.send("a@x.test"), "delivered")
            second = await running.send("b@x.test")
            await silent.wait()
            engine = running.gateway.parts.engine
            assert engine.busy == 1
            engine.abort([express.work for express in counted.begun])
            released.set()
            await running.reaches(second, "delivered")
            assert [one.connection for one in sink.taken] == [1, 2]

    run(play())

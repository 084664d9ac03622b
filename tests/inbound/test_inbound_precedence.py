"""Delivery before intake: fewer come in while the event loop has no time and the queue grows, and only then."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from tests.ends import Client, Sink, gateway, run

from danelaw.inbound.precedence import LASTS, LEAST, Precedence


class Clocked:
    """Second after second at these rates."""

    def __init__(self) -> None:
        self.precedence = Precedence()
        self.now, self.taken, self.ended = 1000.0, 0.0, 0.0
        self.look(0, 0, 0)

    def look(self, came: float, went: float, busy: float, times: int = 1) -> float:
        for _ in range(times):
            self.now += 1.0
            self.taken += came
            self.ended += went
            self.precedence.look(self.now, taken=self.taken, ended=self.ended, busy=busy)
        return self.precedence.pace

    def second(self, offered: int) -> int:
        """How many of these, spread over a second, may begin."""
        return sum(not self.precedence.refuses(self.now + number / offered) for number in range(offered))


def test_a_busy_loop_and_a_growing_queue_make_intake_yield_to_what_goes_out() -> None:
    clocked = Clocked()
    assert clocked.look(5000, 1500, 0.97, times=LASTS - 1) == float("inf")
    assert clocked.look(5000, 1500, 0.97) < 5000
    assert 3000 < clocked.second(6000) < 5000
    pace = clocked.precedence.pace
    for second in range(60):
        pace = clocked.look(min(5000.0, pace), 1500, 0.97)
        assert second < 10 or 1500 <= pace < 2200
    assert clocked.look(1500, 1600, 0.97) > pace


def test_where_the_destination_is_the_limit_intake_goes_on() -> None:
    clocked = Clocked()
    assert clocked.look(5000, 10, 0.6, times=100) == float("inf")
    assert clocked.second(6000) == 6000


def test_a_full_loop_that_delivers_what_comes_is_no_overload() -> None:
    clocked = Clocked()
    assert clocked.look(2500, 2500, 1.0, times=100) == float("inf")


def test_it_opens_again_once_there_is_time() -> None:
    clocked = Clocked()
    clocked.look(5000, 1500, 0.97, times=10)
    assert clocked.look(100, 1500, 0.2, times=60) == float("inf")


@given(st.lists(st.tuples(st.floats(0, 1e5), st.floats(0, 1e5), st.floats(0, 1)), max_size=100), st.integers(1, 3000))
def test_some_may_always_come_in_and_never_more_than_the_pace(
    seconds: list[tuple[float, float, float]], offered: int
) -> None:
    clocked = Clocked()
    for came, went, busy in seconds:
        assert clocked.look(came, went, busy) >= LEAST
    pace = clocked.precedence.pace
    begun = clocked.second(offered)
    assert begun <= pace * 1.1 + 2
    assert begun >= min(offered * 0.9, pace * 0.8) - 2


def test_a_client_is_told_to_come_again(tmp_path: Path) -> None:
    async def play() -> None:
        async with Sink() as sink, gateway(tmp_path, sink.smarthost) as running:
            precedence = running.gateway.parts.intake.precedence
            precedence.pace = 0.0
            async with await Client.connect(running.address) as client:
                await client.greeted()
                assert "overloaded" in (await client.expect(451, "MAIL FROM:<anna@sender.test>")).text
                precedence.pace = float("inf")
                await client.message(b"Subject: x\r\n\r\nx\r\n", "b@x.test")
            await sink.messages()

    run(play())

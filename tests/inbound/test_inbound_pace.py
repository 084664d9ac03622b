"""Who hardly sends while something is unfinished is not kept; who is silent between commands is."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from tests.ends import Client, Sink, gateway, run, until

from danelaw.inbound.pace import IDLE, Floor, Pace

FLOOR = Floor(rate=100, window=60.0, grace=30.0)


def looked_at(sent: list[int], *, line: bool = False, unfinished: list[int] | None = None, every: float = 10) -> int:
    """How many looks, ten seconds apart, until the client is called too slow; -1 for never."""
    pace, octets = Pace(), 0
    for number, more in enumerate(sent):
        octets += more
        what = 1 if unfinished is None else unfinished[number]
        if pace.too_slow(FLOOR, number * every, octets, what, line=line):
            return number
    return -1


def test_an_octet_now_and_then_is_too_slow_after_grace_and_window() -> None:
    assert looked_at([1] * 100) == 9
    assert looked_at([999] * 100) == 9
    assert looked_at([1001] * 100) == -1


def test_a_client_that_slows_down_is_found_in_a_later_window() -> None:
    assert looked_at([5000] * 10 + [0] * 10) == 15


def test_one_message_after_another_is_progress_however_short() -> None:
    assert looked_at([10] * 50, unfinished=list(range(1, 51))) == -1


def test_nothing_unfinished_may_last_as_long_as_time_outs_allow() -> None:
    assert looked_at([0] * 100, unfinished=[IDLE] * 100) == -1


def test_a_command_line_must_end_however_fast_it_comes() -> None:
    assert looked_at([5000] * 100, line=True) == 9


@given(st.lists(st.integers(1000, 10**9), max_size=60))
def test_who_keeps_the_rate_is_never_closed(sent: list[int]) -> None:
    assert looked_at(sent) == -1


def test_the_floor_can_be_taken_away() -> None:
    assert Floor(rate=0).look_seconds == float("inf")
    assert Floor(rate=1, window=4.0, grace=0.0).look_seconds == 1.0


def test_a_slow_loris_is_told_and_closed_and_who_is_silent_or_exempt_is_kept(tmp_path: Path) -> None:
    async def play() -> None:
        limits = (
            '[limits]\nminimum_rate = "1M"\nminimum_rate_window = "1s"\nminimum_rate_grace = "0s"\n'
            'exempt = ["127.0.0.5/32"]\n'
        )
        async with Sink() as sink, gateway(tmp_path, sink.smarthost + limits) as running:
            async with (
                await Client.connect(running.address) as data,
                await Client.connect(running.address) as line,
                await Client.connect(running.address) as silent,
                await Client.connect(running.address, source="127.0.0.5") as exempt,
            ):
                for client in (data, line, silent, exempt):
                    await client.greeted()
                exempt.send(b"NO")
                await data.expect(250, "MAIL FROM:<a@sender.test>")
                await data.expect(250, "RCPT TO:<b@x.test>")
                await data.expect(354, "DATA")
                data.send(b"Subject: slow\r\n")
                line.send(b"NOO")
                assert "too slow" in (await data.expect(421)).text
                assert "too slow" in (await line.expect(421)).text
                await data.closed()
                await silent.message(b"Subject: x\r\n\r\nx\r\n", "b@x.test")
                await exempt.expect(250, "OP")
            assert running.gateway.metrics.inbound_ceilings.cell("progress", "client").value == 2
            await until(lambda: not running.gateway.parts.intake.sessions, "the end of all sessions")

    run(play())

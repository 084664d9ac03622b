"""Overload is refused before work is done for it, and the window opens again when answers are quick."""

from __future__ import annotations

from pathlib import Path

from hypothesis import given
from hypothesis import strategies as st
from tests.ends import Client, Sink, gateway, run

from danelaw.inbound.admission import LEAST, MOST, TARGET_SECONDS, Admission


@given(st.lists(st.tuples(st.integers(0, 5000), st.floats(0, 60)), max_size=200))
def test_the_window_keeps_its_bounds(answers: list[tuple[int, float]]) -> None:
    admission = Admission()
    for under_way, seconds in answers:
        admission.under_way = under_way
        admission.answered(seconds)
        assert LEAST <= admission.window <= MOST
        assert admission.full is (under_way >= admission.window)


def test_late_answers_close_it_to_what_is_under_way_and_quick_ones_open_it() -> None:
    admission = Admission()
    admission.under_way = 400
    admission.answered(TARGET_SECONDS + 0.1)
    assert admission.window < 401
    closed = admission.window
    admission.under_way = 10
    for _ in range(1000):
        admission.answered(0.01)
    assert admission.window > closed + 2
    assert not admission.full


def test_a_client_is_told_at_mail_and_served_a_moment_later(tmp_path: Path) -> None:
    async def play() -> None:
        async with Sink() as sink, gateway(tmp_path, sink.smarthost) as running:
            intake = running.gateway.parts.intake
            usual, intake.admission.window = intake.admission.window, 0.0
            async with await Client.connect(running.address) as client:
                await client.greeted()
                refused = await client.expect(451, "MAIL FROM:<anna@sender.test>")
                assert "overloaded" in refused.text
                intake.admission.window = usual
                await client.message(b"Subject: x\r\n\r\nx\r\n", "b@x.test")
            await sink.messages()
            assert intake.admission.under_way == 0
            numbers = running.gateway.metrics.to_openmetrics().decode()
            assert "danelaw_loop_lag_seconds_count" in numbers
            assert "danelaw_spool_log_bytes" in numbers
            assert f"danelaw_inbound_window {usual}" in numbers

    run(play())

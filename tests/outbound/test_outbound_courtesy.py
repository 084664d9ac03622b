"""The pace of a survey's questions: its mean, what is saved up, and what silence does to it."""

from __future__ import annotations

import pytest

from danelaw.outbound.courtesy import Pace


def ask(pace: Pace, seconds: float, begun: float = 0.0, each: int = 8) -> int:
    """How many questions are asked within some seconds by who waits as told; `each` are asked for a domain."""
    now, asked = begun, pace._paid
    while now < begun + seconds:
        wait = pace.wait(now, asked)
        now += wait
        if now < begun + seconds:
            asked += each
            now += 0.001
    return asked


@pytest.mark.parametrize("rate", [20.0, 100.0, 500.0])
def test_the_mean_is_the_rate(rate: float) -> None:
    assert ask(Pace(rate, 0.0), 60.0) == pytest.approx(60 * rate, rel=0.05, abs=rate + 8)


def test_what_was_not_used_is_saved_for_one_second_only() -> None:
    pace = Pace(100.0, 0.0)
    pace.wait(3600.0, 0)
    asked = ask(pace, 5.0, begun=3600.0)
    assert asked <= 6 * 100 + 16


def test_after_silence_it_asks_half_of_what_it_really_did_and_recovers() -> None:
    pace = Pace(100_000.0, 0.0)
    for second in range(1, 11):
        pace.wait(float(second), second * 400)
    pace.slower(10.0)
    assert pace.rate == pytest.approx(200, rel=0.1)
    pace.slower(12.0)  # the same burst
    assert pace.rate == pytest.approx(200, rel=0.1)
    for second in range(11, 60):
        pace.wait(float(second), 4000 + (second - 10) * 200)
    assert 300 < pace.rate < 800
    for second in range(100, 1000, 20):
        pace.slower(float(second))
    assert pace.rate >= 5.0

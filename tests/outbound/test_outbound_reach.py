"""Addresses that did not answer are passed over for a while, longer each time, and forgotten once they answer."""

from __future__ import annotations

from danelaw.outbound.reach import Reachability


def test_the_pause_doubles_up_to_a_quarter_of_an_hour() -> None:
    reach, now = Reachability(), 1000.0
    pauses = []
    for _ in range(6):
        reach.failed("192.0.2.1", 25, now)
        pause = next(seconds for seconds in range(1, 2000) if not reach.silent("192.0.2.1", 25, now + seconds))
        pauses.append(pause)
        now += pause
    assert pauses == [60, 120, 240, 480, 900, 900]


def test_an_answer_ends_the_memory_and_another_port_is_another_address() -> None:
    reach = Reachability()
    reach.failed("192.0.2.1", 25, 0.0)
    assert reach.silent("192.0.2.1", 25, 1.0)
    assert not reach.silent("192.0.2.1", 26, 1.0)
    reach.answered("192.0.2.1", 25)
    assert not reach.silent("192.0.2.1", 25, 1.0)


def test_the_memory_is_bounded() -> None:
    reach = Reachability()
    for number in range(10_001):
        reach.failed(f"2001:db8::{number:x}", 25, 0.0)
    assert not reach.silent("2001:db8::0", 25, 1.0)
    assert reach.silent("2001:db8::1", 25, 1.0)

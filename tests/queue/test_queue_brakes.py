"""Slow-downs: a share of what was, growing back by equal steps; never more than that, and nothing waits for ever."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danelaw.queue import HostVerdict, QueuedMessage, QueuedRecipient, RoutingKey, Scheduler, SchedulerSettings, Work
from danelaw.queue.brakes import MOST, SlowDown, decode, encode

NOW = 1_795_000_000.0
HOUR = 3600.0
HOP = RoutingKey("a.example")
OTHER = RoutingKey("b.example")


def wanted(of: str = "domain", name: str = "a.example", seconds: float = HOUR, now: float = NOW) -> SlowDown:
    return SlowDown(of, name, 1.0, 0.5, now, now + seconds, "421 too much", "response 1")


def busy(number: int = 100, *keys: RoutingKey, window: int = 20) -> Scheduler:
    scheduler = Scheduler(SchedulerSettings(slots=200, first_window=window, destination_concurrency=window))
    for ident in range(number):
        for place, key in enumerate(keys or (HOP,)):
            recipient = QueuedRecipient(0, "r@x.example", key, due=NOW)
            one = QueuedMessage(ident * 10 + place, NOW, NOW + 1e6, "s@y.example", (recipient,), 10, 1)
            assert scheduler.admit(one, 10)
            scheduler.arrived(one, b"x", 10, NOW, claimed=True)
    return scheduler


def slow(scheduler: Scheduler, works: list[Work], slow_down: SlowDown, factor: float = 0.5) -> SlowDown:
    return scheduler.brakes.slow(slow_down, factor, 0.1, [work.key for work in works])


def end(scheduler: Scheduler, works: list[Work], now: float) -> None:
    for work in works:
        scheduler.finished(work, HostVerdict.GOOD, now)


def test_half_of_what_was_under_way_is_left_and_grows_back_by_equal_steps() -> None:
    scheduler = busy()
    works = scheduler.next_work(NOW)
    made = slow(scheduler, works, wanted())
    assert (made.full, made.share) == (20, 0.5)
    assert [made.share_at(NOW + part * HOUR) for part in (0, 0.5, 1)] == [0.5, 0.75, 1.0]
    end(scheduler, works, NOW)  # what was begun before counts for nothing
    works = scheduler.next_work(NOW)
    assert len(works) == 10
    assert scheduler.next_work(NOW) == []
    assert len(scheduler.next_work(NOW + HOUR / 2)) == 5
    assert len(scheduler.next_work(NOW + HOUR)) == 5  # it has ended


def test_a_further_complaint_multiplies_down_to_the_floor() -> None:
    scheduler = busy()
    works = scheduler.next_work(NOW)
    shares = [slow(scheduler, works, wanted()).share for _ in range(5)]
    assert shares == [0.5, 0.25, 0.125, 0.1, 0.1]
    assert scheduler.brakes.in_force(NOW)[0].full == 20


def test_one_connection_is_slowed_down_by_pauses_as_long_as_the_delivery() -> None:
    scheduler = busy(10, window=1)
    [work] = scheduler.next_work(NOW)
    slow(scheduler, [work], wanted(seconds=1e9))
    end(scheduler, [work], NOW)
    [work] = scheduler.next_work(NOW)
    end(scheduler, [work], NOW + 4)
    assert scheduler.next_work(NOW + 4) == []
    wakeup = scheduler.brakes.next_wakeup(NOW + 4)
    assert wakeup == pytest.approx(NOW + 8, abs=0.1)
    assert len(scheduler.next_work(NOW + 8.1)) == 1


def test_only_what_it_names_is_slowed_down() -> None:
    scheduler = busy(30, HOP, OTHER, window=10)
    works = scheduler.next_work(NOW)
    assert len(works) == 20
    slow(scheduler, works, wanted())
    end(scheduler, works, NOW)
    begun = [work.key for work in scheduler.next_work(NOW)]
    assert (begun.count(HOP), begun.count(OTHER)) == (5, 10)
    assert [one.key for one in scheduler.brakes.waiting(NOW)] == [HOP]
    assert scheduler.brakes.waiting(NOW)[0].reason == "slowed down to 50%: 421 too much"


def test_a_site_is_slowed_down_as_a_whole() -> None:
    scheduler = busy(30, HOP, OTHER, window=10)
    for key in (HOP, OTHER):
        scheduler.brakes.belongs(key, "google")
    works = scheduler.next_work(NOW)
    assert slow(scheduler, works, wanted("site", "google")).full == 20
    end(scheduler, works, NOW)
    assert len(scheduler.next_work(NOW)) == 10


def test_a_released_one_lets_everybody_go_on_at_once() -> None:
    scheduler = busy()
    works = scheduler.next_work(NOW)
    slow(scheduler, works, wanted())
    end(scheduler, works, NOW)
    assert len(scheduler.next_work(NOW)) == 10
    assert scheduler.brakes.release("domain", "a.example")
    assert not scheduler.brakes.release("domain", "a.example")
    assert scheduler.brakes.next_wakeup(NOW) == NOW
    assert len(scheduler.next_work(NOW)) == 10


def test_a_queue_that_falls_asleep_waits_here_no_longer() -> None:
    scheduler = busy()
    works = scheduler.next_work(NOW)
    slow(scheduler, works, wanted())
    end(scheduler, works[1:], NOW)
    scheduler.next_work(NOW)
    assert scheduler.brakes.waits(HOP)
    scheduler.finished(works[0], HostVerdict.DOWN, NOW)
    assert not scheduler.brakes.waits(HOP)
    assert scheduler.brakes.next_wakeup(NOW) is None


def test_they_survive_a_restart_and_what_is_damaged_is_refused() -> None:
    scheduler = busy()
    made = slow(scheduler, scheduler.next_work(NOW), wanted())
    again = busy()
    for one in decode(encode([made]), NOW + 60):
        again.brakes.restore(one)
    assert again.brakes.in_force(NOW + 60) == [made]
    assert len(again.next_work(NOW + 60)) == 11  # 20 × 0.508: ten and a bit
    assert decode(encode([made]), NOW + 2 * HOUR) == ()
    assert decode(None, NOW) == ()
    for damaged in (b"{}x", b"[1]", b'[["a"]]', b"\xff"):
        with pytest.raises(ValueError):  # noqa: PT011 - json's own words
            decode(damaged, NOW)


def test_their_number_is_bounded() -> None:
    scheduler = Scheduler()
    for number in range(MOST + 10):
        slow(scheduler, [], wanted(name=f"d{number}.example"))
    assert len(scheduler.brakes.in_force(NOW)) == MOST


@given(
    st.lists(st.tuples(st.floats(0, 20), st.integers(0, 5), st.booleans()), min_size=1, max_size=60),
    st.floats(0.1, 0.9),
)
def test_time_always_leads_to_the_end_and_never_more_is_under_way_than_allowed(
    steps: list[tuple[float, int, bool]], factor: float
) -> None:
    scheduler = busy(60)
    old = scheduler.next_work(NOW)
    made = slow(scheduler, old, wanted(seconds=300), factor)
    end(scheduler, old, NOW)
    now, flying = NOW, scheduler.next_work(NOW)
    done = len(old)
    for pause, ends, complains in steps:
        now += pause
        if complains and now < made.until:
            made = slow(scheduler, flying, wanted(seconds=300, now=now), factor)
        end(scheduler, flying[:ends], now)
        done += len(flying[:ends])
        flying = flying[ends:]
        before = len(flying)
        flying += scheduler.next_work(now)
        if now < made.until and len(flying) > before:
            assert len(flying) <= 20 * made.share_at(now) + 1
    for _ in range(2000):
        if done == 60:
            break
        end(scheduler, flying, now)
        done += len(flying)
        flying = scheduler.next_work(now)
        wakeup = scheduler.brakes.next_wakeup(now)
        if not flying and done < 60:
            assert wakeup is not None
            assert wakeup > now
            now = wakeup
    assert done == 60

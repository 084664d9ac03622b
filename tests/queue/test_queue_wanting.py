"""Queues that want more from disk: newcomers first, little for each when they are many, nobody forgotten."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from danelaw.queue import QueuedMessage, QueuedRecipient, RoutingKey, Scheduler, SchedulerSettings
from danelaw.queue.fairness import Ring
from danelaw.queue.pages import VirtualQueue
from danelaw.queue.wanting import LEAST, Wanting

NOW = 1_795_000_000.0


def queue(number: int) -> VirtualQueue:
    return VirtualQueue(RoutingKey(f"d{number}.example"), 5.0)


def test_those_that_have_just_become_due_come_before_those_served_already() -> None:
    wanting = Wanting()
    wanting.add(queue(1), fresh=False)
    wanting.add(queue(2), fresh=True)
    assert [key.next_hop for key, _ in wanting.portions(64, plenty=False)] == ["d2.example", "d1.example"]
    assert [key.next_hop for key, _ in wanting.portions(64, plenty=True)] == ["d2.example"]
    wanting.discard(RoutingKey("d2.example"))
    assert wanting.anybody(plenty=False)
    assert not wanting.anybody(plenty=True)


@given(st.integers(1, 200), st.integers(0, 200), st.integers(1, 64))
def test_one_round_is_bounded_and_in_the_end_everybody_gets_something(fresh: int, again: int, most: int) -> None:
    wanting = Wanting()
    for number in range(fresh + again):
        wanting.add(queue(number), fresh=number < fresh)
    served = []
    while portions := wanting.portions(most, plenty=False):
        assert sum(count for _, count in portions) < most + LEAST
        for key, _ in portions:
            wanting.discard(key)
            served.append(key)
    assert len(served) == len(set(served)) == fresh + again


def test_a_newcomer_has_its_first_turn_before_those_that_always_have_more() -> None:
    ring: Ring[str] = Ring()
    for name in "abc":
        ring.add(name)
    ring.pay(1)
    ring.add("new", soon=True)
    order = []
    for _ in range(5):
        order.append(ring.front())
        ring.pay(1)
    assert order == ["new", "b", "c", "a", "new"]


def test_of_four_turns_one_is_for_those_with_a_backlog() -> None:
    ring: Ring[str] = Ring()
    ring.add("old")
    for name in ("x", "y"):
        ring.add(name, soon=True)
    order = []
    for _ in range(8):
        order.append(ring.front())
        ring.pay(1, soon=True)
    assert order == ["x", "y", "x", "old", "y", "x", "y", "old"]


def test_mail_for_another_host_goes_before_thousands_of_queues_with_a_backlog() -> None:
    scheduler = Scheduler(SchedulerSettings(slots=1000))
    for number in range(500):
        scheduler.deferred(RoutingKey(f"d{number}.example"), NOW, NOW)
    for key, count in scheduler.refills(NOW, 600):
        found = [_message(1000 * number, key) for number in range(count)]
        scheduler.refilled(key, found, NOW, NOW)
    one = _message(7, RoutingKey("well.example"))
    assert scheduler.admit(one, 10)
    scheduler.arrived(one, b"x", 10, NOW, claimed=True)
    [work] = scheduler.next_work(NOW, 1)
    assert work.key.next_hop == "well.example"


def test_what_is_due_after_the_horizon_leaves_no_trace_in_memory() -> None:
    scheduler = Scheduler(SchedulerSettings(idle_queues=0))
    scheduler.reached = NOW + 60
    scheduler.deferred(RoutingKey("later.example"), NOW + 61, NOW)
    assert scheduler.queues() == []
    assert scheduler.next_wakeup() is None
    scheduler.deferred(RoutingKey("soon.example"), NOW + 60, NOW)
    assert scheduler.next_wakeup() == NOW + 60


def test_a_claim_given_back_after_the_clock_jumped_ahead_is_taken_again() -> None:
    """Its due time on disk is of before, so the horizon, which has not followed yet, never tells of it."""
    scheduler = Scheduler(SchedulerSettings())
    scheduler.reached = NOW + 60
    key = RoutingKey("x.example")
    scheduler.returned([_message(1, key)], NOW + 3600)
    assert [one for one, _ in scheduler.refills(NOW + 3600)] == [key]


def _message(number: int, key: RoutingKey) -> QueuedMessage:
    return QueuedMessage(number, NOW, NOW + 1e6, "s@y.example", (QueuedRecipient(0, "r@x.example", key, due=NOW),), 10)

"""New mail beside a backlog: what waited gives way, and is never kept from going."""

from __future__ import annotations

import math

from hypothesis import given
from hypothesis import strategies as st

from danelaw.queue import HostVerdict, QueuedMessage, QueuedRecipient, RoutingKey, Scheduler, SchedulerSettings
from danelaw.queue.fairness import TenantRing
from danelaw.queue.headroom import ATTENTION, BUSY, LEAST, SPAN, Headroom

NOW = 1_795_000_000.0


def message(number: int, key: RoutingKey) -> QueuedMessage:
    recipient = QueuedRecipient(0, "r@x.example", key, due=NOW)
    return QueuedMessage(number, NOW, NOW + 1e6, "s@y.example", (recipient,), 100, 1)


class Loop:
    """An event loop on a clock of its own: new mail comes evenly, and the rest of the time goes to what waited."""

    def __init__(self, cost: float, new: float) -> None:
        self.headroom, self.now, self.worked = Headroom(), NOW, 0.0
        self.cost, self.new = cost, new
        self.begun = self.taken = 0

    def run(self, seconds: float) -> float:
        """Work for so long; gives the share of the time that was worked."""
        begun, end, due = self.worked, self.now + seconds, self.now if self.new else math.inf
        while self.now < end:
            if self.headroom.wants_look(self.now):
                self.headroom.look(self.now, self.worked)
            if self.new and self.now >= due:
                due += 1 / self.new
                self.headroom.came(self.now)
                self.headroom.began_new()
                self.taken += 1
                self._work()
            if self.headroom.admits(self.now):
                self.headroom.began()
                self.begun += 1
                self._work()
            elif self.now < due:
                self.now += 0.001
        return (self.worked - begun) / seconds

    def _work(self) -> None:
        self.now += self.cost
        self.worked += self.cost


def test_without_new_mail_there_is_no_pace() -> None:
    loop = Loop(0.0005, 0)
    assert loop.run(5) > 0.99
    assert loop.headroom.pace == math.inf


@given(st.floats(0.0003, 0.003), st.integers(50, 150))
def test_with_new_mail_the_loop_keeps_some_time_but_not_much(cost: float, new: int) -> None:
    loop = Loop(cost, new)
    loop.run(5)
    share = loop.run(5)
    if new * cost < 0.5:
        assert 0.64 < share < 0.95  # four fifths of what would go without a pace


def test_the_pace_ends_when_new_mail_does() -> None:
    loop = Loop(0.0005, 100)
    loop.run(5)
    assert loop.headroom.pace < math.inf
    loop.new = 0
    loop.run(ATTENTION + 2 * SPAN)
    assert loop.headroom.pace == math.inf


def test_new_mail_that_takes_all_the_time_leaves_a_turn_in_four() -> None:
    loop = Loop(0.01, 200)
    loop.run(5)
    loop.begun = loop.taken = 0
    loop.run(5)
    assert loop.begun >= loop.taken / 3 - 3


def test_dearer_messages_are_begun_less_often() -> None:
    cheap, dear = Loop(0.0005, 100), Loop(0.002, 100)
    for loop in (cheap, dear):
        loop.run(5)
    assert cheap.headroom.pace > 2 * dear.headroom.pace


@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(0, 0.1)), max_size=60))
def test_whatever_the_clock_does_the_pace_stays_one(steps: list[tuple[float, float]]) -> None:
    headroom, now, worked = Headroom(), NOW, 0.0
    for step, work in steps:
        now, worked = now + step, worked + work
        headroom.came(now)
        if headroom.wants_look(now):
            headroom.look(now, worked)
        if headroom.admits(now):
            headroom.began()
        assert headroom.pace >= LEAST
        assert headroom.next_wakeup() <= now + 1 / LEAST
    now += 2 * ATTENTION
    headroom.look(now, worked)
    assert headroom.admits(now)


# In the scheduler.


def paced(scheduler: Scheduler) -> None:
    """As after a while with new mail and a loop that has no time left."""
    worked = 0.0
    for number in range(1000):
        now = NOW - 60 + number * SPAN
        scheduler.headroom.came(now)
        worked += SPAN * (BUSY + 0.1)
        scheduler.headroom.look(now, worked)
    assert scheduler.headroom.pace == LEAST


def test_new_mail_goes_ahead_of_a_backlog_that_must_wait() -> None:
    scheduler = Scheduler(SchedulerSettings(first_window=20))
    old, new = RoutingKey("back.example"), RoutingKey("well.example", "", "tenant")
    paced(scheduler)
    scheduler.deferred(old, NOW, NOW)
    assert [key for key, _ in scheduler.refills(NOW)] == [old]
    scheduler.refilled(old, [message(n, old) for n in range(40)], NOW, NOW)
    begun = scheduler.next_work(NOW, 100)
    assert 0 < len(begun) <= 2
    assert scheduler.refills(NOW) == []
    assert NOW < (scheduler.next_wakeup() or 0.0) <= NOW + 1 / LEAST
    fresh = message(100, new)
    assert scheduler.admit(fresh, 100)
    scheduler.arrived(fresh, b"x", 100, NOW, claimed=True)
    assert scheduler.next_wakeup() == 0.0
    assert [work.key for work in scheduler.next_work(NOW, 100)] == [new]
    for work in begun:
        scheduler.finished(work, HostVerdict.GOOD, NOW)
    assert scheduler.next_work(NOW, 100) == []
    assert len(scheduler.next_work(NOW + 1, 100)) == 2


def test_the_last_page_of_a_backlog_is_still_one() -> None:
    scheduler = Scheduler(SchedulerSettings(first_window=20))
    old = RoutingKey("back.example")
    paced(scheduler)
    scheduler.deferred(old, NOW, NOW)
    scheduler.refilled(old, [message(1, old)], NOW, NOW)
    scheduler.refilled(old, [message(n, old) for n in range(2, 10)], None, NOW)
    assert len(scheduler.next_work(NOW, 100)) == 2
    later = scheduler.next_work(NOW + 100 * ATTENTION, 100)
    assert len(later) == 2
    scheduler.headroom.look(NOW + 101 * ATTENTION, 0.0)
    assert len(scheduler.next_work(NOW + 101 * ATTENTION, 100)) == 5
    for work in later:
        scheduler.finished(work, HostVerdict.GOOD, NOW)
    after = message(100, old)
    assert scheduler.admit(after, 100)
    paced(scheduler)
    scheduler.headroom.admits(NOW)
    scheduler.headroom.began()
    scheduler.headroom.began()
    scheduler.arrived(after, b"x", 100, NOW, claimed=True)
    assert [work.message.id for work in scheduler.next_work(NOW, 100)] == [100]


def test_a_single_message_that_falls_due_goes_ahead() -> None:
    scheduler = Scheduler()
    paced(scheduler)
    scheduler.headroom.admits(NOW)
    scheduler.headroom.began()
    scheduler.headroom.began()
    key = RoutingKey("well.example")
    scheduler.deferred(key, NOW, NOW)
    scheduler.refilled(key, [message(1, key)], None, NOW)
    assert [work.key for work in scheduler.next_work(NOW)] == [key]


def test_tenants_whose_mail_goes_ahead_take_turns_and_pay() -> None:
    ring: TenantRing[str] = TenantRing()
    for tenant in ("a", "b"):
        for number in range(3):
            ring.add(tenant, f"{tenant}{number}", soon=True)
        ring.add(tenant, f"{tenant}-old")
    seen = []
    for _ in range(6):
        front = ring.front_ahead()
        assert front is not None
        tenant, queue = front
        seen.append(queue)
        ring.pay(tenant, 1.0, soon=True, ahead=True)
        ring.remove(tenant, queue)
    assert seen == ["a0", "b0", "a1", "b1", "a2", "b2"]
    assert ring.front_ahead() is None
    assert {ring.front()[1]} <= {"a-old", "b-old"}

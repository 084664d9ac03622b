"""The scheduler against a simple disk: nothing lost, nothing twice, limits kept, time always leads somewhere."""

from __future__ import annotations

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from danelaw.queue import (
    HostVerdict,
    QueuedMessage,
    QueuedRecipient,
    RecipientState,
    RoutingKey,
    Scheduler,
    SchedulerSettings,
    Work,
)
from danelaw.queue.pages import LOW_MARK, OVERHEAD, PAGE

NOW = 1_795_000_000.0
A, B = RoutingKey("a.example"), RoutingKey("b.example", "", "tenant")


def message(number: int, *keys: RoutingKey, at: float = NOW, size: int = 100, lifetime: float = 1e6) -> QueuedMessage:
    recipients = tuple(QueuedRecipient(n, f"r{n}@x.example", key, due=at) for n, key in enumerate(keys or (A,)))
    return QueuedMessage(number, at, at + lifetime, "s@y.example", recipients, size, len(recipients))


def feed(scheduler: Scheduler, count: int, key: RoutingKey = A, first: int = 0, size: int = 100) -> None:
    for number in range(first, first + count):
        one = message(number, key, size=size)
        assert scheduler.admit(one, size)
        scheduler.arrived(one, b"x" * size, size, NOW, claimed=True)


def test_an_arrival_is_work_at_once_with_its_body() -> None:
    scheduler = Scheduler()
    feed(scheduler, 1)
    assert scheduler.next_wakeup() == 0.0
    [work] = scheduler.next_work(NOW)
    assert (work.message.id, work.body, work.key, work.probe) == (0, b"x" * 100, A, False)
    assert scheduler.next_work(NOW) == []
    assert scheduler.finished(work, HostVerdict.GOOD, NOW) is None
    assert scheduler.memory_used == 0
    assert scheduler.next_wakeup() is None


def test_a_queue_starts_small_and_grows_with_success_up_to_its_share() -> None:
    scheduler = Scheduler(SchedulerSettings(slots=100, first_window=2, destination_concurrency=50))
    feed(scheduler, 300)
    flying = scheduler.next_work(NOW)
    assert len(flying) == 2
    for _ in range(100):
        scheduler.finished(flying.pop(0), HostVerdict.GOOD, NOW)
        flying += scheduler.next_work(NOW)
    assert len(flying) == 10  # a tenth of 100


@pytest.mark.parametrize(("slots", "wanted"), [(5, 2), (200, 20), (1000, 20), (1, 1)])
def test_the_share_has_a_least_and_a_most(slots: int, wanted: int) -> None:
    assert SchedulerSettings(slots=slots).cap == wanted


def test_throttling_halves_once_per_round() -> None:
    scheduler = Scheduler(SchedulerSettings(first_window=8))
    feed(scheduler, 30)
    flying = scheduler.next_work(NOW)
    assert len(flying) == 8
    for work in flying:
        scheduler.finished(work, HostVerdict.THROTTLED, NOW + 1)
    assert len(scheduler.next_work(NOW + 1)) == 4


def test_two_tenants_share_equally_whatever_their_number_of_queues() -> None:
    scheduler = Scheduler(SchedulerSettings(slots=1000, first_window=20))
    for number in range(10):
        feed(scheduler, 20, RoutingKey(f"many{number}.example", "", "busy"), 100 * number)
    feed(scheduler, 20, RoutingKey("single.example", "", "quiet"), 5000)
    work = scheduler.next_work(NOW, limit=20)
    assert sum(one.key.tenant == "quiet" for one in work) == 10


def test_large_messages_pay_for_their_size() -> None:
    scheduler = Scheduler(SchedulerSettings(slots=1000, first_window=50, destination_concurrency=50))
    feed(scheduler, 40, A, 0, 100)
    feed(scheduler, 40, RoutingKey("large.example"), 100, 1 << 20)
    work = scheduler.next_work(NOW, limit=30)
    small = sum(one.key == A for one in work)
    assert 3 * (30 - small) < small < 30


def test_a_host_down_puts_the_queue_to_sleep_and_gives_claims_back() -> None:
    scheduler = Scheduler()
    feed(scheduler, 10)
    flying = scheduler.next_work(NOW)
    sleep = scheduler.finished(flying[0], HostVerdict.DOWN, NOW, spread=0.5, reason="connection refused")
    assert sleep == (A, NOW + 60, 1, "connection refused")
    assert {one.id for one in scheduler.surrendered()} == {0, 5, 6, 7, 8, 9}
    # The others of the same round say nothing new.
    assert scheduler.finished(flying[1], HostVerdict.DOWN, NOW + 1) is None
    assert [one.id for one in scheduler.surrendered()] == [1]
    assert scheduler.next_wakeup() == NOW + 60
    assert not scheduler.admit(message(50), 10)


def test_after_sleep_one_probe_goes_first_and_failures_lengthen_the_sleep() -> None:
    scheduler = Scheduler()
    feed(scheduler, 10)
    [first, *_] = scheduler.next_work(NOW, limit=1)
    scheduler.finished(first, HostVerdict.DOWN, NOW, spread=0.5)
    scheduler.returned(scheduler.surrendered(), NOW)
    assert scheduler.refills(NOW + 59) == []
    assert scheduler.refills(NOW + 60) == [(A, 1)]
    scheduler.refilled(A, [message(0)], NOW, NOW + 60)
    scheduler.refilled(A, [message(1)], NOW, NOW + 60)
    [probe] = scheduler.next_work(NOW + 60)
    assert probe.probe
    sleep = scheduler.finished(probe, HostVerdict.DOWN, NOW + 61, spread=0.5)
    assert sleep is not None
    assert (sleep.until, sleep.failures) == (NOW + 61 + 120, 2)


def test_a_good_probe_opens_the_queue_again() -> None:
    scheduler = Scheduler()
    scheduler.restore(A, NOW - 5, NOW + 10, 3, "refused", NOW)
    assert scheduler.refills(NOW) == []
    assert scheduler.next_wakeup() == NOW + 10
    assert scheduler.refills(NOW + 10) == [(A, 1)]
    scheduler.refilled(A, [message(0)], NOW - 5, NOW + 10)
    [probe] = scheduler.next_work(NOW + 10)
    assert scheduler.finished(probe, HostVerdict.GOOD, NOW + 11) == (A, 0.0, 0, "")
    assert scheduler.refills(NOW + 11) == [(A, PAGE)]


def test_arrivals_do_not_overtake_a_backlog_on_disk() -> None:
    scheduler = Scheduler()
    scheduler.restore(A, NOW - 100, 0.0, 0, "", NOW)
    assert not scheduler.admit(message(9), 10)
    scheduler.arrived(message(9), None, 10, NOW, claimed=False)
    assert scheduler.refills(NOW) == [(A, PAGE)]
    scheduler.refilled(A, [message(9)], NOW + 500, NOW)
    assert scheduler.admit(message(10), 10)
    assert scheduler.next_wakeup() == 0.0


def test_a_page_is_refilled_only_below_its_low_mark() -> None:
    scheduler = Scheduler(SchedulerSettings(first_window=20))
    scheduler.restore(A, NOW, 0.0, 0, "", NOW)
    scheduler.refilled(A, [message(n) for n in range(LOW_MARK + 2)], NOW, NOW)
    assert scheduler.refills(NOW) == []
    scheduler.next_work(NOW, limit=3)
    assert scheduler.refills(NOW) == [(A, PAGE - LOW_MARK + 1)]


def test_memory_is_bounded_and_given_back() -> None:
    scheduler = Scheduler(SchedulerSettings(memory=10 * (OVERHEAD + 1000)))
    feed(scheduler, 10, size=1000)
    extra = message(99)
    assert not scheduler.admit(extra, 1000)
    for work in scheduler.next_work(NOW):
        scheduler.finished(work, HostVerdict.GOOD, NOW)
    assert scheduler.admit(extra, 1000)
    scheduler.abandoned(extra, 1000)
    assert scheduler.memory_used == 5 * (OVERHEAD + 1000)


def test_recipients_of_two_keys_travel_apart() -> None:
    scheduler = Scheduler()
    both = message(1, A, B, A)
    assert scheduler.admit(both, 10)
    scheduler.arrived(both, b"x", 10, NOW, claimed=True)
    work = {one.key: [r.number for r in one.message.recipients] for one in scheduler.next_work(NOW)}
    assert work == {A: [0, 2], B: [1]}


def test_deferred_mail_wakes_the_queue_when_due() -> None:
    scheduler = Scheduler()
    scheduler.deferred(A, NOW + 300, NOW)
    scheduler.deferred(A, NOW + 200, NOW)
    assert scheduler.next_wakeup() == NOW + 200
    assert scheduler.refills(NOW + 199) == []
    assert scheduler.refills(NOW + 200) == [(A, PAGE)]
    scheduler.refilled(A, [message(1)], NOW + 300, NOW + 200)
    assert len(scheduler.next_work(NOW + 200)) == 1
    assert scheduler.next_wakeup() == NOW + 300


def test_the_lifetime_ends_also_on_the_wire() -> None:
    scheduler = Scheduler()
    short = message(1, lifetime=10)
    assert scheduler.admit(short, 0)
    scheduler.arrived(short, b"", 0, NOW, claimed=True)
    [work] = scheduler.next_work(NOW)
    assert scheduler.overdue(NOW + 9) == []
    assert scheduler.overdue(NOW + 10) == [work]
    assert scheduler.overdue(NOW + 11) == []


def test_an_operator_wakes_a_sleeping_queue() -> None:
    scheduler = Scheduler()
    feed(scheduler, 3)
    work = scheduler.next_work(NOW)
    scheduler.finished(work[0], HostVerdict.DOWN, NOW, reason="maintenance")
    scheduler.returned(scheduler.surrendered(), NOW)
    assert scheduler.next_work(NOW) == []
    assert scheduler.refills(NOW) == []
    assert scheduler.resume(A, NOW + 1) == (A, 0.0, 1, "maintenance")
    assert scheduler.resume(A, NOW + 1) is None
    assert scheduler.refills(NOW + 1) == [(A, 1)], "one message probes"


def test_forgotten_messages_leave_their_pages_and_are_named_on_the_wire() -> None:
    scheduler = Scheduler(SchedulerSettings(first_window=1))
    feed(scheduler, 3)
    [work] = scheduler.next_work(NOW)
    assert scheduler.forget({0, 1}) == {0}
    assert scheduler.on_the_wire([0, 1, 2]) == {0: {0}}
    scheduler.finished(work, HostVerdict.DOWN, NOW)
    assert [one.id for one in scheduler.surrendered()] == [1, 0, 2], "who an act did not mean must not stay claimed"


def test_idle_queues_are_evicted() -> None:
    scheduler = Scheduler(SchedulerSettings(idle_queues=10, idle=1e9))
    for number in range(50):
        feed(scheduler, 1, RoutingKey(f"d{number}.example"), number)
        [work] = scheduler.next_work(NOW)
        scheduler.finished(work, HostVerdict.GOOD, NOW)
    assert len(scheduler.queues()) == 10


class Driver(RuleBasedStateMachine):
    """A driver with a model disk. `disk` maps (message, key) to its due time; a claim takes it away."""

    def __init__(self) -> None:
        super().__init__()
        self.settings = SchedulerSettings(
            slots=6, share=0.5, least=1, first_window=2, memory=12 * (OVERHEAD + 100), idle_queues=1
        )
        self.scheduler = Scheduler(self.settings)
        self.now = NOW
        self.number = 0
        self.disk: dict[tuple[int, RoutingKey], float] = {}
        self.memory: set[tuple[int, RoutingKey]] = set()
        self.flying: list[Work] = []
        self.done: set[tuple[int, RoutingKey]] = set()
        self.all: set[tuple[int, RoutingKey]] = set()

    keys = st.lists(st.sampled_from([A, B, RoutingKey("c.example"), RoutingKey("c.example", "requiretls")]), min_size=1)

    @rule(keys=keys)
    def arrive(self, keys: list[RoutingKey]) -> None:
        self.number += 1
        one = message(self.number, *keys, at=self.now)
        straight = self.scheduler.admit(one, 100)
        pairs = {(one.id, key) for key in keys}
        self.all |= pairs
        if straight:
            self.memory |= pairs
        else:
            self.disk |= dict.fromkeys(pairs, self.now)
        self.scheduler.arrived(one, b"x" * 100 if straight else None, 100, self.now, claimed=straight)

    @rule()
    def arrive_but_not_stored(self) -> None:
        one = message(10**9, A, at=self.now)
        if self.scheduler.admit(one, 100):
            self.scheduler.abandoned(one, 100)

    @rule()
    def refill(self) -> None:
        for key, count in self.scheduler.refills(self.now):
            due = sorted((when, number) for (number, k), when in self.disk.items() if k == key)
            taken = [number for when, number in due if when <= self.now][:count]
            for number in taken:
                del self.disk[number, key]
                self.memory.add((number, key))
            left = [when for (_, k), when in self.disk.items() if k == key]
            self.scheduler.refilled(key, [message(n, key) for n in taken], min(left, default=None), self.now)

    @rule()
    def work(self) -> None:
        for work in self.scheduler.next_work(self.now):
            pair = (work.message.id, work.key)
            self.memory.remove(pair)  # KeyError: given out twice
            self.flying.append(work)

    @precondition(lambda self: self.flying)
    @rule(data=st.data(), verdict=st.sampled_from(HostVerdict), again=st.booleans())
    def finish(self, data: st.DataObject, verdict: HostVerdict, again: bool) -> None:
        work = self.flying.pop(data.draw(st.integers(0, len(self.flying) - 1)))
        pair = (work.message.id, work.key)
        self.scheduler.finished(work, verdict, self.now, spread=data.draw(st.floats(0, 1)))
        if verdict is HostVerdict.DOWN:
            self.memory.add(pair)
        elif again:
            self.disk[pair] = self.now + 100
            self.scheduler.deferred(work.key, self.now + 100, self.now)
        else:
            self.done.add(pair)
        self.give_back()

    def give_back(self) -> None:
        gone = self.scheduler.surrendered()
        for one in gone:
            for key in one.keys:
                self.memory.remove((one.id, key))
                self.disk[one.id, key] = self.now
        self.scheduler.returned(gone, self.now)

    @rule(key=st.sampled_from([A, B]))
    def resume(self, key: RoutingKey) -> None:
        self.scheduler.resume(key, self.now)

    @precondition(lambda self: self.memory)
    @rule(data=st.data())
    def forget(self, data: st.DataObject) -> None:
        number, _ = data.draw(st.sampled_from(sorted(self.memory)))
        self.scheduler.forget({number})
        ends = data.draw(st.booleans())  # an act that ends some of the message's recipients, or none that wait here
        gone = self.scheduler.surrendered()
        for pair in [(one.id, key) for one in gone for key in one.keys]:
            self.memory.remove(pair)
            if ends:
                self.done.add(pair)
            else:
                self.disk[pair] = self.now
        self.scheduler.returned(gone, self.now)

    @rule(seconds=st.floats(0.1, 200))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def limits_hold(self) -> None:
        assert len(self.flying) <= self.settings.slots
        assert self.scheduler.in_flight == len(self.flying)
        for key in {work.key for work in self.flying}:
            assert sum(work.key == key for work in self.flying) <= self.settings.cap
        assert 0 <= self.scheduler.memory_used <= self.settings.memory + 8 * PAGE * OVERHEAD

    @invariant()
    def nothing_is_lost(self) -> None:
        flying = {(work.message.id, work.key) for work in self.flying}
        assert self.done | self.memory | flying | set(self.disk) == self.all

    def teardown(self) -> None:
        """Whatever happened: going by the scheduler's own wake-ups alone, everything is delivered in the end."""
        for _ in range(20 * len(self.all) + 200):
            self.refill()
            self.work()
            while self.flying:
                work = self.flying.pop()
                self.scheduler.finished(work, HostVerdict.GOOD, self.now)
                self.done.add((work.message.id, work.key))
            wake = self.scheduler.next_wakeup()
            if wake is None:
                break
            self.now = max(self.now, wake)
        assert self.done == self.all
        assert self.scheduler.memory_used == 0


TestDriver = Driver.TestCase
TestDriver.settings = settings(max_examples=40, stateful_step_count=40, deadline=None)


def test_a_held_recipient_does_not_go_straight() -> None:
    one = message(1)
    one.recipients[0].state = RecipientState.HELD
    assert not Scheduler().admit(one, 1)

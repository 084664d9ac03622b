"""Permits: never above a limit over any interleaving, holders dying included; and rates that keep what they promise."""

from __future__ import annotations

import math
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from danelaw.queue.permits import Ceiling, Granted, PermitKey, PermitLedger, PermitNotHeld, Refused
from danelaw.queue.rates import Bucket, Rate

ONE, TWO, FAST = PermitKey("one"), PermitKey("two"), PermitKey("fast")
CEILINGS = {
    ONE: Ceiling(2),
    TWO: Ceiling(3, Rate(10, 60), adaptive=True),
    FAST: Ceiling(rate=Rate(40, 10)),
}


@pytest.mark.parametrize(
    ("text", "rate"),
    [("100/min", Rate(100, 60)), ("5/s", Rate(5, 1)), ("2000 / h", Rate(2000, 3600)), ("10/5min", Rate(10, 300)),
     ("50/day", Rate(50, 86400))],
)  # fmt: skip
def test_a_rate_is_read_and_written(text: str, rate: Rate) -> None:
    assert Rate.from_text(text) == rate
    assert Rate.from_text(rate.to_text()) == rate


@pytest.mark.parametrize("text", ["", "100", "100/", "/min", "x/min", "100/year", "1/0s", "-1/s", "9/99999d", "1/999d"])
def test_what_is_no_rate_is_said_to_be_none(text: str) -> None:
    with pytest.raises(ValueError, match="is not a rate"):
        Rate.from_text(text)


@given(st.integers(1, 300), st.integers(1, 120), st.lists(st.floats(0, 30), max_size=400), st.floats(0, 1e7))
def test_no_stretch_of_the_period_ever_sees_more_than_the_count(
    count: int, period: int, pauses: list[float], start: float
) -> None:
    rate, bucket, now, taken = Rate(count, period), Bucket(), start, []
    for pause in pauses:
        now += pause
        while not bucket.wait(rate, now) and len(taken) < 2000:
            bucket.take(rate, now)
            taken.append(int(now * 1_000_000_000))
    for first, later in zip(taken, taken[count:], strict=False):
        assert later - first >= period * 1_000_000_000


@given(st.integers(1, 2000), st.integers(1, 86400), st.floats(0, 1e7))
def test_who_always_has_something_to_send_gets_at_least_95_percent(count: int, period: int, start: float) -> None:
    rate, bucket, now, taken = Rate(count, period), Bucket(), start, 0
    while now < start + 3 * period and taken < 6001:
        if wait := bucket.wait(rate, now):
            assert bucket.wait(rate, now + wait) == 0, "woken too early"
            now += wait
            continue
        bucket.take(rate, now)
        taken += 1
    assert taken >= math.floor(3 * count * 0.95) or taken == 6001


def test_a_rate_of_nothing_never_lets_anything_pass() -> None:
    assert Bucket().wait(Rate(0, 60), 1.0) == math.inf


def broker() -> PermitLedger:
    return PermitLedger(CEILINGS.__getitem__)


def test_all_or_nothing_with_the_first_exhausted_key() -> None:
    made = broker()
    assert isinstance(made.acquire(1, [ONE], 0), Granted)
    assert isinstance(made.acquire(2, [ONE, TWO], 0), Granted)
    assert made.acquire(3, [ONE, TWO], 0) == Refused(ONE, None)
    assert made.in_use(TWO) == 1
    assert made.release(1, [ONE], 0) == (ONE,)
    assert made.acquire(3, [TWO, ONE], 0) == Refused(TWO, pytest.approx(6.1))  # ten a minute, one at once, with grace
    assert isinstance(made.acquire(3, [TWO, ONE], 6.101), Granted)


def test_the_dead_give_back_everything_they_held() -> None:
    made = broker()
    made.acquire(1, [ONE], 0)
    made.acquire(1, [ONE, TWO], 0)
    assert isinstance(made.acquire(2, [ONE], 0), Refused)
    assert made.forget(1, 0) == (ONE,)  # TWO has no room yet: its rate is used up
    assert made.forget(1, 0) == ()
    assert (made.in_use(ONE), made.in_use(TWO)) == (0, 0)


def test_nobody_releases_what_is_not_his() -> None:
    made = broker()
    made.acquire(1, [ONE], 0)
    for holder, keys in ((2, [ONE]), (1, [TWO]), (1, [ONE, ONE])):
        with pytest.raises(PermitNotHeld):
            made.release(holder, keys, 0)
    assert made.in_use(ONE) == 1


def test_an_adaptive_key_halves_once_per_round_and_grows_by_one_per_round() -> None:
    made = PermitLedger(lambda _: Ceiling(16, adaptive=True))
    grants = [made.acquire(n, [ONE], 0) for n in range(16)]
    serials = [grant.serial for grant in grants if isinstance(grant, Granted)]
    assert made.allowed(ONE) == 16
    for serial in serials:
        made.answered([ONE], serial, good=False)
    assert made.allowed(ONE) == 8
    assert made.release(0, [ONE], 0) == ()
    for _ in range(9):
        made.answered([ONE], serials[-1], good=True)
    assert made.allowed(ONE) == 9
    for _ in range(200):
        made.answered([ONE], serials[-1], good=True)
    assert made.allowed(ONE) == 16


def test_after_a_suspension_one_probes_and_its_good_answer_lets_the_others_in() -> None:
    made = broker()
    made.suspend(ONE, 100)
    assert made.acquire(1, [ONE], 99) == Refused(ONE, 100)
    probe = made.acquire(1, [ONE], 100)
    assert isinstance(probe, Granted)
    assert made.acquire(2, [ONE], 100) == Refused(ONE, None)
    assert made.answered([ONE], probe.serial, good=True) == (ONE,)
    assert isinstance(made.acquire(2, [ONE], 100), Granted)


def test_accounts_without_anything_to_remember_are_dropped() -> None:
    made = PermitLedger(lambda _: Ceiling(1, Rate(60, 60)))
    for number in range(20_000):
        key = PermitKey("each", "", (str(number),))
        assert isinstance(made.acquire(number, [key], float(number)), Granted)
        made.release(number, [key], float(number))
    assert len(made._accounts) < 5000


class Interleaving(RuleBasedStateMachine):
    """Workers acquire, release and die in any order while time goes on; a second book is kept by hand."""

    def __init__(self) -> None:
        super().__init__()
        self.broker = broker()
        self.now = 1000.0
        self.held: dict[int, Counter[PermitKey]] = {}
        self.granted: dict[PermitKey, list[float]] = {key: [] for key in CEILINGS}
        self.serials: list[int] = []

    @rule(holder=st.integers(1, 5), keys=st.permutations([ONE, TWO, FAST]), wanted=st.integers(1, 3))
    def acquire(self, holder: int, keys: list[PermitKey], wanted: int) -> None:
        chosen = keys[:wanted]
        before = {key: self.broker.in_use(key) for key in CEILINGS}
        answer = self.broker.acquire(holder, chosen, self.now)
        if isinstance(answer, Granted):
            self.held.setdefault(holder, Counter()).update(chosen)
            self.serials.append(answer.serial)
            for key in chosen:
                self.granted[key].append(self.now)
            return
        assert {key: self.broker.in_use(key) for key in CEILINGS} == before
        assert answer.key in chosen
        assert not self.broker.free(answer.key, self.now)
        assert all(self.broker.free(key, self.now) for key in chosen[: chosen.index(answer.key)])
        if answer.retry_at is not None:
            assert answer.retry_at > self.now

    @rule(holder=st.integers(1, 5), number=st.integers(0, 10))
    def release(self, holder: int, number: int) -> None:
        held = list(self.held.get(holder, Counter()).elements())
        if held:
            key = held[number % len(held)]
            for freed in self.broker.release(holder, [key], self.now):
                assert self.broker.free(freed, self.now)
            self.held[holder] -= Counter([key])

    @rule(holder=st.integers(1, 5))
    def die(self, holder: int) -> None:
        self.broker.forget(holder, self.now)
        self.held.pop(holder, None)

    @rule(seconds=st.floats(0, 20))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(good=st.booleans(), number=st.integers(0, 50))
    def answered(self, good: bool, number: int) -> None:
        if self.serials:
            self.broker.answered([ONE, TWO], self.serials[number % len(self.serials)], good=good)

    @rule(key=st.sampled_from([ONE, TWO, FAST]), seconds=st.floats(0, 50))
    def suspend(self, key: PermitKey, seconds: float) -> None:
        self.broker.suspend(key, self.now + seconds)

    @rule(key=st.sampled_from([ONE, TWO, FAST]))
    def resume(self, key: PermitKey) -> None:
        self.broker.resume(key)

    @invariant()
    def never_above_a_limit(self) -> None:
        for key, ceiling in CEILINGS.items():
            held = sum(counts[key] for counts in self.held.values())
            assert held == self.broker.in_use(key)
            if ceiling.concurrency is not None:
                assert held <= ceiling.concurrency
            if ceiling.rate is not None:
                times, count = self.granted[key], ceiling.rate.count
                for first, later in zip(times, times[count:], strict=False):
                    assert later - first > ceiling.rate.period - 1e-6


TestInterleaving = Interleaving.TestCase
TestInterleaving.settings = settings(max_examples=60, stateful_step_count=60, deadline=None)

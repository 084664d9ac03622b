"""Limits in the scheduler: never exceeded, used to the full, nobody starves, nobody is forgotten."""

from __future__ import annotations

import heapq
import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.queue.test_queue_scheduler import NOW, message

from danelaw.queue import FilterError, HostVerdict, RoutingKey, Scheduler, SchedulerSettings, Work
from danelaw.queue.direct import DirectPermits
from danelaw.queue.gate import Gate
from danelaw.queue.limits import LimitRule, Limits, Subject, WarmUp, subject_of
from danelaw.queue.permits import PermitKey, Refused
from danelaw.queue.rates import Rate
from danelaw.queue.suspensions import Suspension, decode, encode


class Play:
    """A scheduler with limits on a virtual clock; every delivery takes as long as the test says."""

    def __init__(
        self, *rules: LimitRule, slots: int = 100, site: str = "big", permits: DirectPermits | None = None
    ) -> None:
        self.seconds = 0.0
        self.gate = Gate(Limits(rules), lambda: self.seconds, lambda: NOW + self.seconds, lambda host: site, permits)
        self.scheduler = Scheduler(
            SchedulerSettings(slots=slots, first_window=20, destination_concurrency=20, share=1.0), self.gate
        )
        self.flying: list[tuple[float, int, Work]] = []
        self.done: list[tuple[float, Work]] = []
        self.host = True

    @property
    def now(self) -> float:
        return NOW + self.seconds

    def feed(self, key: RoutingKey, count: int, first: int = 0, recipients: int = 1) -> None:
        for number in range(first, first + count):
            one = message(number, *[key] * recipients, at=self.now)
            assert self.scheduler.admit(one, 100)
            self.scheduler.arrived(one, b"x", 100, self.now, claimed=True)

    def begin(self, length: float = 1.0) -> list[Work]:
        """Start what may start; as the courier would, ask again once the host is known."""
        begun: list[Work] = []
        while works := self.scheduler.next_work(self.now):
            for work in works:
                if self.host:
                    answer = self.gate.connect(work.serial, work.key, "mx.big.example", "192.0.2.1", "", new=False)
                    if isinstance(answer, Refused):
                        self.scheduler.postponed(work, answer, self.now)
                        continue
                heapq.heappush(self.flying, (self.seconds + length, work.serial, work))
                begun.append(work)
        return begun

    def end(self, verdict: HostVerdict = HostVerdict.GOOD) -> Work:
        """The delivery that ends first ends."""
        self.seconds, _, work = heapq.heappop(self.flying)
        self.scheduler.finished(work, verdict, self.now)
        self.done.append((self.seconds, work))
        return work

    def run(self, length: float = 1.0, until: float = 1e9) -> None:
        """Go on until nothing is left to do."""
        while self.seconds < until:
            self.begin(length)
            wait = self.gate.next_wakeup()
            wake = self.seconds + wait if wait is not None else float("inf")
            if self.flying and self.flying[0][0] <= wake:
                self.end()
            elif wake < float("inf"):
                self.seconds = max(wake, self.seconds)
            else:
                return


def keys(count: int) -> list[RoutingKey]:
    return [RoutingKey(f"d{number}.example") for number in range(count)]


BIG = LimitRule("big", (("site", ("big",)),), connections=5)


def test_a_limit_of_a_site_holds_over_all_its_domains_and_is_used_to_the_full() -> None:
    play = Play(BIG)
    for number, key in enumerate(keys(40)):
        play.feed(key, 10, 100 * number)
    most = 0
    while True:
        play.begin()
        if not play.flying:
            break
        most = max(most, len(play.flying))
        play.end()
    assert most == 5
    assert len(play.done) == 400
    # 400 deliveries of a second each, five at once: 80 seconds are the least possible.
    assert play.seconds <= 80 / 0.95


def test_shards_of_one_process_share_a_limit_and_wake_each_other() -> None:
    limits, woken = Limits((BIG,)), []
    permits = DirectPermits(lambda key: limits.ceiling(key, NOW), lambda: one.seconds)
    one, two = Play(BIG, permits=permits), Play(BIG, permits=permits)
    two.gate.stirred = lambda: woken.append(two.seconds)
    one.feed(keys(1)[0], 10)
    two.feed(keys(2)[1], 10, 100)
    assert len(one.begin()) == 5
    assert two.begin() == []
    assert [item.reason for item in two.gate.waiting()] == ["limit big: 5 at once"]
    two.seconds = 1.0
    one.end()  # its own queue asked first for a sixth
    assert not woken
    assert len(one.begin()) == 1
    one.end()  # then the other has its turn
    assert woken
    assert one.begin() == []
    assert len(two.begin()) == 1
    one.gate.close()  # the shard is let go, with four deliveries that nobody will end
    two.begin()
    assert len(two.flying) == 5
    while two.flying:
        two.end()
        two.begin()
    two.gate.close()
    assert (permits.broker.held, permits.broker.waiting) == (0, 0)


def test_nobody_starves_while_others_have_more_to_send() -> None:
    play = Play(BIG)
    first, *others = keys(20)
    play.feed(first, 200)
    for number, key in enumerate(others, 1):
        play.feed(key, 2, 1000 * number)
    play.run()
    assert len(play.done) == 238
    last = max(at for at, work in play.done if work.key != first)
    assert last <= 30  # 38 messages in turns with one queue that would like all five places


def test_with_several_limits_at_once_none_is_exceeded_and_all_mail_goes() -> None:
    tenant = LimitRule("tenants", per=("tenant",), connections=3)
    each = LimitRule("each", (("domain", ("*",)),), ("domain",), connections=2)
    play = Play(BIG, tenant, each, slots=50)
    random.seed(7)
    for number in range(30):
        play.feed(RoutingKey(f"d{number % 15}.example", "", f"t{number % 3}"), 8, 100 * number)
    while True:
        play.begin(random.choice([0.5, 1.0, 3.0]))
        if not play.flying:
            break
        flying = [work for _, _, work in play.flying]
        assert len(flying) <= 5
        assert max(Counter(work.key.tenant for work in flying).values()) <= 3
        assert max(Counter(work.key.next_hop for work in flying).values()) <= 2
        play.end()
    assert len(play.done) == 240


def test_what_is_granted_while_something_unfit_goes_back_is_used() -> None:
    """A queue learns at its first host that it needs a slot of the site too, and gives back what it has without one:
    that very moment brings what it asked for, and no later news do.
    """
    site = LimitRule("site", (("site", ("big",)),), connections=4, adaptive=False)
    play = Play(site, LimitRule("domain", (("domain", ("*",)),), ("domain",), connections=1))
    counts = (4, 3, 1, 1)
    for number, (key, count) in enumerate(zip(keys(4), counts, strict=True)):
        play.feed(key, count, 100 * number)
    play.run(0.1)
    assert len(play.done) == sum(counts)


@settings(max_examples=60, deadline=None)
@given(st.data())
def test_any_mix_of_limits_keeps_its_promises_and_strands_nothing(data: st.DataObject) -> None:
    rules = [
        LimitRule("site", (("site", ("big",)),), connections=data.draw(st.integers(1, 6)), adaptive=False),
        LimitRule("domain", (("domain", ("*",)),), ("domain",), connections=data.draw(st.integers(1, 3))),
        LimitRule("rate", (("domain", ("d0.example", "d1.example")),), rate=Rate(data.draw(st.integers(5, 60)), 10)),
    ]
    play = Play(*rules)
    total = 0
    for number, key in enumerate(keys(6)):
        count = data.draw(st.integers(0, 12))
        play.feed(key, count, 100 * number)
        total += count
    starts: list[float] = []
    for _ in range(3000):
        begun = play.begin(data.draw(st.sampled_from([0.1, 1.0, 2.5])))
        starts += [play.seconds for work in begun if work.key.next_hop in ("d0.example", "d1.example")]
        flying = Counter(work.key.next_hop for _, _, work in play.flying)
        assert sum(flying.values()) <= (rules[0].connections or 0)
        assert all(count <= (rules[1].connections or 0) for count in flying.values())
        wait = play.gate.next_wakeup()
        if play.flying and (wait is None or play.flying[0][0] <= play.seconds + wait):
            play.end(data.draw(st.sampled_from([HostVerdict.GOOD, HostVerdict.THROTTLED, HostVerdict.UNKNOWN])))
        elif wait is not None:
            play.seconds += wait
        else:
            break
    assert len(play.done) == total
    assert rules[2].rate is not None
    for early, late in zip(starts, starts[rules[2].rate.count :], strict=False):
        assert late - early > 10 - 1e-6
    assert play.gate.waiting() == []


def test_a_rate_is_kept_and_used_to_95_percent() -> None:
    play = Play(LimitRule("slow", rate=Rate(60, 60)))
    for number, key in enumerate(keys(10)):
        play.feed(key, 30, 100 * number)
    play.run(0.01)
    starts = [at for at, _ in play.done]
    assert len(starts) == 300
    assert all(late - early >= 59.9 for early, late in zip(starts, starts[60:], strict=False))
    assert starts[-1] <= 300 / 0.95


def test_a_warm_up_lets_more_through_each_day() -> None:
    rule = LimitRule("warm", warm_up=WarmUp(NOW, (50, 100, 200)))
    play = Play(rule)
    play.feed(keys(1)[0], 700)
    play.run(0.01)
    days = Counter(int(at // 86400) for at, _ in play.done)
    assert 47 <= days[0] <= 50
    assert 95 <= days[1] <= 100
    assert 185 <= days[2] <= 200  # the first of them wait for the pace of the day before
    assert sum(days.values()) == 700


def test_new_connections_have_a_rate_of_their_own() -> None:
    play = Play(LimitRule("slow", (("mx", (".big.example",)),), connection_rate=Rate(2, 60)))
    play.host = False
    play.feed(keys(1)[0], 3)
    answers = []
    for work in play.scheduler.next_work(play.now):
        for new in (False, True):
            answers.append(play.gate.connect(work.serial, work.key, "mx.big.example", "192.0.2.1", "", new=new))
    assert [isinstance(one, Refused) for one in answers] == [False, False, False, True, False, True]
    assert answers[3] == Refused(PermitKey("slow", "connect"), pytest.approx(30.5, abs=1e-5))


def test_queues_without_rules_never_ask() -> None:
    play = Play(LimitRule("elsewhere", (("site", ("other",)),), connections=1))
    play.feed(keys(1)[0], 10)
    assert len(play.begin()) == 10
    assert play.gate._held == {}


def test_a_message_for_many_goes_in_transactions_of_the_allowed_size() -> None:
    play = Play(LimitRule("few", (("domain", ("d0.example",)),), recipients=3))
    play.feed(keys(1)[0], 1, recipients=8)
    sizes = [len(work.message.recipients) for work in play.begin()]
    assert sizes == [3, 3, 2]
    while play.flying:
        play.end()
    assert play.scheduler.memory_used == 0


def test_too_much_halves_what_a_site_gets_and_success_brings_it_back() -> None:
    play = Play(LimitRule("big", (("site", ("big",)),), connections=8))
    for number, key in enumerate(keys(10)):
        play.feed(key, 40, 100 * number)
    play.begin()
    for _ in range(8):
        play.end(HostVerdict.THROTTLED)
    play.begin()
    assert len(play.flying) == 4
    while play.flying:
        play.end()
        play.begin()
        if len(play.flying) == 8:
            break
    assert len(play.flying) == 8


def test_a_suspension_stops_old_and_new_queues_until_it_ends_and_then_one_probes() -> None:
    play = Play()
    play.feed(keys(2)[0], 3)
    play.begin()
    while play.flying:
        play.end()
    play.gate.suspended.suspend(Suspension.make("site:big", play.now + 100, "blocked"))
    play.feed(keys(2)[0], 3, 10)
    assert play.begin() == []
    assert [(one.key, one.reason) for one in play.gate.waiting()] == [(keys(2)[0], "suspended: blocked")]
    wait = play.gate.next_wakeup()
    assert wait == pytest.approx(100)
    play.seconds += wait
    assert len(play.begin()) == 1
    play.end()
    assert len(play.begin()) == 2
    while play.flying:
        play.end()
    assert play.gate.suspended.in_force() == ()


def test_a_suspension_ends_at_once_by_command() -> None:
    play = Play()
    play.gate.suspended.suspend(Suspension.make("host:d0.example", play.now + 100))
    play.feed(keys(1)[0], 3)
    play.feed(keys(2)[1], 1, 50)
    assert [work.key.next_hop for work in play.begin()] == ["d1.example"]
    assert play.gate.suspended.resume("host:d0.example")
    assert not play.gate.suspended.resume("host:d0.example")
    assert len(play.begin()) == 3


def test_a_queue_whose_messages_are_taken_away_waits_no_longer_and_lets_the_next_one_in() -> None:
    play = Play(LimitRule("one", (("domain", ("*",)),), connections=1))
    for number, key in enumerate(keys(3)):
        play.feed(key, 1, number)
    play.begin()
    play.scheduler.forget([1])
    play.end()
    assert [work.message.id for work in play.begin()] == [2]
    play.end()
    assert play.gate.waiting() == []


@pytest.mark.parametrize("text", ["to:*@x.example", "size>1M host:a", "not from:a@b.example", "state:waiting"])
def test_a_suspension_names_queues_not_messages(text: str) -> None:
    with pytest.raises(FilterError, match="about single messages"):
        Suspension.make(text, 1.0)


def test_suspensions_are_stored_and_those_that_ended_are_not_read_back() -> None:
    both = [Suspension.make("site:a", 5.0, "why", "me"), Suspension.make("host:b", 50.0)]
    assert decode(encode(both), 10.0) == (both[1],)
    assert decode(None, 0.0) == ()


@pytest.mark.parametrize(
    ("hop", "subject"),
    [
        ("example.org", Subject("example.org")),
        ("[relay.example]:2525", Subject("relay.example", transport="fixed")),
        ("[192.0.2.1]", Subject("192.0.2.1", transport="fixed")),
    ],
)
def test_what_is_known_before_a_host_is_chosen(hop: str, subject: Subject) -> None:
    assert subject_of(RoutingKey(hop)) == subject
    assert subject_of(RoutingKey(hop, tenant="t", job="j")) == subject._replace(tenant="t", job="j")


def test_mail_of_no_job_is_counted_together_and_can_be_named() -> None:
    each = LimitRule("each", per=("job",), connections=1)
    assert Limits((each,)).of(subject_of(RoutingKey("a.example", job="j"))).slots == (PermitKey("each", "use", ("j",)),)
    assert Limits((each,)).of(subject_of(RoutingKey("a.example"))).slots == (PermitKey("each", "use", ("",)),)
    none = LimitRule("none", (("job", ("",)),), connections=1)
    assert none.applies(subject_of(RoutingKey("a.example")))
    assert not none.applies(subject_of(RoutingKey("a.example", job="j")))


def test_rules_match_by_every_field_and_count_apart_by_some() -> None:
    subject = Subject("a.example.org", "t", "mx", "big", "mx.big.example", "192.0.2.9", "198.51.100.1", "summer")
    rule = LimitRule(
        "all",
        (("domain", (".example.org",)), ("site", ("big",)), ("mx", ("mx.big.example",)), ("remote", ("192.0.2.0/24",)),
         ("local", ("198.51.100.1",)), ("tenant", ("t",)), ("transport", ("mx",)), ("job", ("summer",))),
        ("tenant", "local"),
        connections=1,
    )  # fmt: skip
    assert rule.applies(subject)
    assert Limits((rule,)).of(subject).slots == (PermitKey("all", "use", ("t", "198.51.100.1")),)
    for name, value in subject._asdict().items():
        assert not rule.applies(subject._replace(**{name: "192.0.3.1" if name == "remote" else "198.51.100.2"})), value
        if name != "domain":
            assert not rule.applies(subject._replace(**{name: ""})), name

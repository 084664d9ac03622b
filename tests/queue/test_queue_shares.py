"""Slots divided by demand: never above the total, nobody starves, all of it in use where it is wanted."""

from __future__ import annotations

from collections import deque

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from danelaw.queue import QueuedMessage, QueuedRecipient, RoutingKey, Scheduler, SchedulerSettings
from danelaw.queue.demand import Demand, demand
from danelaw.queue.shares import TURN, Shares, Told, divided, equally

TICK = 0.1


class Party:
    """One that uses what it was told, and what it had before until that ends by itself."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.wanted = self.share = self.order = self.taken = 0
        self.news: deque[Told[str]] = deque()
        self.words: deque[tuple[int, int, int]] = deque()

    def say(self) -> None:
        self.words.append((self.order, self.wanted, max(self.taken, self.share)))

    def begin(self) -> None:
        """As much as it wants and may."""
        self.taken = max(self.taken, min(self.wanted, self.share))

    def end(self, count: int) -> None:
        """Some of what is under way ends."""
        self.taken -= min(count, self.taken)

    def hear(self) -> None:
        _, self.order, self.share = self.news.popleft()
        self.say()


class Room:
    """Parties and their ledger; words wait on the way until somebody lets them through."""

    def __init__(self, total: int, names: str, reserve: float = 0.04) -> None:
        self.shares: Shares[str] = Shares(total, reserve=reserve)
        self.parties: dict[str, Party] = {}
        self.now = 0.0
        for name in names:
            self.enter(name)

    def enter(self, name: str) -> None:
        self.parties[name] = Party(name)
        self.shares.join(name)

    def look(self) -> None:
        for told in self.shares.settle(self.now):
            self.parties[told.party].news.append(told)

    def heard(self, name: str) -> None:
        """The oldest word of a party arrives."""
        self.shares.hear(name, *self.parties[name].words.popleft())
        self.look()

    def turn(self, *, ending: int = 1000) -> None:
        """A tenth of a second in which all words arrive, and of each party's deliveries so many end."""
        self.now += TICK
        for party in self.parties.values():
            party.end(ending)
            party.begin()
            party.say()
        self.look()
        while any(party.news or party.words for party in self.parties.values()):
            for party in self.parties.values():
                while party.words:
                    self.heard(party.name)
                while party.news:
                    party.hear()
        for party in self.parties.values():
            party.begin()
        assert self.used <= self.shares.total

    @property
    def used(self) -> int:
        return sum(party.taken for party in self.parties.values())


@given(st.integers(0, 300), st.lists(st.integers(0, 300), max_size=8))
def test_what_is_wanted_is_divided_max_min_fair(total: int, wanted: list[int]) -> None:
    given_ = divided(total, wanted)
    assert all(0 <= one <= want for one, want in zip(given_, wanted, strict=True))
    assert sum(given_) == min(total, sum(wanted))
    short = [one for one, want in zip(given_, wanted, strict=True) if one < want]
    # Who lacks something has no less than anybody else, but for what cannot be divided.
    assert all(one >= max(given_) - 1 for one in short)


@given(st.integers(0, 300), st.integers(1, 8))
def test_equal_parts_are_all_there_is(total: int, parts: int) -> None:
    found = equally(total, parts)
    assert sum(found) == total
    assert max(found) - min(found) <= 1


def test_at_rest_all_have_equal_shares_and_nobody_is_told_anything_more() -> None:
    room = Room(200, "ab")
    room.turn()
    assert {party.share for party in room.parties.values()} == {100}
    for _ in range(50):
        room.parties["a"].wanted = (room.parties["a"].wanted + 37) % 90
        room.turn()
    assert {party.order for party in room.parties.values()} <= {1, 2, 3}
    before = [party.order for party in room.parties.values()]
    room.turn()
    assert before == [party.order for party in room.parties.values()]


@pytest.mark.parametrize("names", ["ab", "abc", "abcdefgh"])
def test_all_mail_in_one_shard_has_95_percent_of_the_slots_and_follows_when_it_moves(names: str) -> None:
    room = Room(200, names)
    room.turn()
    for loaded in names:
        for party in room.parties.values():
            party.wanted = 10_000 if party.name == loaded else 0
        for _ in range(5):  # half a second
            room.turn()
        assert room.parties[loaded].taken >= 190


def test_who_joins_again_keeps_its_share_and_can_lose_it() -> None:
    room = Room(2, "ab")
    room.parties["a"].wanted = 2
    for _ in range(3):
        room.turn()
    room.shares.join("a")
    room.parties["a"].wanted, room.parties["b"].wanted = 0, 2
    for _ in range(3):
        room.shares.join("a")
        room.turn()
    assert room.parties["b"].taken == 2


def test_nobody_grows_before_another_has_said_that_it_shrank() -> None:
    room = Room(10, "ab")
    first, second = room.parties.values()
    first.wanted = 10
    room.turn()
    room.turn()
    assert first.taken == 10
    second.wanted = 10
    for _ in range(30):  # none of the ten ends
        room.turn(ending=0)
    assert (first.share, first.taken, second.share) == (5, 10, 0)
    first.end(2)
    room.turn(ending=0)
    assert (first.taken, second.taken) == (8, 2)


def test_the_share_of_a_dead_party_returns_when_it_is_reaped() -> None:
    room = Room(10, "ab")
    room.parties["a"].wanted = room.parties["b"].wanted = 100
    for _ in range(5):
        room.turn()
    del room.parties["a"]
    for _ in range(20):
        room.turn()
    assert room.parties["b"].taken == 5
    room.shares.leave("a")
    room.turn()
    assert room.parties["b"].taken == 10


@given(st.integers(1, 3), st.integers(2, 7), st.integers(1, 12))
@settings(deadline=None, max_examples=40)
def test_with_less_than_one_for_each_all_have_turns(total: int, parties: int, length: int) -> None:
    room = Room(total, "abcdefgh"[: max(parties, total + 1)])
    served: dict[str, float] = dict.fromkeys(room.parties, 0.0)
    waited = 0.0
    for step in range(600):
        for party in room.parties.values():
            party.wanted = 5
            if party.taken:
                served[party.name] = room.now
        room.turn(ending=1000 if step % length == 0 else 0)
        waited = max(waited, *(room.now - last for last in served.values()))
    # A turn of each of the others, and a delivery that was under way at the end of it.
    assert waited <= len(served) * (TURN + length * TICK + 2 * TICK)


def test_a_lower_total_holds_as_soon_as_what_was_begun_has_ended() -> None:
    room = Room(20, "ab")
    for party in room.parties.values():
        party.wanted = 100
    for _ in range(5):
        room.turn()
    room.shares.total = 4
    room.look()
    for party in room.parties.values():
        party.hear()
        assert (party.share, party.taken) == (2, 10)
        party.end(20)
    for _ in range(5):
        room.turn()
    assert room.used == 4


def test_while_it_is_closed_shares_shrink_only() -> None:
    room = Room(20, "ab")
    room.shares.closed = True
    for _ in range(5):
        room.parties["a"].wanted = 5
        room.turn()
    assert room.used == 0
    room.shares.closed = False
    room.turn()
    assert room.used == 5


def test_the_ledger_that_follows_knows_what_is_held() -> None:
    room = Room(20, "ab")
    room.parties["a"].wanted = 100
    for _ in range(5):
        room.turn()
    after: Shares[str] = Shares(20)
    after.restore([(str(party), *rest) for party, *rest in room.shares.state()])
    assert after.held == room.shares.held
    room.shares = after
    room.parties["a"].wanted, room.parties["b"].wanted = 0, 100
    for _ in range(5):
        room.turn()
    assert room.parties["b"].taken >= 19


class AnyHistory(RuleBasedStateMachine):
    """Words that come late, deliveries of any length, parties that come, die and are reaped later, other totals."""

    def __init__(self) -> None:
        super().__init__()
        self.room = Room(7, "ab", reserve=0.2)
        self.dead: set[str] = set()
        self.next = ord("c")

    def names(self) -> list[str]:
        return sorted(self.room.parties)

    @rule(data=st.data(), wanted=st.integers(0, 12))
    def wants(self, data: st.DataObject, wanted: int) -> None:
        party = self.room.parties[data.draw(st.sampled_from(self.names()))]
        if party.name not in self.dead:
            party.wanted = wanted
            party.begin()

    @rule(data=st.data(), count=st.integers(1, 12))
    def ends(self, data: st.DataObject, count: int) -> None:
        party = self.room.parties[data.draw(st.sampled_from(self.names()))]
        party.end(count)
        if party.name not in self.dead:
            party.begin()

    @rule(data=st.data())
    def says(self, data: st.DataObject) -> None:
        party = self.room.parties[data.draw(st.sampled_from(self.names()))]
        if party.name not in self.dead:
            party.say()

    @rule(data=st.data())
    def arrives(self, data: st.DataObject) -> None:
        party = self.room.parties[data.draw(st.sampled_from(self.names()))]
        if party.words:
            self.room.heard(party.name)
        elif party.news and party.name not in self.dead:
            party.hear()
            party.begin()

    @rule(seconds=st.floats(0.01, 1.0))
    def passes(self, seconds: float) -> None:
        self.room.now += seconds
        self.room.look()

    @precondition(lambda self: len(self.room.parties) < 6)
    @rule()
    def comes(self) -> None:
        self.room.enter(chr(self.next))
        self.next += 1

    @rule(data=st.data())
    def dies(self, data: st.DataObject) -> None:
        self.dead.add(data.draw(st.sampled_from(self.names())))

    @precondition(lambda self: self.dead and len(self.room.parties) > 1)
    @rule()
    def reaped(self) -> None:
        name = self.dead.pop()
        del self.room.parties[name]
        self.room.shares.leave(name)
        self.room.look()

    @invariant()
    def never_above_the_total(self) -> None:
        parties = self.room.parties.values()
        # What is free to be used counts as used.
        assert sum(max(party.taken, party.share) for party in parties) <= self.room.shares.held <= 7
        assert all(max(one.taken, one.share) <= self.room.shares.of(one.name) for one in parties)

    def teardown(self) -> None:
        """Whatever happened, in quiet all of it serves whoever wants it."""
        for name in self.dead:
            del self.room.parties[name]
            self.room.shares.leave(name)
        if not self.room.parties:
            return
        for party in self.room.parties.values():
            party.wanted = 100
        for _ in range(4):
            self.room.turn()
        assert self.room.used == 7


TestAnyHistory = AnyHistory.TestCase
TestAnyHistory.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)


# what a scheduler wants


def _mail(scheduler: Scheduler, domain: str, count: int) -> None:
    for number in range(count):
        recipient = QueuedRecipient(0, f"u@{domain}", RoutingKey(domain), due=0.0)
        message = QueuedMessage(hash((domain, number)), 0.0, 1e6, "a@b.example", (recipient,), 100)
        assert scheduler.admit(message, 100)
        scheduler.arrived(message, b"x", 100, 0.0, claimed=True)


def test_demand_is_what_is_under_way_and_what_could_begin_by_the_limits_of_queues() -> None:
    scheduler = Scheduler(SchedulerSettings(slots=3, total=200, destination_concurrency=20, first_window=5))
    assert demand(scheduler, 200, 20) == 0
    _mail(scheduler, "one.example", 12)
    _mail(scheduler, "two.example", 2)
    assert demand(scheduler, 200, 20) == 7
    assert len(scheduler.next_work(0.0)) == 3
    assert demand(scheduler, 200, 20) == 7
    assert demand(scheduler, 5, 20) == 5


def test_a_scheduler_without_slots_begins_nothing_and_still_says_what_it_could_use() -> None:
    scheduler = Scheduler(SchedulerSettings(slots=0, total=200))
    _mail(scheduler, "one.example", 3)
    assert not scheduler.next_work(0.0)
    assert scheduler.next_wakeup() is None
    assert demand(scheduler, 200, 20) == 3
    scheduler.resize(200, 20, 0.0)
    assert len(scheduler.next_work(0.0)) == 3


def test_a_scheduler_without_slots_still_looks_for_what_waits_on_disk_so_that_it_knows_of_it() -> None:
    scheduler = Scheduler(SchedulerSettings(slots=0, total=200))
    key = RoutingKey("one.example")
    scheduler.deferred(key, 0.0, 0.0)
    scheduler.refilled(key, [], 0.0, 0.0)  # another look is due, and it is not the first
    assert [found for found, _ in scheduler.refills(1.0)] == [key]


def test_a_queue_may_have_its_part_of_all_slots_and_not_of_the_share() -> None:
    assert SchedulerSettings(slots=10, total=200).cap == SchedulerSettings(slots=200).cap == 20


def test_a_pause_between_messages_gives_nothing_away() -> None:
    recent = Demand()
    assert recent.look(8) == 8
    assert [recent.look(0) for _ in range(12)] == [8] * 9 + [0] * 3


@pytest.mark.parametrize("total", [1, 2, 3])
def test_who_is_alone_has_all_of_little_before_there_is_any_mail(total: int) -> None:
    shares: Shares[str] = Shares(total)
    shares.join("a")
    assert [(one.party, one.share) for one in shares.settle(0.0)] == [("a", total)]

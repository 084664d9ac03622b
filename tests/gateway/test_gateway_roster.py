"""The roster: who is started, retired and given which shard; whatever happens, in any order."""

from __future__ import annotations

import itertools

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from danelaw.gateway.roster import Action, Adopt, Kill, Retire, Roster, Start, State, Worker, Yield
from danelaw.gateway.strikes import Strikes
from danelaw.queue import QueueIds


def free(shard: int) -> bool:
    return True


def idle(seat: int) -> int:
    return 0


def running(wanted: int, disk: set[int] | None = None) -> tuple[Roster, set[int]]:
    """A roster whose workers are all ready, and the shards on disk."""
    roster, disk = Roster(wanted, 30.0), disk if disk is not None else set()
    for action in roster.next_actions(0.0, disk, free):
        assert isinstance(action, Start)
        disk |= action.worker.shards
        roster.ready(action.worker.serial, 0.0)
    return roster, disk


def owned(roster: Roster) -> set[int]:
    return {shard for worker in roster.workers.values() for shard in worker.shards}


def test_each_worker_begins_with_a_shard_of_its_own() -> None:
    roster, disk = running(3)
    assert disk == {0, 1, 2}
    assert roster.complete
    assert roster.next_actions(0.1, disk, free) == []


def test_shards_of_more_workers_than_there_are_now_are_adopted_at_once() -> None:
    roster, disk = running(2, {0, 1, 2, 3})
    adopted = roster.next_actions(0.1, disk, free)
    assert {action.shard for action in adopted if isinstance(action, Adopt)} == {2, 3}
    assert sorted(len(worker.shards) for worker in roster.workers.values()) == [2, 2]


def test_a_worker_that_dies_is_replaced_at_once_with_its_shard() -> None:
    roster, disk = running(2)
    roster.died(1, 10.0, 0)
    (start,) = roster.next_actions(10.0, disk, free)
    assert isinstance(start, Start)
    assert start.worker.shards == {0}


def test_one_that_dies_again_and_again_is_started_later_and_its_shard_is_adopted_meanwhile() -> None:
    roster, disk = running(2)
    now, starts, adopted = 10.0, [], 0
    for _ in range(8):
        serial = max(roster.workers)
        roster.died(serial, now, 0)
        begun: list[Start] = []
        while not begun:
            actions = roster.next_actions(now, disk, free)
            begun = [action for action in actions if isinstance(action, Start)]
            adopted += sum(isinstance(action, Adopt) for action in actions)
            for action in actions:
                if isinstance(action, Yield):
                    roster.released(action.worker.serial, action.shard)
            now += 0.25
        starts.append(now)
        roster.ready(begun[0].worker.serial, now)
    gaps = [after - before for before, after in itertools.pairwise(starts)]
    assert gaps[-1] >= 4.0
    assert adopted
    assert owned(roster) == disk == {0, 1}


def test_an_orphan_without_a_worker_to_come_is_adopted_within_five_seconds() -> None:
    roster, disk = running(2)
    roster.died(2, 10.0, 0)
    roster._next_start = 1e9  # nobody comes
    assert roster.next_actions(10.0, disk, free) == []
    (adopt,) = roster.next_actions(14.5, disk, free)
    assert isinstance(adopt, Adopt)
    assert adopt.shard == 1


def test_a_reload_brings_the_new_worker_up_before_the_old_one_goes() -> None:
    roster, disk = running(1)
    roster.reload()
    (start,) = roster.next_actions(1.0, disk, free)
    assert isinstance(start, Start)
    assert start.worker.home == 1  # the old one keeps its shard until its last result is stored
    disk |= {1}
    assert roster.next_actions(1.1, disk, free) == []
    roster.ready(start.worker.serial, 1.2)
    (retire,) = roster.next_actions(1.2, disk, free)
    assert isinstance(retire, Retire)
    assert retire.worker.serial == 1
    roster.died(1, 1.5, 0, cleanly=True)
    (adopt,) = roster.next_actions(1.5, disk, free)
    assert isinstance(adopt, Adopt)
    assert (adopt.worker.serial, adopt.shard) == (2, 0)
    assert not roster.rolling


def test_the_next_reload_asks_for_a_shard_instead_of_making_one() -> None:
    roster, disk = running(1, {0, 1})
    roster.next_actions(0.1, disk, free)  # adopts the second
    roster.reload()
    (wish,) = roster.next_actions(1.0, disk, free)
    assert isinstance(wish, Yield)
    assert wish.shard == 1
    assert roster.next_actions(1.1, disk, free) == []
    roster.released(1, 1)
    (start,) = roster.next_actions(1.2, disk, free)
    assert isinstance(start, Start)
    assert start.worker.home == 1


def test_a_reload_that_does_not_come_up_leaves_the_old_workers() -> None:
    roster, disk = running(1)
    roster.reload()
    (start,) = roster.next_actions(1.0, disk, free)
    roster.died(start.worker.serial, 1.1, 0)
    roster.give_up_reload()
    assert not roster.rolling
    assert [worker.serial for worker in roster.workers.values()] == [1]
    assert not [a for a in roster.next_actions(1.2, disk, free) if isinstance(a, Retire)]


def test_shards_still_locked_by_workers_without_a_supervisor_are_waited_for() -> None:
    roster, locked = Roster(1, 30.0), {0}
    assert roster.next_actions(0.0, {0}, lambda shard: shard not in locked) == []
    locked.clear()
    (start,) = roster.next_actions(1.0, {0}, lambda shard: shard not in locked)
    assert isinstance(start, Start)
    assert start.worker.home == 0


def test_shards_that_stay_locked_do_not_keep_mail_out() -> None:
    roster = Roster(1, 30.0)
    roster.next_actions(0.0, {0}, lambda shard: False)
    (start,) = roster.next_actions(3.5, {0}, lambda shard: False)
    assert isinstance(start, Start)
    assert start.worker.home == 1


def test_a_silent_worker_is_killed_and_one_that_beats_is_not() -> None:
    roster, _ = running(2)
    beats = {0: 100.0, 1: 60.0}
    (kill,) = roster.overdue(100.0, beats.__getitem__, idle)
    assert isinstance(kill, Kill)
    assert kill.worker.seat == 1
    assert roster.overdue(89.0, beats.__getitem__, idle) == []


def test_a_worker_may_start_slowly_but_not_hang_in_its_first_delivery() -> None:
    roster = Roster(1, 30.0)
    (start,) = roster.next_actions(0.0, {0}, free)
    assert isinstance(start, Start)
    assert roster.overdue(100.0, lambda seat: 0.0, idle) == []
    assert len(roster.overdue(130.0, lambda seat: 0.0, idle)) == 1
    (kill,) = roster.overdue(35.0, lambda seat: 3.0, lambda seat: 77)
    assert kill.reason == "no sign of life for 30 s"
    assert roster.overdue(35.0, lambda seat: 10.0, lambda seat: 77) == []


def test_a_retired_worker_that_does_not_end_is_killed() -> None:
    roster, _ = running(1)
    roster.stopping = True
    roster.next_actions(1.0, {0}, free)
    assert roster.overdue(60.0, lambda seat: 60.0, idle) == []
    assert len(roster.overdue(95.0, lambda seat: 95.0, idle)) == 1


def test_a_message_is_held_after_the_second_death_and_by_whoever_opens_its_shard() -> None:
    message, other = QueueIds(0).next(1_795_000_000.0), QueueIds(1).next(1_795_000_000.0)
    roster, disk = running(2)
    assert not roster.died(1, 10.0, message)
    (start,) = roster.next_actions(10.0, disk, free)
    assert isinstance(start, Start)
    assert start.hold == ()
    assert not roster.died(2, 10.1, other)
    roster.ready(start.worker.serial, 10.1)
    assert roster.died(start.worker.serial, 11.0, message)
    begun = [action for action in roster.next_actions(15.0, disk, free) if isinstance(action, Start)]
    assert {action.worker.home: action.hold for action in begun} == {0: (message,), 1: ()}
    roster.strikes.held([message])
    assert roster.strikes.to_hold(0) == ()


def test_a_released_message_has_its_strikes_counted_anew() -> None:
    strikes, message = Strikes(), 77 << 9
    assert [strikes.struck(message) for _ in range(2)] == [False, True]
    strikes.held([message])
    assert not strikes.struck(message)


def test_a_worker_without_a_line_is_replaced() -> None:
    roster, disk = running(1)
    roster.cut_off(1, 1.0)
    (start,) = roster.next_actions(1.0, disk, free)
    assert isinstance(start, Start)


class AnyHistory(RuleBasedStateMachine):
    """Workers die, reload, fall silent and let go at any moment; a small world of locks obeys the actions."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.roster = Roster(2, 30.0)
        self.disk: set[int] = set()
        self.locks: dict[int, int] = {}  # shard to serial
        self.unowned: dict[int, float] = {}
        self.most_wanted = 2

    def _ready(self) -> list[Worker]:
        return [worker for worker in self.roster.workers.values() if worker.state is State.READY]

    def _obey(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Start(worker, _):
                    self._lock(worker.home, worker.serial)
                case Adopt(worker, shard, _):
                    self._lock(shard, worker.serial)
                case Yield(worker, shard):
                    assert shard != worker.home
                case Kill(worker, _):
                    self._die(worker.serial)

    def _lock(self, shard: int, serial: int) -> None:
        assert shard not in self.locks, "two processes on one shard"
        self.disk.add(shard)
        self.locks[shard] = serial

    def _die(self, serial: int, *, cleanly: bool = False) -> None:
        self.locks = {shard: holder for shard, holder in self.locks.items() if holder != serial}
        self.roster.died(serial, self.now, 0, cleanly=cleanly)

    @rule(seconds=st.sampled_from((0.0, 0.25, 1.0, 6.0)))
    def time_passes(self, seconds: float) -> None:
        for _ in range(max(1, int(seconds / 0.25))):
            self.now += min(seconds, 0.25)
            self._obey(self.roster.next_actions(self.now, self.disk, lambda shard: shard not in self.locks))
            self._note_orphans()

    def _note_orphans(self) -> None:
        takers = bool(self._ready())
        self.unowned = {
            shard: self.unowned.get(shard, self.now) for shard in self.disk if takers and shard not in self.locks
        }

    @rule(data=st.data())
    def one_becomes_ready(self, data: st.DataObject) -> None:
        starting = [one.serial for one in self.roster.workers.values() if one.state is State.STARTING]
        if starting:
            self.roster.ready(data.draw(st.sampled_from(starting)), self.now)

    @precondition(lambda self: self.roster.workers)
    @rule(data=st.data())
    def one_dies(self, data: st.DataObject) -> None:
        self._die(data.draw(st.sampled_from(sorted(self.roster.workers))))

    @rule()
    def retired_ones_end(self) -> None:
        for worker in tuple(self.roster.workers.values()):
            if worker.state is State.RETIRING:
                self._die(worker.serial, cleanly=True)

    @rule()
    def yielded_shards_come_free(self) -> None:
        for worker in tuple(self.roster.workers.values()):
            for shard in tuple(worker.yielding):
                self.locks.pop(shard, None)
                self.roster.released(worker.serial, shard)

    @rule(wanted=st.integers(1, 4))
    def reload(self, wanted: int) -> None:
        self.roster.wanted = wanted
        self.most_wanted = max(self.most_wanted, wanted)
        self.roster.reload()

    @rule()
    def give_up(self) -> None:
        self.roster.give_up_reload()

    @invariant()
    def every_shard_has_the_owner_that_locked_it(self) -> None:
        for worker in self.roster.workers.values():
            for shard in worker.shards:
                assert self.locks.get(shard) == worker.serial

    @invariant()
    def no_orphan_waits_for_long_while_somebody_could_take_it(self) -> None:
        assert all(self.now - since <= 5.0 for since in self.unowned.values())

    @invariant()
    def seats_are_not_shared(self) -> None:
        seats = [worker.seat for worker in self.roster.workers.values()]
        assert len(seats) == len(set(seats))

    def teardown(self) -> None:
        """Left alone, everything comes to rest: as many workers as wanted, every shard with one of them."""
        for _ in range(400):
            self.one_settles()
        assert self.roster.complete
        assert not self.roster.rolling
        assert set(self.locks) == self.disk == owned(self.roster)

    def one_settles(self) -> None:
        self.time_passes(0.25)
        for worker in tuple(self.roster.workers.values()):
            if worker.state is State.STARTING:
                self.roster.ready(worker.serial, self.now)
        self.yielded_shards_come_free()
        self.retired_ones_end()


TestAnyHistory = AnyHistory.TestCase
TestAnyHistory.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)

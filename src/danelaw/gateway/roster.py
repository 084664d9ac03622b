"""Which worker there should be, which shard each has, and what to do next. Pure: the supervisor carries it out.

`next_actions` compares what is with what is wanted and is asked again after every event and every tick, so that
nothing depends on an event that was lost. A shard has one owner: the worker it was given to, until that worker is
dead or has said that it let go. The flock in the shard's directory is the lease behind it.

A reload raises the generation: for every worker of an older one a new one is started, and when that is ready an old one
is retired. Since a retiring worker keeps its shard until its last delivery is written down, the new one needs another:
the lowest that is free, else one that a worker with several is asked to yield, and only then a new one. So the number
of shards stays near the number of workers, whatever is killed and reloaded.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, TypeAlias

from danelaw.gateway.strikes import Strikes
from danelaw.queue import MAX_SHARD

ADOPTION_SECONDS = 3.0
"""How long an orphan waits for the worker that is about to start, before another one adopts it."""
_BACKOFF = (0.0, 0.5, 1.0, 2.0, 4.0)
_STEADY_SECONDS = 5.0
_YIELD_SECONDS = 35.0
_LOCKED_SECONDS = 3.0
_START_SECONDS = 120.0
_RETIRE_SECONDS = 90.0
_ROLL_SECONDS = 5.0


class State(Enum):
    """Where a worker is in its life."""

    STARTING = "starting"
    READY = "ready"
    RETIRING = "retiring"


@dataclass(slots=True, eq=False)
class Worker:
    """One worker process. `serial` names it for ever, `seat` is its place in shared memory. Times are monotonic."""

    serial: int
    seat: int
    generation: int
    started: float
    home: int
    state: State = State.STARTING
    shards: set[int] = field(default_factory=set)
    yielding: dict[int, float] = field(default_factory=dict)
    changed: float = 0.0


@dataclass(frozen=True, slots=True)
class Start:
    """Fork a worker with one shard to begin with; `hold` are its poison messages."""

    worker: Worker
    hold: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Adopt:
    """Give a worker one more shard."""

    worker: Worker
    shard: int
    hold: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Yield:
    """Ask a worker to let go of a shard."""

    worker: Worker
    shard: int


@dataclass(frozen=True, slots=True)
class Retire:
    """Tell a worker to accept nothing more, finish and end."""

    worker: Worker


@dataclass(frozen=True, slots=True)
class Kill:
    """End a worker at once; `reason` is for the log."""

    worker: Worker
    reason: str


Action: TypeAlias = Start | Adopt | Yield | Retire | Kill


class Roster:
    """The workers there are and should be. `wanted` and `stall_limit` (seconds) may be changed by a reload."""

    def __init__(self, wanted: int, stall_limit: float) -> None:
        self.wanted = wanted
        self.stall_limit = stall_limit
        self.generation = 0
        self.stopping = False
        self.strikes = Strikes()
        self.workers: dict[int, Worker] = {}
        self._serial = 0
        self._failures = 0
        self._next_start = 0.0
        self._orphaned: dict[int, float] = {}
        self._known: set[int] = set()
        self._waiting_since: float | None = None

    # What happened.

    def reload(self) -> None:
        """Replace every worker, one after the other."""
        self.generation += 1
        self._failures, self._next_start = 0, 0.0

    def inherit(self, serial: int, home: int, shards: Collection[int], now: float, *, retiring: bool) -> Worker:
        """A worker of the supervisor this process was before it began to run other code: to be replaced. It has no
        seat in our memory, so only its retirement is watched.
        """
        state = State.RETIRING if retiring else State.READY
        worker = Worker(serial, -1, -1, now, home, state, set(shards), changed=now)
        self.workers[serial] = worker
        self._serial = max(self._serial, serial)
        return worker

    def give_up_reload(self) -> None:
        """The new generation does not come up: the workers of the old one stay."""
        for worker in self.workers.values():
            if worker.state is not State.RETIRING:
                worker.generation = self.generation

    def ready(self, serial: int, now: float) -> None:
        """It has its first shard and accepts mail."""
        worker = self.workers[serial]
        if worker.state is State.STARTING:
            worker.state, worker.changed = State.READY, now

    def cut_off(self, serial: int, now: float) -> None:
        """Its line broke: it ends by itself, and another one takes its place."""
        worker = self.workers[serial]
        worker.state, worker.changed = State.RETIRING, now

    def released(self, serial: int, shard: int) -> None:
        """It let go of a shard, or could not take it."""
        worker = self.workers.get(serial)
        if worker is not None:
            worker.shards.discard(shard)
            worker.yielding.pop(shard, None)

    def died(self, serial: int, now: float, message: int, *, cleanly: bool = False) -> bool:
        """It is dead, and its shards are orphans. `message` is the id it had in hand, 0 for none. True when that
        message is to be held from now on.
        """
        worker = self.workers.pop(serial)
        for shard in worker.shards:
            self._orphaned[shard] = now
        if worker.state is not State.RETIRING:
            if worker.state is State.READY and now - worker.changed > _STEADY_SECONDS:
                self._failures = 0
            self._next_start = now + _BACKOFF[min(self._failures, len(_BACKOFF) - 1)]
            self._failures += 1
        return bool(message) and not cleanly and self.strikes.struck(message)

    # What to do.

    @property
    def rolling(self) -> bool:
        """A reload is under way."""
        return any(worker.generation != self.generation for worker in self.workers.values())

    @property
    def complete(self) -> bool:
        """As many workers of this generation as wanted are ready."""
        return sum(worker.state is State.READY for worker in self._current()) == self.wanted

    def next_actions(self, now: float, on_disk: Collection[int], is_free: Callable[[int], bool]) -> list[Action]:
        """What to do now, to be carried out in this order; the roster takes it as done. `on_disk` are the shards that
        exist, `is_free` says that nobody holds a shard's lock. `now` is monotonic.
        """
        if self.stopping:
            return [self._retired(worker, now) for worker in self._active()]
        self._known |= set(on_disk)
        actions: list[Action] = [*self._retire_surplus(now)]
        actions += self._start(now, is_free)
        actions += self._adopt(now, is_free)
        return actions

    def overdue(self, now: float, beats: Callable[[int], float], in_hand: Callable[[int], int]) -> list[Kill]:
        """Workers that have been silent for too long; `beats` gives the time of a seat's last heartbeat, `in_hand` the
        message it works on, 0 for none. One that starts gives no signs of life before its first delivery.
        """
        kills = []
        for worker in self.workers.values():
            if worker.state is State.STARTING and not in_hand(worker.seat):
                late = now - worker.started > max(_START_SECONDS, self.stall_limit)
                reason = "it did not become ready"
            elif worker.state is State.RETIRING and now - worker.changed > _RETIRE_SECONDS:
                late, reason = True, "it did not end"
            else:
                late = worker.seat >= 0 and now - beats(worker.seat) > self.stall_limit
                reason = f"no sign of life for {self.stall_limit:g} s"
            if late:
                kills.append(Kill(worker, reason))
        return kills

    def described(self, pids: Mapping[int, int], load: Callable[[int], int]) -> dict[str, Any]:
        """For `gateway.status` and the metrics: the names of those that can be asked, how many are in each state, and
        every worker; `pids` by serial, `load` by seat.
        """
        workers = self.workers.values()
        return {
            "workers": [f"worker-{one.serial}" for one in workers if one.state is not State.STARTING],
            "states": {state.value: sum(one.state is state for one in workers) for state in State},
            "roster": [
                {
                    "name": f"worker-{one.serial}",
                    "pid": pids.get(one.serial),
                    "state": one.state.value,
                    "shards": sorted(one.shards),
                    "clients": load(one.seat) if one.seat >= 0 else None,
                }
                for one in workers
            ],
        }

    # Inside.

    def _current(self) -> Iterator[Worker]:
        return (worker for worker in self._active() if worker.generation == self.generation)

    def _active(self) -> Iterator[Worker]:
        return (worker for worker in tuple(self.workers.values()) if worker.state is not State.RETIRING)

    @property
    def owned(self) -> set[int]:
        """The shards of all workers."""
        return {shard for worker in self.workers.values() for shard in worker.shards}

    def _orphans(self, now: float, is_free: Callable[[int], bool]) -> list[int]:
        unowned = self._known - self.owned
        self._orphaned = {shard: self._orphaned.get(shard, now) for shard in unowned}
        return [shard for shard in sorted(unowned) if is_free(shard)]

    def _start(self, now: float, is_free: Callable[[int], bool]) -> Iterator[Action]:
        old = [worker for worker in self._active() if worker.generation != self.generation]
        while sum(1 for _ in self._current()) < self.wanted and now >= self._next_start:
            if old and (self._starting() or self._retiring_lately(now)):
                return
            home = self._home(now, is_free)
            if home is None:
                yield from self._ask_for_shard(now)
                return
            self._waiting_since = None
            self._serial += 1
            worker = Worker(self._serial, self._free_seat(), self.generation, now, home, shards={home}, changed=now)
            self.workers[worker.serial] = worker
            yield Start(worker, self.strikes.to_hold(home))

    def _starting(self) -> bool:
        return any(worker.state is State.STARTING for worker in self.workers.values())

    def _retiring_lately(self, now: float) -> bool:
        retiring = (worker for worker in self.workers.values() if worker.state is State.RETIRING)
        return any(now - worker.changed < _ROLL_SECONDS for worker in retiring)

    def _home(self, now: float, is_free: Callable[[int], bool]) -> int | None:
        """The shard a new worker begins with; None to wait for one."""
        orphans = self._orphans(now, is_free)
        if orphans:
            return orphans[0]
        if self._waiting_since is None:
            self._waiting_since = now
        waited = now - self._waiting_since
        # Workers of a supervisor that was killed finish what they have in hand: their shards come free in a moment.
        locked = bool(self._known - self.owned)
        if (locked and waited < _LOCKED_SECONDS) or (self._could_yield() and waited < _YIELD_SECONDS):
            return None
        return next((number for number in range(MAX_SHARD + 1) if number not in self._known | self.owned), None)

    def _could_yield(self) -> list[Worker]:
        ready = (worker for worker in self._active() if worker.state is State.READY)
        return [worker for worker in ready if len(worker.shards) > 1]

    def _ask_for_shard(self, now: float) -> Iterator[Action]:
        donors = self._could_yield()
        if not donors or any(worker.yielding for worker in donors):
            return
        worker = max(donors, key=lambda one: len(one.shards))
        shard = min(worker.shards - {worker.home})
        worker.yielding[shard] = now
        yield Yield(worker, shard)

    def _free_seat(self) -> int:
        taken = {worker.seat for worker in self.workers.values()}
        return next(seat for seat in range(len(taken) + 1) if seat not in taken)

    def _retire_surplus(self, now: float) -> Iterator[Action]:
        ready = sum(worker.state is State.READY for worker in self._current())
        old = [worker for worker in self._active() if worker.generation != self.generation]
        while old and ready + len(old) > self.wanted:
            yield self._retired(old.pop(0), now)
        current = sorted(self._current(), key=lambda one: one.serial)
        for worker in current[self.wanted :]:
            if worker.state is State.READY:
                yield self._retired(worker, now)

    def _retired(self, worker: Worker, now: float) -> Retire:
        worker.state, worker.changed = State.RETIRING, now
        return Retire(worker)

    def _adopt(self, now: float, is_free: Callable[[int], bool]) -> Iterator[Action]:
        orphans = self._orphans(now, is_free)
        missing = max(0, self.wanted - sum(1 for _ in self._current()))
        takers = [worker for worker in self._active() if worker.state is State.READY]
        takers = [worker for worker in takers if worker.generation == self.generation] or takers
        for place, shard in enumerate(orphans):
            if not takers or (place < missing and now - self._orphaned[shard] < ADOPTION_SECONDS):
                continue  # a worker is about to start with it
            worker = min(takers, key=lambda one: (len(one.shards), one.serial))
            worker.shards.add(shard)
            yield Adopt(worker, shard, self.strikes.to_hold(shard))

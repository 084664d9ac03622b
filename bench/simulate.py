"""Workers, broker and lines on a virtual clock, seed by seed: limits kept, used to the full, nobody starved, none lost.

    python bench/simulate.py --seeds 10000 [--first 0] [--jobs 2]
    python bench/simulate.py --seeds 1 --first SEED        the story of one seed again
    python bench/simulate.py --mutants                     the checker must find each defect that is put in on purpose

Exit status 1 when a promise is broken; the last line is then the command that shows it again.
"""

from __future__ import annotations

import argparse
import contextlib
import multiprocessing
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.permit_world import BrokenPromise, World
from danelaw.queue.limits import LimitRule
from danelaw.queue.rates import Rate

LEAST_USED = 0.95
WARMING, MEASURED = 3.0, 20.0


def story(seed: int) -> str | None:
    """One seed: with faults, and every fourth without, to see how much of the limits is used. Words when it fails."""
    try:
        if seed % 4:
            World(seed).play()
        else:
            utilisation(seed)
    except BrokenPromise as error:
        return str(error)
    return None


def utilisation(seed: int) -> dict[str, float]:
    """How much of a limit is used while more is wanted, by rule. Raises `BrokenPromise` below 95 %."""
    world = World(seed, faults=False)
    chance = world.chance
    by_rate = bool(seed % 8)
    world.sites = 1
    if by_rate:
        world.lengths = (0.02, 0.2)  # else the queues' windows would allow less than the rate
    connections, rate = chance.randint(1, 8), Rate(chance.randint(3, 60), chance.choice([1, 5, 10]))
    world.rules = (
        LimitRule("site", (("site", ("s0",)),), connections=None if by_rate else connections,
                  rate=rate if by_rate else None, adaptive=False),
    )  # fmt: skip
    world.book.rules = world.book.before = world.rules
    world.broker = world.new_broker()
    world.hire()
    # More than the limit lets through, whatever it is.
    enough = rate.count * int((WARMING + MEASURED) / rate.period + 2) if by_rate else 1
    enough = enough if by_rate else int(connections * (WARMING + MEASURED) * 2 / sum(world.lengths))
    world.send(enough + 40 * len(world.keys))
    world.until(WARMING)
    world.book.watched = True
    world.until(WARMING + MEASURED)
    world.book.watched = False
    if by_rate:
        # One more or less is where the watch began.
        used = (world.book.messages["site"] + 1) / (rate.count * MEASURED / rate.period)
    else:
        used = world.book.busy_seconds["site"] / (connections * MEASURED)
    if used < LEAST_USED and world.left:
        what = rate.to_text() if by_rate else f"{connections} connections"
        raise BrokenPromise(
            f"{used:.1%} of {what} used by {world.wanted} workers, deliveries of {world.lengths} s, delay {world.delay}"
        )
    return {"site": used}


# defects put in on purpose


def _release_not_sent() -> contextlib.AbstractContextManager[object]:
    from danelaw.queue.stock import Stock

    def give(self: Stock, slots: object, good: bool | None) -> None:
        del self._slots[slots.number]  # type: ignore[attr-defined]
        self.part(slots.keys)  # type: ignore[attr-defined]

    return mock.patch.object(Stock, "give", give)


def _wake_lost() -> contextlib.AbstractContextManager[object]:
    from danelaw.queue.broker import PermitBroker

    original = PermitBroker.hear

    def hear(self: PermitBroker, holder: str, words: list[object], now: float) -> None:
        before = dict(self._stirred)
        with mock.patch.object(self, "_serve", return_value=None):
            original(self, holder, words, now)  # type: ignore[arg-type]
        self._stirred = before

    return mock.patch.object(PermitBroker, "hear", hear)


def _grant_not_told() -> contextlib.AbstractContextManager[object]:
    from danelaw.queue.gate import Gate

    return mock.patch.object(Gate, "_go_on", return_value=None)


def _death_frees_nothing() -> contextlib.AbstractContextManager[object]:
    from danelaw.queue.broker import PermitBroker

    return mock.patch.object(PermitBroker, "forget", return_value=None)


def _death_frees_too_early() -> contextlib.AbstractContextManager[object]:
    original = World._break

    def broken(self: World, worker: object) -> None:
        original(self, worker)  # type: ignore[arg-type]
        self.broker.forget(worker.name, self.now)  # type: ignore[attr-defined]
        self.tell_news()

    return mock.patch.object(World, "_break", broken)


def _one_too_many() -> contextlib.AbstractContextManager[object]:
    from danelaw.queue.permits import Ceiling, _Account

    original = _Account.allowed

    def allowed(self: _Account, ceiling: Ceiling) -> float:
        return original(self, ceiling) + 1

    return mock.patch.object(_Account, "allowed", allowed)


def _idle_connections_not_counted() -> contextlib.AbstractContextManager[object]:
    from bench.permit_world import Worker

    return mock.patch.object(Worker, "_part", return_value=None)


def _never_called_back() -> contextlib.AbstractContextManager[object]:
    from danelaw.queue.broker import PermitBroker

    return mock.patch.object(PermitBroker, "_recall", return_value=None)


def _late_tokens_count() -> contextlib.AbstractContextManager[object]:
    from danelaw.queue import gate_state, stock

    class Token(gate_state.Token):
        def __new__(cls, keys: object, at: float, until: float) -> Token:
            return super().__new__(cls, keys, at, until + 5.0)  # type: ignore[arg-type]

    return mock.patch.object(stock, "Token", Token)


def _strangers_forgotten() -> contextlib.AbstractContextManager[object]:
    original = World._kill_supervisor

    def killed(self: World) -> None:
        original(self)
        self.strangers = []
        self._open_if_alone()

    return mock.patch.object(World, "_kill_supervisor", killed)


def _exec_forgets() -> contextlib.AbstractContextManager[object]:
    from danelaw.queue.broker import PermitBroker

    return mock.patch.object(PermitBroker, "restore", return_value=None)


MUTANTS: dict[str, Callable[[], contextlib.AbstractContextManager[object]]] = {
    "a release is not sent": _release_not_sent,
    "what is free is given to nobody who waits": _wake_lost,
    "a grant wakes nobody": _grant_not_told,
    "a death frees nothing": _death_frees_nothing,
    "a broken line counts as a death": _death_frees_too_early,
    "one more than allowed": _one_too_many,
    "idle connections do not count": _idle_connections_not_counted,
    "permits are never called back": _never_called_back,
    "workers of a killed supervisor are forgotten": _strangers_forgotten,
    "an exec forgets the permits": _exec_forgets,
    "a token that comes too late counts": _late_tokens_count,
}


def found(mutant: str, seeds: int) -> tuple[int, str] | None:
    """The first of so many seeds that shows a defect, and how."""
    with MUTANTS[mutant]():
        for seed in range(seeds):
            try:
                words = story(seed)
            except Exception as error:  # a defect may also show as an error of its own
                words = f"{type(error).__name__}: {error}"
            if words is not None:
                return seed, words
    return None


def _numbered(seed: int) -> tuple[int, str | None]:
    return seed, story(seed)


def _stories(seeds: range, jobs: int) -> Iterator[tuple[int, str | None]]:
    if jobs == 1:
        yield from map(_numbered, seeds)
        return
    with multiprocessing.Pool(jobs) as pool:
        yield from pool.imap_unordered(_numbered, seeds, chunksize=20)


def main() -> None:
    """Play, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seeds", type=int, default=500)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=1)
    parser.add_argument("--mutants", action="store_true", help="see whether the checker finds defects")
    options = parser.parse_args()
    if options.mutants:
        missed = 0
        for name in MUTANTS:
            seen = found(name, options.seeds)
            missed += seen is None
            print(f"  {name:48}{'NOT FOUND' if seen is None else f'seed {seen[0]}: {seen[1][:90]}'}")
        sys.exit(1 if missed else 0)
    started = time.monotonic()
    failed = []
    for seed, words in _stories(range(options.first, options.first + options.seeds), options.jobs):
        if words is not None:
            failed.append(seed)
            print(f"  seed {seed}: {words}")
    seconds = time.monotonic() - started
    print(f"simulate: {options.seeds} seeds from {options.first}, {seconds:.0f} s, {len(failed)} failed")
    if failed:
        print(f"python bench/simulate.py --seeds 1 --first {min(failed)}")
        sys.exit(1)


if __name__ == "__main__":
    main()

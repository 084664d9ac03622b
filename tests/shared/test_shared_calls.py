"""The calls scripts make, on a store in memory under a clock that tests move; exact and leased."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from danelaw.shared import (
    FLUSH_SECONDS,
    STALE_SECONDS,
    BadRequest,
    DirectCarrier,
    Kind,
    Mode,
    NotAcquired,
    SharedStore,
    Space,
    Store,
    StoreUnavailable,
    Taken,
    WrongKind,
)
from danelaw.testing import FakeClock, FakeSharedStore


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


def test_a_space_is_declared_by_its_first_use_and_again_where_the_store_forgot_it() -> None:
    async def main() -> None:
        shared = FakeSharedStore(FakeClock())
        hits = shared.counter("hits", keys=5)
        assert shared.store.shelves == {}
        assert await hits.add("k") == 1
        assert shared.store.shelves["hits"].space == Space("hits", Kind.COUNTER, keys=5)
        shared.store.shelves.clear()
        assert await hits.add("k") == 1
        assert shared.counter("hits") is hits

    run(main())


def test_a_name_stands_for_one_kind_and_settings_that_make_sense() -> None:
    shared = FakeSharedStore(FakeClock())
    shared.counter("hits")
    with pytest.raises(WrongKind):
        shared.set("hits")
    with pytest.raises(BadRequest):
        shared.rate("sends")
    with pytest.raises(BadRequest):
        shared.counter("other", color="red")  # type: ignore[call-arg]
    with pytest.raises(BadRequest):
        shared.counter("No Name")


def test_other_settings_hold_for_those_who_have_the_space_already() -> None:
    async def main() -> None:
        shared = FakeSharedStore(FakeClock())
        sends = shared.rate("sends", limit=1, span=60.0)
        assert await sends.take("k")
        assert not await sends.take("k")
        shared.rate("sends", limit=2, span=60.0)
        assert await sends.take("k")

    run(main())


def test_values_are_json_and_none_is_nothing_there() -> None:
    async def main() -> None:
        shared = FakeSharedStore(FakeClock())
        value = shared.value("v")
        await value.put("k", {"b": [1, 2.5, True, "ü"], "a": None})
        assert await value.get("k") == {"a": None, "b": [1, 2.5, True, "ü"]}
        assert await value.get("absent", "x") == "x"
        assert await value.compare_and_set("n", None, 1)
        assert not await value.compare_and_set("n", 1.0, 2)
        assert await value.compare_and_set("n", 1, None)
        assert await value.get("n") is None
        for wrong in (None, float("nan"), {1, 2}, "x" * 5000):
            with pytest.raises(BadRequest):
                await value.put("k", wrong)  # type: ignore[arg-type]

    run(main())


def test_a_semaphore_is_given_back_by_leaving_it_and_by_a_caller_who_gave_up() -> None:
    async def main() -> None:
        shared = FakeSharedStore(clock := FakeClock())
        slots = shared.semaphore("slots", limit=1)
        async with await slots.hold("k"):
            with pytest.raises(NotAcquired):
                await slots.hold("k")
            gone = asyncio.create_task(slots.acquire("k", wait=30))
            await asyncio.sleep(0)
            gone.cancel()
            late = asyncio.create_task(slots.acquire("k", wait=30))
            await asyncio.sleep(0)
        held = await late
        assert held is not None
        assert gone.cancelled()
        assert await held.renew(100)
        clock.advance(100)
        shared.look()
        assert await slots.held("k") == 0
        assert not await held.release()

    run(main())


def test_who_waits_for_a_semaphore_in_vain_is_told_when_time_moves() -> None:
    async def main() -> None:
        shared = FakeSharedStore(clock := FakeClock())
        slots = shared.semaphore("slots", limit=1)
        await slots.hold("k", lease=300)
        waiting = asyncio.create_task(slots.acquire("k", wait=30))
        await asyncio.sleep(0)
        clock.advance(30)
        shared.look()
        assert await waiting is None

    run(main())


class Several:
    """Several processes' calls on one store, under one clock."""

    def __init__(self, number: int) -> None:
        self.clock = FakeClock(1000.0)
        self.store = Store()
        self.calls = [SharedStore(_Named(self.store, self.clock, f"w{one}")) for one in range(number)]


class _Named(DirectCarrier):
    def __init__(self, store: Store, clock: FakeClock, name: str) -> None:
        super().__init__(store, clock, lambda: asyncio.get_running_loop().create_future(), name)


def test_leased_counters_add_up_and_are_read_with_bounded_delay() -> None:
    async def main() -> None:
        several = Several(2)
        one, other = (calls.counter("hits", mode=Mode.LEASED) for calls in several.calls)
        assert [await one.add("k") for _ in range(3)] == [1, 2, 3]
        assert await other.get("k") == 1  # the first add was asked for, the others are not told yet
        several.calls[0].flush()
        assert await other.get("k") == 1
        several.clock.advance(STALE_SECONDS + 0.001)
        assert await other.get("k") == 3
        assert await other.add("k", 10) == 13
        several.calls[1].flush()
        assert all(calls.settled for calls in several.calls)
        assert several.calls[0].calls() == {"hits": {"local": 2, "asked": 1}}

    run(main())


def test_leased_adds_prolong_by_what_the_prolonging_one_said() -> None:
    async def main() -> None:
        several = Several(1)
        hits = several.calls[0].counter("hits", mode=Mode.LEASED)
        await hits.add("k", expires=10)
        await hits.add("k", expires=60, prolong=True)
        await hits.add("k")
        several.calls[0].flush()
        several.clock.advance(59)
        assert await hits.get("k") == 3
        several.clock.advance(1)
        assert await hits.get("k") == 0

    run(main())


def test_leased_spaces_take_no_more_nonsense_than_exact_ones() -> None:
    async def main() -> None:
        several = Several(1)
        (calls,) = several.calls
        hits = calls.counter("hits", mode=Mode.LEASED)
        sends = calls.rate("sends", mode=Mode.LEASED, limit=100, span=3600.0)
        for _ in range(20):
            await hits.add("k")
            assert await sends.take("k")
        for by, expires in ((1.5, None), (True, None), ("1", None), (1, -1), (1, "x")):
            with pytest.raises(BadRequest):
                await hits.add("k", by, expires=expires)  # type: ignore[arg-type]
        for number in (0, -5, 0.5, True):
            with pytest.raises(BadRequest):
                await sends.take("k", number)  # type: ignore[arg-type]
        calls.flush()
        assert await hits.get("k") == 20
        await hits.add("k", 1 << 60)
        calls.flush()
        assert calls.lost == 1 << 60
        assert await hits.get("k") == 20

    run(main())


def test_what_the_store_did_not_answer_is_counted_as_lost_and_not_told_twice() -> None:
    class Deaf(_Named):
        def say(self, code: str, space: str, key: str, *args: Any, done: Any) -> None:
            if code == "add":
                done(StoreUnavailable("no answer"))
            else:
                super().say(code, space, key, *args, done=done)

    async def main() -> None:
        store, clock = Store(), FakeClock()
        shared = SharedStore(Deaf(store, clock, "w"))
        hits = shared.counter("hits", mode=Mode.LEASED)
        await hits.add("k")
        await hits.add("k", 4)
        shared.flush()
        assert (shared.lost, shared.settled) == (4, True)
        assert await hits.get("k") == 1

    run(main())


def test_leased_adds_outlive_a_space_the_store_forgot() -> None:
    async def main() -> None:
        several = Several(1)
        hits = several.calls[0].counter("hits", mode=Mode.LEASED)
        await hits.add("k")
        await hits.add("k", 2)
        several.store.shelves.clear()
        several.calls[0].flush()
        several.calls[0].flush()
        assert several.calls[0].settled
        assert several.store.shelves["hits"].peek("k").total == 2  # type: ignore[union-attr]

    run(main())


def test_leased_answers_are_as_old_as_declared_and_ones_own_changes_are_seen_at_once() -> None:
    async def main() -> None:
        several = Several(2)
        one, other = (calls.set("s", mode=Mode.LEASED, fresh_for=5.0) for calls in several.calls)
        assert not await other.contains("k", "m")
        await one.add("k", "m")
        assert await one.contains("k", "m")
        assert not await other.contains("k", "m")
        several.clock.advance(5.01)
        assert await other.contains("k", "m")
        await other.clear("k")
        assert not await other.contains("k", "m")
        mine, theirs = (calls.value("v", mode=Mode.LEASED, fresh_for=5.0) for calls in several.calls)
        await mine.put("k", 1)
        assert await theirs.get("k") == 1
        assert await mine.compare_and_set("k", 1, 2)
        assert await mine.get("k") == 2
        assert await theirs.get("k") == 1
        several.clock.advance(5.01)
        assert await theirs.get("k") == 2
        await theirs.clear("k")
        assert await theirs.get("k") is None

    run(main())


def test_a_leased_rate_answers_floods_itself() -> None:
    async def main() -> None:
        several = Several(1)
        (calls,) = several.calls
        sends = calls.rate("sends", mode=Mode.LEASED, limit=1000, span=3600.0)
        taken = sum([bool(await sends.take("k")) for _ in range(1500)])
        assert taken == 1000
        counted = calls.calls()["sends"]
        assert counted["asked"] < 60
        refused = await sends.take("k")
        assert not refused.allowed
        assert refused.retry_after is not None
        assert refused.retry_after > 3000

    run(main())


def test_tokens_nobody_used_in_time_go_back() -> None:
    async def main() -> None:
        several = Several(2)
        one, other = (calls.rate("sends", mode=Mode.LEASED, limit=10, span=3600.0) for calls in several.calls)
        for _ in range(4):
            await one.take("k")
        held = 10 - 4 - sum([bool(await other.take("k", 1)) for _ in range(10)])
        assert held >= 0
        several.clock.advance(2.0)
        for calls in several.calls:
            calls.flush()
        assert await other.taken("k") == 10 - held
        assert sum([bool(await other.take("k")) for _ in range(10)]) == held

    run(main())


class LeasedRates(RuleBasedStateMachine):
    """Three processes take from one rate, in any order and at any time: never more than the limit in any span."""

    def __init__(self) -> None:
        super().__init__()
        self.several = Several(3)
        self.rates = [calls.rate("r", mode=Mode.LEASED, limit=20, span=16.0) for calls in self.several.calls]
        self.exact = self.several.calls[0]
        self.events: list[float] = []

    def take(self, place: int, number: int) -> Taken:
        async def main() -> Taken:
            return await self.rates[place].take("k", number)

        return asyncio.run(main())

    @rule(place=st.integers(0, 2), number=st.integers(1, 3), times=st.integers(1, 12))
    def takes(self, place: int, number: int, times: int) -> None:
        for _ in range(times):
            if self.take(place, number):
                self.events += [self.several.clock()] * number

    @rule(seconds=st.sampled_from([0.01, 0.3, 0.9, 1.0, 1.1, 3.0, 15.0, 16.0]))
    def time_passes(self, seconds: float) -> None:
        self.several.clock.advance(seconds)

    @rule(place=st.integers(0, 2))
    def flush(self, place: int) -> None:
        self.several.calls[place].flush()

    @invariant()
    def no_span_has_more_than_the_limit(self) -> None:
        for end in self.events[-60:]:
            assert sum(1 for one in self.events if end - 16.0 < one <= end) <= 20


TestLeasedRates = LeasedRates.TestCase
TestLeasedRates.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_flushing_is_quicker_than_staleness() -> None:
    assert FLUSH_SECONDS < STALE_SECONDS

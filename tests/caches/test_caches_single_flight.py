"""Caches: one computation for all who ask, times, limits, and what is told when it fails."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from danelaw.caches import Cache, CacheError, Caches, together
from danelaw.testing import FakeClock


class Oracle:
    """Computes when told to, and counts how often it was asked."""

    def __init__(self) -> None:
        self.asked = 0
        self.answers: list[asyncio.Future[Any]] = []

    async def __call__(self) -> Any:
        self.asked += 1
        future: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.answers.append(future)
        return await future


async def settled() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


def cache(clock: FakeClock, **settings: Any) -> Cache[Any]:
    return Cache("test", clock=clock, **{"ttl": 60.0, **settings})


async def _given(value: Any) -> Any:
    return value


def run(work: Coroutine[Any, Any, None]) -> None:
    asyncio.run(work)


def test_many_who_ask_at_once_wait_for_one_computation() -> None:
    async def main() -> None:
        known, oracle = cache(FakeClock()), Oracle()
        tasks = [asyncio.create_task(known.get("k", oracle)) for _ in range(100)]
        await settled()
        assert (oracle.asked, known.in_flight) == (1, 1)
        oracle.answers[0].set_result("v")
        assert await asyncio.gather(*tasks) == ["v"] * 100
        assert (known.misses, known.joined, known.hits, known.in_flight) == (1, 99, 0, 0)
        assert await known.get("k", oracle) == "v"
        assert (oracle.asked, known.hits) == (1, 1)

    run(main())


def test_a_failure_is_told_to_all_and_is_not_kept() -> None:
    async def main() -> None:
        known, oracle = cache(FakeClock()), Oracle()
        tasks = [asyncio.create_task(known.get("k", oracle)) for _ in range(3)]
        await settled()
        oracle.answers[0].set_exception(OSError("no"))
        found = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(one) for one in found] == [OSError] * 3
        assert await known.get("k", lambda: _given("v")) == "v"
        assert known.failures == 1

    run(main())


def test_a_failure_is_kept_when_asked_to() -> None:
    async def main() -> None:
        clock = FakeClock()
        known = cache(clock, failure_ttl=5.0)

        async def fail() -> Any:
            raise OSError("no")

        for _ in range(2):
            with pytest.raises(OSError, match="no"):
                await known.get("k", fail)
        assert (known.failures, known.hits) == (1, 1)
        assert known.peek("k") is None
        clock.advance(5)
        assert await known.get("k", lambda: _given("v")) == "v"

    run(main())


def test_a_caller_who_gives_up_does_not_end_it_for_others_and_the_last_one_does() -> None:
    async def main() -> None:
        known, oracle = cache(FakeClock()), Oracle()
        first, second = (asyncio.create_task(known.get("k", oracle)) for _ in range(2))
        await settled()
        first.cancel()
        await settled()
        assert not oracle.answers[0].cancelled()
        second.cancel()
        third = asyncio.create_task(known.get("k", oracle))
        await settled()
        assert oracle.answers[0].cancelled()
        oracle.answers[1].set_result("v")
        assert await third == "v"

    run(main())


def test_values_have_their_time_and_negative_ones_their_own() -> None:
    async def main() -> None:
        clock = FakeClock()
        known = cache(clock, negative_ttl=5.0)
        await known.get("there", lambda: _given("v"))
        await known.get("absent", lambda: _given(None))
        clock.advance(5)
        oracle = Oracle()
        assert await known.get("there", oracle) == "v"
        again = asyncio.create_task(known.get("absent", oracle))
        await settled()
        assert oracle.asked == 1
        oracle.answers[0].set_result("now")
        assert await again == "now"
        clock.advance(60)
        assert known.peek("there") is None

    run(main())


def test_an_old_value_is_given_while_a_new_one_is_computed_and_stays_when_that_fails() -> None:
    async def main() -> None:
        clock = FakeClock()
        known, oracle = cache(clock, stale_for=30.0), Oracle()
        await known.get("k", lambda: _given("old"))
        clock.advance(60)
        assert await known.get("k", oracle) == "old"
        assert await known.get("k", oracle) == "old"
        await settled()
        assert (oracle.asked, known.stale) == (1, 2)
        oracle.answers[0].set_exception(OSError("no"))
        await settled()
        assert await known.get("k", oracle) == "old"
        await settled()
        oracle.answers[1].set_result("new")
        await settled()
        assert await known.get("k", oracle) == "new"

    run(main())


def test_a_function_is_wrapped_and_its_arguments_are_the_key() -> None:
    async def main() -> None:
        known, asked = cache(FakeClock()), []

        async def size_of(name: str, *, unit: int = 1) -> int:
            """How long a name is."""
            asked.append(name)
            return len(name) * unit

        cached = known.wrap(size_of)
        assert [await cached("a"), await cached("a"), await cached("bb", unit=2), await cached("bb", unit=2)] == [
            1,
            1,
            4,
            4,
        ]
        assert asked == ["a", "bb"]
        assert cached.__doc__ == "How long a name is."

    run(main())


def test_what_was_begun_before_a_clear_is_told_but_not_kept() -> None:
    async def main() -> None:
        known, oracle = cache(FakeClock()), Oracle()
        asking = asyncio.create_task(known.get("k", oracle))
        await settled()
        known.clear()
        oracle.answers[0].set_result("old")
        assert await asking == "old"
        assert await known.get("k", lambda: _given("new")) == "new"
        known.put("k", "put")
        assert known.peek("k") == "put"
        assert known.forget("k")
        assert not known.forget("k")

    run(main())


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 400)), max_size=60))
def test_a_cache_keeps_its_limits_and_the_value_used_last(puts: list[tuple[int, int]]) -> None:
    known = cache(FakeClock(), entries=3, octets=2000)
    for key, size in puts:
        known.put(key, "x" * size)
        assert len(known.contents) <= 3
        assert known.contents.octets <= 2000
        assert known.peek(key) == "x" * size
        assert known.contents.octets == sum(entry.octets for _, entry in known.contents.items())


def test_a_value_larger_than_the_cache_is_not_kept() -> None:
    known = cache(FakeClock(), octets=500)
    known.put("k", "x" * 1000)
    assert known.peek("k") is None


def test_caches_are_listed_shown_and_cleared_by_name() -> None:
    clock = FakeClock()
    caches = Caches(clock)
    lists = caches.cache("lists", ttl=60)
    lists.put(("a", 1), "v")
    lists.put("b", None)
    (row,) = caches.listed()["caches"]
    assert (row["name"], row["entries"]) == ("lists", 2)
    shown = caches.shown("lists", "a", 10)["entries"]
    assert [(one["key"], one["value"], one["fresh_for"]) for one in shown] == [("('a', 1)", "v", 60.0)]
    assert caches.clear("lists", "('a', 1)") == 1
    assert caches.clear("lists", None) == 1
    with pytest.raises(CacheError):
        caches.clear("others", None)
    with pytest.raises(CacheError):
        caches.cache("No Name", ttl=1)


def test_the_numbers_of_several_processes_are_added_up() -> None:
    one, other = Caches(FakeClock()), Caches(FakeClock())
    one.cache("a", ttl=1).put("k", 1)
    other.cache("a", ttl=1).put("k", 1)
    other.cache("b", ttl=1)
    found = together([one.listed(), other.listed()])["caches"]
    assert [(row["name"], row["entries"]) for row in found] == [("a", 2), ("b", 0)]

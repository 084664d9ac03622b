"""`@cached`: one call however many wait, kept for its time, failures told and not kept."""

from __future__ import annotations

import asyncio
import threading
from pathlib import Path

import pytest
from tests.ends import run

from danelaw.caches import Caches
from danelaw.policy import DeclarationError, Library, LibraryError, cached
from danelaw.policy.cached import CachedFunction
from danelaw.scripting.caching import FunctionCache, bind
from danelaw.scripting.errors import PolicyError
from danelaw.scripting.guard import GUARD
from danelaw.scripting.loading import load
from danelaw.testing import FakeClock


def library() -> Library:
    """One that is only passed on."""
    nothing: dict[str, object] = dict.fromkeys(Library.__dataclass_fields__)
    return Library(**nothing)  # type: ignore[arg-type]


def bound(function: CachedFunction[..., object], clock: FakeClock | None = None, **more: float) -> FunctionCache:
    bind([function], Caches(clock or FakeClock()), **more)
    assert isinstance(function.cache, FunctionCache)
    return function.cache


def test_a_hundred_at_once_cost_one_call() -> None:
    calls: list[str] = []

    @cached(ttl=60)
    async def reputation(library: Library, address: str) -> int:
        calls.append(address)
        await asyncio.sleep(0)
        return 7

    cache = bound(reputation)

    async def play() -> None:
        assert set(await asyncio.gather(*(reputation(library(), "192.0.2.1") for _ in range(100)))) == {7}
        assert await reputation(library(), "192.0.2.1") == 7
        assert await reputation(library(), address="192.0.2.1") == 7

    run(play())
    assert calls == ["192.0.2.1"] * 2  # by name it is another key
    kept = cache.cache
    assert (kept.hits, kept.joined, kept.misses, len(kept.contents)) == (1, 99, 2, 2)


def test_results_are_kept_for_their_time_and_empty_ones_for_theirs() -> None:
    clock, calls = FakeClock(), []

    @cached(ttl=60, negative_ttl=5)
    async def members(name: str) -> list[str]:
        calls.append(name)
        return [] if name == "none" else [name]

    bound(members, clock)

    async def play() -> None:
        for name in ("a", "none"):
            await members(name)
        clock.advance(4.9)
        assert await members("none") == []
        assert calls == ["a", "none"]
        clock.advance(0.1)
        await members("none")
        clock.advance(54.9)
        await members("a")
        assert calls == ["a", "none", "none"]
        clock.advance(0.2)
        await members("a")
        members.forget("a")
        await members("a")
        assert calls[3:] == ["a", "a"]

    run(play())


def test_a_failure_is_told_to_all_who_wait_and_not_kept() -> None:
    answers = [LibraryError("away"), 7]

    @cached(ttl=60)
    async def asked() -> object:
        await asyncio.sleep(0)
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    cache = bound(asked)

    async def play() -> None:
        said = await asyncio.gather(*(asked() for _ in range(3)), return_exceptions=True)
        assert [str(one) for one in said] == ["away"] * 3
        assert await asked() == 7

    run(play())
    assert cache.cache.misses == 2


def test_who_gives_up_does_not_take_the_result_from_others() -> None:
    async def play() -> None:
        go = asyncio.Event()

        @cached(ttl=60)
        async def slow() -> int:
            await go.wait()
            return 7

        bound(slow)
        first = asyncio.create_task(slow())
        await asyncio.sleep(0)
        second = asyncio.create_task(slow())
        await asyncio.sleep(0)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        go.set()
        assert await second == 7

    run(play())


def test_the_longest_unused_goes_when_there_are_too_many() -> None:
    calls = []

    @cached(ttl=60, max_entries=2)
    async def one(key: int) -> int:
        calls.append(key)
        return key

    bound(one)

    async def play() -> None:
        for key in (1, 2, 1, 3, 1, 2):
            await one(key)

    run(play())
    assert calls == [1, 2, 3, 2]


def test_what_is_computed_has_its_own_limits() -> None:
    assert threading.current_thread() is threading.main_thread()
    GUARD.install()
    try:

        @cached(ttl=60)
        async def endless() -> None:
            while True:
                pass

        @cached(ttl=60)
        async def mute() -> None:
            await asyncio.Event().wait()

        bound(endless, cpu=0.02)
        bound(mute, seconds=0.01)

        async def play() -> None:
            with pytest.raises(LibraryError, match=r"endless worked for more than 0\.02 s"):
                await endless()
            with pytest.raises(LibraryError, match=r"mute gave no result within 0\.01 s"):
                await mute()

        run(play())
    finally:
        GUARD.remove()


def test_forgetting_while_a_call_is_under_way_keeps_nothing_old() -> None:
    async def play() -> None:
        go, answers = asyncio.Event(), [1, 2]

        @cached(ttl=60)
        async def asked() -> int:
            answer = answers.pop(0)
            await go.wait()
            return answer

        bound(asked)
        old = asyncio.create_task(asked())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        asked.forget()
        new = asyncio.create_task(asked())
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        go.set()
        assert (await old, await new, await asked()) == (1, 2, 2)

    run(play())


def test_what_cannot_be_cached_is_told() -> None:
    @cached(ttl=1)
    async def asked(names: list[str]) -> int:
        return len(names)

    bound(asked)
    with pytest.raises(LibraryError, match="asked cannot be cached by its arguments: unhashable"):
        run(asked(["a"]))
    with pytest.raises(DeclarationError, match="no coroutine function"):
        cached(ttl=1)(lambda: None)  # type: ignore[arg-type,return-value]
    for wrong in ({"ttl": 0.0}, {"ttl": 1, "negative_ttl": -1}, {"ttl": 1, "max_entries": 0}):
        with pytest.raises(DeclarationError):
            cached(**wrong)(asked.function)  # type: ignore[arg-type]


def test_outside_a_policy_every_call_asks_and_a_loaded_policy_has_its_caches(tmp_path: Path) -> None:
    calls = []

    @cached(ttl=1)
    async def asked() -> int:
        calls.append(1)
        return len(calls)

    async def twice() -> tuple[int, int]:
        return await asked(), await asked()

    assert run(twice()) == (1, 2)
    (tmp_path / "one.py").write_text(
        "from danelaw.policy import cached\n@cached(ttl=5)\nasync def known(name: str) -> str:\n    return name\n"
    )
    (function,) = load(tmp_path).caches
    assert (function.name, function.ttl, function.negative_ttl) == ("known", 5, 5)
    assert isinstance(function.cache, FunctionCache)


def test_caches_of_a_policy_are_among_the_gateways() -> None:
    @cached(ttl=7)
    async def _Known(name: str) -> str:
        return name

    caches = Caches(FakeClock())
    bind([_Known], caches)
    run(_Known("a"))
    (listed,) = caches.listed()["caches"]
    assert (listed["name"], listed["ttl"], listed["misses"], listed["entries"]) == ("known", 7, 1, 1)
    assert caches.clear("known", None) == 1

    async def façade() -> None: ...

    with pytest.raises(PolicyError, match="@cached façade: 'façade' is no name of a cache"):
        bind([cached(ttl=1)(façade)])

"""Shared state as scripts have it: the store's own calls, typed, with the library's errors and traces."""

from __future__ import annotations

import asyncio

import pytest
from tests.ends import run, until

from danelaw.policy import LibraryError
from danelaw.policy.state import State
from danelaw.scripting.calling import CALLING, Calling
from danelaw.scripting.driving import Driven
from danelaw.scripting.guard import GUARD
from danelaw.scripting.library.state import SharedState
from danelaw.testing import FakeClock, FakeSharedStore


def test_every_kind_of_space_works_and_time_passes_for_it() -> None:
    async def play() -> None:
        clock = FakeClock()
        store = FakeSharedStore(clock)
        state: State = SharedState(store)
        counter = state.counter("logins")
        assert [await counter.add("a"), await counter.add("a", 2, expires=60), await counter.get("a")] == [1, 3, 3]
        await counter.clear("a")
        assert await state.counter("logins").get("a") == 0

        rate = state.rate("per-user", limit=2, span=60)
        taken = [bool(await rate.take("u")) for _ in range(3)]
        assert taken == [True, True, False]
        assert (await rate.take("u", limit=3)).allowed
        assert await rate.taken("u") == 3
        clock.advance(120)
        store.look()
        assert await state.rate("per-user").take("u")

        names = state.set("suppressed")
        assert await names.add("all", "b", expires=10)
        assert not await names.add("all", "b", expires=10)
        assert (await names.size("all"), await names.members("all")) == (1, ["b"])
        clock.advance(11)
        store.look()
        assert not await names.contains("all", "b")
        assert not await names.remove("all", "b")

        flags = state.value("flags")
        await flags.put("x", {"on": [1, 2]})
        assert await flags.get("x") == {"on": [1, 2]}
        assert not await flags.compare_and_set("x", 1, 2)
        assert await flags.get("y", "nothing") == "nothing"

        scans = state.semaphore("scans", limit=1)
        async with await scans.hold("all"):
            assert await scans.acquire("all") is None
            with pytest.raises(LibraryError):
                await scans.hold("all")
            assert await scans.held("all") == 1
        held = await scans.acquire("all", lease=5)
        assert held is not None
        assert await held.renew(6)
        assert await held.release()

    run(play())


def test_what_the_store_refuses_is_the_librarys_error() -> None:
    async def play() -> None:
        state = SharedState(FakeSharedStore(FakeClock()))
        state.counter("a")
        with pytest.raises(LibraryError, match="space a is a counter, not a set"):
            state.set("a")
        with pytest.raises(LibraryError, match="is no name of a space"):
            state.counter("A B")
        with pytest.raises(LibraryError, match="declare its limit and its span"):
            state.rate("r")
        with pytest.raises(LibraryError, match='write "exact" or "leased"'):
            state.counter("b", mode="fast")  # type: ignore[arg-type]
        with pytest.raises(LibraryError):
            await state.value("v").put("k", "x" * 5000)

    run(play())


def test_leased_spaces_answer_at_once_and_never_beyond_their_limit() -> None:
    async def play() -> None:
        state = SharedState(FakeSharedStore(FakeClock()))
        rate = state.rate("r", limit=50, span=60, mode="leased")
        taken = await asyncio.gather(*(rate.take("k") for _ in range(120)))
        assert sum(map(bool, taken)) == 50

    run(play())


def test_traces_name_the_space() -> None:
    async def play() -> None:
        CALLING.set(calling := Calling("hook", "", []))
        await SharedState(FakeSharedStore(FakeClock())).counter("logins").add("a", expires=60)
        assert calling.calls is not None
        (call,) = calling.calls
        assert call[:3] == ("state.counter.add", "logins, 'a', expires=60", "1")

    run(play())


def test_settings_that_return_count_again() -> None:
    """A policy that is rolled back declares its old limit once more."""
    store = FakeSharedStore(FakeClock())
    state = SharedState(store)
    for limit in (1, 2, 1):
        first = state.rate("r", limit=limit, span=60)
        assert state.rate("r", limit=limit, span=60) is first
        assert [space.limit for space in store.spaces] == [limit]
    assert state.rate("r") is not first


def test_a_call_that_waits_needs_no_task_to_begin() -> None:
    """Hooks are begun by hand; only one that waits goes on in a task."""

    async def play() -> None:
        scans = SharedState(FakeSharedStore(FakeClock())).semaphore("scans", limit=1)
        held = await scans.hold("all")

        async def hook() -> bool:
            async with await scans.hold("all", wait=5):
                return True

        driven: list[Driven] = []

        def begin() -> None:
            driven.append(Driven(hook(), GUARD, 1.0))
            driven[0].begin()

        asyncio.get_running_loop().call_soon(begin)
        await until(lambda: driven, "the hook")
        assert not driven[0].is_done
        await held.release()
        await driven[0]
        assert driven[0].result is True

    run(play())

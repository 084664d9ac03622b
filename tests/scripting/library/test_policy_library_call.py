"""What calls of the library have in common: the shield against the guard, and what traces keep of them."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.ends import run

from danelaw.policy import LibraryError
from danelaw.scripting.calling import CALLING, MOST_CALLS, Calling
from danelaw.scripting.driving import Driven
from danelaw.scripting.guard import GUARD, Overrun
from danelaw.scripting.library.call import library_call
from danelaw.scripting.library.short import LONGEST, in_short


@pytest.fixture
def _guarded() -> Iterator[None]:
    assert threading.current_thread() is threading.main_thread()
    with GUARD.installed():
        yield


class Part:
    """Works too long in the middle of a change, before and behind a wait."""

    def __init__(self) -> None:
        self.steps: list[str] = []

    def _burn(self) -> None:
        """Until the guard would have stopped a script: its signal has come and waits for the shield to end."""
        while not GUARD._pending:
            pass

    @library_call("part.change")
    async def change(self, what: str) -> str:
        self.steps.append("begun")
        self._burn()
        self.steps.append("half")
        await asyncio.sleep(0)
        self.steps.append("done")
        return what

    @library_call("part.ends_late")
    async def ends_late(self) -> None:
        await asyncio.sleep(0)
        self._burn()
        self.steps.append("done")

    @library_call("part.at_once")
    def at_once(self) -> None:
        self.steps.append("begun")
        self._burn()
        self.steps.append("done")

    @library_call("part.fails", hides=frozenset({"key"}))
    async def fails(self, name: str, *, key: str) -> None:
        raise LibraryError(f"{name} is away")

    @library_call("part.secret", hides_result=True)
    def secret(self, name: str) -> str:
        return "hunter2"


def stopped(script: Any) -> None:
    """Run a script's coroutine as hooks are run, and insist that the guard stops it."""

    async def play() -> None:
        driven = Driven(script, GUARD, 0.02)
        driven.begin()
        await driven

    with pytest.raises(Overrun):
        run(play())


@pytest.mark.usefixtures("_guarded")
@pytest.mark.parametrize("name", ["change", "ends_late", "at_once"])
def test_an_overrun_within_a_call_is_told_behind_it_and_the_call_is_whole(name: str) -> None:
    part, behind = Part(), []

    async def script() -> None:
        try:
            called = part.change("it") if name == "change" else getattr(part, name)()
            if called is not None:
                await called
            behind.append("went on")
        finally:
            behind.append("ended")

    stopped(script())
    assert part.steps[-1] == "done"
    assert behind == ["ended"]


@pytest.mark.usefixtures("_guarded")
def test_a_script_is_stopped_in_its_own_code_between_calls() -> None:
    part = Part()

    async def script() -> None:
        assert part.secret("x") == "hunter2"
        await asyncio.sleep(0)
        while True:
            pass

    stopped(script())


@pytest.mark.usefixtures("_guarded")
def test_waiting_in_a_call_leaves_no_shield_for_others() -> None:
    turn: list[asyncio.Future[None]] = []

    class Waiting:
        @library_call("waiting.wait")
        async def wait(self) -> None:
            turn.append(asyncio.get_running_loop().create_future())
            await turn[0]

    async def play() -> None:
        first = Driven(Waiting().wait(), GUARD, 0.02)
        assert not first.begin()

        async def endless() -> None:
            while True:
                pass

        with pytest.raises(Overrun):
            Driven(endless(), GUARD, 0.02).begin()
        turn[0].set_result(None)
        await first
        assert first.is_done

    run(play())


def test_a_call_can_be_cancelled_while_it_waits_and_cleans_up() -> None:
    steps = []

    class Slow:
        @library_call("slow.wait")
        async def wait(self) -> None:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                await asyncio.sleep(0)
                steps.append("cleaned")
                raise

    async def play() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await Slow().wait()
        task = asyncio.create_task(Slow().wait())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    async def closed() -> None:
        waiting = Slow().wait()
        waiting.send(None)
        waiting.close()

    run(closed())
    assert steps == []
    run(play())
    assert steps[:2] == ["cleaned", "cleaned"]


def test_what_was_called_is_kept_where_somebody_wants_to_know() -> None:
    calling = Calling("hook", "id", [])

    async def play() -> None:
        CALLING.set(calling)
        part = Part()
        with pytest.raises(LibraryError):
            await part.fails("it", key="hunter2")
        part.secret("api")
        CALLING.set(Calling("hook"))
        part.secret("not kept")
        for _ in range(MOST_CALLS):
            calling.add(calling.calls[0])  # type: ignore[index]

    run(play())
    assert calling.calls is not None
    assert [call[:3] for call in calling.calls[:2]] == [
        ("part.fails", "'it', key=…", "LibraryError: it is away"),
        ("part.secret", "'api'", "…"),
    ]
    assert [call.failed for call in calling.calls[:2]] == [True, False]
    assert len(calling.calls) == MOST_CALLS
    assert "hunter2" not in repr(calling.calls)


@given(
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(), st.binary(max_size=500)),
        lambda inner: st.one_of(st.lists(inner), st.dictionaries(st.text(), inner), st.tuples(inner, inner)),
    )
)
def test_words_for_values_are_short_whatever_they_are(value: object) -> None:
    assert len(in_short(value)) <= 12 * LONGEST


def test_words_for_values_say_what_they_are() -> None:
    assert in_short("a") == "'a'"
    assert in_short({"a": [1, 2]}) == "{'a': [1, 2]}"
    assert in_short(b"x" * 5000).endswith("… (5000 octets)")
    assert in_short(list(range(9))) == "[0, 1, 2, 3, 4, 5, …]"
    assert in_short(object()) == "object"
    assert in_short([[[[[1]]]]]) == "[[[[…]]]]"

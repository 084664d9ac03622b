"""A step has its time, and needs no timer when it does not wait."""

from __future__ import annotations

import asyncio

import pytest
from tests.ends import run

from danelaw.inbound.within import within


async def immediate() -> int:
    return 7


async def waits(gate: asyncio.Event) -> int:
    await asyncio.sleep(0)
    await gate.wait()
    return 8


def test_what_does_not_wait_sets_no_timer(monkeypatch: pytest.MonkeyPatch) -> None:
    def no_timer(seconds: float) -> None:
        raise AssertionError("a timer was set")

    async def play() -> None:
        monkeypatch.setattr(asyncio, "timeout", no_timer)
        assert await within(1.0, immediate()) == 7

    run(play())


def test_what_waits_gives_its_result_and_its_faults() -> None:
    async def play() -> None:
        gate = asyncio.Event()
        work = asyncio.ensure_future(within(60.0, waits(gate)))
        await asyncio.sleep(0)
        gate.set()
        assert await work == 8

        async def fails() -> None:
            await asyncio.sleep(0)
            raise ValueError("a fault")

        with pytest.raises(ValueError, match="a fault"):
            await within(60.0, fails())

    run(play())


def test_what_takes_too_long_is_ended() -> None:
    ended: list[str] = []

    async def slow() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("ended")

    async def play() -> None:
        with pytest.raises(TimeoutError):
            await within(0.0, slow())

    run(play())
    assert ended == ["ended"]


def test_a_cancellation_reaches_it_and_a_time_of_its_own_is_its_own() -> None:
    heard: list[str] = []

    async def listening() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            heard.append("cancelled")
            raise

    async def own() -> str:
        try:
            async with asyncio.timeout(0):
                await asyncio.Event().wait()
        except TimeoutError:
            return "its own"
        return "never"

    async def play() -> None:
        work = asyncio.ensure_future(within(60.0, listening()))
        await asyncio.sleep(0)
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        assert await within(60.0, own()) == "its own"

    run(play())
    assert heard == ["cancelled"]

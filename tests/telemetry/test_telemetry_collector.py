"""The garbage collector rests while much is made, and looks again afterwards."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator

import pytest
from tests.ends import run, until

from danelaw.telemetry import collector
from danelaw.telemetry.collector import CollectorRest


@pytest.fixture(autouse=True)
def _looks() -> Iterator[None]:
    """The collector is the process's: a loop of another test may have ended while it rested."""
    gc.enable()
    yield
    gc.enable()


def test_it_rests_and_looks_again_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    async def play() -> None:
        rest = CollectorRest()
        rest.begin()
        rest.begin()
        assert not gc.isenabled()
        await until(gc.isenabled, "the end of the rest")

    monkeypatch.setattr(collector, "REST_SECONDS", 0.02)
    run(play())


def test_a_rest_that_is_asked_for_again_and_again_has_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    async def play() -> None:
        rest = CollectorRest()
        rest.begin()
        latest = asyncio.get_running_loop().time() + 3.0
        for _ in range(5):
            rest.begin()
            assert rest.until is not None
            assert rest.until <= latest
        rest.end()
        assert rest.until is None

    monkeypatch.setattr(collector, "MOST_SECONDS", 3.0)
    run(play())


def test_it_can_be_ended_and_an_end_without_a_rest_changes_nothing() -> None:
    async def play() -> None:
        rest = CollectorRest()
        rest.end()
        assert gc.isenabled()
        rest.begin()
        rest.end()
        assert gc.isenabled()

    run(play())

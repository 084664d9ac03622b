"""A crowd of handshakes waits in line, and who dawdles keeps nobody out."""

from __future__ import annotations

import asyncio

import pytest
from tests.ends import run

from danelaw.errors import DanelawError
from danelaw.inbound.handshakes import Handshakes

FOREVER = 1000.0


def test_only_so_many_are_under_way_and_the_others_follow_in_their_order() -> None:
    async def play() -> None:
        handshakes = Handshakes(2)
        order: list[int] = []

        async def client(number: int) -> object:
            place = await handshakes.begin(FOREVER)
            order.append(number)
            assert handshakes.under_way <= 2
            return place

        first, second = await client(0), await client(1)
        others = [asyncio.ensure_future(client(number)) for number in (2, 3, 4)]
        await asyncio.sleep(0)
        assert (handshakes.under_way, handshakes.waiting) == (2, 3)
        handshakes.ended(first)
        handshakes.ended(first)  # told twice is told once
        third = await others[0]
        assert order == [0, 1, 2]
        handshakes.ended(second)
        handshakes.ended(third)
        for place in await asyncio.gather(*others[1:]):
            handshakes.ended(place)
        assert order == [0, 1, 2, 3, 4]
        assert (handshakes.under_way, handshakes.waiting) == (0, 0)

    run(play())


def test_a_dawdlers_place_goes_to_the_next() -> None:
    async def play() -> None:
        handshakes = Handshakes(1)
        slow = await handshakes.begin(FOREVER)
        waiting = asyncio.ensure_future(handshakes.begin(FOREVER))
        await asyncio.sleep(0)
        now = asyncio.get_running_loop().time()
        handshakes.look(now + 1)
        assert not waiting.done()
        handshakes.look(now + 3)
        await waiting
        handshakes.ended(slow)  # it has none to give back
        assert handshakes.under_way == 1

    run(play())


def test_who_waits_too_long_or_leaves_takes_no_place() -> None:
    async def play() -> None:
        handshakes = Handshakes(1)
        place = await handshakes.begin(FOREVER)
        with pytest.raises(DanelawError, match="in time"):
            await handshakes.begin(0.0)
        left = asyncio.ensure_future(handshakes.begin(FOREVER))
        stays = asyncio.ensure_future(handshakes.begin(FOREVER))
        await asyncio.sleep(0)
        handshakes.ended(place)  # the turn of the one who leaves just now
        left.cancel()
        await stays
        assert (handshakes.under_way, handshakes.waiting) == (1, 0)
        assert left.cancelled()

    run(play())

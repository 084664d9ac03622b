"""A message with more recipients than may be held at once: looked at, ended and shown in parts."""

from __future__ import annotations

import asyncio
from pathlib import Path

from spool_samples import BODY, NOW, Clock, sample

from danelaw.queue import RecipientResult, RecipientState, Settlement
from danelaw.spool import Spool, SpoolSettings, claims
from danelaw.spool.view import MOST_SHOWN, find_message, shown

MANY = MOST_SHOWN + 500


def test_lifetimes_and_delays_are_looked_at_in_parts(tmp_path: Path) -> None:
    async def run() -> None:
        spool = Spool.open(tmp_path, settings=SpoolSettings(reserve=0), clock=Clock())
        message = sample(spool, *(f"u{number}@example.org" for number in range(MANY)), lifetime=3600)
        await spool.append(message, BODY)
        (late,) = spool.late(NOW + 7200, 1800)
        assert len(late.recipients) == claims.MOST_AT_ONCE
        seen: list[int] = []
        clock = NOW + 40 * 86400
        while found := spool.expired(clock):
            numbers = [one.number for one in found[0].recipients]
            assert 0 < len(numbers) <= claims.MOST_AT_ONCE
            seen += numbers
            ended = tuple(RecipientResult(number, RecipientState.EXPIRED) for number in numbers)
            await spool.settle(Settlement(found[0], clock, ended))
        assert seen == list(range(MANY))
        assert find_message(spool.reader, message.id)[1]
        await spool.close()

    asyncio.run(run())


def test_those_who_were_not_reached_are_shown_first(tmp_path: Path) -> None:
    async def run() -> None:
        spool = Spool.open(tmp_path, settings=SpoolSettings(reserve=0), clock=Clock())
        message = sample(spool, *(f"u{number}@example.org" for number in range(MANY)))
        await spool.append(message, BODY)
        reached = tuple(RecipientResult(number, RecipientState.DELIVERED) for number in range(600))
        await spool.settle(Settlement(message, NOW, reached))
        before = shown(spool.reader, message.id, NOW)
        refused = tuple(RecipientResult(number, RecipientState.FAILED) for number in range(600, MANY))
        await spool.settle(Settlement(message, NOW, refused))
        after = shown(spool.reader, message.id, NOW)
        for told, state, finished in ((before, "waiting", False), (after, "returned", True)):
            recipients = told["recipients"]
            assert isinstance(recipients, list)
            assert told["recipient_count"] == MANY
            assert told["finished"] is finished
            assert len(recipients) == MOST_SHOWN
            assert {one["number"] for one in recipients if one["state"] == state} == set(range(600, MANY))
        await spool.close()

    asyncio.run(run())

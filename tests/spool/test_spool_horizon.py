"""The disk tells what becomes due soon, each queue once its time comes into view; a stop in order saves a search."""

from __future__ import annotations

import asyncio
import sqlite3
from pathlib import Path

import pytest

from danelaw.queue import QueuedMessage, QueuedRecipient, RecipientState, RoutingKey
from danelaw.spool import Spool, SpoolError, claims
from danelaw.spool.horizon import AT_ONCE

NOW = 1_795_000_000.0


def message(spool: Spool, due: float, *keys: str) -> QueuedMessage:
    recipients = tuple(QueuedRecipient(n, f"r{n}@{key}", RoutingKey(key), due=due) for n, key in enumerate(keys))
    return QueuedMessage(spool.new_id(), NOW, NOW + 1e6, "s@x.example", recipients, 10, len(recipients))


def test_each_queue_is_told_once_when_its_time_comes_into_view(tmp_path: Path) -> None:
    async def story() -> None:
        spool = Spool.open(tmp_path, clock=lambda: NOW)
        for due, key in ((NOW - 5, "past.example"), (NOW + 50, "soon.example"), (NOW + 500, "later.example")):
            await spool.append(message(spool, due, key), b"x")
        assert spool.coming_due(NOW + 60) == (
            [(RoutingKey("past.example"), NOW - 5), (RoutingKey("soon.example"), NOW + 50)], NOW + 60, True,
        )  # fmt: skip
        assert spool.coming_due(NOW + 60)[0] == []
        assert spool.coming_due(NOW + 600)[0] == [(RoutingKey("later.example"), NOW + 500)]
        spool.look_again()
        assert len(spool.coming_due(NOW + 600)[0]) == 3
        await spool.close()

    asyncio.run(story())


def test_very_many_come_in_parts_without_a_gap_between_equal_times(tmp_path: Path) -> None:
    async def story() -> None:
        spool = Spool.open(tmp_path, clock=lambda: NOW)
        names = [f"d{number}.example" for number in range(AT_ONCE + 10)]
        await spool.append(message(spool, NOW, *names), b"x")
        first, reached, complete = spool.coming_due(NOW + 60)
        assert (len(first), reached, complete) == (AT_ONCE, NOW, False)
        rest, reached, complete = spool.coming_due(NOW + 60)
        assert (len(rest), reached, complete) == (10, NOW + 60, True)
        assert {key.next_hop for key, _ in first + rest} == set(names)
        await spool.close()

    asyncio.run(story())


@pytest.mark.parametrize("orderly", [True, False])
def test_claims_of_a_process_that_died_are_looked_for_and_counted(tmp_path: Path, orderly: bool) -> None:
    async def story() -> None:
        spool = Spool.open(tmp_path, clock=lambda: NOW)
        await spool.append(message(spool, NOW, "a.example", "b.example"), b"x", claimed=True)
        await spool.close()

    asyncio.run(story())
    database = tmp_path / "shard-00/queue.db"
    with sqlite3.connect(database) as connection:
        assert connection.execute("SELECT sum(state) FROM recipient").fetchone() == (0,), "given back at the end"
        if not orderly:
            connection.execute("UPDATE recipient SET state = 1")
            connection.execute("DELETE FROM setting WHERE name = 'left in order'")
    connection.close()

    async def again() -> None:
        spool = Spool.open(tmp_path, clock=lambda: NOW)
        assert spool.recovered == (0 if orderly else 2)
        [claimed], _ = spool.claim(RoutingKey("a.example"), 5, NOW)
        assert claimed.recipients[0].state is RecipientState.QUEUED
        with spool.transaction() as writer:  # the word of the earlier process is no longer in the database
            assert writer.connection.execute("SELECT 1 FROM setting WHERE name = 'left in order'").fetchone() is None
        await spool.close()

    asyncio.run(again())


def test_one_message_with_thousands_of_recipients_is_claimed_in_parts(tmp_path: Path) -> None:
    async def story() -> None:
        spool = Spool.open(tmp_path, clock=lambda: NOW)
        await spool.append(message(spool, NOW, *["a.example"] * 1500), b"x")
        seen: list[int] = []
        parts = 0
        while True:
            taken, next_due = spool.claim(RoutingKey("a.example"), 16, NOW)
            if not taken:
                break
            parts += 1
            seen += [recipient.number for one in taken for recipient in one.recipients]
            assert (next_due is None) == (len(seen) == 1500)
        assert seen == list(range(1500))
        assert parts == 1500 // claims.MOST_RECIPIENTS
        await spool.close()

    asyncio.run(story())


def test_a_message_with_thousands_of_recipients_that_cannot_be_stored_fails_alone(tmp_path: Path) -> None:
    async def story() -> None:
        spool = Spool.open(tmp_path, clock=lambda: NOW)
        bad = message(spool, NOW, *["a.example"] * 1500)
        bad.recipients[7].number = 6  # twice the same: the database refuses it
        spool.observe(lambda messages, seconds: None)
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: None)
        bad_end = asyncio.ensure_future(spool.append(bad, b"x"))
        good_end = asyncio.ensure_future(spool.append(message(spool, NOW, "b.example"), b"x"))
        with pytest.raises(SpoolError, match="cannot be stored"):
            await bad_end
        await good_end
        with spool.transaction() as writer:
            assert writer.connection.execute("SELECT count(*) FROM recipient").fetchone() == (1,)
        await spool.close()

    asyncio.run(story())

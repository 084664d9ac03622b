"""Acts on messages with very many recipients: in pieces, each complete in itself, and over in the end."""

from __future__ import annotations

import asyncio
import itertools
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from tests.spool.spool_samples import BODY, KEY, NOW, Clock, sample, settled

from danelaw.queue import Filter, HostVerdict, Owed, QueuedMessage, RecipientState, Scheduler, Settlement
from danelaw.spool import Spool, SpoolSettings, acts, view
from danelaw.spool.acts import Act, perform
from danelaw.spool.batch import HEAVY
from danelaw.spool.operations import change
from danelaw.spool.patience import durable, unoccupied

COUNT = HEAVY + 3 * acts.STEP // 2
OPEN, FAILED, DROPPED, HELD = 0, int(RecipientState.FAILED), int(RecipientState.DROPPED), int(RecipientState.HELD)


def opened(directory: Path) -> Spool:
    return Spool.open(directory, settings=SpoolSettings(reserve=0), clock=Clock())


async def listed(spool: Spool, count: int = COUNT) -> QueuedMessage:
    """A message to so many at one destination, between two ordinary ones."""
    before, message = sample(spool), sample(spool, *(f"u{number}@example.org" for number in range(count)))
    for one in (before, message, sample(spool)):
        await spool.append(one, BODY)
    return message


def counted(spool: Spool, message: QueuedMessage) -> dict[int, int]:
    return dict(
        spool.reader.execute("SELECT state, count(*) FROM recipient WHERE message = ? GROUP BY state", (message.id,))
    )


class Owing:
    """What an engine would write down for senders of long lists."""

    def __init__(self) -> None:
        self.durable: list[int] = []

    def __call__(self, message: QueuedMessage, now: float) -> Settlement:
        return Settlement(message, now, owed=tuple(Owed(one.number, f"w{one.number}") for one in message.recipients))

    def stored(self, settlement: Settlement) -> None:
        self.durable += [one.number for one in settlement.owed]


def steps(spool: Spool, operation: str, text: str, **more: Any) -> Any:
    arguments = {"filter": text, "who": "eve", "why": "T-1"}
    return change(spool, operation, arguments, NOW, more.get("scheduler"), more.get("bounce"))


def test_a_long_list_is_dropped_piece_by_piece_and_is_history_then(tmp_path: Path) -> None:
    async def run() -> None:
        spool = opened(tmp_path)
        message = await listed(spool)
        totals = []
        for total in steps(spool, "drop", f"id:{message.id_text}"):
            totals.append(total)
            left = counted(spool, message)
            done = total["recipients"]
            if done < COUNT:
                assert left == {OPEN: COUNT - done, DROPPED: done}  # a piece that was told is on disk
            await unoccupied(spool.commits)
        assert [total["recipients"] for total in totals[:-1]] == [*range(acts.STEP, COUNT, acts.STEP), COUNT]
        assert {total["messages"] for total in totals} == {1}
        await spool._commits.drain()
        found, finished = view.find_message(spool.reader, message.id)
        assert finished
        assert {one.reason for one in found.recipients} == {"dropped by eve: T-1"}
        assert len(found.recipients) == COUNT
        assert counted(spool, message) == {}
        assert spool.reader.execute("SELECT messages FROM acts").fetchall() == [(1,)]
        assert len(spool.claim(KEY, 9, NOW)[0]) == 2  # the others
        await spool.close()

    asyncio.run(run())


@pytest.mark.parametrize("pieces", [1, 3, 6, 7])
def test_an_act_that_was_cut_short_by_a_crash_is_finished_by_the_same_act(tmp_path: Path, pieces: int) -> None:
    async def run() -> None:
        spool = opened(tmp_path)
        message = await listed(spool)
        done = list(itertools.islice(steps(spool, "fail", f"id:{message.id_text}", bounce=Owing()), pieces))[-1]
        # Dies here: nothing that waits in memory is stored.
        spool._commits._settlements.clear()
        spool._commits._actions.clear()
        spool._commits.stop()
        spool.close_now()
        spool = opened(tmp_path)
        left = counted(spool, message)
        whole = done["recipients"] - (done["recipients"] == COUNT) * (COUNT % acts.STEP or acts.STEP)
        assert left == {FAILED: whole, OPEN: COUNT - whole}
        owed = spool.reader.execute("SELECT count(*) FROM owed WHERE message = ?", (message.id,)).fetchone()[0]
        assert owed == whole  # each with its word to the sender, in the same transaction
        bounce = Owing()
        for _ in steps(spool, "fail", f"id:{message.id_text}", bounce=bounce):
            await unoccupied(spool.commits)
        await spool._commits.drain()
        assert bounce.durable == list(range(whole, COUNT))
        assert counted(spool, message) == {FAILED: COUNT}  # it stays until its sender was told
        await spool.close()

    asyncio.run(run())


def test_the_last_piece_is_nobody_else_s_until_it_is_stored(tmp_path: Path) -> None:
    async def run() -> None:
        spool = opened(tmp_path)
        message = await listed(spool)
        for total in steps(spool, "drop", f"id:{message.id_text}"):
            if total["recipients"] == COUNT:
                assert {one.id for one in spool.claim(KEY, 9, NOW)[0]}.isdisjoint({message.id})
        await spool._commits.drain()
        assert view.find_message(spool.reader, message.id)[1]
        await spool.close()

    asyncio.run(run())


def test_who_is_on_the_wire_is_left_alone_and_the_rest_of_the_list_is_not(tmp_path: Path) -> None:
    async def run() -> None:
        spool = opened(tmp_path)
        message = await listed(spool)
        scheduler = Scheduler()
        claimed, _ = spool.claim(KEY, 2, NOW)
        part = next(one for one in claimed if one.id == message.id)
        scheduler.refilled(KEY, [part], None, NOW)
        [work] = scheduler.next_work(NOW)
        flying = len(work.message.recipients)
        total = list(steps(spool, "drop", f"id:{message.id_text}", scheduler=scheduler))[-1]
        assert total == {"messages": 1, "recipients": COUNT - flying, "skipped": flying}
        await spool._commits.drain()
        assert counted(spool, message) == {1: flying, DROPPED: COUNT - flying}
        await spool.settle(settled(work.message))
        scheduler.finished(work, HostVerdict.GOOD, NOW)
        assert view.find_message(spool.reader, message.id)[1]  # who ends last ends the message
        await spool.close()

    asyncio.run(run())


def test_a_long_list_that_is_held_and_released_says_so_once(tmp_path: Path) -> None:
    async def run() -> None:
        spool = opened(tmp_path)
        message = await listed(spool)
        list(steps(spool, "hold", f"id:{message.id_text}"))
        assert counted(spool, message) == {HELD: COUNT}
        [row] = spool.reader.execute("SELECT holds FROM hold").fetchall()
        assert row[0].count("held by eve") == 1
        spool._commits.writer.connection.execute("UPDATE hold SET step = 'clamd', holds = '[[\"clamd\",\"Eicar\"]]'")
        total = list(steps(spool, "release", f"id:{message.id_text}"))[-1]
        assert (total["messages"], total["recipients"]) == (1, COUNT)
        assert counted(spool, message) == {OPEN: COUNT}
        assert spool.reader.execute("SELECT count(*) FROM hold").fetchone() == (0,)
        assert len(view.findings(spool.reader, message.id)) == 1
        await spool.close()

    asyncio.run(run())


@pytest.mark.parametrize("text", ["to:u1*", "to:*@example.org", "not to:u7*"])
def test_pieces_are_those_that_the_filter_names(tmp_path: Path, text: str) -> None:
    async def run() -> None:
        spool = opened(tmp_path)
        message = await listed(spool)
        chosen = Filter.from_text(text)
        meant = [one.number for one in message.recipients if chosen.matches(message, one, NOW)]
        act = Act("drop", chosen, "eve", "T-1")
        assert sum(step.recipients for step in perform(spool, act, NOW)) >= len(meant)
        await spool._commits.drain()
        rows = spool.reader.execute("SELECT number FROM recipient WHERE message = ? AND state = 0", (message.id,))
        assert {row[0] for row in rows} == set(range(COUNT)) - set(meant)
        await spool.close()

    asyncio.run(run())


def test_a_piece_is_found_by_steps_in_the_index(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    seen: list[str] = []
    spool.reader.set_trace_callback(seen.append)
    list(perform(spool, Act("drop", Filter.from_text("to:x@*"), "eve", "T-1"), NOW))
    spool.reader.set_trace_callback(None)
    plans = [
        repr(spool.reader.execute(f"EXPLAIN QUERY PLAN {text}").fetchall()) for text in seen if "FROM message m" in text
    ]
    assert plans
    assert not any("TEMP B-TREE" in plan for plan in plans)
    spool.close_now()


def test_a_piece_beside_a_deferral_that_is_yet_to_be_stored_has_the_last_word(tmp_path: Path) -> None:
    async def run() -> None:
        spool = opened(tmp_path)
        message = sample(spool, "a@example.org", "b@example.org")
        await spool.append(message, BODY)
        scheduler = Scheduler()
        claimed, _ = spool.claim(KEY, 9, NOW)
        told: list[object] = []
        spool.settle_soon(settled(claimed[0], RecipientState.QUEUED, 0, due=NOW + 60), told.append)
        assert list(steps(spool, "drop", "to:a@*", scheduler=scheduler))[-1]["recipients"] == 1
        assert told == []  # nobody is told before the flush
        await durable(spool.commits)
        assert told == [None]
        rows = spool.reader.execute(
            "SELECT number, state FROM recipient WHERE message = ? ORDER BY number", (message.id,)
        )
        assert rows.fetchall() == [(0, DROPPED), (1, 1)]
        await spool.close()

    asyncio.run(run())


def test_a_flush_that_fails_after_a_piece_is_no_loss_of_what_deliveries_did(tmp_path: Path) -> None:
    failing = [False]

    def commit(connection: sqlite3.Connection) -> None:
        if failing[0]:
            failing[0] = False
            raise OSError(5, "Input/output error")
        connection.execute("COMMIT")

    async def run() -> None:
        spool = Spool.open(tmp_path, settings=SpoolSettings(reserve=0), clock=Clock(), commit=commit)
        message, other = sample(spool), sample(spool, "b@example.org")
        for one in (message, other):
            await spool.append(one, BODY, claimed=True)
        told: list[object] = []
        spool.settle_soon(settled(message), told.append)
        list(steps(spool, "hold", "to:b@*", scheduler=Scheduler()))
        failing[0] = True
        await spool._commits.drain()
        assert spool.commits.broken is not None
        assert told == []
        spool.commits.recover()
        await spool._commits.drain()
        assert told == [None]
        assert view.find_message(spool.reader, message.id)[1]
        await spool.close()

    asyncio.run(run())

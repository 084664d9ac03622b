"""Append, claim, settle: what is stored, when, and what becomes of it."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from spool_samples import BODY, KEY, NOW, Clock, sample, settled, tried

from danelaw.queue import QueuedMessage, RecipientState, RoutingKey, Settlement
from danelaw.spool import (
    BodyMissing,
    NoSuchMessage,
    Spool,
    SpoolError,
    SpoolLocked,
    SpoolSettings,
    SpoolVersion,
    retention,
)
from danelaw.spool.attempts import attempts_at, attempts_of, day_tables, host_record
from danelaw.spool.evidence import evidence_blob
from danelaw.spool.view import alone, find_message, messages_by_message_id


def opened(directory: Path, **settings: object) -> Spool:
    """A spool on a disk that is quick whatever else this machine does: what is tested here is not crashes."""
    spool = Spool.open(directory, settings=SpoolSettings(reserve=0, **settings), clock=Clock())  # type: ignore[arg-type]
    spool._commits.writer.connection.execute("PRAGMA synchronous = OFF")
    return spool


def test_what_was_appended_is_claimed_as_it_was(tmp_path: Path) -> None:
    async def run() -> None:
        spool = opened(tmp_path)
        message = sample(spool, "anna@example.org", "ünï@example.org")
        message.recipients[0].notify, message.recipients[0].orcpt = "SUCCESS,FAILURE", "rfc822;anna@x"
        await spool.append(message, BODY)
        [claimed], next_due = spool.claim(KEY, 10, NOW)
        assert dataclasses.asdict(claimed) == dataclasses.asdict(message)
        assert next_due is None
        assert spool.read_body(claimed) == BODY
        assert spool.claim(KEY, 10, NOW) == ([], None)
        await spool.close()

    asyncio.run(run())


def test_claims_come_in_order_of_due_and_say_when_the_next_is(tmp_path: Path) -> None:
    async def run() -> None:
        spool = opened(tmp_path)
        late, early, future = (sample(spool, due=NOW + shift) for shift in (-1, -9, 50))
        for message in (late, early, future):
            await spool.append(message, BODY)
        assert [m.id for m in spool.claim(KEY, 1, NOW)[0]] == [early.id]
        found, next_due = spool.claim(KEY, 5, NOW)
        assert [m.id for m in found] == [late.id]
        assert next_due == NOW + 50
        assert spool.claim(RoutingKey("other.example"), 5, NOW) == ([], None)
        await spool.close()

    asyncio.run(run())


def test_released_claims_are_due_again(tmp_path: Path) -> None:
    async def run() -> None:
        spool = opened(tmp_path)
        await spool.append(sample(spool), BODY)
        found, _ = spool.claim(KEY, 5, NOW)
        done = asyncio.get_running_loop().create_future()
        spool.release(found, lambda: done.set_result(None))
        await done
        assert [m.id for m in spool.claim(KEY, 5, NOW)[0]] == [found[0].id]
        await spool.close()

    asyncio.run(run())


def test_claimed_at_birth_is_never_claimed_again(tmp_path: Path) -> None:
    async def run() -> None:
        spool = opened(tmp_path)
        await spool.append(sample(spool), BODY, claimed=True)
        assert spool.claim(KEY, 5, NOW) == ([], None)
        await spool.close()
        spool = opened(tmp_path)
        assert spool.recovered == 0  # a clean end gave it back
        assert len(spool.claim(KEY, 5, NOW)[0]) == 1
        await spool.close()

    asyncio.run(run())


def test_a_finished_message_moves_to_history_with_its_tries(tmp_path: Path) -> None:
    async def run() -> None:
        spool = opened(tmp_path)
        message = sample(spool)
        await spool.append(message, BODY, claimed=True)
        blob = b"answer with signatures" * 50
        await spool.settle(settled(message, attempts=(tried(protection="DANE"),), evidence=(blob, blob)))
        found, finished = find_message(spool.reader, message.id)
        assert finished
        [recipient] = found.recipients
        assert (recipient.state, recipient.reply) == (RecipientState.DELIVERED, "250 2.0.0 Ok")
        assert recipient.forward_path == "anna@example.org"
        [attempt] = attempts_of(spool.reader, message.id)
        assert attempt.protection == "DANE"
        assert attempts_at(spool.reader, "mx1.example.org")[0] == (message.id, attempt)
        with pytest.raises(BodyMissing):
            spool.read_body(message)
        [(digest, size)] = spool.reader.execute("SELECT digest, length(data) FROM evidence").fetchall()
        assert size < len(blob)
        assert evidence_blob(spool.reader, digest) == blob
        assert messages_by_message_id(spool.reader, "1@shop.example") == [(message.id, True)]
        await spool.close()

    asyncio.run(run())


def test_a_message_with_two_recipients_ends_when_both_have(tmp_path: Path) -> None:
    async def run() -> None:
        spool = opened(tmp_path)
        message = sample(spool, "anna@example.org", "bob@example.org")
        await spool.append(message, BODY, claimed=True)
        await spool.settle(settled(message, RecipientState.DELIVERED, 0))
        await spool.settle(settled(message, RecipientState.QUEUED, 1, due=NOW + 300))
        found, finished = find_message(spool.reader, message.id)
        assert not finished
        assert [r.state for r in found.recipients] == [RecipientState.DELIVERED, RecipientState.QUEUED]
        [row] = spool.queues()
        assert (row.waiting, row.due) == (1, NOW + 300)
        [again], _ = spool.claim(KEY, 5, NOW + 300)
        assert ([r.number for r in again.recipients], again.recipients[0].tries, again.recipient_count) == ([1], 1, 2)
        await spool.settle(settled(again, RecipientState.EXPIRED))
        found, finished = find_message(spool.reader, message.id)
        assert finished
        assert [r.state for r in found.recipients] == [RecipientState.DELIVERED, RecipientState.EXPIRED]
        assert spool.reader.execute("SELECT count(*) FROM body").fetchone() == (0,)
        await spool.close()

    asyncio.run(run())


def test_a_bounce_is_stored_in_the_transaction_that_ends_its_recipient(tmp_path: Path) -> None:
    """Whichever COMMIT is the last to survive, the message or its bounce is there."""

    async def run() -> None:
        sightings = []

        def commit(connection: sqlite3.Connection) -> None:
            waiting = connection.execute("SELECT count(*) FROM message").fetchone()[0]
            sightings.append(waiting)
            connection.execute("COMMIT")

        spool = Spool.open(tmp_path, settings=SpoolSettings(reserve=0), clock=Clock(), commit=commit)
        message = sample(spool)
        await spool.append(message, BODY, claimed=True)
        notice = sample(spool, "bob@shop.example", key=RoutingKey("shop.example"), sender="")
        await spool.settle(settled(message, RecipientState.FAILED, notices=((notice, b"bounce"),)))
        assert sightings == [1, 1]
        [bounce], _ = spool.claim(RoutingKey("shop.example"), 5, NOW)
        assert (bounce.id, spool.read_body(bounce)) == (notice.id, b"bounce")
        await spool.close()

    asyncio.run(run())


def test_results_ride_with_the_next_append(tmp_path: Path) -> None:
    async def run() -> None:
        spool = opened(tmp_path)
        first, second = sample(spool), sample(spool)
        await spool.append(first, BODY, claimed=True)
        before = spool.batches[0]
        order: list[str] = []
        spool.settle_soon(settled(first), lambda error: order.append("settled"))
        await spool.append(second, BODY)
        assert order == ["settled"]
        assert spool.batches[0] == before + 1
        await spool.close()

    asyncio.run(run())


def test_an_append_never_waits_for_the_timer_of_results(tmp_path: Path) -> None:
    async def run() -> None:
        spool = opened(tmp_path)
        first = sample(spool)
        await spool.append(first, BODY, claimed=True)
        loop = asyncio.get_running_loop()
        delays: list[float] = []
        original = loop.call_later

        def call_later(delay: float, *rest: object) -> asyncio.TimerHandle:
            delays.append(delay)
            return original(3600.0, *rest)  # type: ignore[arg-type]

        loop.call_later = call_later  # type: ignore[assignment, method-assign]
        spool.settle_soon(settled(first))
        assert delays == [0.05]
        await spool.append(sample(spool), BODY)
        spool.settle_soon(settled(first))
        await spool.append(sample(spool), BODY)
        await spool.close()

    asyncio.run(run())


def test_those_who_arrive_together_share_a_commit(tmp_path: Path) -> None:
    async def run() -> None:
        spool = opened(tmp_path)
        await asyncio.gather(*(spool.append(sample(spool), BODY) for _ in range(600)))
        assert spool.batches == (3, 600)  # 256 at most in one
        await asyncio.gather(*(spool.append(sample(spool), b"x" * 1_000_000) for _ in range(10)))
        assert spool.batches[0] == 3 + 2  # 4 MiB at most, reached by the fifth
        await spool.close()

    asyncio.run(run())


def test_a_value_that_cannot_be_stored_fails_alone(tmp_path: Path) -> None:
    async def run() -> None:
        faults: list[dict[str, object]] = []
        asyncio.get_running_loop().set_exception_handler(lambda loop, context: faults.append(context))
        spool = opened(tmp_path)
        good, bad, also_good = sample(spool), sample(spool), sample(spool)
        bad.client_helo = "\udcff"
        results = await asyncio.gather(
            *(spool.append(message, BODY) for message in (good, bad, also_good)), return_exceptions=True
        )
        assert results[0] is None
        assert isinstance(results[1], SpoolError)
        assert results[2] is None
        assert len(faults) == 1
        assert {m.id for m in spool.claim(KEY, 5, NOW)[0]} == {good.id, also_good.id}
        await spool.append(sample(spool), BODY)
        await spool.close()

    asyncio.run(run())


def test_a_second_server_is_refused_by_name(tmp_path: Path) -> None:
    spool = opened(tmp_path)
    with pytest.raises(SpoolLocked, match=f"process {os.getpid()}") as caught:
        opened(tmp_path)
    assert caught.value.pid == os.getpid()
    assert opened(tmp_path / "other").shard == 0
    spool.close_now()
    opened(tmp_path).close_now()


def test_a_newer_or_foreign_database_is_refused(tmp_path: Path) -> None:
    opened(tmp_path).close_now()
    connection = sqlite3.connect(tmp_path / "shard-00" / "queue.db")
    connection.execute("PRAGMA user_version = 99")
    connection.close()
    with pytest.raises(SpoolVersion, match="schema 99"):
        opened(tmp_path)
    (tmp_path / "b" / "shard-00").mkdir(parents=True)
    connection = sqlite3.connect(tmp_path / "b" / "shard-00" / "queue.db")
    connection.execute("CREATE TABLE recipes (cake TEXT)")
    connection.close()
    with pytest.raises(SpoolVersion, match="not a danelaw spool"):
        opened(tmp_path / "b")
    (tmp_path / "c" / "shard-00").mkdir(parents=True)
    (tmp_path / "c" / "shard-00" / "queue.db").write_bytes(b"not a database at all" * 500)
    with pytest.raises(SpoolError, match="is damaged: file is not a database"):
        opened(tmp_path / "c")


def test_rows_of_queues_go_when_nobody_refers_to_them_and_never_before(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "STEP", 2)
    keys = [RoutingKey(f"d{number}.example") for number in range(9)]

    async def run() -> None:
        spool = opened(tmp_path)
        messages = []
        for key in keys:
            message = sample(spool)
            message.recipients[0].key = key
            messages.append(message)
            await spool.append(message, BODY, claimed=True)
        for message in messages[::2]:
            await spool.settle(settled(message))
        spool.sweep(NOW)  # begins to look
        late = sample(spool)
        late.recipients[0].key = keys[0]
        await spool.append(late, BODY, claimed=True)  # a queue that seemed unused gets mail meanwhile
        for _ in range(20):
            spool.sweep(NOW)
        rows = {row[0] for row in spool.reader.execute("SELECT next_hop FROM queue")}
        assert rows == {keys[0].next_hop, *(key.next_hop for key in keys[1::2])}
        again = sample(spool)
        again.recipients[0].key = keys[2]
        await spool.append(again, BODY)  # a queue whose row is gone gets another
        assert spool.claim(keys[2], 5, NOW)[0][0].id == again.id
        await spool.close()

    asyncio.run(run())


def test_a_sleeping_queue_is_remembered(tmp_path: Path) -> None:
    async def run() -> None:
        spool = opened(tmp_path)
        spool.save_queue(KEY, NOW + 60, 2, "refused")
        await spool.close()
        spool = opened(tmp_path)
        [row] = spool.queues()
        assert (row.key, row.waiting, row.suspended_until, row.failures, row.reason) == (KEY, 0, NOW + 60, 2, "refused")
        for _ in range(2):  # first the recipients are looked at, then the queues
            spool.sweep(NOW + 61)
        assert spool.queues() == []
        await spool.close()

    asyncio.run(run())


def test_messages_too_old_or_late_are_found_wherever_they_stand(tmp_path: Path) -> None:
    async def run() -> None:
        clock = Clock()
        spool = Spool.open(tmp_path, settings=SpoolSettings(reserve=0), clock=clock)
        short, held, normal = sample(spool, lifetime=1000), sample(spool, lifetime=1000), sample(spool)
        held.recipients[0].state = RecipientState.HELD
        for message in (short, held, normal):
            await spool.append(message, BODY, claimed=True)
        assert spool.expired(NOW + 999) == []
        assert [m.id for m in spool.expired(NOW + 1000)] == [short.id]
        assert spool.late(NOW + 99, 100) == []
        assert [m.id for m in spool.late(NOW + 101, 100, 2)] == [short.id, held.id]
        assert [m.id for m in spool.late(NOW + 101, 100, 2)] == [normal.id]
        assert spool.late(NOW + 102, 100) == []
        await spool.settle(Settlement(normal, NOW, notified=True))
        await spool.close()
        spool = Spool.open(tmp_path, settings=SpoolSettings(reserve=0), clock=clock)
        assert [m.id for m in spool.late(NOW + 101, 100)] == [short.id, held.id]
        await spool.close()

    asyncio.run(run())


def test_who_else_waits_for_the_same_host(tmp_path: Path) -> None:
    async def run() -> None:
        spool = opened(tmp_path)
        good = [sample(spool) for _ in range(3)]
        for message in good:
            await spool.append(message, BODY, claimed=True)
            await spool.settle(settled(message, attempts=(tried(at=NOW - 100),)))
        stuck = [sample(spool), sample(spool, "eva@other.example", key=RoutingKey("other.example"))]
        for message in stuck:
            await spool.append(message, BODY, claimed=True)
            attempt = tried(outcome="waiting", reason="key does not match")
            attempt.destination = message.recipients[0].key.next_hop
            await spool.settle(settled(message, RecipientState.QUEUED, due=NOW + 300, attempts=(attempt,)))
        facts = alone(spool.reader, "example.org", ["mx1.example.org"])
        assert (facts.messages, facts.domains, facts.since) == (2, ("example.org", "other.example"), NOW)
        assert (facts.last_success, facts.successes) == (NOW - 100, 3)
        record = host_record(spool.reader, "mx1.example.org")
        assert record is not None
        assert (record.failing_since, record.failures, record.reason) == (NOW, 2, "key does not match")
        await spool.close()

    asyncio.run(run())


def test_history_tries_and_evidence_are_forgotten_by_age_and_size(tmp_path: Path) -> None:
    async def run() -> None:
        clock = Clock()
        settings = SpoolSettings(reserve=0, history_age=10 * 86400, attempts_age=5 * 86400, history_size=2000)
        spool = Spool.open(tmp_path, settings=settings, clock=clock)
        ids = []
        for day in (0, 3, 12):
            clock.now = NOW + day * 86400
            message = sample(spool, received_at=clock.now)
            ids.append(message.id)
            await spool.append(message, BODY, claimed=True)
            done = settled(message, attempts=(tried(at=clock.now),), evidence=(b"day %d" % day,))
            done.at = clock.now
            await spool.settle(done)
        assert len(day_tables(spool.reader)) == 3
        while spool.sweep(clock.now):
            pass
        assert len(day_tables(spool.reader)) == 1
        assert spool.reader.execute("SELECT count(*) FROM evidence").fetchone() == (1,)
        with pytest.raises(NoSuchMessage):
            find_message(spool.reader, ids[0])
        assert find_message(spool.reader, ids[1])[1]
        for _ in range(30):
            message = sample(spool, received_at=clock.now)
            await spool.append(message, BODY, claimed=True)
            spool.settle_soon(settled(message))
        await spool._commits.drain()
        clock.now += 601  # a long history is not counted each time
        spool.sweep(clock.now)
        kept = spool.reader.execute("SELECT count(*), min(id) FROM history").fetchone()
        assert 3 < kept[0] < 20
        assert kept[1] > ids[1]
        await spool.close()

    asyncio.run(run())


def test_redacted_history_keeps_no_local_part(tmp_path: Path) -> None:
    async def run() -> None:
        spool = opened(tmp_path, redact_addresses=True)
        for message in (sample(spool), sample(spool, "anna@example.org", "eva@example.org")):
            await spool.append(message, BODY, claimed=True)
            outcome = settled(message, RecipientState.FAILED)
            for result in outcome.results:
                result.reply = "550 5.1.1 <anna@example.org>: no such user"
            await spool.settle(outcome)
        dump = repr(spool.reader.execute("SELECT * FROM history").fetchall())
        assert "a…@example.org" in dump
        for address in ("anna@", "bob@", "eva@"):
            assert address not in dump
        await spool.close()

    asyncio.run(run())


def test_little_space_refuses_new_mail_with_452(tmp_path: Path) -> None:
    async def run() -> None:
        spool = Spool.open(tmp_path, settings=SpoolSettings(reserve=1 << 62), clock=Clock())
        with pytest.raises(SpoolError) as caught:
            await spool.append(sample(spool), BODY)
        assert (caught.value.code, caught.value.enhanced) == (452, "4.3.1")
        assert "min_free" in str(caught.value.advice)
        await spool.close()

    asyncio.run(run())


def test_many_rows_restart_without_reading_them_into_memory(tmp_path: Path) -> None:
    """100,000 claimed rows of a crash: due again, counted, and the queues known, in a handful of statements."""
    spool = opened(tmp_path)
    with spool.transaction() as writer:
        writer.save_queue(KEY, 0.0, 0, "")
        number = writer.numbers.known(KEY, writer.connection)
        writer.connection.execute(
            "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000) INSERT INTO recipient"
            " SELECT i, 0, ?, 1, ?, 0, 0, 'anna' || i || '@example.org', '', '', '', '' FROM n",
            (number, NOW),
        )
    spool._commits.stop()  # as kill -9 would: the claims stay
    spool.reader.close()
    spool._commits.writer.connection.close()
    os.close(spool._lock)
    spool = opened(tmp_path)
    assert spool.recovered == 100000
    [row] = spool.queues()
    assert row.waiting == 100000
    plan = repr(spool.reader.execute(
        "EXPLAIN QUERY PLAN SELECT queue, count(*), min(due) FROM recipient INDEXED BY recipient_due WHERE state = 0"
        " GROUP BY queue").fetchall())  # fmt: skip
    assert "COVERING INDEX recipient_due" in plan
    assert "TEMP B-TREE" not in plan
    spool.close_now()


def test_the_log_stays_bounded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        spool = opened(tmp_path)
        log = tmp_path / "shard-00" / "queue.db-wal"
        largest = 0
        for _ in range(30):
            messages = [sample(spool) for _ in range(100)]
            await asyncio.gather(*(spool.append(message, BODY * 160, claimed=True) for message in messages))
            for message in messages:
                spool.settle_soon(settled(message))
            await spool._commits.drain()
            largest = max(largest, log.stat().st_size)
        assert largest < 2 * 500 * 4120
        await spool.close()

    monkeypatch.setattr("danelaw.spool.logsize.WAL_FRAMES", 500)
    asyncio.run(run())


KILLED = """
import asyncio, sys
from pathlib import Path
from spool_samples import BODY, NOW, sample
from danelaw.spool import Spool, SpoolSettings

async def client(spool):
    while True:
        message = sample(spool)
        await spool.append(message, BODY, claimed=True)
        print(message.id, flush=True)

async def main():
    spool = Spool.open(Path(sys.argv[1]), settings=SpoolSettings(reserve=0))
    await asyncio.gather(*(client(spool) for _ in range(8)))

asyncio.run(main())
"""


@pytest.mark.parametrize("lines", [1, 40, 200])
def test_what_was_acknowledged_survives_kill_9(tmp_path: Path, lines: int) -> None:
    here = Path(__file__).parent
    path = os.pathsep.join([str(here), str(here.parents[1] / "src")])
    process = subprocess.Popen(
        [sys.executable, "-c", KILLED, str(tmp_path)], stdout=subprocess.PIPE, env={**os.environ, "PYTHONPATH": path}
    )
    assert process.stdout is not None
    acknowledged = [int(process.stdout.readline()) for _ in range(lines)]
    process.kill()
    acknowledged += [int(line) for line in process.stdout.read().split(b"\n")[:-1]]
    process.stdout.close()
    process.wait(timeout=20)
    spool = opened(tmp_path)
    stored = {row[0] for row in spool.reader.execute("SELECT message FROM recipient WHERE state = 0")}
    assert stored >= set(acknowledged)
    assert len(stored) - len(acknowledged) <= 8  # stored, but killed before they could be acknowledged
    assert spool.recovered == len(stored)
    assert all(spool.read_body(message) == BODY for message in _some(spool, stored))
    spool.close_now()


def _some(spool: Spool, ids: set[int]) -> list[QueuedMessage]:
    return [find_message(spool.reader, number)[0] for number in sorted(ids)[:5]]

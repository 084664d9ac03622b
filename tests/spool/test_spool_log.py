"""The write-ahead log stays within its bound, whatever readers do that keep the rules."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.spool.spool_samples import BODY, Clock, sample, settled

from danelaw.queue import Filter
from danelaw.spool import Spool, SpoolSettings, database, logsize
from danelaw.spool.logsize import FRAME_OCTETS, LogSize
from danelaw.spool.turns import LAST, TERM_SECONDS, Turns, is_over, slices, term
from danelaw.spool.view import waiting_page

ROOM = 500
"""Frames of the largest transactions here."""


def opened(directory: Path) -> Spool:
    """A spool on a disk that is quick whatever else this machine does: what is tested here is not crashes."""
    spool = Spool.open(directory, settings=SpoolSettings(reserve=0, primed_log=0), clock=Clock())
    spool._commits.writer.connection.execute("PRAGMA synchronous = OFF")
    spool._commits.writer.connection.execute(f"PRAGMA journal_size_limit = {logsize.PRIMED_OCTETS}")
    return spool


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """All bounds a tenth of what they are."""
    monkeypatch.setattr(logsize, "WAL_FRAMES", 800)
    monkeypatch.setattr(logsize, "LAST_FRAMES", 1200)
    monkeypatch.setattr(logsize, "STEP", 25)
    monkeypatch.setattr(logsize, "PRIMED_OCTETS", 850 * FRAME_OCTETS)
    monkeypatch.setattr(logsize, "ASKING", 900 * FRAME_OCTETS)


def database_of(directory: Path) -> Path:
    return directory / "shard-00" / database.DATABASE_NAME


async def written(spool: Spool, rounds: int) -> int:
    """Mail comes and goes; gives the largest size of the log, in frames."""
    log, largest = spool.directory / f"{database.DATABASE_NAME}-wal", 0
    for _ in range(rounds):
        messages = [sample(spool) for _ in range(50)]
        await asyncio.gather(*(spool.append(message, BODY * 160, claimed=True) for message in messages))
        for message in messages:
            spool.settle_soon(settled(message))
        await spool._commits.drain()
        largest = max(largest, log.stat().st_size)
    return largest // FRAME_OCTETS


def holding(path: Path, seconds: float, stop: threading.Event, begun: threading.Event) -> None:
    """Reads as long as a reader may, one read right after the other."""
    with closing(database.open_reader(path)) as connection:
        while not stop.is_set():
            connection.execute("BEGIN")
            connection.execute("SELECT count(*) FROM message").fetchone()
            begun.set()
            stop.wait(seconds)
            connection.execute("COMMIT")


@pytest.mark.usefixtures("small")
@pytest.mark.parametrize("readers", [1, 3])
def test_the_log_is_bounded_beside_readers_that_hold_on_as_long_as_they_may(tmp_path: Path, readers: int) -> None:
    stop, begun = threading.Event(), threading.Event()

    async def run() -> int:
        spool = opened(tmp_path)
        threads = [
            threading.Thread(target=holding, args=(database_of(tmp_path), TERM_SECONDS, stop, begun))
            for _ in range(readers)
        ]
        for thread in threads:
            thread.start()
        try:
            await asyncio.to_thread(begun.wait)
            return await written(spool, 60)
        finally:
            stop.set()
            for thread in threads:
                await asyncio.to_thread(thread.join)
            await spool.close()

    largest = asyncio.run(run())
    assert logsize.WAL_FRAMES < largest < logsize.LAST_FRAMES + ROOM


@pytest.mark.usefixtures("small")
def test_a_log_that_outgrew_its_size_is_cut_when_the_reader_has_gone(tmp_path: Path) -> None:
    async def run() -> None:
        spool = opened(tmp_path)
        log = spool.directory / f"{database.DATABASE_NAME}-wal"
        with closing(database.open_reader(database_of(tmp_path))) as stranger:
            stranger.execute("BEGIN")
            stranger.execute("SELECT count(*) FROM message").fetchone()
            await written(spool, 30)
            held = log.stat().st_size
            stranger.execute("COMMIT")
        await written(spool, 8)
        assert held > logsize.LAST_FRAMES * FRAME_OCTETS
        assert log.stat().st_size <= (logsize.WAL_FRAMES + ROOM) * FRAME_OCTETS
        await spool.close()

    asyncio.run(run())


@pytest.mark.usefixtures("small")
def test_acts_on_the_event_loop_leave_waiting_for_readers_to_the_commit_thread(tmp_path: Path) -> None:
    async def run() -> None:
        spool = opened(tmp_path)
        await written(spool, 1)
        patience: list[tuple[str, int]] = []
        checkpoint = spool._commits._committer.log.checkpoint

        class Watched(LogSize):
            def checkpoint(self, connection: sqlite3.Connection, octets: int, milliseconds: int) -> bool:
                patience.append((threading.current_thread().name, milliseconds))
                return checkpoint(connection, octets, milliseconds)

        spool._commits._committer.log = Watched(5000 * FRAME_OCTETS)
        with spool.transaction() as writer:
            writer.save_setting("x", b"y")
        await spool._commits.drain()
        assert (threading.main_thread().name, 0) in patience
        assert all(milliseconds == 0 for thread, milliseconds in patience if thread != "spool-commit")
        assert ("spool-commit", logsize.WAIT_MS) in patience
        await spool.close()

    asyncio.run(run())


def test_measures_come_in_order() -> None:
    log = LogSize()
    log.grew(0, logsize.WAL_FRAMES * 4096)
    grown = logsize.WAL_FRAMES * FRAME_OCTETS + 1
    assert log.large(0)
    assert log.patience(grown) == 0
    assert log.patience((logsize.LAST_FRAMES + 1) * FRAME_OCTETS) == logsize.WAIT_MS


def test_what_the_file_has_grown_by_counts_whatever_was_estimated() -> None:
    log = LogSize()
    log.grew(1, 0)
    assert log.frames(0) == 3
    assert log.frames(9000 * FRAME_OCTETS) == 9000
    assert log.large(9000 * FRAME_OCTETS)


def test_a_log_found_at_start_may_be_full() -> None:
    assert LogSize(9000 * FRAME_OCTETS).large(9000 * FRAME_OCTETS)
    assert not LogSize(100 * FRAME_OCTETS).large(100 * FRAME_OCTETS)


# Reading in turns.


def numbers(count: int) -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None)
    connection.execute("CREATE TABLE message (id INTEGER PRIMARY KEY)")
    connection.executemany("INSERT INTO message VALUES (?)", ((number * 3,) for number in range(1, count + 1)))
    return connection


@given(st.integers(0, 200), st.integers(1, 50), st.integers(-1, 700), st.sets(st.integers(0, 30)))
def test_every_row_is_read_once_whatever_is_interrupted(count: int, most: int, after: int, broken: set[int]) -> None:
    with closing(numbers(count)) as connection:
        calls = [0]

        def read(above: int, upto: int) -> list[int]:
            calls[0] += 1
            if calls[0] in broken:
                error = sqlite3.OperationalError("interrupted")
                error.sqlite_errorcode = sqlite3.SQLITE_INTERRUPT
                raise error
            found = connection.execute("SELECT id FROM message WHERE id > ? AND id <= ? ORDER BY id", (above, upto))
            return [row[0] for row in found]

        pieces = list(Turns(connection, most=most).read(read, after))
        assert [one for piece in pieces for one in piece] == [n * 3 for n in range(1, count + 1) if n * 3 > after]
        assert all(len(piece) <= most for piece in pieces)


def test_a_read_that_takes_too_long_is_interrupted() -> None:
    endless = "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n"
    with closing(numbers(1)) as connection:
        with pytest.raises(sqlite3.OperationalError) as caught, term(connection, 0.01):
            connection.execute(endless).fetchone()
        assert is_over(caught.value)
        assert connection.execute("SELECT count(*) FROM message").fetchone() == (1,)  # nothing is left of the term


def test_other_errors_are_not_taken_for_the_end_of_a_term() -> None:
    with closing(numbers(1)) as connection, pytest.raises(sqlite3.OperationalError, match="no such table"):
        list(Turns(connection).read(lambda above, upto: connection.execute("SELECT * FROM missing").fetchall()))


@pytest.mark.usefixtures("small")
def test_readers_pause_for_a_log_that_asks_and_not_for_ever(tmp_path: Path) -> None:
    log = tmp_path / "x.db-wal"
    with closing(sqlite3.connect(tmp_path / "x.db", isolation_level=None)) as connection:
        connection.execute("CREATE TABLE message (id INTEGER PRIMARY KEY)")
        connection.executemany("INSERT INTO message VALUES (?)", ((number,) for number in range(1, 11)))
        pauses: list[float] = []

        def page(pause_made_room: bool) -> int:
            log.write_bytes(bytes(logsize.ASKING + 1))
            pauses.clear()

            def pause(seconds: float) -> None:
                pauses.append(seconds)
                if pause_made_room:
                    log.write_bytes(b"")

            return len(list(Turns(connection, most=1, pause=pause).read(lambda above, upto: upto)))

        assert page(pause_made_room=True) == 11
        assert len(pauses) == 1
        assert page(pause_made_room=False) == 11
        assert len(pauses) == 3

        async def on_the_loop() -> int:
            return page(pause_made_room=False)

        assert asyncio.run(on_the_loop()) == 11
        assert pauses == []


def test_slices_end_with_everything() -> None:
    with closing(numbers(5)) as connection:
        assert list(slices(connection, 0, most=2)) == [(0, 6), (6, 12), (12, LAST)]


def test_a_page_is_whole_though_each_of_its_reads_was_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        spool = opened(tmp_path)
        messages = [sample(spool) for _ in range(300)]
        await asyncio.gather(*(spool.append(message, BODY) for message in messages))
        page = waiting_page(spool.reader, Filter.from_text(""), 0.0, 0, 250)
        assert [one.id for one in page.messages] == [one.id for one in messages[:250]]
        assert page.after == messages[249].id
        await spool.close()

    monkeypatch.setattr("danelaw.spool.turns.TERM_SECONDS", -1.0)
    monkeypatch.setattr("danelaw.spool.turns.term.__wrapped__.__defaults__", (-1.0,))
    monkeypatch.setattr("danelaw.spool.turns._OPCODES", 50)
    asyncio.run(run())

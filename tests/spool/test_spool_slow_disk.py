"""Where flushes take long several wait for the disk at once, and nobody is told too early or told wrongly."""

from __future__ import annotations

import asyncio
import os
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from spool_samples import BODY, Clock, sample

from danelaw.spool import CommitFailed, Spool, SpoolError, SpoolSettings
from danelaw.spool import commit as commits
from danelaw.spool.flush import MOST


class Disk:
    """Counts COMMITs; notes for each flush how many were written when it began and whether it ended well. A flush
    waits while `gate` is closed, and fails with `error`.
    """

    def __init__(self) -> None:
        self.commits = 0
        self.durable = 0
        self.under_way = self.most_under_way = 0
        self.gate = threading.Event()
        self.gate.set()
        self.error: OSError | None = None
        self._lock = threading.Lock()

    def commit(self, connection: sqlite3.Connection) -> None:
        connection.execute("COMMIT")
        self.commits += 1

    def flush(self, descriptor: int) -> None:
        with self._lock:
            written = self.commits
            self.under_way += 1
            self.most_under_way = max(self.most_under_way, self.under_way)
        try:
            assert self.gate.wait(30)
            threading.Event().wait(0.008)  # the disk works
            if self.error is not None:
                raise self.error
            os.fdatasync(descriptor)
            with self._lock:
                self.durable = max(self.durable, written)
        finally:
            with self._lock:
                self.under_way -= 1


def opened(directory: Path, disk: Disk) -> Spool:
    spool = Spool.open(
        directory, settings=SpoolSettings(reserve=0), clock=Clock(), commit=disk.commit, flush=disk.flush
    )
    spool._commits._committer.flush.slow, spool._commits._committer.flush._seconds = True, 0.02
    return spool


async def reached(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.001)


def test_nobody_is_told_before_a_flush_that_began_after_his_commit(tmp_path: Path) -> None:
    async def run() -> None:
        disk = Disk()
        spool = opened(tmp_path, disk)
        told: list[tuple[int, int]] = []

        async def one(delay: int) -> None:
            for _ in range(delay):
                await asyncio.sleep(0)
            before = disk.commits
            await spool.append(sample(spool), BODY)
            told.append((before + 1, disk.durable))

        disk.gate.clear()
        waiting = asyncio.gather(*(one(number) for number in range(150)))
        await reached(lambda: disk.under_way >= 2)
        disk.gate.set()
        await waiting
        assert len(told) == 150
        assert all(durable >= commit for commit, durable in told)
        assert disk.most_under_way <= MOST + 1
        await spool.close()

    asyncio.run(run())


def test_one_failed_flush_refuses_all_that_wait_and_what_they_wrote_is_removed(tmp_path: Path) -> None:
    async def run() -> None:
        disk = Disk()
        spool = opened(tmp_path, disk)
        safe = sample(spool)
        await spool.append(safe, BODY)
        disk.gate.clear()
        refused = []
        for number in range(3):  # three batches, each with a flush of its own under way
            refused.append(asyncio.ensure_future(spool.append(sample(spool), BODY)))
            await reached(lambda number=number: disk.under_way == number + 1)
        disk.error = OSError(5, "Input/output error")
        disk.gate.set()
        results = await asyncio.gather(*refused, return_exceptions=True)
        assert all(isinstance(result, CommitFailed) for result in results)
        assert spool.refusal() is not None
        with pytest.raises(SpoolError), spool._commits.exclusive():
            pass
        disk.error = None
        spool._commits.recover()
        assert spool.refusal() is None
        await spool.append(sample(spool), BODY)
        count = spool.reader.execute("SELECT count(*) FROM message").fetchone()[0]
        assert count == 2, "what was refused is gone"
        await spool.close()

    asyncio.run(run())


def test_recovery_waits_for_flushes_under_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commits, "FIRST_RECOVERY", 30.0)

    async def run() -> None:
        disk = Disk()
        spool = opened(tmp_path, disk)
        disk.gate.clear()
        waiting = [asyncio.ensure_future(spool.append(sample(spool), BODY))]
        await reached(lambda: disk.under_way == 1)
        spool._commits.broken = CommitFailed("another fault")
        spool._commits.recover()
        assert spool.refusal() is not None
        disk.gate.set()
        await asyncio.gather(*waiting)
        await reached(lambda: not spool._commits._pace.flying)
        await reached(lambda: not spool._commits._busy)
        spool._commits.recover()
        assert spool.refusal() is None
        await spool.close()

    asyncio.run(run())


def test_on_a_quick_disk_commit_itself_flushes_again(tmp_path: Path) -> None:
    async def run() -> None:
        disk = Disk()
        spool = opened(tmp_path, disk)
        await spool.append(sample(spool), BODY)
        assert _synchronous(spool) == 1
        flush = spool._commits._committer.flush
        flush.slow, flush._seconds = False, 0.0
        before = disk.durable
        await spool.append(sample(spool), BODY)
        assert disk.durable > before, "written without a flush of its own, it was flushed before it was told"
        assert _synchronous(spool) == 2
        await spool.close()

    asyncio.run(run())


def _synchronous(spool: Spool) -> int:
    return int(spool._commits.writer.connection.execute("PRAGMA synchronous").fetchone()[0])

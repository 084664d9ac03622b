"""The disk fails: nothing acknowledged is lost, nothing refused is delivered, the shard comes back by itself."""

from __future__ import annotations

import asyncio
import os
import resource
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from spool_samples import BODY, KEY, NOW, Clock, sample, settled

from danelaw.queue import RecipientState, id_to_text
from danelaw.spool import (
    BodyMissing,
    BodyWriter,
    CommitFailed,
    Spool,
    SpoolError,
    SpoolFull,
    SpoolReadOnly,
    SpoolSettings,
)
from danelaw.spool import bodies as body_files
from danelaw.spool import commit as commits
from danelaw.spool.view import find_message


class Disk:
    """A COMMIT that fails when told: before it wrote anything, or after it wrote everything but the flush failed."""

    def __init__(self) -> None:
        self.error: Exception | None = None
        self.after = False

    def commit(self, connection: sqlite3.Connection) -> None:
        if self.error is None or self.after:
            connection.execute("COMMIT")
        if self.error is not None:
            raise self.error


def opened(directory: Path, disk: Disk) -> Spool:
    return Spool.open(directory, settings=SpoolSettings(reserve=0), clock=Clock(), commit=disk.commit)


@pytest.mark.parametrize("after", [False, True])
def test_a_failed_flush_refuses_the_batch_and_everyone_behind_it(tmp_path: Path, after: bool) -> None:
    async def run() -> None:
        disk = Disk()
        spool = opened(tmp_path, disk)
        safe = sample(spool)
        await spool.append(safe, BODY)
        disk.error, disk.after = sqlite3.OperationalError("disk I/O error"), after
        refused = [sample(spool) for _ in range(300)]
        results = await asyncio.gather(*(spool.append(m, BODY) for m in refused), return_exceptions=True)
        assert all(isinstance(result, CommitFailed) and result.code == 451 for result in results)
        with pytest.raises(SpoolReadOnly):
            await spool.append(sample(spool), BODY)
        assert isinstance(spool.refusal(), CommitFailed)
        spool._commits.recover()  # the disk still fails
        with pytest.raises(SpoolReadOnly):
            await spool.append(sample(spool), BODY)
        disk.error = None
        spool._commits.recover()
        late = sample(spool)
        await spool.append(late, BODY)
        stored = {message.id for message in spool.claim(KEY, 1000, NOW)[0]}
        assert stored == {safe.id, late.id}  # what was refused is not there, even if the disk had taken it
        await spool.close()

    asyncio.run(run())


def test_the_shard_recovers_by_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    async def run() -> None:
        disk = Disk()
        spool = opened(tmp_path, disk)
        disk.error = OSError(5, "Input/output error")
        with pytest.raises(CommitFailed):
            await spool.append(sample(spool), BODY)
        disk.error = None
        recovery = spool._commits._recovery
        assert recovery is not None
        while spool.refusal() is not None:
            await asyncio.sleep(0)
        await spool.append(sample(spool), BODY)
        await spool.close()

    monkeypatch.setattr(commits, "FIRST_RECOVERY", 0.0)
    asyncio.run(run())


@pytest.mark.parametrize("after", [False, True])
def test_an_outcome_is_a_fact_and_is_stored_after_recovery(tmp_path: Path, after: bool) -> None:
    async def run() -> None:
        disk = Disk()
        spool = opened(tmp_path, disk)
        done, failed = sample(spool), sample(spool)
        for message in (done, failed):
            await spool.append(message, BODY, claimed=True)
        disk.error, disk.after = sqlite3.OperationalError("disk I/O error"), after
        told: list[SpoolError | None] = []
        spool.settle_soon(settled(done), told.append)
        notice = sample(spool, "bob@shop.example", sender="")
        spool.settle_soon(settled(failed, RecipientState.FAILED, notices=((notice, b"bounce"),)), told.append)
        with pytest.raises(CommitFailed):
            await spool.append(sample(spool), BODY)
        assert told == []
        disk.error = None
        spool._commits.recover()
        await spool._commits.drain()
        assert told == [None, None]
        assert find_message(spool.reader, done.id)[1]
        assert find_message(spool.reader, failed.id)[1]
        assert [m.id for m in spool.claim(KEY, 9, NOW)[0]] == [notice.id]
        await spool.close()

    asyncio.run(run())


def test_a_full_disk_is_452(tmp_path: Path) -> None:
    async def run() -> None:
        disk = Disk()
        spool = opened(tmp_path, disk)
        disk.error = OSError(28, "No space left on device")
        for _ in range(2):
            with pytest.raises(SpoolFull) as caught:
                await spool.append(sample(spool), BODY)
            assert caught.value.code == 452
        await spool.close()

    asyncio.run(run())


def test_an_operators_act_meets_the_same_fault(tmp_path: Path) -> None:
    async def run() -> None:
        disk = Disk()
        spool = opened(tmp_path, disk)
        await spool.append(sample(spool), BODY)
        disk.error = sqlite3.OperationalError("disk I/O error")
        with pytest.raises(CommitFailed):
            spool.sweep(NOW)
        with pytest.raises(SpoolReadOnly):
            spool.sweep(NOW)
        disk.error = None
        spool._commits.recover()
        spool.sweep(NOW)
        await spool.close()

    asyncio.run(run())


LIMITED = """
import asyncio, resource, signal, sys
from pathlib import Path
from spool_samples import BODY, sample
from danelaw.spool import Spool, SpoolError, SpoolSettings

async def main():
    spool = Spool.open(Path(sys.argv[1]), settings=SpoolSettings(reserve=0))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.getrlimit(resource.RLIMIT_FSIZE)[1]))
    for _ in range(300):
        message = sample(spool)
        try:
            await spool.append(message, BODY * 200)
            print(message.id)
        except SpoolError as error:
            print(-1)

asyncio.run(main())
"""


def test_a_disk_that_ends_in_the_middle_keeps_what_was_acknowledged(tmp_path: Path) -> None:
    """With a limit on the size of files the log cannot grow: real short writes inside SQLite."""
    here = Path(__file__).parent
    path = os.pathsep.join([str(here), str(here.parents[1] / "src")])
    ended = subprocess.run(
        [sys.executable, "-c", LIMITED, str(tmp_path), str(700_000)],
        capture_output=True, env={**os.environ, "PYTHONPATH": path}, timeout=60, check=False,
    )  # fmt: skip
    lines = [int(line) for line in ended.stdout.split()]
    assert len(lines) == 300, ended.stderr
    acknowledged = {line for line in lines if line > 0}
    assert 10 < len(acknowledged) < 290
    spool = opened(tmp_path, Disk())
    stored = {row[0] for row in spool.reader.execute("SELECT id FROM message")}
    assert stored == acknowledged
    assert spool.reader.execute("PRAGMA integrity_check").fetchone() == ("ok",)
    spool.close_now()
    assert resource.getrlimit(resource.RLIMIT_FSIZE)[0] == resource.RLIM_INFINITY


def write_body(spool: Spool, data: bytes) -> tuple[int, str]:
    number = spool.new_id()
    writer = spool.body_writer(number)
    for start in range(0, len(data), 300_000):
        writer.write(data[start : start + 300_000])
    return number, writer.close()


def test_a_large_body_lies_in_a_file_until_its_row_is_gone(tmp_path: Path) -> None:
    async def run() -> None:
        spool = opened(tmp_path, Disk())
        data = bytes(range(256)) * 12_000
        number, name = write_body(spool, data)
        message = sample(spool, body_file=name)
        message.id = number
        await spool.append(message, None, claimed=True)
        assert spool.read_body(message) == data
        assert {len(chunk) for chunk in spool.body_chunks(message, 100_000)} <= {100_000, len(data) % 100_000}
        path = tmp_path / "shard-00" / "bodies" / name
        assert path.stat().st_mode & 0o777 == 0o600
        await spool.settle(settled(message, RecipientState.QUEUED, due=NOW + 1))
        assert path.exists()
        await spool.settle(settled(message))
        assert not path.exists()
        with pytest.raises(BodyMissing, match=name):
            spool.read_body(message)
        await spool.close()

    asyncio.run(run())


def test_the_file_stays_while_the_rows_deletion_is_not_durable(tmp_path: Path) -> None:
    async def run() -> None:
        disk = Disk()
        spool = opened(tmp_path, disk)
        _, name = write_body(spool, b"x" * 100_000)
        message = sample(spool, body_file=name)
        await spool.append(message, None, claimed=True)
        disk.error = sqlite3.OperationalError("disk I/O error")
        spool.settle_soon(settled(message))
        with pytest.raises(CommitFailed):
            await spool.append(sample(spool), BODY)
        path = tmp_path / "shard-00" / "bodies" / name
        assert path.exists()
        disk.error = None
        spool._commits.recover()
        await spool._commits.drain()
        assert not path.exists()
        await spool.close()

    asyncio.run(run())


def test_orphans_are_swept_at_start_and_others_kept(tmp_path: Path) -> None:
    async def run() -> None:
        spool = opened(tmp_path, Disk())
        _, kept = write_body(spool, b"x" * 70_000)
        await spool.append(sample(spool, body_file=kept), None)
        _, orphan = write_body(spool, b"y" * 70_000)
        half = spool.body_writer(spool.new_id())
        half.write(b"z" * (2 << 20))
        await spool.close()
        spool = opened(tmp_path, Disk())
        assert spool.orphans == 2
        assert os.listdir(tmp_path / "shard-00" / "bodies") == [kept]
        assert orphan != kept
        await spool.close()

    asyncio.run(run())


def test_an_aborted_body_leaves_nothing(tmp_path: Path) -> None:
    writer = BodyWriter(tmp_path, 5)
    writer.write(b"x" * (3 << 20))
    assert os.listdir(tmp_path) == [id_to_text(5) + ".part"]
    writer.abort()
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("step", ["fdatasync", "rename", "fsync", "write"])
@pytest.mark.parametrize(("code", "kind"), [(5, CommitFailed), (28, SpoolFull)])
def test_a_body_that_cannot_be_made_durable_is_refused_and_removed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, step: str, code: int, kind: type[SpoolError]
) -> None:
    def fail(*arguments: object) -> None:
        raise OSError(code, os.strerror(code))

    writer = BodyWriter(tmp_path, 5)
    writer.write(b"x" * 1000)
    monkeypatch.setattr(body_files.os, step, fail)
    with pytest.raises(kind):
        writer.close()
    monkeypatch.undo()
    assert os.listdir(tmp_path) == []


def test_the_order_of_making_a_body_durable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    for name in ("write", "fdatasync", "rename", "fsync"):
        original = getattr(os, name)

        def traced(*arguments: object, _name: str = name, _original: object = original) -> object:
            calls.append(_name)
            return _original(*arguments)  # type: ignore[operator]

        monkeypatch.setattr(os, name, traced)
    writer = BodyWriter(tmp_path, 5)
    writer.write(b"x" * 1000)
    writer.close()
    assert calls == ["write", "fdatasync", "rename", "fsync"]

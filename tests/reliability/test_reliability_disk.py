"""The disk under a running gateway fills, fails, is read-only, is damaged: words for the postmaster, no mail lost."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest
from tests.ends import Running, Sink, configured, gateway, run, until

from danelaw.config import load
from danelaw.doctor import Finding, Severity, machine, storage
from danelaw.gateway import shards as assembly
from danelaw.gateway.health import findings
from danelaw.queue import QueuedMessage, QueuedRecipient, RoutingKey
from danelaw.spool import Spool, SpoolError, SpoolFull, SpoolSettings
from danelaw.spool import commit as commits

QUICK = '[queue]\nretry_first = "50ms"\nretry_longest = "100ms"\n'


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 24 MB."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("mounting a small file system needs root")
    yield place
    subprocess.run(["umount", "-l", str(place)], check=True)


def fill(disk: Path, leave: int) -> Path:
    """Fill the disk up to some octets."""
    ballast = disk / "ballast"
    with ballast.open("wb") as file, contextlib.suppress(OSError):
        while (free := os.statvfs(disk).f_bavail * os.statvfs(disk).f_frsize) > leave:
            file.write(bytes(min(free - leave, 65536)))
            file.flush()
    return ballast


async def refusal(running: Running, code: int) -> str:
    """What MAIL is answered, which must be this code."""
    async with await running.client() as client:
        return (await client.expect(code, "MAIL FROM:<a@b.example>")).text


def test_a_full_disk_refuses_with_452_delivers_on_and_recovers(small_disk: Path) -> None:
    async def story() -> None:
        open_for_business = False

        def answer(verb: str, line: str, connection: int) -> str | None:
            return "451 4.3.2 closed" if verb == "RCPT" and not open_for_business else None

        async with Sink(answer) as sink, gateway(small_disk, sink.smarthost + QUICK) as running:
            ids = [await running.send(f"r{n}@x.example", body=b"Subject: %d\r\n\r\nx\r\n" % n) for n in range(20)]
            ballast = fill(small_disk, 0)
            await until(lambda: running.gateway.parts.spool.refusal() is not None, "the refusal")
            assert "4.3.1" in await refusal(running, 452)
            assert running.gateway.not_ready() is not None
            assert "452" in (await suffering(running))["gateway-spool"]
            assert "spool-space" in errors(machine.spool(running.gateway.config))
            open_for_business = True
            await sink.messages(len(ids))  # while the disk is full
            ballast.unlink()
            await until(lambda: running.gateway.parts.spool.refusal() is None, "the recovery")
            ids.append(await running.send("last@x.example", body=b"Subject: 20\r\n\r\nx\r\n"))
            for number in ids:
                await running.reaches(number, "delivered")
            subjects = Counter(taken.content.split(b"\r\n")[0] for taken in sink.taken)
            assert subjects == Counter(b"Subject: %d" % n for n in range(21))

    run(story())


def test_a_disk_that_fills_within_a_large_message_is_told_at_its_end(small_disk: Path) -> None:
    async def story() -> None:
        async with Sink() as sink, gateway(small_disk, sink.smarthost + QUICK) as running:
            line = b"x" * 70 + b"\r\n"
            async with await running.client() as client:
                await client.expect(250, "MAIL FROM:<a@b.example>")
                await client.expect(250, "RCPT TO:<c@d.example>")
                await client.expect(354, "DATA")
                client.send(b"Subject: large\r\n\r\n" + line * 20_000)
                await until(lambda: running.bodies, "the file of the body")
                ballast = fill(small_disk, 0)
                client.send(line * 60_000 + b".\r\n")
                answer = await client.answer()
                assert (answer.code, "4.3.1" in answer.text) == (452, True), answer
            assert running.bodies == []  # half a body must not keep the disk full
            ballast.unlink()
            await until(lambda: running.gateway.parts.spool.refusal() is None, "the recovery")
            await running.reaches(await running.send("c@d.example"), "delivered")
            assert len(sink.taken) == 1

    run(story())


def errors(found: Sequence[Finding]) -> dict[str, str]:
    """What stops mail, by check; each with its fix."""
    bad = [one for one in found if one.severity is Severity.ERROR]
    assert all(one.fix for one in bad)
    return {one.check: one.what for one in bad}


async def suffering(running: Running) -> dict[str, str]:
    """What the running gateway would tell the doctor, its resolver aside, which these tests do not have."""
    found = errors(await findings(running.gateway))
    return {check: what for check, what in found.items() if check != "gateway-resolver"}


class Flush:
    """The commit of a spool, failing while told to."""

    def __init__(self) -> None:
        self.error: Exception | None = None

    def __call__(self, connection: sqlite3.Connection) -> None:
        if self.error is not None:
            raise self.error
        connection.execute("COMMIT")


def test_a_failing_flush_refuses_with_451_is_read_only_and_recovers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flush, opening = Flush(), Spool.open.__func__  # type: ignore[attr-defined]
    monkeypatch.setattr(commits, "FIRST_RECOVERY", 0.05)
    monkeypatch.setattr(
        assembly.Spool, "open", classmethod(lambda cls, *given, **more: opening(cls, *given, commit=flush, **more))
    )

    async def story() -> None:
        async with Sink() as sink, gateway(tmp_path, sink.smarthost + QUICK) as running:
            async with await running.client() as client:
                await client.expect(250, "MAIL FROM:<a@b.example>")
                await client.expect(250, "RCPT TO:<c@d.example>")
                await client.expect(354, "DATA")
                flush.error = OSError(5, "Input/output error")
                client.send(b"Subject: refused\r\n\r\n.\r\n")
                assert (await client.answer()).code == 451
            assert "4.3.0" in await refusal(running, 451)
            [line] = running.lines("not-stored")
            assert "Input/output error" in line
            assert "451" in (await suffering(running))["gateway-spool"]
            flush.error = None
            await until(lambda: running.gateway.parts.spool.refusal() is None, "the recovery")
            assert await suffering(running) == {}
            await running.reaches(await running.send("c@d.example"), "delivered")
            assert [b"Subject: refused" in taken.content for taken in sink.taken] == [False]

    run(story())


def test_readers_work_on_while_the_disk_takes_nothing(tmp_path: Path) -> None:
    """The operator wants to look just then."""

    async def story() -> None:
        async with Sink() as sink, gateway(tmp_path, sink.smarthost) as running:
            spool = running.gateway.parts.spool
            delivered = await running.send("c@d.example")
            await running.reaches(delivered, "delivered")
            spool._commits._committer._commit = Flush()
            spool._commits._committer._commit.error = OSError(28, "No space left on device")
            with pytest.raises(SpoolError):
                await spool.append(_message(running), b"x")
            spool._commits.recover()  # in vain
            assert spool.refusal() is not None
            assert running.look(delivered)["state"] == "delivered"
            assert spool.queues() == []
            spool._commits._committer._commit.error = None

    run(story())


def _message(running: Running) -> QueuedMessage:
    number = running.gateway.parts.spool.new_id()
    return QueuedMessage(number, 1.0, 2e9, "", (QueuedRecipient(0, "a@b.example", RoutingKey("b.example")),), 1)


def test_refused_large_bodies_leave_the_disk(tmp_path: Path) -> None:
    async def story() -> None:
        async with Sink() as sink, gateway(tmp_path, sink.smarthost) as running:
            spool = running.gateway.parts.spool
            spool._commits._committer._commit = Flush()
            spool._commits._committer._commit.error = OSError(28, "No space left on device")
            for _ in range(3):
                message = _message(running)
                writer = spool.body_writer(message.id)
                writer.write(b"x" * 100_000)
                message.body_file = writer.close()
                with pytest.raises(SpoolFull):
                    await spool.append(message, None)
            assert len(running.bodies) <= 1  # that of the failed batch, until its row is known to be gone
            spool._commits._committer._commit.error = None
            spool._commits.recover()
            assert running.bodies == []

    run(story())


def test_a_read_only_spool_is_said_with_advice(small_disk: Path) -> None:
    async def story() -> None:
        async with gateway(small_disk, ""):
            pass
        remount = ["mount", "-o", "remount,ro", str(small_disk)]
        # Refused as busy until the kernel has let go of the files just closed and removed.
        await until(lambda: not subprocess.run(remount, check=False).returncode, "a file system nobody writes to")
        with pytest.raises(SpoolError) as caught:
            Spool.open(small_disk / "spool")
        assert "Read-only" in caught.value.reason or "readonly" in caught.value.reason
        assert caught.value.advice
        assert "spool" in errors(machine.spool(load(small_disk / "danelaw.toml")))

    run(story())


@pytest.mark.parametrize("damaged", [range(1), range(2, 40), range(4, 5)], ids=["header", "all but two", "a page"])
def test_a_damaged_database_is_said_with_advice_and_no_traceback(tmp_path: Path, damaged: range) -> None:
    async def story() -> None:
        async with gateway(tmp_path, '[delivery]\nnext_hop = "[127.0.0.1]:1"\n') as running:
            for _ in range(20):
                await running.send("a@b.example", "c@d.example")

    run(story())
    database = tmp_path / "spool" / "shard-00" / "queue.db"
    with contextlib.closing(sqlite3.connect(database)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    pages = database.stat().st_size // 4096
    with database.open("r+b") as file:
        for page in damaged:
            if page < pages:
                file.seek(page * 4096)
                file.write(b"\xa5" * 4096)
    with pytest.raises(SpoolError) as caught:
        _use(tmp_path / "spool")
    assert any(word in caught.value.reason for word in ("damaged", "malformed", "not a database")), caught.value.reason
    assert ".recover" in (caught.value.advice or "")
    assert "spool-database" in errors(storage.databases(load(tmp_path / "danelaw.toml")))
    if len(damaged) > 1:
        _serve_says_so(tmp_path)


def _use(directory: Path) -> None:
    """Open it and do everything a gateway does at start and in its first seconds."""
    spool = Spool.open(directory, settings=SpoolSettings(reserve=0))
    try:
        for row in spool.queues():
            for message in spool.claim(row.key, 64, 4e9)[0]:
                spool.read_body(message)
        spool.expired(4e9)
        spool.late(4e9, 1.0)
        spool.sweep(4e9)
    finally:
        spool.close_now()


def _serve_says_so(directory: Path) -> None:
    source = str(Path(__file__).resolve().parents[2] / "src")
    said = subprocess.run(
        [sys.executable, "-m", "danelaw", "serve", "--config", str(configured(directory))],
        capture_output=True, text=True, timeout=30, check=False, env={**os.environ, "PYTHONPATH": source},
    )  # fmt: skip
    assert said.returncode != 0
    assert "damaged" in said.stderr
    assert "Traceback" not in said.stderr

"""Held mail when things break: a commit that fails, a process that is killed, workers that come and go."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import socket
import sqlite3
import time
from pathlib import Path

import pytest
from tests.ends import Sink, run, until
from tests.reliability.workers_running import served, settings

from danelaw.queue import (
    Custody,
    Filter,
    HeldBy,
    QueuedMessage,
    QueuedRecipient,
    RecipientState,
    RoutingKey,
    id_to_text,
)
from danelaw.spool import CommitFailed, Spool, SpoolSettings, quarantine
from danelaw.spool.committer import commit_transaction
from danelaw.spool.writer import Appended

BODY = b"Subject: held\r\n\r\nbody\r\n"


def fill(spool: Spool, *recipients: str, hop: str = "example.org", until: float | None = None) -> str:
    now = time.time()
    given = tuple(
        QueuedRecipient(number, path, RoutingKey(hop), due=now, state=RecipientState.HELD)
        for number, path in enumerate(recipients)
    )
    message = QueuedMessage(
        spool.new_id(), now, now + 1000.0, "bob@shop.example", given, len(BODY), len(given),
        custody=Custody((HeldBy("spam", "score 12"),), now, until),
    )  # fmt: skip
    with spool.transaction() as writer:
        writer.append([Appended(message, BODY, claimed=False)])
    return id_to_text(message.id)


@pytest.mark.parametrize("operation", quarantine.CHANGING[:2])
@pytest.mark.parametrize("failing", [1, 2])
def test_an_act_whose_commit_fails_was_not_done(tmp_path: Path, operation: str, failing: int) -> None:
    """The first commit of an act is its line in the log, the second is what it does."""
    commits = 0

    def commit(connection: sqlite3.Connection) -> None:
        nonlocal commits
        commits += 1
        if commits == failing:
            raise sqlite3.OperationalError("disk I/O error")
        commit_transaction(connection)

    spool = Spool.open(tmp_path, settings=SpoolSettings(reserve=0))
    held = fill(spool, "anna@example.org", "ben@example.org")
    spool.close_now()
    spool = Spool.open(tmp_path, settings=SpoolSettings(reserve=0), commit=commit)
    with pytest.raises(CommitFailed):
        list(quarantine.change(spool, operation, {"filter": f"id:{held}", "who": "x", "why": "T"}, time.time()))
    os.close(spool._lock)
    spool._lock = -1
    spool = Spool.open(tmp_path, settings=SpoolSettings(reserve=0))
    page = quarantine.held_page(spool.reader, Filter.from_text("all"), time.time(), 0, 10)
    assert [len(message.recipients) for message in page] == [2]
    assert page[0].custody is not None
    assert spool.queues() == []
    spool.close_now()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.slow
def test_with_workers_each_is_told_once_and_a_link_works_whoever_is_killed(tmp_path: Path) -> None:
    async def play() -> None:
        async with Sink() as sink:
            port = free_port()
            more = (
                f'{sink.smarthost}[quarantine.digest]\ndomains = ["example.org"]\nsteps = ["spam"]\n'
                f'[quarantine.web]\nlisten = "127.0.0.1:{port}"\nurl = "https://gw.test/q"\n'
            )
            config = settings(tmp_path, more)
            ids = []
            for shard in (0, 1):
                spool = Spool.open(tmp_path / "spool", shard, settings=SpoolSettings(reserve=0))
                ids.append(fill(spool, "anna@example.org", "ben@example.org", hop=sink.hop))
                spool.close_now()
            async with served(config) as gateway:
                digests = await sink.messages(2)
                assert sorted(one.recipients[0].partition(">")[0] for one in digests) == [
                    "RCPT TO:<anna@example.org", "RCPT TO:<ben@example.org"
                ]  # fmt: skip
                text = digests[0].data.replace(b"=\r\n", b"").decode()
                tokens = list(dict.fromkeys(re.findall(r"https://gw\.test/q/([A-Za-z0-9_-]+)", text)))
                assert len(tokens) == 6
                # What is delivered and not yet written down would come again after a kill, as it may.
                while (await gateway.ask("queue.list", filter="state:waiting"))["messages"]:
                    await asyncio.sleep(0.05)
                for worker in await gateway.workers():
                    os.kill(worker["pid"], signal.SIGKILL)
                for token in (tokens[0], tokens[3]):
                    assert b" 200 " in await posted(port, token)
                    assert b" 410 " in await posted(port, token)
                await sink.messages(4)
                listed = (await gateway.ask("quarantine.list"))["messages"]
                assert sorted(row["id"] for row in listed) == sorted(ids)
                assert all(len(row["recipients"]) == 1 for row in listed)
                shown = await gateway.ask("quarantine.show", id=ids[1])
                assert shown["subject"] == "held"
                result = await gateway.ask("quarantine.delete", filter=f"id:{ids[0]}", why="T")
                assert (result["messages"], result["recipients"]) == (1, 1)
                result = await gateway.ask("quarantine.forward", id=ids[1], to="abuse@example.net", why="T")
                assert result["messages"] == 1
                await sink.messages(5)
                await until(lambda: gateway.counted("digest") == 2, "two digests")
                await gateway.stop()
            assert sum(b"held for you" in one.data for one in sink.taken) == 2

    run(play())


async def posted(port: int, token: str) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    body = f"token={token}"
    writer.write(
        b"POST /q/ HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded\r\n"
        + f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
    )
    async with asyncio.timeout(30):
        answer = await reader.read()
    writer.close()
    return answer.split(b"\r\n")[0]

"""What storing and settling a 4 KB message costs, by batch size: `python bench/spool.py [--messages N] [--delay MS]`.

Every message is appended claimed, then settled as delivered with an attempt, as the engine does. Reported per message:
CPU of the statements on the loop thread, CPU of the commit thread, octets written to the write-ahead log, and the rate.
`--delay` adds a pause to each flush, for disks slower than this one.
"""

from __future__ import annotations

import argparse
import asyncio
import sqlite3
import tempfile
import time
from pathlib import Path

from danelaw.queue import (
    Attempt,
    QueuedMessage,
    QueuedRecipient,
    RecipientResult,
    RecipientState,
    RoutingKey,
    Settlement,
)
from danelaw.spool import Spool, SpoolError
from danelaw.spool.commit import GroupCommit
from danelaw.spool.committer import commit_transaction

SIZE = 4243
BODY = (b"Subject: measure\r\n\r\n" + b"The quick brown fox jumps over the lazy dog. 0123456789\r\n" * 80)[:SIZE]


class Meter:
    """Adds up the CPU time of the two stages."""

    def __init__(self, delay: float) -> None:
        self.delay = delay
        self.commit_cpu = 0.0
        self.statements_cpu = 0.0

    def commit(self, connection: sqlite3.Connection) -> None:
        """In place of `commit_transaction`."""
        before = time.thread_time()
        commit_transaction(connection)
        self.commit_cpu += time.thread_time() - before
        if self.delay:
            time.sleep(self.delay)

    def watch(self, commits: GroupCommit) -> None:
        """Measure the statements of each batch."""
        write = commits._write

        def timed(batch: object) -> None:
            before = time.thread_time()
            write(batch)  # type: ignore[arg-type]
            self.statements_cpu += time.thread_time() - before

        commits._write = timed  # type: ignore[method-assign]


def message(spool: Spool, number: int) -> QueuedMessage:
    """One message as inbound makes it."""
    now = time.time()
    recipient = QueuedRecipient(0, f"recipient{number}@destination.example", RoutingKey("destination.example"), due=now)
    return QueuedMessage(
        spool.new_id(), now, now + 432000, f"sender{number}@origin.example", (recipient,), SIZE,
        client_address="192.0.2.1", client_helo="client.example", message_id=f"<{number}.measure@origin.example>",
    )  # fmt: skip


def settlement(stored: QueuedMessage) -> Settlement:
    """One delivery as outbound reports it."""
    now = time.time()
    attempt = Attempt(
        now, "destination.example", (0,), "mx1.destination.example", "192.0.2.25", 25, "none", "encrypted only",
        "TLSv1.3", "TLS_AES_256_GCM_SHA384", "250 2.0.0 Ok: queued as 4Xk2", "delivered", "no policy published",
        duration=0.01,
    )  # fmt: skip
    reply = "250 2.0.0 Ok: queued as 4Xk2"
    return Settlement(stored, now, (RecipientResult(0, RecipientState.DELIVERED, now, 1, reply),), (attempt,))


async def run(clients: int, messages: int, delay: float) -> str:
    """One measurement with so many senders, each waiting for its acknowledgement."""
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as directory:
        meter = Meter(delay)
        spool = Spool.open(Path(directory), commit=meter.commit)
        meter.watch(spool._commits)
        log = spool.directory / "queue.db-wal"
        before = log.stat().st_size
        done = asyncio.get_running_loop().create_future()
        left, acknowledged = messages, 0

        def start() -> None:
            nonlocal left
            if not left:
                return
            left -= 1
            one = message(spool, left)

            def stored(error: SpoolError | None) -> None:
                nonlocal acknowledged
                if error is not None:
                    done.set_exception(error)
                    return
                acknowledged += 1
                spool.settle_soon(settlement(one))
                if acknowledged == messages:
                    done.set_result(None)
                start()

            spool.append_soon(one, BODY, stored, claimed=True)

        began = time.perf_counter()
        for _ in range(clients):
            start()
        await done
        elapsed = time.perf_counter() - began
        await spool._commits.drain()
        batches, count = spool.batches
        written = log.stat().st_size - before
        await spool.close()
    return (
        f"{clients:7d} {count / batches:7.1f} {meter.statements_cpu / messages * 1e6:9.1f}"
        f" {meter.commit_cpu / messages * 1e6:9.1f} {written / messages:10.0f} {messages / elapsed:9.0f}"
    )


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=2000, help="per row; above 2500 the log starts anew")
    parser.add_argument("--delay", type=float, default=0.0, help="milliseconds added to each flush")
    arguments = parser.parse_args()
    print("clients   batch  SQL µs/m  commit µs  log oct/m     msg/s")
    for clients in (1, 10, 50):
        print(asyncio.run(run(clients, arguments.messages, arguments.delay / 1000)), flush=True)


if __name__ == "__main__":
    main()

"""What recording a try costs: `python bench/tries.py [--tries N] [--batch N]`.

The tries are those of real deliveries to the lab, written again and again, each of another message, with one commit per
batch. Reported per try: octets of the record, CPU of writing it down (`Attempt.encode`) and of storing it
(`AttemptWriter`: encoding, hashing, SQL), octets in the log before a checkpoint and in the database after it.
"""

from __future__ import annotations

import argparse
import asyncio
import sqlite3
import tempfile
import time
from dataclasses import replace
from pathlib import Path

from danelaw.gateway.rehearsal import Rehearsal
from danelaw.lab import SCENARIOS
from danelaw.queue import Attempt, QueuedMessage, QueueIds, Settlement, id_from_text
from danelaw.spool import database
from danelaw.spool.attempts import AttemptWriter, recorded_of

PLAYED = ("plain.lab", "sts.lab", "dane.lab", "half-stale.lab")


async def played(directory: Path) -> dict[str, Attempt]:
    """The try that delivered a message to each of `PLAYED`."""
    chosen = [one for one in SCENARIOS if one.domain in PLAYED]
    found: dict[str, Attempt] = {}
    async with Rehearsal(chosen, directory) as rehearsal:
        for one in chosen:
            result = await rehearsal.play(one)
            spool = rehearsal.gateway.parts.spool
            recorded = recorded_of(spool.reader, id_from_text(result.id))
            found[one.domain] = Attempt.decode(recorded[-1].record)
    return found


def encoding(attempt: Attempt, rounds: int = 20_000) -> float:
    """Microseconds of CPU."""
    before = time.thread_time()
    for _ in range(rounds):
        attempt.encode()
    return (time.thread_time() - before) / rounds * 1e6


def storing(attempt: Attempt, directory: Path, tries: int, batch: int) -> tuple[float, float, float]:
    """Microseconds of CPU, octets of log and of database per try."""
    path = directory / "queue.db"
    connection = database.open_writer(path)
    connection.execute("PRAGMA wal_autocheckpoint = 0")
    connection.execute("PRAGMA synchronous = OFF")
    writer = AttemptWriter()
    ids = QueueIds(0)
    now = time.time()

    def settlement(number: int) -> Settlement:
        at = now + number / 1000
        message = QueuedMessage(ids.next(at), at, at, "", (), 0)
        return Settlement(message, at, (), (replace(attempt, time=at),))

    def write(first: int, count: int) -> float:
        settlements = [settlement(first + one) for one in range(count)]
        connection.execute("BEGIN")
        before = time.thread_time()
        writer.write(connection, settlements)
        spent = time.thread_time() - before
        connection.execute("COMMIT")
        return spent

    write(-1, 1)
    before = _pages(connection)
    log = path.with_name("queue.db-wal")
    began = log.stat().st_size
    spent = sum(write(first, batch) for first in range(0, tries, batch))
    logged = log.stat().st_size - began
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    stored = (_pages(connection) - before) * 4096
    connection.close()
    return spent / tries * 1e6, logged / tries, stored / tries


def _pages(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA page_count").fetchone()[0])


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tries", type=int, default=10_000)
    parser.add_argument("--batch", type=int, default=20, help="tries per commit")
    arguments = parser.parse_args()
    print("destination      record oct  encode µs  store µs  log oct  database oct")
    with tempfile.TemporaryDirectory(dir=Path.cwd()) as directory:
        for name, attempt in asyncio.run(played(Path(directory))).items():
            best = min(encoding(attempt) for _ in range(3))
            with tempfile.TemporaryDirectory(dir=directory) as spool:
                spent, logged, stored = storing(attempt, Path(spool), arguments.tries, arguments.batch)
            size = len(attempt.encode().encode())
            print(f"{name:16} {size:10d} {best:10.2f} {spent:9.1f} {logged:8.0f} {stored:13.0f}", flush=True)


if __name__ == "__main__":
    main()

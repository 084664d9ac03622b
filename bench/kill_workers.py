"""kill -9 of workers, supervisor and control process in mid-flight, under clients that send to sinks that record.

    python bench/kill_workers.py --kills 200 --messages 20000 [--workers 2] [--seed 1] [--directory DIR]

Unlike `crash.py`, which kills a gateway in one process, here most of it lives on: the supervisor replaces what died,
and a supervisor that died is started anew while its workers still finish. Afterwards every acknowledged message must
have arrived whole for each recipient, or be reported; duplicates must be within what was announced as
`possible_duplicates` when shards were opened again. Exit status 1 when a promise is broken.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import os
import random
import re
import signal
import sys
import tempfile
import time
from collections import Counter
from datetime import datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from crash import Clients, Tally, arrived, broken_promises, conclude, free_port, table
from recording_sink import Record, RecordingSink
from victim import Victim

SUPERVISOR_SHARE = 0.15
LONGEST_PAUSE = 1.2


async def kill_parts(
    victim: Victim, tally: Tally, chance: random.Random, done: asyncio.Event, kills: int, killed: Counter[str]
) -> None:
    """Kill so many processes, one at a time."""
    while tally.kills < kills:
        # The last kills do not wait for clients that have nothing left to send.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(done.wait(), 0.02 + chance.random() ** 2 * LONGEST_PAUSE)
        if done.is_set():
            return
        children = victim.children()
        if chance.random() < SUPERVISOR_SHARE or not children:
            await victim.end(signal.SIGKILL)
            await victim.start()
            await victim.ready()
            killed["supervisor"] += 1
        else:
            with contextlib.suppress(ProcessLookupError):
                os.kill(chance.choice(children), signal.SIGKILL)
            killed["worker or control process"] += 1
        tally.kills += 1


async def play(
    directory: Path, messages: int, kills: int, seed: int, workers: int = 2, clients: int = 12
) -> tuple[Tally, Record, list[str], Counter[str]]:
    """The whole story; gives what was sent, what arrived, every broken promise in words, and what was killed."""
    chance, tally, record, killed = random.Random(seed), Tally(), Record(), Counter[str]()
    loop = asyncio.get_running_loop()
    servers = [await loop.create_server(lambda: RecordingSink(record), "127.0.0.1", 0, backlog=200) for _ in range(2)]
    ports = [server.sockets[0].getsockname()[1] for server in servers]
    victim = Victim(directory, free_port(), (ports[0], ports[1]), workers)
    done = asyncio.Event()
    await victim.start()
    await victim.ready()
    killer = asyncio.create_task(kill_parts(victim, tally, random.Random(seed + 1), done, kills, killed))
    await Clients(tally, victim.port, messages, chance).run(clients)
    done.set()
    await killer
    await victim.ready()
    still = await arrived(tally, record)
    await victim.end(signal.SIGTERM)
    for server in servers:
        server.close()
    tally.bounds = [int(number) for number in re.findall(r"possible_duplicates=(\d+)", victim.log())]
    return tally, record, broken_promises(tally, record, victim, still), killed


_MOMENT = r"^(\S+)Z "
_DEATH = re.compile(_MOMENT + r'error: worker-died .*?shards=(?:"([\d ]*)"|(\d*))', re.MULTILINE)
_OPENED = re.compile(_MOMENT + r"(?:started .*?shards|adopted shard)=(\d+)", re.MULTILINE)
_BEGUN = re.compile(_MOMENT + r"supervising ", re.MULTILINE)


def longest_orphaned(log: str) -> float:
    """The longest time in seconds that a shard of a dead worker had nobody, from the log."""
    opened = [(datetime.fromisoformat(found[1]), found[2]) for found in _OPENED.finditer(log)]
    begun = [datetime.fromisoformat(found[1]) for found in _BEGUN.finditer(log)]
    longest = 0.0
    for found in _DEATH.finditer(log):
        died = datetime.fromisoformat(found[1])
        for shard in (found[2] or found[3] or "").split():
            after = [moment for moment, number in opened if number == shard and moment >= died]
            # A supervisor that was itself killed meanwhile gives a shard to nobody.
            if after and not any(died <= moment <= min(after) for moment in begun):
                longest = max(longest, (min(after) - died).total_seconds())
    return longest


def main() -> None:
    """Play, print, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=2000)
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--directory", type=Path, help="keep spool and log here (default: a temporary directory)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="danelaw-kill-", dir="/var/tmp") as name:
        directory = options.directory or Path(name)
        directory.mkdir(parents=True, exist_ok=True)
        started = time.monotonic()
        tally, record, broken, killed = asyncio.run(
            play(directory, options.messages, options.kills, options.seed, options.workers)
        )
        orphaned = longest_orphaned((directory / "danelaw.log").read_text())
    print(f"kill_workers: {options.messages} messages, {options.workers} workers, seed {options.seed}")
    for what, count in killed.items():
        print(f"  {'killed: ' + what:34}{count}")
    print(f"  {'shard of a dead worker orphaned for':36}{orphaned:.2f} s at most")
    print(table(tally, record, time.monotonic() - started))
    conclude(broken)


if __name__ == "__main__":
    main()

"""Thousands of crashes out of one run: what might lie on the disk at any moment, and whether the spool comes back.

    python bench/crash_states.py [--messages 300] [--images 2500] [--seed 1] [--directory DIR]

A gateway runs under `crash_recorder.c`, which writes down every call that changes its spool, every 250 it says and
every delivery it hears of; it is killed once on the way. From the record come the states a crash at any moment may
leave (`crash_disk.py`): unflushed writes lost, kept in part, torn, names lost. On each the spool is opened as at a
start, and every message acknowledged before that moment must be there whole, unless its next hop had taken it or its
sender had been told. The same check runs on records from which flushes were taken out: there it must find losses, or
it proves nothing. Exit status 1 when a message is lost or when a missing flush goes unnoticed. Needs cc.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import hashlib
import json
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

from crash import Clients, Sent, Tally, free_port
from crash_disk import LOSSES, Directory, Disk, Event, File, Flush, Kind, crash, events
from recording_sink import Record, RecordingSink
from victim import Victim

from danelaw.errors import DanelawError
from danelaw.queue import RecipientState, id_from_text
from danelaw.spool import Spool, SpoolSettings

_SAID = re.compile(rb"250 2\.0\.0 queued as ([0-9a-z]{11})")
_HEARD = re.compile(rb"250 2\.0\.0 taken (\S+) ?(\S*)")
_FINAL = re.compile(rb"^Final-Recipient: ?rfc822; ?(\S+)", re.MULTILINE | re.IGNORECASE)
# The log is copied into the database and begun anew many times in a run, as it is in hours of a real one.
_SMALL_LOG = "from danelaw.spool import logsize; logsize.WAL_FRAMES = 150"
_OPEN = (RecipientState.QUEUED, RecipientState.DELIVERING, RecipientState.HELD)

MUTANTS: dict[str, Flush] = {
    "no flush at all": lambda what: False,
    "no flush of the database's log": lambda what: not what.path.endswith("-wal"),
    "no flush of the database itself": lambda what: not what.path.endswith("/queue.db"),
    "no flush of large bodies": lambda what: not (isinstance(what, File) and "/bodies/" in what.path),
    "no flush of the directory of bodies": lambda what: not what.path.endswith("/bodies"),
    "no flush of directories": lambda what: not isinstance(what, Directory),
}


def compiled(directory: Path) -> Path:
    """The recorder as a library to preload. Raises `OSError` or `CalledProcessError` where there is no cc."""
    library = directory / "recorder.so"
    source = Path(__file__).with_name("crash_recorder.c")
    subprocess.run(["cc", "-shared", "-fPIC", "-O2", "-o", str(library), str(source), "-ldl"], check=True)
    return library


@dataclass
class Run:
    """A recorded run: `sent` by queue id is what was acknowledged."""

    root: Path
    record: bytes
    sent: dict[int, Sent]


async def recorded(directory: Path, messages: int, seed: int, kill: bool = True, flush_ms: float = 0.0) -> Run:
    """Run a gateway under load, kill it half way and at the end, and give its record. Flushes take `flush_ms` longer:
    on a slow disk several are under way at once.
    """
    library, log, root = compiled(directory), directory / "record", directory / "root"
    root.mkdir()
    chance, tally, record = random.Random(seed), Tally(), Record()
    loop = asyncio.get_running_loop()
    servers = [await loop.create_server(lambda: RecordingSink(record), "127.0.0.1", 0, backlog=200) for _ in range(2)]
    ports = [server.sockets[0].getsockname()[1] for server in servers]
    recording = {
        "LD_PRELOAD": str(library), "CRASH_ROOT": str(root), "CRASH_RECORD": str(log),
        "CRASH_SAID": "queued as", "CRASH_HEARD": "taken ", "CRASH_FLUSH_US": str(int(flush_ms * 1000)),
    }  # fmt: skip
    victim = Victim(
        directory, free_port(), (ports[0], ports[1]), spool=root / "spool", environment=recording, before=_SMALL_LOG
    )
    await victim.start()
    await victim.ready()
    sending = asyncio.create_task(Clients(tally, victim.port, messages, chance).run(12))
    while kill and len(tally.acknowledged) < messages // 2 and not sending.done():
        await asyncio.sleep(0.01)
    if kill:
        await victim.end(signal.SIGKILL)
        await victim.start()
    await sending
    await asyncio.sleep(0.3)
    await victim.end(signal.SIGKILL)
    for server in servers:
        server.close()
    return Run(
        root, log.read_bytes(), {id_from_text(tally.ids[name]): tally.tried[name] for name in tally.acknowledged}
    )


@dataclass
class Known:
    """What the world outside had been told by a moment."""

    acknowledged: set[int] = field(default_factory=set)
    taken: set[str] = field(default_factory=set)
    told: set[str] = field(default_factory=set)

    def learn(self, event: Event) -> None:
        """One more thing was said or heard."""
        if event.kind is Kind.SAID:
            self.acknowledged.update(id_from_text(found.decode()) for found in _SAID.findall(event.data))
        elif event.kind is Kind.HEARD:
            for name, recipients in _HEARD.findall(event.data):
                (self.told if name == b"notice" else self.taken).update(recipients.decode().split(","))


@dataclass
class Verdict:
    """The outcome of many images. `lost` are broken promises in words."""

    images: int = 0
    checked: int = 0
    repeated: int = 0
    lost: list[str] = field(default_factory=list)
    by_loss: Counter[str] = field(default_factory=Counter)
    by_loss_lost: Counter[str] = field(default_factory=Counter)


def examined(run: Run, images: int, seed: int, counts: Flush = lambda what: True, enough: int | None = None) -> Verdict:
    """Crash at `images` moments spread over the record, and look what comes back; with `enough` losses stop."""
    chance, verdict = random.Random(seed), Verdict()
    every = list(events(run.record))
    # Where something can be lost: calls that change files, and the moments just after something was promised.
    moments = sorted(chance.choices(range(len(every)), k=images))
    disk, known, at = Disk(str(run.root), counts), Known(), 0
    with tempfile.TemporaryDirectory(prefix="danelaw-images-", dir=_fast_disk()) as place:
        for number, moment in enumerate(moments):
            for event in every[at : moment + 1]:
                disk.play(event)
                known.learn(event)
            at = moment + 1
            loss = LOSSES[number % len(LOSSES)]
            image = Path(place) / "image"
            image.mkdir()
            crash(disk, loss, chance, image)
            found = _promises_broken(run, image, known, verdict)
            verdict.images += 1
            verdict.by_loss[loss.words] += 1
            verdict.by_loss_lost[loss.words] += bool(found)
            verdict.lost += [f"after call {moment}, {loss.words}: {words}" for words in found]
            shutil.rmtree(image)
            if enough is not None and len(verdict.lost) >= enough:
                break
    return verdict


def _fast_disk() -> str | None:
    return "/dev/shm" if Path("/dev/shm").is_dir() else None


def _promises_broken(run: Run, image: Path, known: Known, verdict: Verdict) -> list[str]:
    """Start on an image; gives what is missing or damaged, in words."""
    try:
        spool = Spool.open(image / "spool", settings=SpoolSettings(reserve=0))
    except DanelawError as error:
        return [f"does not start: {error.reason}"]
    with contextlib.closing(_Closer(spool)):
        check = spool.reader.execute("PRAGMA quick_check(1)").fetchone()[0]
        if check != "ok":
            return [f"database: {check}"]
        found = _states(spool)
        told = known.told | _notices_on_disk(spool)
        broken = []
        for number in known.acknowledged:
            verdict.checked += 1
            broken += _missing(spool, number, run.sent.get(number), found.get(number), known, told, verdict)
        return broken


class _Closer:
    def __init__(self, spool: Spool) -> None:
        self.close = spool.close_now


def _states(spool: Spool) -> dict[int, dict[str, RecipientState]]:
    """Every message the spool knows, with the state of each recipient by address."""
    found: dict[int, dict[str, RecipientState]] = {}
    for number, path, state in spool.reader.execute("SELECT message, forward_path, state FROM recipient"):
        found.setdefault(number, {})[path] = RecipientState(state)
    for number, recipients in spool.reader.execute("SELECT id, recipients FROM history"):
        found[number] = {row[1]: RecipientState(row[3]) for row in json.loads(recipients)}
    return found


def _notices_on_disk(spool: Spool) -> set[str]:
    rows = spool.reader.execute("SELECT b.data FROM body b JOIN message m ON m.id = b.id WHERE m.reverse_path = ''")
    return {recipient.decode() for (body,) in rows for recipient in _FINAL.findall(body)}


def _missing(
    spool: Spool,
    number: int,
    sent: Sent | None,
    states: dict[str, RecipientState] | None,
    known: Known,
    told: set[str],
    verdict: Verdict,
) -> list[str]:
    """What is wrong with one acknowledged message."""
    if states is None:
        return [f"{number} is gone"]
    if sent is None:
        return []  # its client did not live to read the 250
    broken, waits = [], False
    for recipient in sent.recipients:
        state = states.get(recipient)
        if state in _OPEN:
            waits = True
            verdict.repeated += recipient in known.taken
        elif state is RecipientState.DELIVERED and recipient not in known.taken:
            broken.append(f"{recipient} is called delivered and was not")
        elif state is RecipientState.FAILED and recipient not in told:
            broken.append(f"{recipient} failed without a notice")
        elif state not in (RecipientState.DELIVERED, RecipientState.FAILED):
            broken.append(f"{recipient} is {state}")
    if waits and _digest(spool, number) != sent.digest:
        broken.append(f"the body of {number} is damaged or missing")
    return broken


def _digest(spool: Spool, number: int) -> str:
    from danelaw.spool.rows import load_messages

    try:
        [message] = load_messages(spool.reader, {number: None})
        return hashlib.sha256(spool.read_body(message).partition(b"\r\n\r\n")[2]).hexdigest()
    except (DanelawError, ValueError) as error:
        return repr(error)


def table(run: Run, verdict: Verdict, seconds: float) -> Iterator[str]:
    """The figures for people."""
    calls = Counter(event.kind.name.lower().replace("_", " ") for event in events(run.record))
    yield "  recorded              " + ", ".join(f"{count} {name}" for name, count in sorted(calls.items()))
    large = sum(one.large for one in run.sent.values())
    yield f"  acknowledged          {len(run.sent)} messages, {large} of them large"
    yield f"  {'crash images':36}{'images':>8}{'with losses':>13}"
    for loss in LOSSES:
        yield f"  {loss.words:36}{verdict.by_loss[loss.words]:>8}{verdict.by_loss_lost[loss.words]:>13}"
    yield f"  {'all':36}{verdict.images:>8}{sum(verdict.by_loss_lost.values()):>13}"
    yield f"  looked for {verdict.checked} acknowledged messages; {verdict.repeated} deliveries would be repeated"
    yield f"  time {seconds:.0f} s"


def mutants(run: Run, images: int, seed: int) -> Iterator[tuple[str, Verdict]]:
    """The same check on records without some of their flushes, each until it has found a loss."""
    for name, counts in MUTANTS.items():
        yield name, examined(run, images, seed, counts, enough=1)


def main() -> None:
    """Record, crash, judge."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--messages", type=int, default=300)
    parser.add_argument("--images", type=int, default=2500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--flush-delay", type=float, default=0.0, metavar="MS", help="each flush takes longer")
    parser.add_argument("--directory", type=Path, help="keep spool and record here (default: a temporary directory)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="danelaw-crash-", dir="/var/tmp") as name:
        directory = options.directory or Path(name)
        directory.mkdir(parents=True, exist_ok=True)
        run = asyncio.run(recorded(directory, options.messages, options.seed, flush_ms=options.flush_delay))
        print(f"crash states: {options.messages} messages, seed {options.seed}")
        missed = complete(run)
        print("  the record explains every octet on the disk" if not missed else f"  record incomplete: {missed[:3]}")
        started = time.monotonic()
        verdict = examined(run, options.images, options.seed)
        print("\n".join(table(run, verdict, time.monotonic() - started)))
        for words in verdict.lost[:10]:
            print(f"  LOST  {words}")
        unnoticed = 0
        for name, seen in mutants(run, options.images, options.seed):
            unnoticed += not seen.lost
            words = f"found at image {seen.images}: {seen.lost[0]}" if seen.lost else "NOT FOUND"
            print(f"  mutant, {name:36} {words}")
    good = not (missed or verdict.lost or unnoticed)
    print("every promise kept, every missing flush found" if good else "promises broken, or the checker is blind")
    raise SystemExit(0 if good else 1)


def complete(run: Run) -> list[str]:
    """Where the record does not explain the disk as the last kill left it; empty when it missed no call."""
    disk = Disk(str(run.root))
    for event in events(run.record):
        disk.play(event)
    return disk.differences(run.root)


if __name__ == "__main__":
    main()

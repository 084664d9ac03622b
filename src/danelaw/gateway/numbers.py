"""Where metrics get what nobody counts while mail flows: sizes of the queue, numbers of the resolver and the disk."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from danelaw.gateway import shared_numbers
from danelaw.queue import RecipientState
from danelaw.shared import inspection
from danelaw.spool import database
from danelaw.spool.turns import Turns

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from danelaw.address import Domain
    from danelaw.gateway.parts import Parts
    from danelaw.telemetry import Log, Metrics

_HELD = int(RecipientState.HELD)


class QueueSize(NamedTuple):
    """Messages that wait, messages of which all that is open is held, and when the oldest waiting one came."""

    waiting: int
    held: int
    oldest: float | None


def queue_size(shards: Iterable[Path]) -> QueueSize:
    """Count the messages of some shards, by directory. For a thread: reads through connections of its own, in short
    transactions.
    """
    sizes = [_shard_size(shard) for shard in shards]
    oldest = min((size.oldest for size in sizes if size.oldest is not None), default=None)
    return QueueSize(sum(size.waiting for size in sizes), sum(size.held for size in sizes), oldest)


def waiting(shard: Path) -> int:
    """How many recipients wait unclaimed in a shard, by its directory. For a thread."""
    connection = database.open_reader(shard / database.DATABASE_NAME)
    try:
        found = connection.execute("SELECT count(*) FROM recipient INDEXED BY recipient_due WHERE state = 0").fetchone()
    finally:
        connection.close()
    return int(found[0])


def _shard_size(shard: Path) -> QueueSize:
    connection = database.open_reader(shard / database.DATABASE_NAME)
    waiting = held = 0
    oldest: float | None = None
    try:
        counted = Turns(connection).read(
            lambda above, upto: connection.execute(
                "SELECT count(DISTINCT iif(state < ?1, message, NULL)), count(DISTINCT message),"
                " min(iif(state < ?1, message, NULL)) FROM recipient"
                " WHERE message > ?2 AND message <= ?3 AND state <= ?1",
                (_HELD, above, upto),
            ).fetchone()
        )
        for counts, all_open, first in counted:
            waiting, held = waiting + counts, held + all_open - counts
            if oldest is None and first is not None:
                row = connection.execute("SELECT received_at FROM message WHERE id = ?", (first,)).fetchone()
                oldest = row[0] if row is not None else None
    finally:
        connection.close()
    return QueueSize(waiting, held, oldest)


def show_queue(metrics: Metrics, size: QueueSize, now: float) -> None:
    """Set the gauges of the queue; `now` in POSIX seconds."""
    metrics.queue_messages.set(float(size.waiting), "waiting")
    metrics.queue_messages.set(float(size.held), "held")
    metrics.queue_oldest.set(0.0 if size.oldest is None else max(0.0, now - size.oldest))


def connect(metrics: Metrics, parts: Parts, log: Log) -> None:
    """Let the parts tell their numbers: the spool each commit, the resolver each look-up, the rest when asked."""
    metrics.outbound_open.read_from(lambda: float(len(parts.door.sweep)))
    engine = parts.engine
    metrics.slow_downs.read_from(lambda: float(len(engine.slowing.listed())))
    gate = engine.scheduler.gate
    if gate is not None:
        metrics.suspensions.read_from(lambda: float(len(gate.suspended.in_force())))
        metrics.limited_queues.read_from(lambda: float(len(gate.waiting())))
    metrics.spool_log.read_from(lambda: sum(_log_size(shard.spool.directory) for shard in parts.shards.open.values()))
    metrics.spool_free.read_from(lambda: _free_space(parts.spool.directory))
    counts = parts.resolver.counts
    counts.observe = metrics.resolver_seconds.observe

    def read() -> None:
        for status, number in counts.answers.items():
            metrics.resolver_answers.cell(status.name.lower()).value = number
        metrics.resolver_cached.cell().value = counts.hits
        metrics.resolver_queries.cell("udp").value = counts.udp
        metrics.resolver_queries.cell("tcp").value = counts.tcp
        metrics.log_lost.cell().value = log.dropped
        line = parts.workshop.place and parts.workshop.place.shared
        shared_numbers.of_process(metrics, parts.workshop.shared, parts.workshop.caches, line.late if line else 0)
        if parts.shared_here is not None:
            shared_numbers.of_store(metrics, inspection.listed(parts.shared_here.store))
        now = time.time()
        in_force = (one for one in parts.overrides.all(now) if one.expires is None or one.expires > now)
        metrics.overrides.set(float(sum(1 for _ in in_force)))
        if parts.scripts is not None:
            parts.scripts.show_numbers()

    metrics.refresh = read


def commit_observer(metrics: Metrics) -> Callable[[int, float | None], None]:
    """Told the messages of each batch and the seconds it took, None for a commit that failed."""
    failures = metrics.spool_failures.cell()

    def committed(messages: int, seconds: float | None) -> None:
        if seconds is None:
            failures.value += 1
            return
        metrics.spool_commit_seconds.observe(seconds)
        if messages:
            metrics.spool_commit_messages.observe(float(messages))

    return committed


def counted_fetch(
    fetch: Callable[[Domain], Awaitable[bytes]], metrics: Metrics
) -> Callable[[Domain], Awaitable[bytes]]:
    """The fetcher of MTA-STS policies, with its results counted."""
    from danelaw.errors import DanelawError
    from danelaw.mtasts import PolicyError, STSPolicy

    async def counted(domain: Domain) -> bytes:
        try:
            document = await fetch(domain)
        except DanelawError as error:
            metrics.sts_fetches.add(str(getattr(error, "tlsrpt", "") or "sts-policy-fetch-error"))
            raise
        try:
            STSPolicy.from_text(document)
        except PolicyError:
            metrics.sts_fetches.add("sts-policy-invalid")
        else:
            metrics.sts_fetches.add("ok")
        return document

    return counted


def _free_space(directory: Path) -> float:
    space = os.statvfs(directory)
    return float(space.f_bavail * space.f_frsize)


def _log_size(shard: Path) -> float:
    try:
        return float(os.stat(shard / f"{database.DATABASE_NAME}-wal").st_size)
    except OSError:
        return 0.0

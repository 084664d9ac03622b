"""One shard of the spool, owned by this process: append, claim, settle, release, and the bodies."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from danelaw.queue import QueuedMessage, QueueIds, RoutingKey, Settlement, floor_id
from danelaw.spool import bodies, claims, database, retention
from danelaw.spool.ballast import Ballast
from danelaw.spool.batch import Observer, Stored, Together
from danelaw.spool.bodies import EXAMINED, PARTIAL, BodyWriter
from danelaw.spool.commit import GroupCommit
from danelaw.spool.committer import commit_transaction
from danelaw.spool.errors import BodyMissing, CommitFailed, SpoolError, SpoolFull
from danelaw.spool.faults import reading, unusable
from danelaw.spool.horizon import Horizon, asleep
from danelaw.spool.opening import log_path, open_batch_writer
from danelaw.spool.queues import QueueRow, queue_rows
from danelaw.spool.retention import SpoolSettings
from danelaw.spool.writer import Appended, BatchWriter

Commit = Callable[[sqlite3.Connection], None]
DEFAULTS = SpoolSettings()
SPACE_CHECK_SECONDS = 1.0


class Spool:
    """One shard. `recovered` counts the deliveries a crash may repeat, `orphans` the body files removed at start;
    `last_alive` is when an earlier process last worked on it (POSIX seconds), None when there was none.

    Everything but `BodyWriter.close` is called on one thread: the loop's, or a command's when no server runs.
    """

    def __init__(
        self,
        directory: Path,
        shard: int,
        lock: int,
        settings: SpoolSettings,
        clock: Callable[[], float],
        commit: Commit,
        flush: Callable[[int], None],
    ) -> None:
        """Use `Spool.open`."""
        self.directory, self.shard, self.settings = directory, shard, settings
        self.recovered = 0
        self.last_alive: float | None = None
        self.orphans = 0
        self._lock = lock
        self._clock = clock
        self._bodies = directory / "bodies"
        self._claiming: set[tuple[int, int]] = set()
        self._late_cursor = self._expired_cursor = 0
        self._horizon = Horizon()
        self._space_checked = float("-inf")
        self._space_left = True
        self._retention = retention.Retention(settings)
        self._ballast = Ballast(directory, settings.reserve)
        writer = open_batch_writer(self.directory, self.settings)
        self._commits = GroupCommit(writer, self._reopen, self._bodies, log_path(directory), commit, flush)
        self.reader = database.open_reader(directory / database.DATABASE_NAME)

    @classmethod
    def open(
        cls,
        directory: Path,
        shard: int = 0,
        *,
        settings: SpoolSettings = DEFAULTS,
        clock: Callable[[], float] = time.time,
        commit: Commit = commit_transaction,
        flush: Callable[[int], None] = os.fdatasync,
    ) -> Spool:
        """Lock the shard below the spool `directory`, bring it up to date and recover what a crash left.

        `commit` ends a transaction and `flush` makes it durable, given a descriptor of the log; tests put failures in
        their place. Raises `SpoolLocked`, `SpoolVersion`,
        `SpoolError`.
        """
        home = database.shard_directory(Path(directory), shard)
        try:
            database.make_directory(home / "bodies")
            alive = database.last_alive(home)
            lock = database.lock_shard(home)
        except OSError as error:
            raise SpoolError(
                f"the spool {home} cannot be used: {error.strerror}", advice="check that the directory may be written"
            ) from error
        try:
            spool = cls(home, shard, lock, settings, clock, commit, flush)
            spool.last_alive = alive
            spool._recover()
        except (sqlite3.Error, OSError) as error:
            os.close(lock)
            raise unusable(home, error) from error
        except BaseException:
            os.close(lock)
            raise
        return spool

    def _recover(self) -> None:
        connection = self._commits.writer.connection
        self.recovered = claims.requeue_claimed(connection)
        known = connection.execute("SELECT body_file FROM message WHERE body_file IS NOT NULL")
        self.orphans = bodies.sweep_orphans(self._bodies, {row[0] for row in known})
        last = connection.execute(
            "SELECT max(coalesce((SELECT max(id) FROM message), 0), coalesce((SELECT max(id) FROM history), 0))"
        ).fetchone()[0]
        self._ids = QueueIds(self.shard, last)

    def _reopen(self) -> BatchWriter:
        """New descriptors after a failed flush, and the whole log copied through them before anything is trusted.

        Until that has worked the old reader stays: deliveries and the operator still want to look.
        """
        with contextlib.suppress(sqlite3.Error):
            self._commits.writer.connection.close()
        if isinstance(self._commits.broken, SpoolFull):
            self._ballast.give_up()
            self._space_checked = float("-inf")
        writer = open_batch_writer(self.directory, self.settings)
        try:
            if writer.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]:
                raise CommitFailed("a reader keeps the spool's log from being copied")
            reader = database.open_reader(self.directory / database.DATABASE_NAME)
        except BaseException:
            writer.connection.close()
            raise
        self.reader.close()
        self.reader = reader
        return writer

    # Mail in.

    def new_id(self) -> int:
        """The id for a message received now."""
        return self._ids.next(self._clock())

    def body_writer(self, message_id: int, *, examined: bool = False) -> BodyWriter:
        """A writer for a body above `settings.inline_limit`; its `close()` gives the message's `body_file`.

        `examined` makes the file that steps read before there is a message: `look` and `abort` it.
        """
        return BodyWriter(self._bodies, message_id, EXAMINED if examined else PARTIAL)

    def refusal(self) -> SpoolError | None:
        """Why no mail can be taken now, None when it can: worth asking before MAIL is answered."""
        if self._commits.broken is not None:
            return self._commits.broken
        now = self._clock()
        if not 0 <= now - self._space_checked < SPACE_CHECK_SECONDS:
            self._space_checked = now
            try:
                space = os.statvfs(self.directory)
            except OSError as error:
                return CommitFailed(f"the spool's disk does not answer: {error.strerror}")
            enough = space.f_bavail * space.f_frsize > self.settings.reserve and space.f_favail != 0
            self._space_left = enough and self._ballast.keep()
        if self._space_left:
            return None
        megabytes = self.settings.reserve >> 20
        return SpoolFull(
            f"less than {megabytes} MB are free under the spool", advice="free space, or lower min_free under [spool]"
        )

    def append_soon(self, message: QueuedMessage, body: bytes | None, stored: Stored, *, claimed: bool = False) -> None:
        """Store a message; `stored(None)` on the loop once it is on stable storage, `stored(error)` when it is not.

        `body` is None when `message.body_file` names a closed body. With `claimed` its recipients belong to this
        process at once, for delivery from memory. The error's `code` and `enhanced` answer the client.
        """
        self.append_together_soon((Appended(message, body, claimed),), stored)

    def append_together_soon(self, items: Together, stored: Stored) -> None:
        """`append_soon` of several messages in one transaction: all are on stable storage, or none ever was there."""
        refusal = self.refusal() if self._commits.broken is None else None
        if refusal is not None:
            bodies.delete_bodies(self._bodies, [item.message.body_file for item in items if item.message.body_file])
            asyncio.get_running_loop().call_soon(stored, refusal)
            return
        self._commits.append_soon(items, stored)

    async def append(self, message: QueuedMessage, body: bytes | None, *, claimed: bool = False) -> None:
        """Like `append_soon`, returning only after the durable commit. Raises `SpoolError`."""
        future = asyncio.get_running_loop().create_future()
        self.append_soon(message, body, lambda error: _resolve(future, error), claimed=claimed)
        await future

    # Mail out.

    def claim(
        self, key: RoutingKey, count: int, now: float, marked: Callable[[], None] | None = None
    ) -> tuple[list[QueuedMessage], float | None]:
        """Up to `count` due recipients of a queue, as messages, and the earliest due time of what is left.

        A claim never expires while this process lives; after a crash it is due again. `marked` is called once the claim
        itself is on stable storage: what goes on the wire before that is a delivery a crash may repeat and nobody
        counts. Raises `SpoolError`.
        """
        with reading():
            queue = self._commits.writer.numbers.known(key, self.reader)
            if queue is None:
                return [], None
            taken, next_due = claims.due_messages(self.reader, queue, count, now, self._claiming)
        pairs = [(message.id, recipient.number) for message in taken for recipient in message.recipients]
        if pairs:
            self._claiming.update(pairs)

            def stored() -> None:
                self._claiming.difference_update(pairs)
                if marked is not None:
                    marked()

            self._commits.later(lambda writer: writer.set_claimed(pairs, True), stored, soon=marked is not None)
        return taken, next_due

    def renew(self, messages: Sequence[QueuedMessage]) -> None:
        """Keep claims alive. The shard's lock is a lease without an end, so there is nothing to write; storage shared
        between machines will need it.
        """

    def release(self, messages: Sequence[QueuedMessage], released: Callable[[], None] | None = None) -> None:
        """Give claims back untried; they are due at once. Rides with the next batch; `released` once it is stored."""
        pairs = [(message.id, recipient.number) for message in messages for recipient in message.recipients]
        self._commits.later(lambda writer: writer.set_claimed(pairs, False), released)

    def settle_soon(self, settlement: Settlement, stored: Stored | None = None) -> None:
        """Store what a delivery changed, with the next batch, within 50 ms. A failed commit does not lose it: it is
        written again after recovery, and `stored` is called only then.
        """
        self._commits.settle_soon(settlement, stored)

    async def settle(self, settlement: Settlement) -> None:
        """Like `settle_soon`, returning when it is durable."""
        future = asyncio.get_running_loop().create_future()
        self.settle_soon(settlement, lambda error: _resolve(future, error))
        await future

    def save_queue(self, key: RoutingKey, suspended_until: float, failures: int, reason: str) -> None:
        """Remember a queue's back-off or suspension across restarts; rides with the next batch."""
        self._commits.later(lambda writer: writer.save_queue(key, suspended_until, failures, reason))

    def save_site(self, key: RoutingKey, site: str) -> None:
        """Remember which MX site serves a queue, for filters; rides with the next batch."""
        self._commits.later(lambda writer: writer.save_site(key, site))

    def save_setting(self, name: str, value: bytes) -> None:
        """Remember something by name across restarts; rides with the next batch."""
        self._commits.later(lambda writer: writer.save_setting(name, value))

    def setting(self, name: str) -> bytes | None:
        """What `save_setting` stored. Raises `SpoolError`."""
        with reading():
            row = self.reader.execute("SELECT value FROM setting WHERE name = ?", (name,)).fetchone()
        return None if row is None else bytes(row[0])

    def bring_forward(self, latest: float, now: float, *, claimed: bool = True) -> int:
        """Make due `now` whatever is due after `latest`, claimed or not: a clock that ran ahead wrote that. Before
        anything is `claimed` it need not be looked for. Returns how many recipients. Raises `SpoolError`.
        """
        with self._commits.exclusive() as writer:
            return claims.bring_forward(writer.connection, latest, now, claimed=claimed)

    def queues(self) -> list[QueueRow]:
        """Every queue with something waiting or suspended. Raises `SpoolError`."""
        with reading():
            return queue_rows(self.reader)

    def asleep(self) -> list[QueueRow]:
        """The queues that sleep: for `Scheduler.restore` at start. Raises `SpoolError`."""
        with reading():
            return asleep(self.reader)

    def look_again(self) -> None:
        """Have `coming_due` tell everything once more."""
        self._horizon.again()

    def coming_due(self, upto: float) -> tuple[list[tuple[RoutingKey, float]], float, bool]:
        """Queues with something due by `upto` that was not told yet, a bounded number; until when all was told; and
        whether that is as far as asked. Raises `SpoolError`.
        """
        with reading():
            found = self._horizon.coming(self.reader, upto)
        return found, self._horizon.reached, self._horizon.reached >= upto

    # Bodies.

    def read_body(self, message: QueuedMessage) -> bytes:
        """The whole body. Raises `BodyMissing`."""
        return b"".join(self.body_chunks(message))

    def body_path(self, message: QueuedMessage) -> Path:
        """The file of a large body."""
        assert message.body_file is not None
        return self._bodies / message.body_file

    def body_chunks(self, message: QueuedMessage, size: int = 262144) -> Iterator[bytes]:
        """The body in pieces of at most `size` octets, or in one piece from the database. Raises `BodyMissing`,
        `SpoolError`.
        """
        if message.body_file is not None:
            yield from bodies.read_chunks(self._bodies, message.body_file, size)
            return
        with reading():
            row = self.reader.execute("SELECT data FROM body WHERE id = ?", (message.id,)).fetchone()
        if row is None:
            raise BodyMissing(f"message {message.id_text} has no body in the spool")
        yield row[0]

    # Time passing.

    def expired(self, now: float, limit: int = 64) -> list[QueuedMessage]:
        """Messages whose lifetime is over, with their open recipients, wherever their queue stands; ask every second:
        of a long queue a part is looked at each time. Settle each recipient as `EXPIRED` unless the scheduler says it
        is on the wire.
        """
        before = floor_id(now - self.settings.shortest_lifetime)
        with reading():
            found, self._expired_cursor = claims.expired_messages(self.reader, now, self._expired_cursor, before, limit)
        return found

    def late(self, now: float, delay: float, limit: int = 64) -> list[QueuedMessage]:
        """Messages older than `delay` seconds whose sender was not told yet; each is reported once per run, or again
        after the clock stepped back.
        """
        before = floor_id(now - delay)
        self._late_cursor = min(self._late_cursor, max(0, before - 1))
        with reading():
            found = claims.late_messages(self.reader, self._late_cursor, before, limit)
        self._late_cursor = found[-1].id if len(found) == limit else max(self._late_cursor, before - 1)
        return [message for message in found if message.recipients]

    def sweep(self, now: float) -> int:
        """A short step of forgetting; call every few seconds. Returns what went. Raises `SpoolError`."""
        database.still_alive(self.directory, now)
        if self._commits.occupied:
            return 0
        with self._commits.exclusive() as writer:
            removed = self._retention.step(writer, now)
            retention.give_back_pages(writer.connection)
        return removed

    @contextlib.contextmanager
    def transaction(self, *, flush: bool = True) -> Iterator[BatchWriter]:
        """A transaction at once, for operators' acts; without `flush` it is durable when `patience.durable` says so."""
        with self._commits.exclusive(flush=flush) as writer:
            yield writer

    @property
    def commits(self) -> GroupCommit:
        """How batches get to the disk."""
        return self._commits

    def observe(self, observer: Observer) -> None:
        """Tell `observer` of every batch: the messages in it and the seconds it took, None when it failed."""
        self._commits.observe = observer

    @property
    def batches(self) -> tuple[int, int]:
        """How many batches were stored, and how many messages were in them."""
        return self._commits.batches, self._commits.stored

    async def close(self) -> None:
        """Store what is pending, give claims back, unlock. What a broken disk keeps from being stored stays claimed
        and is due again at the next start.
        """
        await self._commits.drain()
        if self._commits.broken is not None:
            self._commits.recover()
            await self._commits.drain()
        self.close_now()

    def close_now(self) -> None:
        """Like `close` where no loop runs and nothing is pending."""
        if self._lock < 0:
            return
        if self._commits.broken is None:
            with contextlib.suppress(SpoolError), self._commits.exclusive() as writer:
                claims.leave(writer.connection)
        self._commits.stop()
        for connection in (self.reader, self._commits.writer.connection):
            with contextlib.suppress(sqlite3.Error):
                connection.close()
        os.close(self._lock)
        self._lock = -1


def _resolve(future: asyncio.Future[None], error: SpoolError | None) -> None:
    if future.done():
        return
    if error is None:
        future.set_result(None)
    else:
        future.set_exception(error)

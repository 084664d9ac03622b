"""Group commit: statements on the loop thread, COMMIT and the flush that makes it durable in threads of their own.

Whoever arrives while a COMMIT runs joins the next batch, so a lone message is stored at once; there is no timer for
appends, but where the disk is slow (`danelaw.spool.flush`) and busy already. Results of deliveries ride along, and only
when no append came for 50 ms do they get a batch of their own: the two must never share a flag, or a result's timer
delays appends. A message with thousands of recipients is written in the commit thread.

A failed flush is final for its descriptor (the kernel may report success the next time). So the batch fails, the shard
takes no mail, and the database is opened anew and its whole log copied through the new descriptor before anything is
accepted again. What the failed COMMIT may have stored is removed; settlements are facts and are written again.
"""

from __future__ import annotations

import asyncio
import os
import sqlite3
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from danelaw.queue import QueuedMessage, Settlement
from danelaw.spool.batch import Action, Batch, Observer, Stored, Together, call
from danelaw.spool.bodies import delete_bodies
from danelaw.spool.committer import Committer, commit_transaction
from danelaw.spool.errors import SpoolError, SpoolFull, SpoolReadOnly
from danelaw.spool.faults import is_disk_fault, typed
from danelaw.spool.pace import Pace
from danelaw.spool.writer import BatchWriter

MAX_MESSAGES = 256
RESULTS_DELAY = 0.05
FIRST_RECOVERY, LONGEST_RECOVERY = 1.0, 30.0


class GroupCommit:
    """One shard's batches. All methods belong to the loop thread; callbacks run there too."""

    def __init__(
        self,
        writer: BatchWriter,
        reopen: Callable[[], BatchWriter],
        bodies: Path,
        log: Path,
        commit: Callable[[sqlite3.Connection], None] = commit_transaction,
        flush: Callable[[int], None] = os.fdatasync,
    ) -> None:
        """`log` is the write-ahead log of the database that `writer` writes."""
        self.writer = writer
        self.broken: SpoolError | None = None
        self.batches, self.stored, self.failures = 0, 0, 0
        self.observe: Observer = lambda messages, seconds: None
        self._reopen = reopen
        self._bodies = bodies
        self._committer = Committer(self, bodies, log, commit, flush)
        self._pace = Pace()
        self._appends: deque[tuple[Together, Stored]] = deque()
        self._settlements: deque[tuple[Settlement, Stored | None]] = deque()
        self._actions: list[tuple[Action, Callable[[], None] | None]] = []
        self._rejected: list[QueuedMessage] = []
        self._unflushed: list[Batch] = []
        self._alone = 0
        self._busy = self._writing = self._scheduled = False
        self._results_timer: asyncio.TimerHandle | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._idle: list[asyncio.Future[None]] = []
        self._recovery: asyncio.TimerHandle | None = None
        self._recovery_delay, self._closed = FIRST_RECOVERY, False

    def append_soon(self, items: Together, stored: Stored) -> None:
        """Store messages with the next batch, all or none; `stored` is never called before this returns."""
        if self.broken is not None:
            kind = SpoolFull if isinstance(self.broken, SpoolFull) else SpoolReadOnly
            refusal = kind(f"the spool takes no mail: {self.broken.reason}", advice=self.broken.advice)
            self._drop_bodies([item.message for item in items])
            self._running_loop().call_soon(stored, refusal)
            return
        self._appends.append((items, stored))
        self._kick()

    def settle_soon(self, settlement: Settlement, stored: Stored | None) -> None:
        """Store an outcome with the next batch, within 50 ms; kept and repeated until it is stored."""
        self._settlements.append((settlement, stored))
        self._arm()

    def later(self, action: Action, done: Callable[[], None] | None = None, *, soon: bool = False) -> None:
        """Run repeatable statements inside the next transaction, before its messages; `done` once it is durable. With
        `soon` a batch starts at once.
        """
        self._actions.append((action, done))
        if soon and self.broken is None and self._looped():
            self._kick()
        else:
            self._arm()

    @contextmanager
    def exclusive(self, *, flush: bool = True) -> Iterator[BatchWriter]:
        """A transaction at once, on this thread: for operators' acts and sweeps, which are short and rare.

        Waits for a COMMIT under way. What is true but not yet stored comes first, so that an act finds the queue as it
        is. Without `flush` it is durable with the next batch, which begins at once. Raises `SpoolError`.
        """
        if self.broken is not None:
            raise SpoolReadOnly(f"the spool cannot be changed now: {self.broken.reason}", advice=self.broken.advice)
        with self._committer.transaction:
            if self._committer.flaw is not None:
                raise self._committer.flaw
            connection = self.writer.connection
            before = connection.total_changes
            batch = Batch(settlements=list(self._settlements), actions=self._actions)
            self._settlements, self._actions = deque(), []
            if not flush:
                self._committer.begin_unflushed(self.writer)
            try:
                self._write(batch)
                yield self.writer
                doomed = self._committer.here(self.writer, flush=flush)
            except BaseException as error:
                self._take_back(batch)
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                self.writer.rolled_back()
                if is_disk_fault(error):
                    self._break(typed(error))
                    raise self.broken or typed(error) from error
                raise
            self._committer.log.grew(connection.total_changes - before, 0)
            restart = self._committer.restart_log(self.writer)
        if not flush:
            self._unflushed.append(batch)
            self.later(lambda _: None, lambda: self._flushed(batch, doomed), soon=True)
            return
        delete_bodies(self._bodies, doomed)
        batch.tell(self._report)
        if restart:
            self.later(lambda _: None, soon=True)  # the commit thread does it after any batch

    def _flushed(self, batch: Batch, doomed: Sequence[str]) -> None:
        """What `exclusive` left to the next batch to flush is durable; after a failure it was taken back."""
        if batch in self._unflushed:
            self._unflushed.remove(batch)
            delete_bodies(self._bodies, doomed)
            batch.tell(self._report)

    @property
    def occupied(self) -> bool:
        """`exclusive` would take long: the commit thread writes rows, or restarts the log, or is about to."""
        waits = self.broken is None and Batch(settlements=list(self._settlements)).heavy
        return waits or self._writing or self._committer.checkpointing

    async def drain(self) -> None:
        """Returns once everything given so far is stored (or the shard is broken and cannot)."""
        while (
            self._busy
            or self._pace.flying
            or (self.broken is None and (self._appends or self._settlements or self._actions))
        ):
            waiter = self._running_loop().create_future()
            self._idle.append(waiter)
            self._kick()
            await waiter

    def stop(self) -> None:
        """End the commit thread and all timers; call after `drain`."""
        for timer in (self._results_timer, self._recovery):
            if timer is not None:
                timer.cancel()
        self._closed = True
        self.broken = self.broken or SpoolError("the spool is closed")
        self._committer.stop()

    # From here on: how a batch lives. _kick → _start → (thread) → finished → callbacks; where the disk is slow
    # _kick → _start → (thread) → took_off, free_early → (thread) → landed → finished.

    def _looped(self) -> bool:
        """False in a command, where `exclusive` stores what is pending."""
        if self._loop is None:
            with suppress(RuntimeError):
                self._loop = asyncio.get_running_loop()
        return self._loop is not None

    def _running_loop(self) -> asyncio.AbstractEventLoop:
        if self._loop is None:
            self._loop = asyncio.get_running_loop()
        return self._loop

    def _kick(self) -> None:
        if not self._scheduled and not self._busy:
            self._scheduled = True
            self._running_loop().call_soon(self._start)

    def _arm(self) -> None:
        """A batch for results alone, unless one starts sooner for an append."""
        if self._busy or self._scheduled or self.broken is not None or not self._looped():
            return
        if len(self._settlements) >= MAX_MESSAGES:
            self._kick()
        elif self._results_timer is None:
            self._results_timer = self._running_loop().call_later(RESULTS_DELAY, self._results_due)

    def _results_due(self) -> None:
        self._results_timer = None
        self._kick()

    def _take(self) -> Batch:
        batch, self._actions = Batch(actions=self._actions, begun=self._running_loop().time()), []
        limit = 1 if self._alone else MAX_MESSAGES
        octets = batch.fill(self._appends, self._settlements, limit, together=limit > 1)
        self._alone = max(0, self._alone - 1)
        self._committer.log.grew(0, octets)
        return batch

    def _start(self) -> None:
        self._scheduled = False
        if self._busy or self.broken is not None:
            return
        if self._results_timer is not None:
            self._results_timer.cancel()
        self._results_timer, batch = None, self._take()
        if not (batch.appends or batch.settlements or batch.actions):
            self._wake_idle()
            return
        self._busy = True
        self._committer.transaction.acquire()
        self._writing = batch.heavy
        if self._writing:
            self._committer.put(batch, self.writer, self._write_or_undo)
            return
        try:
            self._write_or_undo(batch)
        except Exception as error:
            self.unwritten(batch, error)
            return
        self._committer.put(batch, self.writer)

    def _write_or_undo(self, batch: Batch) -> None:
        """On the loop, or in the commit thread. What fails ends the transaction at once: the loop may wait for it."""
        try:
            self._write(batch)
        except Exception:
            with suppress(sqlite3.Error):
                if self.writer.connection.in_transaction:
                    self.writer.connection.execute("ROLLBACK")
            self.writer.rolled_back()
            self._committer.transaction.release()
            raise
        finally:
            self._writing = False

    def _write(self, batch: Batch) -> None:
        writer = self.writer
        before = writer.connection.total_changes
        writer.connection.execute("BEGIN IMMEDIATE")
        for action, _ in batch.actions:
            try:
                action(writer)
            except Exception as error:
                if is_disk_fault(error):
                    raise
                # Its value cannot be stored: mail must not fail with it, nor wait for it.
                self._report(error, "the spool dropped a bad value")
        if batch.appends:
            writer.append(batch.messages)
        if batch.settlements:
            writer.settle([settlement for settlement, _ in batch.settlements])
        self._committer.log.grew(writer.connection.total_changes - before, 0)

    def unwritten(self, batch: Batch, error: Exception) -> None:
        """The disk's fault fails the batch, a value's fault is found by storing one at a time."""
        if is_disk_fault(error):
            self.finished(batch, typed(error), True)
            return
        self._busy = False
        count = len(batch.appends) + len(batch.settlements)
        if count > 1:
            self._appends.extendleft(reversed(batch.appends))
            self._take_back(batch)
            self._alone = count
        else:
            self._actions[:0] = batch.actions
            self._drop_bodies([item.message for item in batch.messages])
            self._report(error, "the spool dropped a bad value")
            refusal = SpoolError(f"the message cannot be stored: {error}")
            call([stored for _, stored in (*batch.appends, *batch.settlements)], refusal, self._report)
        self._kick()

    def _take_back(self, batch: Batch) -> None:
        """Its outcomes and changes come first in the next one."""
        self._settlements.extendleft(reversed(batch.settlements))
        self._actions[:0] = batch.actions

    def took_off(self) -> None:
        self._pace.flying += 1

    def free_early(self) -> None:
        """The next batch may begin, a little after the last, when not too many flushes are under way."""
        if self.broken is not None:
            self._busy = False
        else:
            self._pace.wait(self._running_loop(), self._committer.flush.spacing, self.free)

    def landed(self, batch: Batch, error: SpoolError | None) -> None:
        held_back = self._pace.landed()
        error = error or self._committer.flaw  # what another flush was told may hold for this one too
        if error is not None:
            waiting = self._pace.stop() or held_back
            self._fail(batch, error, busy=self._busy and not waiting)
            return
        self.finished(batch, None, False)
        if held_back:
            self.free()

    def finished(self, batch: Batch, error: SpoolError | None, free: bool) -> None:
        if error is not None:
            self._fail(batch, error)
            return
        self.batches, self.stored = self.batches + 1, self.stored + len(batch.messages)
        self.observe(len(batch.messages), self._running_loop().time() - batch.begun)
        if free:
            self._next()  # before anybody is told: the disk works meanwhile
        batch.tell(self._report)
        self._wake_idle()

    def _next(self) -> None:
        """The disk is free."""
        self._busy = False
        if self._appends or self._alone:
            self._start()
        elif self._settlements or self._actions:
            self._arm()

    def free(self) -> None:
        self._pace.stop()
        self._next()
        self._wake_idle()

    def _wake_idle(self) -> None:
        waiters, self._idle = self._idle, []
        for waiter in (one for one in waiters if not one.done()):
            waiter.set_result(None)

    def _report(self, fault: Exception, what: str = "a callback of the spool failed") -> None:
        if self._looped():
            self._running_loop().call_exception_handler({"message": what, "exception": fault})

    def _drop_bodies(self, messages: Iterable[QueuedMessage]) -> None:
        """Files of messages that were refused: a full disk must not fill up further with what nobody will send."""
        delete_bodies(self._bodies, [message.body_file for message in messages if message.body_file is not None])

    def _fail(self, batch: Batch, error: SpoolError, *, busy: bool = False) -> None:
        """`busy`: another batch is in the commit thread."""
        self._busy = busy
        self._rejected += [item.message for item in batch.messages]
        self._drop_bodies([item.message for items, _ in self._appends for item in items])
        refused = [stored for _, stored in (*batch.appends, *self._appends)]
        self._appends.clear()
        self._take_back(batch)
        self.writer.rolled_back()
        self._break(error)
        self.observe(len(batch.messages), None)
        call(refused, error, self._report)
        self._wake_idle()

    def _break(self, error: SpoolError) -> None:
        """No mail until the database was opened anew; without a loop (a command) the process ends instead."""
        self.broken = error
        self.failures += 1
        while self._unflushed:
            self._take_back(self._unflushed.pop())
        if self._loop is not None and self._recovery is None:
            self._recovery = self._loop.call_later(self._recovery_delay, self.recover)

    def recover(self) -> None:
        """Try to take mail again: open anew, remove what was refused. Comes by itself after a failure."""
        if self._recovery is not None:
            self._recovery.cancel()
        self._recovery = None
        if self.broken is None or self._closed:
            return
        if self._pace.flying or self._busy:
            self._break(self.broken)  # what is under way knows the old files
            return
        failure, settlements, self._settlements = self.broken, self._settlements, deque()
        try:
            self.writer = self._reopen()
            self._committer.reopened()
            self.broken = None
            with self.exclusive() as writer:
                writer.unappend([message.id for message in self._rejected])
        except (SpoolError, sqlite3.Error, OSError) as error:
            self._recovery_delay = min(LONGEST_RECOVERY, self._recovery_delay * 2)
            self._break(typed(error) if not isinstance(error, SpoolReadOnly) else failure)
            return
        finally:
            self._settlements = settlements
        self._drop_bodies(self._rejected)
        self._rejected.clear()
        self._recovery_delay = FIRST_RECOVERY
        self.free()

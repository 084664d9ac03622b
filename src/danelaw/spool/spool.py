"""Skeleton of the spool's interface; being filled."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from danelaw.queue import QueuedMessage, RoutingKey, Settlement
from danelaw.spool.errors import SpoolError

Stored = Callable[[SpoolError | None], None]


@dataclass(frozen=True, slots=True)
class SpoolSettings:
    """Limits and retention; sizes in octets, times in seconds."""

    inline_limit: int = 65536
    reserve: int = 256 << 20
    history_age: float = 30 * 86400
    history_size: int = 1 << 30
    attempts_age: float = 14 * 86400
    evidence_age: float = 14 * 86400
    redact_addresses: bool = False


@dataclass(frozen=True, slots=True)
class QueueRow:
    """One queue on disk: `due` is the earliest due time of what waits, None when nothing does."""

    key: RoutingKey
    waiting: int
    due: float | None
    suspended_until: float
    failures: int
    reason: str


class BodyWriter:
    """Writes a large body while it arrives."""

    def write(self, data: bytes) -> None:
        """Append a chunk."""
        raise NotImplementedError

    def close(self) -> str:
        """Make it durable; returns the `body_file` for the message. Blocks for a flush: call from a thread."""
        raise NotImplementedError

    def abort(self) -> None:
        """Remove what was written."""
        raise NotImplementedError


class Spool:
    """One shard, owned by this process alone."""

    recovered: int  # deliveries that may be duplicated after a crash

    @classmethod
    def open(
        cls,
        directory: Path,
        shard: int = 0,
        *,
        settings: SpoolSettings = SpoolSettings(),  # noqa: B008
        clock: Callable[[], float] = time.time,
    ) -> Spool:
        """Locks the shard, brings it up to date, recovers. Raises `SpoolLocked`, `SpoolVersion`, `SpoolError`."""
        raise NotImplementedError

    def new_id(self) -> int:
        """The id for a message received now."""
        raise NotImplementedError

    def body_writer(self, message_id: int) -> BodyWriter:
        """A writer for a body above `settings.inline_limit`."""
        raise NotImplementedError

    def append_soon(
        self, message: QueuedMessage, body: bytes | None, callback: Stored, *, claimed: bool = False
    ) -> None:
        """Calls `callback(None)` on the loop once the message is on stable storage, or `callback(error)`."""
        raise NotImplementedError

    async def append(self, message: QueuedMessage, body: bytes | None, *, claimed: bool = False) -> None:
        """Returns only after the durable commit. Raises `SpoolError` (its `code` answers the client)."""
        raise NotImplementedError

    def settle_soon(self, settlement: Settlement, callback: Stored | None = None) -> None:
        """Stored with the next batch, within 50 ms; survives a failed commit by being tried again."""
        raise NotImplementedError

    async def settle(self, settlement: Settlement) -> None:
        """Like `settle_soon`, returning when it is durable."""
        raise NotImplementedError

    def claim(self, key: RoutingKey, count: int, now: float) -> tuple[Sequence[QueuedMessage], float | None]:
        """Up to `count` due messages of a queue, and the earliest due time of what is left."""
        raise NotImplementedError

    def release(self, messages: Sequence[QueuedMessage]) -> None:
        """Give claims back untried."""
        raise NotImplementedError

    def queues(self) -> Sequence[QueueRow]:
        """All queues with something waiting or suspended: for `Scheduler.restore`."""
        raise NotImplementedError

    def save_queue(self, key: RoutingKey, suspended_until: float, failures: int, reason: str) -> None:
        """Remember a queue's back-off across restarts; rides the next batch."""
        raise NotImplementedError

    def read_body(self, message: QueuedMessage) -> bytes:
        """The whole body. Raises `BodyMissing`."""
        raise NotImplementedError

    def body_chunks(self, message: QueuedMessage, size: int = 262144) -> Iterator[bytes]:
        """The body in pieces, for large ones. Raises `BodyMissing`."""
        raise NotImplementedError

    def expired(self, now: float, limit: int = 64) -> Sequence[QueuedMessage]:
        """Messages whose lifetime is over, with their open recipients, wherever their queue stands."""
        raise NotImplementedError

    def late(self, now: float, delay: float, limit: int = 64) -> Sequence[QueuedMessage]:
        """Messages older than `delay` seconds whose sender was not yet told."""
        raise NotImplementedError

    def sweep(self, now: float) -> None:
        """Retention, vacuum, orphan bodies: a small step; call every few seconds."""
        raise NotImplementedError

    def operate(self, operation: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """The control socket's `queue.*` operations (without the prefix): list show hold release retry fail drop reroute purge."""
        raise NotImplementedError

    async def close(self) -> None:
        """Store what is pending, give claims back, unlock."""
        raise NotImplementedError

"""A spool with many messages in it, put there through `danelaw.spool` itself, without SMTP, to save hours."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

import uvloop

from danelaw.queue import QueuedMessage, QueuedRecipient, RoutingKey
from danelaw.spool import Spool, SpoolError

AT_ONCE = 1024
DAY = 86400.0
LINE = b"The quick brown fox jumps over the lazy dog. 0123456789\r\n"


class Waiting(NamedTuple):
    """One message for one recipient, tried next at `due` (POSIX seconds)."""

    next_hop: str
    to: str
    due: float
    subject: str = "waiting"


def body_of(subject: str, size: int) -> bytes:
    """A message of about so many octets."""
    head = f"From: a@sender.test\r\nSubject: {subject}\r\n\r\n".encode()
    return head + LINE * max(1, (size - len(head)) // len(LINE))


async def _pour(spool: Spool, messages: Iterable[Waiting], size: int, sender: str) -> int:
    free, failed, count, now = asyncio.Semaphore(AT_ONCE), [], 0, time.time()
    bodies: dict[str, bytes] = {}

    def stored(error: SpoolError | None) -> None:
        free.release()
        if error is not None:
            failed.append(error)

    for number, one in enumerate(messages):
        await free.acquire()
        if failed:
            raise failed[0]
        if len(bodies) > 64:
            bodies.clear()
        body = bodies.get(one.subject)
        if body is None:
            body = bodies[one.subject] = body_of(one.subject, size)
        recipient = QueuedRecipient(0, one.to, RoutingKey(one.next_hop), due=one.due)
        message = QueuedMessage(
            spool.new_id(), now, now + 5 * DAY, sender.format(number % 1000), (recipient,), len(body),
            client_address="192.0.2.1", client_helo="client.test", message_id=f"<{number}@client.test>",
        )  # fmt: skip
        spool.append_soon(message, body, stored)
        count = number + 1
    for _ in range(AT_ONCE):
        await free.acquire()
    await spool.close()
    return count


def fill(directory: Path, messages: Iterable[Waiting], size: int, *, sender: str = "s{}@sender.test") -> float:
    """Store them below the spool `directory` and let go of it; gives messages per second. All are on disk then."""
    started = time.perf_counter()
    count = uvloop.run(_pour_into(directory, messages, size, sender))
    return count / (time.perf_counter() - started)


async def _pour_into(directory: Path, messages: Iterable[Waiting], size: int, sender: str) -> int:
    return await _pour(Spool.open(directory), messages, size, sender)


def forget_pages(directory: Path) -> float:
    """Have the kernel drop what it caches of the files below, as after a start of the machine; gives their MB."""
    octets = 0
    for path in directory.rglob("*"):
        if path.is_file():
            descriptor = os.open(path, os.O_RDONLY)
            os.fsync(descriptor)
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
            octets += os.fstat(descriptor).st_size
            os.close(descriptor)
    return octets / 1e6

"""The shards of one spool together: the lock of the whole, and reading across all of them.

`DIRECTORY/lock` belongs to the one gateway that runs on a spool (its supervisor, or its only process). Each
`shard-NN/lock` belongs to the process that works on that shard, and lasts as long as that process: there is no lease to
renew, and the kernel ends it with its holder.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from sqlite3 import Connection
from typing import Any, TypeVar

from danelaw.spool import database, groups, operations, quarantine
from danelaw.spool.errors import NoSuchMessage, SpoolError
from danelaw.spool.spool import Spool

T = TypeVar("T")


def lock_spool(directory: Path) -> int:
    """Take the whole spool for this gateway; returns the descriptor that holds the lock (close it to let go).

    Raises `SpoolLocked` naming the process that has it, `SpoolError` when the directory cannot be used.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        return database.lock_shard(directory)
    except OSError as error:
        raise SpoolError(
            f"the spool {directory} cannot be used: {error.strerror}", advice="check that the directory may be written"
        ) from error


def is_free(directory: Path, shard: int) -> bool:
    """Whether no process works on a shard at this moment."""
    try:
        descriptor = os.open(database.shard_directory(directory, shard) / database.LOCK_NAME, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True


@contextmanager
def reading(directory: Path, shard: int) -> Iterator[Connection]:
    """A connection of its own that only reads a shard. Raises `SpoolError`."""
    connection = database.open_reader(database.shard_directory(directory, shard) / database.DATABASE_NAME)
    try:
        yield connection
    finally:
        connection.close()


def in_each(directory: Path, look: Callable[[Connection], T]) -> list[T]:
    """`look` at every shard, lowest number first; shards where it raises `NoSuchMessage` are left out, unless all do.

    Raises `SpoolError`.
    """
    numbers = database.shards(directory)
    if not numbers:
        raise SpoolError(f"there is no spool in {directory}", advice="give its directory with --spool, or --config")
    found: list[T] = []
    missing: NoSuchMessage | None = None
    for number in numbers:
        try:
            with reading(directory, number) as connection:
                found.append(look(connection))
        except NoSuchMessage as error:
            missing = error
    if missing is not None and not found:
        raise missing
    return found


def look(directory: Path, operation: str, arguments: Mapping[str, Any], now: float) -> dict[str, Any]:
    """`list` and `show` (`danelaw.spool.operations.look`) over all shards, as if they were one. Raises
    `DanelawError`.
    """
    asked = arguments
    if operation == "group" and len(database.shards(directory)) > 1:  # what is small in each may be large in all
        arguments = {**arguments, "limit": operations.MAX_GROUPS}
    results = in_each(directory, lambda connection: operations.look(connection, operation, arguments, now))
    return together(results, asked)


def look_at_held(directory: Path, operation: str, arguments: Mapping[str, Any], now: float) -> dict[str, Any]:
    """`danelaw.spool.quarantine.look` over all shards, as if they were one. Raises `DanelawError`."""
    results = in_each(directory, lambda connection: quarantine.look(connection, operation, arguments, now))
    return together(results, arguments)


def together(results: list[dict[str, Any]], arguments: Mapping[str, Any]) -> dict[str, Any]:
    """The shards' results as one: pages by id, counts added."""
    first = results[0]
    if len(results) == 1 or "id" in first or "message" in first:
        return first
    if "groups" in first:
        return groups.together(results, int(arguments["limit"]))
    if isinstance(first.get("messages"), list):
        rows = sorted((row for result in results for row in result["messages"]), key=lambda row: str(row["id"]))
        limit = int(arguments.get("limit", 100))
        cut = len(rows) > limit or any(result["after"] for result in results)
        return first | {"messages": rows[:limit], "after": rows[:limit][-1]["id"] if cut and rows else None}
    return {key: sum(result[key] for result in results) for key in first}


def act_on_each(
    directory: Path, arguments: Mapping[str, Any], act: Callable[[Spool], dict[str, Any]]
) -> dict[str, Any]:
    """Without a running gateway: open each shard below the spool `directory`, act on it, and give all results as one.

    Raises `SpoolLocked`, `SpoolError`.
    """
    numbers = database.shards(directory)
    if not numbers:
        raise SpoolError(f"there is no spool in {directory}", advice="give its directory with --spool, or --config")
    results = []
    for number in numbers:
        spool = Spool.open(directory, number)
        try:
            results.append(act(spool))
        finally:
            spool.close_now()
    return together(results, arguments)

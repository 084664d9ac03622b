"""The file in which shared state outlives restarts: `shared-state` in the spool directory.

It is written beside and renamed, so that it is always whole; what cannot be read is set aside under another name.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from danelaw.errors import DanelawError
from danelaw.shared import Store, UnreadableSnapshot, restore_file

if TYPE_CHECKING:
    from danelaw.telemetry import Log

FILE_NAME = "shared-state"
SAVE_SECONDS = 10.0
"""How old, at most, what a crash leaves of shared state may be."""
_MOST_LOOKED_AT = 1 << 30
_LARGEST_SHARE = 8
"""A file may have so many times the octets that the store may, since JSON escapes some characters."""


def read(directory: Path, clock: Callable[[], float]) -> Store:
    """The store as it was saved last, for whoever only looks; `clock` is POSIX seconds. Raises `DanelawError`."""
    store = Store()
    try:
        octets = _read(directory / FILE_NAME, _MOST_LOOKED_AT)
    except OSError as error:
        raise DanelawError(f"{directory / FILE_NAME} cannot be read: {error.strerror}") from None
    if octets is not None:
        restore_file(store, octets, clock(), clock())
    return store


def load(
    directory: Path,
    most_octets: int,
    log: Log,
    ticks: Callable[[], float] = time.monotonic,
    clock: Callable[[], float] = time.time,
) -> Store:
    """The store as it was when it was saved last, or an empty one. A file that cannot be used is set aside, with an
    event that says so. `ticks` are steady seconds, `clock` POSIX seconds.
    """
    path = directory / FILE_NAME
    store = Store(most_octets)
    try:
        octets = _read(path, most_octets)
        if octets is None:
            return store
        keys = restore_file(store, octets, ticks(), clock())
    except UnreadableSnapshot as error:
        aside = path.with_name(f"{FILE_NAME}.damaged-{int(time.time())}")
        with contextlib.suppress(OSError):
            path.rename(aside)
        log.error(
            "shared-state-damaged", file=str(path), reason=error.reason, set_aside=str(aside),
            advice="shared state begins empty: set what matters anew with danelaw state set",
        )  # fmt: skip
        return Store(most_octets)
    except OSError as error:
        log.error("shared-state-unread", file=str(path), reason=error.strerror or str(error))
        return Store(most_octets)
    log.event("shared-state", keys=keys, spaces=len(store.shelves))
    return store


def save(directory: Path, chunks: Iterable[bytes]) -> None:
    """Write the file anew and put it on stable storage. Raises `OSError`; the file before stays then."""
    draft = directory / f"{FILE_NAME}.new-{os.getpid()}"
    try:
        with open(draft, "wb", opener=lambda path, flags: os.open(path, flags, 0o600)) as stream:
            for octets in chunks:
                stream.write(octets)
            stream.flush()
            os.fsync(stream.fileno())
        draft.rename(directory / FILE_NAME)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def sweep(directory: Path) -> None:
    """Remove drafts of processes that were killed while they wrote."""
    for draft in directory.glob(f"{FILE_NAME}.new-*"):
        draft.unlink(missing_ok=True)


def _read(path: Path, most_octets: int) -> bytes | None:
    try:
        with path.open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            if size > max(most_octets, 1 << 20) * _LARGEST_SHARE:
                raise UnreadableSnapshot(f"it has {size} octets, more than shared state may take")
            return stream.read()
    except FileNotFoundError:
        return None

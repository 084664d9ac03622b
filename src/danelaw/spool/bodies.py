"""Large bodies as files: written while they arrive, durable before their row, deleted after it.

Order is everything. Write and fdatasync under a temporary name, rename, fsync the directory, and only then COMMIT the
row; delete the file only once the row's deletion is durable. Whatever a crash leaves in between is a file without a
row, which `sweep_orphans` removes at the next start; a row without its file cannot come about.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from danelaw.queue import id_to_text
from danelaw.spool.database import sync_directory
from danelaw.spool.errors import BodyMissing
from danelaw.spool.faults import storage_failure

PARTIAL = ".part"
EXAMINED = ".examined"
WRITE_AT_ONCE = 1 << 20


class BodyWriter:
    """Writes one large body below `directory` while it arrives. The file is made at the first flush.

    After any failed write or flush the file is gone and the descriptor closed: a descriptor whose fsync failed once
    may report success the next time without having written anything.
    """

    __slots__ = ("_chunks", "_descriptor", "_directory", "_pending", "_suffix", "name", "size")

    def __init__(self, directory: Path, message_id: int, suffix: str = PARTIAL) -> None:
        self._suffix = suffix
        self.name = id_to_text(message_id)
        self.size = 0
        self._directory = directory
        self._descriptor = -1
        self._chunks: list[bytes] = []
        self._pending = 0

    def write(self, data: bytes) -> None:
        """Append a chunk; goes to the file in pieces of 1 MiB. Raises `CommitFailed`, `SpoolFull`."""
        self._chunks.append(bytes(data))
        self._pending += len(data)
        self.size += len(data)
        if self._pending >= WRITE_AT_ONCE:
            self._flush()

    def look(self) -> Path:
        """The file as it is now, not durable, for reading. Raises `CommitFailed`, `SpoolFull`."""
        self._flush()
        return self._path

    def close(self) -> str:
        """Make it durable under its final name, which is returned: the message's `body_file`.

        Blocks for two flushes: call it in a thread. Raises `CommitFailed`, `SpoolFull`.
        """
        self._flush()
        try:
            os.fdatasync(self._descriptor)
            os.close(self._descriptor)
            self._descriptor = -1
            os.rename(self._path, self._directory / self.name)
            sync_directory(self._directory)
        except OSError as error:
            delete_bodies(self._directory, (self.name, self._path.name))
            self._fail(error)
        return self.name

    def abort(self) -> None:
        """The transaction ended without a message: remove what was written."""
        self._chunks.clear()
        if self._descriptor >= 0:
            with contextlib.suppress(OSError):
                os.close(self._descriptor)
            self._descriptor = -1
            with contextlib.suppress(OSError):
                os.unlink(self._path)

    def remove(self) -> None:
        """Closed or not, nobody will send it: remove the file."""
        self.abort()
        delete_bodies(self._directory, (self.name,))

    @property
    def _path(self) -> Path:
        return self._directory / (self.name + self._suffix)

    def _flush(self) -> None:
        data = memoryview(b"".join(self._chunks))
        self._chunks.clear()
        self._pending = 0
        try:
            if self._descriptor < 0:
                self._descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
            while data:
                data = data[os.write(self._descriptor, data) :]
        except OSError as error:
            self._fail(error)

    def _fail(self, error: OSError) -> None:
        self.abort()
        raise storage_failure(error) from error


def open_body(directory: Path, name: str) -> int:
    """A descriptor for reading a body. Raises `BodyMissing`."""
    try:
        return os.open(directory / name, os.O_RDONLY | os.O_CLOEXEC)
    except OSError as error:
        raise BodyMissing(f"the body file {name} cannot be read: {error.strerror}") from error


def read_chunks(directory: Path, name: str, size: int) -> Iterator[bytes]:
    """A body in pieces of `size` octets. Raises `BodyMissing`."""
    descriptor = open_body(directory, name)
    try:
        while chunk := os.read(descriptor, size):
            yield chunk
    finally:
        os.close(descriptor)


def delete_bodies(directory: Path, names: Iterable[str]) -> None:
    """Remove files whose rows are durably gone; one that is missing already is no error."""
    for name in names:
        with contextlib.suppress(OSError):
            os.unlink(directory / name)


def sweep_orphans(directory: Path, known: set[str]) -> int:
    """Remove every file no row names: half-written, or left by a crash. Only while nothing writes; returns how many."""
    orphans = [entry.name for entry in os.scandir(directory) if entry.is_file() and entry.name not in known]
    delete_bodies(directory, orphans)
    return len(orphans)

"""Where log lines go: a descriptor, a file, syslog, memory. Writing never raises into the mail path."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

# RFC 5424 §6.1 asks receivers for 480 octets and recommends 2048; local daemons take 8 KiB.
_LOCAL_SIZE = 8192
_UDP_SIZE = 2048
_WHOLE_SIZE = 4096


class Sink(Protocol):
    """A place for lines."""

    def write(self, lines: Sequence[str]) -> int:
        """Write a batch; give the number of lines that were lost."""

    def reopen(self) -> None:
        """Open the place again, after log rotation. Raises `OSError`."""

    def close(self) -> None:
        """Let go of it."""


class DescriptorSink:
    """An open file descriptor, such as standard output; one system call per batch."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        # Several processes may write to one pipe; the system keeps only short writes in one piece (POSIX PIPE_BUF).
        mode = os.fstat(descriptor).st_mode
        self._shared = stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode)

    def write(self, lines: Sequence[str]) -> int:
        """One `os.write` for all lines; more for a pipe, or when the system took less."""
        if self._shared and sum(map(len, lines)) > _WHOLE_SIZE // 4:
            return sum(self._write(piece) for piece in _pieces(lines))
        return self._write(("\n".join(lines) + "\n").encode("utf-8", "backslashreplace"))

    def _write(self, octets: bytes) -> int:
        data = memoryview(octets)
        try:
            while data:
                data = data[os.write(self._descriptor, data) :]
        except OSError:
            # Disk full, reader gone, or a pipe that is full and must not be waited for: mail goes on.
            return bytes(data).count(b"\n")
        return 0

    def reopen(self) -> None:
        """Nothing to open."""

    def close(self) -> None:
        """The descriptor belongs to somebody else."""


def _pieces(lines: Sequence[str]) -> Iterator[bytes]:
    """Whole lines, together as long as a pipe takes them in one piece."""
    piece = b""
    for line in lines:
        data = (line + "\n").encode("utf-8", "backslashreplace")
        if piece and len(piece) + len(data) > _WHOLE_SIZE:
            yield piece
            piece = b""
        piece += data
    yield piece


class FileSink(DescriptorSink):
    """A file that is appended to and opened again on `reopen` (SIGHUP after rotation)."""

    def __init__(self, path: Path) -> None:
        """Raises `OSError` when the file cannot be opened."""
        self._path = path
        super().__init__(self._open())

    def _open(self) -> int:
        return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)

    def reopen(self) -> None:
        """Open the path again; when that raises `OSError` the old file stays in use."""
        old, self._descriptor = self._descriptor, self._open()
        os.close(old)

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


class SyslogSink:
    """Syslog over a local datagram socket or over UDP (RFC 5426), one datagram per line, never waiting."""

    def __init__(self, target: str | tuple[str, int]) -> None:
        """`target` is the path of a local socket or an (IP address, port) pair."""
        self._target = target
        self._size = _LOCAL_SIZE if isinstance(target, str) else _UDP_SIZE
        self._socket = self._open()

    def _open(self) -> socket.socket:
        if isinstance(self._target, str):
            family = socket.AF_UNIX
        else:
            family = socket.AF_INET6 if ":" in self._target[0] else socket.AF_INET
        opened = socket.socket(family, socket.SOCK_DGRAM)
        opened.setblocking(False)
        return opened

    def write(self, lines: Sequence[str]) -> int:
        """Send each line, cut to what receivers take."""
        lost = 0
        for line in lines:
            data = line.encode("utf-8", "backslashreplace")
            if len(data) > self._size:
                data = data[: self._size].decode("utf-8", "ignore").encode()
            try:
                self._socket.sendto(data, self._target)
            except OSError:
                lost += 1
        return lost

    def reopen(self) -> None:
        """A fresh socket, for a syslog daemon that was restarted."""
        self._socket.close()
        self._socket = self._open()

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


class MemorySink:
    """Keeps the lines, for tests and laboratories."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def write(self, lines: Sequence[str]) -> int:
        """Keep them."""
        self.lines.extend(lines)
        return 0

    def reopen(self) -> None:
        """Nothing to open."""

    def close(self) -> None:
        """Nothing to close."""

"""Where log lines go: a descriptor, a file, syslog, memory. A sink never raises into the mail path."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from danelaw.telemetry.lines import DEBUG, ERROR, INFO, WARNING, Stamp

_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_FACILITY_MAIL = 2
_SEVERITY = {DEBUG: 7, INFO: 6, WARNING: 4, ERROR: 3}
# RFC 5424 §6.1 asks for 480 and recommends 2048 octets; local daemons take 8 KiB.
_LOCAL_SIZE = 8192
_DATAGRAM_SIZE = 2048


@dataclass(frozen=True, slots=True)
class Line:
    """A finished line with what a sink may need besides: POSIX time, level and event name."""

    time: float
    level: int
    name: str
    text: str


class Sink(Protocol):
    """A place for lines. `write` gives how many were lost."""

    def write(self, lines: Sequence[Line]) -> int:
        """Write a batch; give the number of lines that could not be written."""

    def reopen(self) -> None:
        """Open the place again, after log rotation."""

    def close(self) -> None:
        """Let go of it."""


class DescriptorSink:
    """An open file descriptor, such as standard output; one system call per batch."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def write(self, lines: Sequence[Line]) -> int:
        """One `os.write` for all lines; more only when the system took less."""
        data = memoryview(("\n".join([line.text for line in lines]) + "\n").encode("utf-8", "backslashreplace"))
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


class FileSink(DescriptorSink):
    """A file that is appended to and opened again on `reopen` (SIGHUP after rotation)."""

    def __init__(self, path: Path) -> None:
        """Raises `OSError` when the file cannot be opened."""
        self._path = path
        super().__init__(self._open())

    def _open(self) -> int:
        return os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)

    def reopen(self) -> None:
        """Open the path again; when that fails the old file stays in use. Raises `OSError`."""
        old, self._descriptor = self._descriptor, self._open()
        os.close(old)

    def close(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


class SyslogSink:
    """Syslog: RFC 5424 over UDP (RFC 5426), or the form of syslog(3) over a local socket.

    Local daemons (journald, rsyslog's imuxsock) read what the C library writes, not RFC 5424.
    """

    def __init__(self, target: str | tuple[str, int], hostname: str = "-") -> None:
        """`target` is the path of a local socket or an (IP address, port) pair."""
        self._target = target
        self._hostname = hostname if hostname.isascii() and hostname.isprintable() and hostname else "-"
        self._pid = os.getpid()
        self._stamp = Stamp()
        self._socket = self._open()

    def _open(self) -> socket.socket:
        if isinstance(self._target, str):
            family = socket.AF_UNIX
        else:
            family = socket.AF_INET6 if ":" in self._target[0] else socket.AF_INET
        opened = socket.socket(family, socket.SOCK_DGRAM)
        opened.setblocking(False)
        return opened

    def write(self, lines: Sequence[Line]) -> int:
        """One datagram per line, without waiting."""
        lost = 0
        for line in lines:
            try:
                self._socket.sendto(self.datagram(line), self._target)
            except OSError:
                lost += 1
        return lost

    def datagram(self, line: Line) -> bytes:
        """A line as it goes over the wire."""
        priority = _FACILITY_MAIL * 8 + _SEVERITY[line.level]
        if isinstance(self._target, str):
            when = time.localtime(line.time)
            clock = (
                f"{_MONTHS[when.tm_mon - 1]} {when.tm_mday:2d} {when.tm_hour:02d}:{when.tm_min:02d}:{when.tm_sec:02d}"
            )
            head, size = f"<{priority}>{clock} danelaw[{self._pid}]: ", _LOCAL_SIZE
        else:
            name = "".join(c for c in line.name if "!" <= c <= "~")[:32] or "-"
            stamp = self._stamp(line.time)
            head, size = f"<{priority}>1 {stamp} {self._hostname} danelaw {self._pid} {name} - ", _DATAGRAM_SIZE
        data = (head + line.text).encode("utf-8", "backslashreplace")
        return data if len(data) <= size else data[:size].decode("utf-8", "ignore").encode()

    def reopen(self) -> None:
        """A fresh socket."""
        self._socket.close()
        self._socket = self._open()

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


class MemorySink:
    """Keeps lines, for tests and laboratories."""

    def __init__(self) -> None:
        self.lines: list[Line] = []

    def write(self, lines: Sequence[Line]) -> int:
        """Keep them."""
        self.lines.extend(lines)
        return 0

    def reopen(self) -> None:
        """Nothing to open."""

    def close(self) -> None:
        """Nothing to close."""

    @property
    def texts(self) -> list[str]:
        """The lines as text."""
        return [line.text for line in self.lines]

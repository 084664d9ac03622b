"""The log: events in, lines out, one write per turn of the event loop."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Literal

from danelaw.errors import DanelawError
from danelaw.telemetry.lines import (
    DEBUG,
    ERROR,
    INFO,
    LEVELS,
    WARNING,
    Columns,
    Fields,
    Form,
    Row,
    bare_form,
    json_form,
    text_form,
)
from danelaw.telemetry.sinks import DescriptorSink, FileSink, MemorySink, Sink, SyslogSink
from danelaw.telemetry.syslog import local_form, network_form

_MOST_LINES_AT_ONCE = 512


class Log:
    """Writes events. Not shared between threads: it belongs to the event loop.

    `dropped` counts lines that a sink could not take; the next line that gets through says so.
    """

    __slots__ = ("_clock", "_form", "_level", "_loop", "_pending", "_sink", "_unreported", "dropped")

    def __init__(
        self, sink: Sink, form: Form | None = None, *, level: int = INFO, clock: Callable[[], float] = time.time
    ) -> None:
        self._sink = sink
        self._form = form or text_form()
        self._level = level
        self._clock = clock
        self._loop: asyncio.AbstractEventLoop | None = None
        self._pending: list[str] = []
        self._unreported = 0
        self.dropped = 0

    @classmethod
    def in_memory(cls, *, level: int = DEBUG, clock: Callable[[], float] = time.time) -> tuple[Log, MemorySink]:
        """A log for tests and laboratories, with the sink that holds its lines."""
        sink = MemorySink()
        return cls(sink, level=level, clock=clock), sink

    def attach(self, loop: asyncio.AbstractEventLoop) -> None:
        """From now on gather lines and write them once per turn of `loop`; before, each is written at once."""
        self._loop = loop

    def event(self, name: str, /, **fields: object) -> None:
        """Something happened. Fields that are None are left out; keys are our own words, values may be anybody's."""
        if self._level <= INFO:
            self._add(INFO, name, fields)

    def row(self, name: str, columns: Columns, *values: object) -> None:
        """Like `event`, for what happens to every message: the values in the order of `columns`."""
        if self._level <= INFO:
            self._add(INFO, name, Row(columns, values))

    def debug(self, name: str, /, **fields: object) -> None:
        """Something only a developer wants to know."""
        if self._level <= DEBUG:
            self._add(DEBUG, name, fields)

    def warning(self, name: str, /, **fields: object) -> None:
        """Something a postmaster should look at."""
        if self._level <= WARNING:
            self._add(WARNING, name, fields)

    def error(self, name: str, /, **fields: object) -> None:
        """Something a postmaster must look at."""
        if self._level <= ERROR:
            self._add(ERROR, name, fields)

    def _add(self, level: int, name: str, fields: Fields) -> None:
        now = self._clock()
        pending = self._pending
        pending.append(self._form(now, level, name, fields))
        if self._loop is None or len(pending) >= _MOST_LINES_AT_ONCE:
            self.flush()
        elif len(pending) == 1:
            self._loop.call_soon(self.flush)

    def flush(self) -> None:
        """Write what is gathered."""
        if not self._pending:
            return
        lines, self._pending = self._pending, []
        if self._unreported:
            lines.insert(0, self._form(self._clock(), WARNING, "log-lost", {"lines": self._unreported}))
        lost = self._sink.write(lines)
        if not lost:
            self._unreported = 0
            return
        # The line about earlier losses is the first to go, and is no loss itself.
        lost -= 1 if self._unreported and lost == len(lines) else 0
        self.dropped += lost
        self._unreported += lost

    def reopen(self) -> None:
        """Write what is gathered, then open the sink again (log rotation). Raises `DanelawError`."""
        self.flush()
        try:
            self._sink.reopen()
        except OSError as error:
            raise DanelawError(f"the log cannot be opened again: {error.strerror}; the old one stays in use") from None

    def close(self) -> None:
        """Write what is gathered and close the sink; events that come later are written at once and may be lost."""
        self.flush()
        self._loop = None
        self._sink.close()


def open_log(
    *,
    to: Literal["stdout", "file", "syslog"] = "stdout",
    form: Literal["text", "json"] = "text",
    level: str = "info",
    file: Path | None = None,
    syslog: str | tuple[str, int] = "/dev/log",
    hostname: str = "-",
    clock: Callable[[], float] = time.time,
) -> Log:
    """A log as the configuration's `[log]` asks for. `syslog` is a path or an (IP address, port) pair.

    Raises `DanelawError` when the file cannot be opened.
    """
    shape = json_form() if form == "json" else bare_form() if to == "syslog" else text_form()
    if to == "syslog":
        shape = local_form(shape) if isinstance(syslog, str) else network_form(shape, hostname)
        return Log(SyslogSink(syslog), shape, level=LEVELS[level], clock=clock)
    if to == "stdout":
        return Log(DescriptorSink(sys.stdout.fileno()), shape, level=LEVELS[level], clock=clock)
    if file is None:
        raise DanelawError("the log goes to a file that is not named", advice="set file in [log]")
    try:
        return Log(FileSink(file), shape, level=LEVELS[level], clock=clock)
    except OSError as error:
        raise DanelawError(
            f"the log {file} cannot be opened: {error.strerror}", advice="correct file in [log] or its permissions"
        ) from None

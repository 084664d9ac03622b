"""The line of progress of a survey, on standard error: done, rate, time left."""

from __future__ import annotations

import sys
import time
from collections import deque
from typing import TextIO

from danelaw.cli.output import duration

_EVERY = 0.5
_EVERY_IN_A_FILE = 30.0
_LOOK_BACK = 60.0


class ProgressLine:
    """Counts from `done` to `total`. On a terminal one line is drawn over and over, else one is added now and then."""

    def __init__(
        self, done: int, total: int, *, quiet: bool = False, stream: TextIO | None = None, now: float | None = None
    ) -> None:
        self._done, self._total, self._quiet = done, total, quiet
        self._stream = stream or sys.stderr
        self._terminal = self._stream.isatty()
        begun = time.monotonic() if now is None else now
        self._shown_at = begun
        self._past: deque[tuple[float, int]] = deque([(begun, done)])
        self._drawn = 0

    def one_more(self, now: float | None = None) -> None:
        """One domain is done; `now` in seconds of any clock that only goes forward."""
        self._done += 1
        if self._quiet:
            return
        moment = time.monotonic() if now is None else now
        if moment - self._shown_at >= (_EVERY if self._terminal else _EVERY_IN_A_FILE):
            self._shown_at = moment
            self._show(self.text(moment))

    def text(self, now: float) -> str:
        """The line at a moment: "4,120 of 10,000 domains (41 %)   38/s   2 min left"."""
        self._past.append((now, self._done))
        while self._past[0][0] < now - _LOOK_BACK and len(self._past) > 2:
            self._past.popleft()
        then, before = self._past[0]
        passed = now - then
        rate = (self._done - before) / passed if passed > 0 else 0.0
        words = f"{self._done:,} of {self._total:,} domains ({100 * self._done // max(self._total, 1)} %)"
        if rate <= 0:
            return words
        shown = f"{rate:.0f}/s" if rate >= 3 else f"{rate * 60:.0f}/min"
        return f"{words}   {shown}   {duration((self._total - self._done) / rate)} left"

    def say(self, text: str) -> None:
        """A line that stays."""
        self.end()
        self._stream.write(f"danelaw: {text}\n")

    def end(self) -> None:
        """Leave the terminal with a clean line."""
        if self._drawn:
            self._stream.write("\r" + " " * self._drawn + "\r")
            self._stream.flush()
            self._drawn = 0

    def _show(self, text: str) -> None:
        if self._terminal:
            self._stream.write("\r" + text.ljust(self._drawn))
            self._drawn = len(text)
        else:
            self._stream.write(text + "\n")
        self._stream.flush()

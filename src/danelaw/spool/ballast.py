"""Space kept back for the hour when the disk is full.

A spool can only shrink by writing: what was delivered must be recorded before it may be forgotten. So a file of ballast
is given up when a commit finds no space, and mail that is in the queue goes on leaving it. New mail is refused until
the ballast is back.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

MOST_OCTETS = 4 << 20
NAME = "ballast"


class Ballast:
    """The file, `octets` large; with 0 there is none and nothing to keep."""

    __slots__ = ("_held", "_octets", "_path")

    def __init__(self, directory: Path, octets: int) -> None:
        self._path = directory / NAME
        self._octets = min(octets, MOST_OCTETS)
        self._held = False

    def keep(self) -> bool:
        """Have it, laid out anew when it was given up. False when the disk has no room for it."""
        if self._held or not self._octets:
            return True
        try:
            descriptor = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                os.posix_fallocate(descriptor, 0, self._octets)
            finally:
                os.close(descriptor)
        except OSError:
            self.give_up()
            return False
        self._held = True
        return True

    def give_up(self) -> None:
        """Let the spool have the space."""
        self._held = False
        with contextlib.suppress(OSError):
            os.unlink(self._path)

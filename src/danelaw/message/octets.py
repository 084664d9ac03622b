"""Where the octets of a message are: in memory, mapped, or in a seekable file that somebody else opened."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Protocol

from danelaw.message.defects import Defect, Defects

PIECE = 64 * 1024
LONGEST_LINE = 998  # RFC 5322 §2.1.1, line end not counted

_LONG_LINE = re.compile(rb"[^\n]{%d}" % (LONGEST_LINE + 2))


class Octets(Protocol):
    """What `bytes`, `mmap.mmap` and `FileOctets` have in common."""

    def __len__(self) -> int: ...

    def __getitem__(self, span: slice, /) -> bytes: ...

    def find(self, sought: bytes, start: int, end: int, /) -> int:
        """Where `sought` begins first between start and end, -1 for nowhere."""


class Seekable(Protocol):
    """A file opened for reading octets."""

    def seek(self, offset: int, whence: int = 0, /) -> int: ...

    def read(self, size: int = -1, /) -> bytes: ...


class FileOctets:
    """The octets of a seekable file, read when asked for and never kept."""

    __slots__ = ("_file", "_size")

    def __init__(self, file: Seekable) -> None:
        """The file stays the caller's, who must not use it meanwhile."""
        self._file = file
        self._size = file.seek(0, 2)

    def __len__(self) -> int:
        return self._size

    def __getitem__(self, span: slice) -> bytes:
        """Octets from start to stop; a step is not understood."""
        start, stop, _ = span.indices(self._size)
        self._file.seek(start)
        return self._file.read(max(stop - start, 0))

    def find(self, sought: bytes, start: int, end: int) -> int:
        """Where `sought` begins first between start and end, -1 for nowhere."""
        return find(self, sought, start, end)


def find(source: Octets, sought: bytes, start: int, end: int) -> int:
    """Where `sought` begins first between start and end of any source, -1 for nowhere."""
    return next(occurrences(source, sought, start, end), -1)


def occurrences(source: Octets, sought: bytes, start: int, end: int) -> Iterator[int]:
    """Everywhere `sought` begins between start and end, overlaps left out.

    Other sources than `bytes` are read in windows: searching `bytes` is several times faster than a mapped file.
    """
    window, base, step = (source, 0, end) if isinstance(source, bytes) else (b"", start, PIECE)
    while start < end:
        if not isinstance(source, bytes):
            base, start = start, 0
            window = source[base : min(base + step + len(sought) - 1, end)]
        stop = min(end - base, len(window))
        place = window.find(sought, start, stop)
        while place >= 0:
            yield base + place
            start = place + len(sought)
            place = window.find(sought, start, stop)
        start = max(base + start, base + step)


def chunks(source: Octets, start: int, end: int, size: int = PIECE) -> Iterator[bytes]:
    """The octets from start to end in pieces."""
    while start < end:
        yield source[start : min(start + size, end)]
        start += size


def note_lines(source: Octets, start: int, end: int, defects: Defects) -> None:
    """Note NUL, lone CR, lone LF and lines that are too long between start and end (RFC 5322 §2.1.1, §2.3).

    Reads everything once.
    """
    begun = 0
    last = b""
    for piece in chunks(source, start, end):
        if b"\0" in piece:
            defects.note(Defect.NUL)
        bare = (last + piece).replace(b"\r\n", b"")
        if last and not piece.startswith(b"\n"):
            defects.note(Defect.BARE_CR)
        if b"\n" in bare:
            defects.note(Defect.BARE_LF)
        last = piece[-1:] if piece.endswith(b"\r") else b""
        if b"\r" in (bare[:-1] if last else bare):
            defects.note(Defect.BARE_CR)
        newline = piece.find(b"\n")
        first = len(piece) if newline < 0 else newline
        if begun + first > LONGEST_LINE + 1 or _LONG_LINE.search(piece):
            defects.note(Defect.LONG_LINE)
        begun = begun + len(piece) if newline < 0 else len(piece) - piece.rfind(b"\n") - 1
    if last:
        defects.note(Defect.BARE_CR)
    if begun > LONGEST_LINE:
        defects.note(Defect.LONG_LINE)

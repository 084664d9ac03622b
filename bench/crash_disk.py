"""A disk that may lose whatever was not flushed: what lies on it after a crash, from the record of `crash_recorder.c`.

The model is the strictest that POSIX allows. A file's octets are durable once a flush of that file has ended that began
after they were written; a name is durable once its directory was flushed. Of the rest a crash keeps any part: whole
writes or none, sectors of 512 octets or pages of 4 KiB each in any of their versions, sizes apart from contents, names
in order or not. Flushing a file does not make its name durable.
"""

from __future__ import annotations

import random
import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from enum import IntEnum
from pathlib import Path
from typing import NamedTuple

_HEAD = struct.Struct("<IIQQ")
# Shared memory of readers, rebuilt at each start, is written without calls; the ballast holds nothing.
PASSED_OVER = ("-shm", "/ballast")


class Kind(IntEnum):
    """What a record says; the numbers of `crash_recorder.c`."""

    OPENED = 1
    WROTE = 2
    CUT = 3
    FLUSH_BEGUN = 4
    FLUSHED = 5
    RENAMED = 6
    UNLINKED = 7
    MADE_DIRECTORY = 8
    REMOVED_DIRECTORY = 9
    SAID = 10
    HEARD = 11


class Event(NamedTuple):
    """One record."""

    kind: Kind
    inode: int
    number: int
    data: bytes


def events(record: bytes) -> Iterator[Event]:
    """The record from its beginning; a last one that is cut off is left out."""
    at = 0
    while at + _HEAD.size <= len(record):
        length, kind, inode, number = _HEAD.unpack_from(record, at)
        at += _HEAD.size
        if at + length > len(record):
            return
        yield Event(Kind(kind), inode, number, record[at : at + length])
        at += length


class Change(NamedTuple):
    """A write, or with `size` a truncation."""

    serial: int
    offset: int
    data: bytes
    size: int | None = None


@dataclass(eq=False)
class File:
    """One file: what is durable, and what was done to it since."""

    path: str
    durable: bytearray = field(default_factory=bytearray)
    pending: list[Change] = field(default_factory=list)

    def flushed(self, upto: int) -> None:
        """What was done before `upto` is durable now."""
        while self.pending and self.pending[0].serial < upto:
            _apply(self.durable, self.pending.pop(0))

    def now(self) -> bytes:
        """As every process sees it."""
        seen = bytearray(self.durable)
        for change in self.pending:
            _apply(seen, change)
        return bytes(seen)


@dataclass(eq=False)
class Directory:
    """One directory: its durable names, and the changes of names since."""

    path: str
    durable: dict[str, File | Directory] = field(default_factory=dict)
    seen: dict[str, File | Directory] = field(default_factory=dict)
    pending: list[tuple[int, str, File | Directory | None, str | None]] = field(default_factory=list)

    def change(self, serial: int, name: str, what: File | Directory | None, old: str | None = None) -> None:
        """`name` is `what` from now on (None: gone); `old` is the name it had, in one step."""
        self.pending.append((serial, name, what, old))
        _rename(self.seen, name, what, old)

    def flushed(self, upto: int) -> None:
        """Changes before `upto` are durable now."""
        while self.pending and self.pending[0][0] < upto:
            _rename(self.durable, *self.pending.pop(0)[1:])


def _apply(octets: bytearray, change: Change) -> None:
    if change.size is not None:
        del octets[change.size :]
        octets.extend(bytes(change.size - len(octets)))
        return
    octets.extend(bytes(max(0, change.offset - len(octets))))
    octets[change.offset : change.offset + len(change.data)] = change.data


def _rename(names: dict[str, File | Directory], name: str, what: File | Directory | None, old: str | None) -> None:
    if old is not None:
        if old not in names:
            return  # never came to the disk under that name
        names.pop(old)
    if what is None:
        names.pop(name, None)
    else:
        names[name] = what


Flush = Callable[[File | Directory], bool]


class Disk:
    """Everything below `root`, which itself is durable. `counts` says which flushes take effect: a mutant leaves some
    out, as a program would that forgot them.
    """

    def __init__(self, root: str, counts: Flush = lambda what: True) -> None:
        self.root = Directory(root)
        self.serial = 0
        self._counts = counts
        self._inodes: dict[int, File | Directory] = {}
        self._begun: dict[tuple[int, int], int] = {}

    def play(self, event: Event) -> None:
        """One more call was made."""
        self.serial += 1
        match event.kind:
            case Kind.OPENED:
                self._opened(event)
            case Kind.WROTE:
                self._file(event).pending.append(Change(self.serial, event.number, event.data))
            case Kind.CUT:
                self._file(event).pending.append(Change(self.serial, 0, b"", event.number))
            case Kind.FLUSH_BEGUN:
                self._begun[event.inode, event.number] = self.serial
            case Kind.FLUSHED:
                what = self._inodes[event.inode]
                if self._counts(what):
                    what.flushed(self._begun[event.inode, event.number])
            case Kind.RENAMED:
                before, after = (part.decode() for part in event.data.split(b"\0"))
                parent, old = self._place(before)
                other, new = self._place(after)
                assert parent is other, "a rename between directories is not modelled"
                parent.change(self.serial, new, parent.seen[old], old)
            case Kind.UNLINKED | Kind.REMOVED_DIRECTORY:
                parent, name = self._place(event.data.decode())
                parent.change(self.serial, name, None)
            case Kind.MADE_DIRECTORY:
                path = event.data.decode()
                parent, name = self._place(path)
                self._inodes[event.inode] = made = Directory(path)
                parent.change(self.serial, name, made)
            case Kind.SAID | Kind.HEARD:
                pass

    def _opened(self, event: Event) -> None:
        path = event.data.decode()
        if path == self.root.path:
            self._inodes[event.inode] = self.root
            return
        parent, name = self._place(path)
        if name not in parent.seen:
            parent.change(self.serial, name, File(path))
        self._inodes[event.inode] = parent.seen[name]

    def _file(self, event: Event) -> File:
        found = self._inodes[event.inode]
        assert isinstance(found, File)
        return found

    def _place(self, path: str) -> tuple[Directory, str]:
        parts = path.removeprefix(self.root.path).strip("/").split("/")
        where = self.root
        for part in parts[:-1]:
            below = where.seen[part]
            assert isinstance(below, Directory)
            where = below
        return where, parts[-1]

    def differences(self, real: Path) -> list[str]:
        """Where the disk as it is differs from the model with nothing lost: empty when the record missed nothing."""
        found: list[str] = []
        _compare(self.root, real, found)
        return found


def _compare(model: Directory, real: Path, found: list[str]) -> None:
    there = {entry.name for entry in real.iterdir() if not entry.is_socket()}
    for name in there ^ model.seen.keys():
        if not f"/{name}".endswith(PASSED_OVER):
            found.append(f"{real / name}: {'not in the record' if name in there else 'not on the disk'}")
    for name, what in model.seen.items():
        if name not in there or f"/{name}".endswith(PASSED_OVER):
            continue
        if isinstance(what, Directory):
            _compare(what, real / name, found)
        elif what.now() != (real / name).read_bytes():
            found.append(f"{real / name}: other octets")


# what a crash leaves


class Loss(NamedTuple):
    """One way to lose what was not flushed. `unit` is what is kept or lost as a whole, in octets (0: whole writes, -1:
    nothing, -2: everything); `names` are `none`, `all`, `prefix` or `any`.
    """

    words: str
    unit: int
    names: str


LOSSES = (
    Loss("all unflushed lost", -1, "none"),
    Loss("all unflushed kept", -2, "all"),
    Loss("contents lost, names kept", -1, "all"),
    Loss("contents kept, names lost", -2, "none"),
    Loss("any of the writes, names in order", 0, "prefix"),
    Loss("any of the writes, any names", 0, "any"),
    Loss("torn at 512 B", 512, "prefix"),
    Loss("torn at 4 KiB", 4096, "any"),
)


def crash(disk: Disk, loss: Loss, chance: random.Random, into: Path) -> None:
    """Write what a crash now may leave into an empty directory."""
    _write_directory(disk.root, loss, chance, into)


def _write_directory(directory: Directory, loss: Loss, chance: random.Random, into: Path) -> None:
    names = dict(directory.durable)
    pending = directory.pending
    kept = {"none": 0, "all": len(pending), "any": len(pending)}.get(loss.names, chance.randint(0, len(pending)))
    for _, name, what, old in pending[:kept]:
        if loss.names != "any" or chance.random() < 0.5:
            _rename(names, name, what, old)
    for name, what in names.items():
        if f"/{name}".endswith(PASSED_OVER):
            continue
        if isinstance(what, Directory):
            (into / name).mkdir()
            _write_directory(what, loss, chance, into / name)
        else:
            (into / name).write_bytes(remains(what, loss.unit, chance))


def remains(file: File, unit: int, chance: random.Random) -> bytes:
    """What is left of one file."""
    if unit == -1 or not file.pending:
        return bytes(file.durable)
    if unit == -2:
        return file.now()
    left = bytearray(file.durable)
    if unit == 0:
        for change in file.pending:
            if chance.random() < 0.5:
                _apply(left, change)
        return bytes(left)
    return _torn(file, unit, chance)


def _torn(file: File, unit: int, chance: random.Random) -> bytes:
    """Each unit as it was after some of the changes to it, and a size the file once had."""
    sizes, seen = [len(file.durable)], bytearray(file.durable)
    left = bytearray(file.durable)
    for change in file.pending:
        start, stop = change.offset, change.offset + len(change.data)
        if change.size is not None:
            start, stop = sorted((change.size, len(seen)))
        _apply(seen, change)
        sizes.append(len(seen))
        left.extend(bytes(max(0, stop - len(left))))
        for place in range(start // unit, -(-stop // unit)):
            if chance.random() < 0.6:  # this version reaches the disk; else the one before stays, for now
                low, high = place * unit, min((place + 1) * unit, len(left))
                left[low:high] = seen[low:high].ljust(high - low, b"\0")
    size = chance.choice(sizes[-3:])
    return bytes(left[:size]) + bytes(max(0, size - len(left)))

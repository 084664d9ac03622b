"""Recorded messages one after another: files, folders (a Maildir too), mboxes. Never more than one is in memory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import IO, NamedTuple

from danelaw.errors import DanelawError

LARGEST = 64 << 20
"""Octets of a message; larger ones are left out, in words."""
_FROM = b"From "


class Recording(NamedTuple):
    """A message and what names it, or why it cannot be read."""

    name: str
    octets: bytes
    fault: str = ""


def recordings(path: Path) -> Iterator[Recording]:
    """All messages of a file, an mbox (a file that begins with `From `), or a folder and those below it."""
    if path.is_dir():
        for one in sorted(path.iterdir()):
            if not one.name.startswith("."):
                yield from recordings(one)
        return
    try:
        with path.open("rb") as file:
            if file.read(len(_FROM)) == _FROM:
                yield from _of_mbox(str(path), file)
            else:
                file.seek(0)
                octets = file.read(LARGEST + 1)
                yield Recording(str(path), octets) if len(octets) <= LARGEST else _too_large(str(path))
    except OSError as error:
        yield Recording(str(path), b"", f"it cannot be read: {error.strerror}")


def _of_mbox(name: str, file: IO[bytes]) -> Iterator[Recording]:
    """The messages of an mbox (RFC 4155): each begins with a line `From …` behind an empty one; `>From` is undone."""
    number, size, lines, empty = 1, 0, list[bytes](), True
    file.readline()
    for line in file:
        if empty and line.startswith(_FROM):
            yield _whole(f"{name}#{number}", lines, size)
            number, size, lines = number + 1, 0, []
            continue
        empty = line in (b"\n", b"\r\n")
        size += len(line)
        if size <= LARGEST:
            lines.append(line[1:] if line.lstrip(b">").startswith(_FROM) and line.startswith(b">") else line)
    yield _whole(f"{name}#{number}", lines, size)


def _whole(name: str, lines: list[bytes], size: int) -> Recording:
    return _too_large(name) if size > LARGEST else Recording(name, b"".join(lines))


def _too_large(name: str) -> Recording:
    return Recording(name, b"", f"it has more than {LARGEST >> 20} MiB")


def checked(path: Path) -> Path:
    """A path that exists. Raises `DanelawError`."""
    if not path.exists():
        raise DanelawError(f"there is no file or folder {path}", advice="name files, folders, mboxes or queue ids")
    return path

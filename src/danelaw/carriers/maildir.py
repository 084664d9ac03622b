"""A folder per recipient, in the form of maildir(5): delivered is what is linked into `new` and flushed."""

from __future__ import annotations

import asyncio
import errno
import itertools
import os
import re
from collections.abc import Mapping
from pathlib import Path

from danelaw.carriers.parcel import Addressee, CarrierDown, Given, Parcel, Result
from danelaw.carriers.template import Template, Unusable

_SIZE = re.compile(r",S=([0-9]{1,15})(?:[,:]|\Z)", re.ASCII)
_tries = itertools.count()
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


class Maildir:
    """`folder` is a template of an absolute path; `quota` octets fit into one folder, None for any number."""

    def __init__(self, name: str, folder: Template, hostname: str, *, quota: int | None = None) -> None:
        self.name = name
        self._folder = folder
        # Neither a slash nor a colon may stand in the name of a file (maildir(5)).
        self._hostname = hostname.replace("/", "\\057").replace(":", "\\072")
        self._quota = quota

    async def carry(self, parcel: Parcel) -> Mapping[int, Given]:
        """Write a file for each addressee, in a thread. Raises `CarrierDown`."""
        return await asyncio.to_thread(self._carry, parcel)

    async def close(self) -> None:
        """Nothing is held open."""

    def _carry(self, parcel: Parcel) -> dict[int, Given]:
        return {addressee.number: self._put(parcel, addressee) for addressee in parcel.addressees}

    def _put(self, parcel: Parcel, addressee: Addressee) -> Given:
        try:
            folder = Path(self._folder.as_path(parcel, addressee))
        except Unusable as error:
            return Given(Result.REFUSED, "5.1.3", "", error.reason)
        name = f"{int(parcel.received_at)}.{parcel.id}_{addressee.number}.{self._hostname}"
        try:
            if parcel.tried and _is_there(folder, name):
                return Given(Result.DELIVERED, "2.0.0", "", f"{folder} has it already")
            _make(folder)
            if self._quota is not None and _used(folder) + parcel.size > self._quota:
                return Given(Result.LATER, "4.2.2", "", f"{folder} is full: {self._quota} octets are its quota")
            _write(folder, name, parcel, addressee)
        except OSError as error:
            words = f"{folder} cannot be written: {error.strerror or error}"
            if error.errno in (errno.EROFS, errno.EMFILE, errno.ENFILE):
                raise CarrierDown(words) from None
            return Given(Result.LATER, "4.3.1" if error.errno in _FULL else "4.3.0", "", words)
        return Given(Result.DELIVERED, "2.0.0", "", f"written into {folder}")


def _make(folder: Path) -> None:
    """The three folders of a maildir, where they are missing; what is new is flushed with its parent."""
    if (folder / "new").is_dir() and (folder / "tmp").is_dir() and (folder / "cur").is_dir():
        return
    missing = [one for one in (folder, *folder.parents) if not one.exists()]
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for part in ("tmp", "new", "cur"):
        (folder / part).mkdir(mode=0o700, exist_ok=True)
    for one in (folder, *(made.parent for made in missing)):
        _flush(one)


def _write(folder: Path, name: str, parcel: Parcel, addressee: Addressee) -> None:
    # A delivery that was ended goes on in its thread, and another try must not write into the same file.
    temporary = folder / "tmp" / f"{name}.{os.getpid()}.{next(_tries)}"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    try:
        try:
            size = 0
            for piece in parcel.lines_for(addressee):
                size += len(piece)
                rest = memoryview(piece)
                while rest:
                    rest = rest[os.write(descriptor, rest) :]
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
        os.replace(temporary, folder / "new" / f"{name},S={size}")
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _flush(folder / "new")


def _flush(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _is_there(folder: Path, name: str) -> bool:
    """Whether a try before put it there; readers move files from `new` to `cur` and add flags to their names."""
    for part in (folder / "new", folder / "cur"):
        if part.is_dir():
            with os.scandir(part) as entries:
                if any(entry.name.startswith(f"{name},") for entry in entries):
                    return True
    return False


def _used(folder: Path) -> int:
    """Octets in a folder; files tell their size in their names, those of others are looked at."""
    total = 0
    for part in ("new", "cur"):
        with os.scandir(folder / part) as entries:
            for entry in entries:
                size = _SIZE.search(entry.name)
                total += int(size[1]) if size is not None else entry.stat(follow_symlinks=False).st_size
    return total

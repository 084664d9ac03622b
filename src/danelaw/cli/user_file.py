"""Changing the file of users: one at a time, and never half."""

from __future__ import annotations

import contextlib
import fcntl
import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from danelaw.errors import DanelawError
from danelaw.sasl import UserTable

_NEW_FILE_MODE = 0o640


def text_of(path: Path) -> str:
    """The file's text, empty when there is none yet. Raises `DanelawError`."""
    try:
        return path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        return ""
    except OSError as error:
        raise DanelawError(f"{path} cannot be read: {error.strerror}", advice="become the user who may") from None
    except UnicodeDecodeError:
        raise DanelawError(f"{path} is not UTF-8", advice="save the file as UTF-8") from None


def change(path: Path, edit: Callable[[str], str]) -> None:
    """Replace the file's text by what `edit` makes of it; a running gateway sees the old one or the new one.

    Owner and mode stay; a new file gets the group of its directory. Raises `DanelawError`, and what `edit` raises.
    """
    try:
        directory = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    except OSError as error:
        raise DanelawError(f"{path.parent} cannot be opened: {error.strerror}", advice="make the directory") from None
    try:
        # Of two who change it at once the second works on what the first has left.
        fcntl.flock(directory, fcntl.LOCK_EX)
        text = edit(text_of(path))
        UserTable.from_text(text, str(path))
        _replace(path, text.encode("utf-8"), directory)
    except OSError as error:
        raise DanelawError(f"{path} cannot be written: {error.strerror}", advice="become the user who may") from None
    finally:
        os.close(directory)


def _replace(path: Path, octets: bytes, directory: int) -> None:
    target = path.resolve()
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=target.parent)
    try:
        with os.fdopen(descriptor, "wb") as file:
            like = _like(target, directory)
            os.fchmod(file.fileno(), like[0])
            with contextlib.suppress(PermissionError):
                os.fchown(file.fileno(), like[1], like[2])
            file.write(octets)
            file.flush()
            os.fsync(file.fileno())
        os.replace(name, target)
        os.fsync(directory)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(name)
        raise


def _like(target: Path, directory: int) -> tuple[int, int, int]:
    """Mode, owner and group of the file as it is or is to be; -1 leaves an owner as it is."""
    try:
        found = target.stat()
    except FileNotFoundError:
        return _NEW_FILE_MODE, -1, os.fstat(directory).st_gid
    return found.st_mode & 0o777, found.st_uid, found.st_gid

"""The copies of policies that run: `SPOOL/policies/<version>/`, read-only, on stable storage before anything refers to
them.

A version's name is the digest of its files, so a copy that has been damaged or changed shows itself: `read` compares.
Nothing is ever written into a copy; it is made beside, flushed, and renamed.
"""

from __future__ import annotations

import os
import re
import shutil
import stat
from pathlib import Path

from danelaw.scripting.errors import PolicyError
from danelaw.scripting.loading import policy_files, version_of

FOLDER = "policies"
_VERSION = re.compile(r"[0-9a-f]{12}")
_NEW = ".new-"


class Shelf:
    """The copies in one spool directory."""

    def __init__(self, spool: Path) -> None:
        self.directory = spool / FOLDER

    def path(self, version: str) -> Path:
        """Where a version's copy is, or would be. Raises `PolicyError` for what is no version."""
        if not _VERSION.fullmatch(version):
            raise PolicyError(
                f"{version[:40]!r} is no version: twelve hexadecimal digits", advice="danelaw policy list"
            )
        return self.directory / version

    def versions(self) -> frozenset[str]:
        """All versions there are copies of."""
        try:
            return frozenset(one.name for one in self.directory.iterdir() if _VERSION.fullmatch(one.name))
        except FileNotFoundError:
            return frozenset()
        except OSError as error:
            raise PolicyError(f"{self.directory} cannot be read: {error.strerror}") from None

    def keep(self, source: Path) -> str:
        """Copy a policy; gives its version. What is there already, whole, is not copied again. Raises `PolicyError`."""
        files = policy_files(source)
        version = version_of(source, files)
        if self.is_whole(version):
            return version
        target = self.path(version)
        draft = self.directory / f"{_NEW}{version}-{os.getpid()}"
        try:
            self._prepare()
            shutil.rmtree(draft, ignore_errors=True)
            draft.mkdir(mode=0o750)
            for path in files:
                _copy(path, draft / path.relative_to(source))
            _settle(draft)
            if version_of(draft, policy_files(draft)) != version:
                raise PolicyError(f"{source} changed while it was copied", advice="do it again")
            self._put(draft, target, version)
        except OSError as error:
            raise PolicyError(
                f"the policy cannot be copied to {target}: {error.strerror or error}",
                advice="do it as the gateway's user, who owns the spool",
            ) from None
        finally:
            shutil.rmtree(draft, ignore_errors=True)
        return version

    def check(self, version: str) -> Path:
        """The copy of a version, compared with its digest. Raises `PolicyError` when it is not there or not whole."""
        path = self.path(version)
        if not path.is_dir():
            raise PolicyError(
                f"the copy of policy {version} is missing from {self.directory}",
                advice=f"stage its files again, or: danelaw policy rollback (copies there are: {self._listed()})",
            )
        if version_of(path, policy_files(path)) != version:
            raise PolicyError(
                f"the copy of policy {version} in {path} is not what was stored there",
                advice=f"stage its files again, or: danelaw policy rollback (copies there are: {self._listed()})",
            )
        return path

    def is_whole(self, version: str) -> bool:
        """Whether there is a copy, and it is as it was stored."""
        try:
            self.check(version)
        except PolicyError:
            return False
        return True

    def remove(self, version: str) -> None:
        """Remove a copy that nobody needs. What cannot be removed stays."""
        path = self.path(version)
        away = self.directory / f"{_NEW}{version}-away"
        try:
            path.rename(away)
        except OSError:
            return
        shutil.rmtree(away, ignore_errors=True)

    def _put(self, draft: Path, target: Path, version: str) -> None:
        """Give a finished draft its name, unless another process has just done the same."""
        try:
            draft.rename(target)
        except OSError:
            if self.is_whole(version):
                return
            shutil.rmtree(target.with_name(f".damaged-{version}"), ignore_errors=True)
            target.rename(target.with_name(f".damaged-{version}"))
            draft.rename(target)
        _flush(self.directory)

    def _prepare(self) -> None:
        is_new = not self.directory.is_dir()
        self.directory.mkdir(mode=0o750, exist_ok=True)
        if is_new and os.geteuid() == 0:  # root's command line makes it, the gateway's user must own it
            owner = self.directory.parent.stat()
            os.chown(self.directory, owner.st_uid, owner.st_gid)

    def _listed(self) -> str:
        found = sorted(self.versions())
        return ", ".join(found[:5]) + (" …" if len(found) > 5 else "") if found else "none"


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    with source.open("rb") as from_, target.open("xb") as to:
        shutil.copyfileobj(from_, to)
        to.flush()
        os.fsync(to.fileno())
    target.chmod(stat.S_IRUSR | stat.S_IRGRP)


def _settle(directory: Path) -> None:
    """Flush the folders, deepest first, and give everything to whoever owns the spool."""
    for path in sorted((one for one in directory.rglob("*") if one.is_dir()), reverse=True):
        _flush(path)
    _flush(directory)
    if os.geteuid() == 0:
        owner = directory.parent.stat()
        for path in (directory, *directory.rglob("*")):
            os.chown(path, owner.st_uid, owner.st_gid)


def _flush(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)

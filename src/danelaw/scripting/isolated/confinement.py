"""What an isolated worker may use, and how it binds itself to that before it reads a line of the policy."""

from __future__ import annotations

import ctypes
import os
import resource
import signal
import sys
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from danelaw.errors import DanelawError
from danelaw.scripting.isolated import landlock, seccomp
from danelaw.scripting.isolated.syscalls import ARCHITECTURES

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE = 1, 4
_SYSTEM = ("/lib", "/lib64", "/usr/lib", "/usr/lib64", "/usr/local/lib", "/etc/ld.so.cache", "/etc/localtime",
           "/usr/share/zoneinfo", "/dev/null", "/dev/urandom", "/dev/random")  # fmt: skip


class ConfinementError(DanelawError):
    """This machine cannot hold a worker as it was promised."""


@dataclass(frozen=True, slots=True)
class Confinement:
    """Bounds of one worker: octets of memory, seconds of processor time in all, open files, and the folders that it may
    read beside Python and the policy. `niceness` is added to the gateway's.
    """

    memory: int = 512 << 20
    cpu: int = 1200
    open_files: int = 32
    files: tuple[str, ...] = ()
    niceness: int = 0

    def to_object(self) -> dict[str, Any]:
        """As JSON, for the worker."""
        return {name: getattr(self, name) for name in ("memory", "cpu", "open_files", "files", "niceness")}

    @classmethod
    def from_object(cls, written: dict[str, Any]) -> Confinement:
        """Back from JSON."""
        return cls(**{**written, "files": tuple(written["files"])})


def confine(bounds: Confinement, directory: Path, parent: int) -> tuple[str, ...]:
    """Bind this process; gives what holds, in words. Raises `ConfinementError` where calls cannot be filtered."""
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(_PR_SET_PDEATHSIG, ctypes.c_ulong(signal.SIGKILL), None, None, None)
    if os.getppid() != parent:
        raise ConfinementError("the gateway has ended")
    libc.prctl(_PR_SET_DUMPABLE, ctypes.c_ulong(0), None, None, None)
    os.nice(bounds.niceness)
    _set_rlimits(bounds)
    if not seccomp.is_known():
        raise ConfinementError(
            f"isolated mode needs Linux on {' or '.join(ARCHITECTURES)}",
            advice='write run = "here" in [policy] and let only people write policies whom you trust',
        )
    has_landlock = landlock.restrict([*_python(), directory, *(Path(one) for one in bounds.files)])
    try:
        seccomp.install(seccomp.program(os.getpid()))
    except seccomp.SeccompError as error:
        raise ConfinementError(str(error)) from None
    return ("rlimits", "seccomp", "landlock") if has_landlock else ("rlimits", "seccomp")


def close_files() -> None:
    """Where there is no Landlock: nothing can be opened from now on, since everything the gateway may read could be."""
    seccomp.install(seccomp.without_opening())


def _set_rlimits(bounds: Confinement) -> None:
    for kind, most in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NOFILE, bounds.open_files),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_CPU, bounds.cpu),
        (resource.RLIMIT_AS, bounds.memory),
    ):
        hard = resource.getrlimit(kind)[1]
        resource.setrlimit(kind, (most, most) if hard == resource.RLIM_INFINITY else (min(most, hard),) * 2)


def _python() -> list[Path]:
    """Where modules and the libraries they need are read from."""
    found = [
        *sys.path,
        *(sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")),
        *_SYSTEM,
    ]
    return [Path(one) for one in dict.fromkeys(found) if one]

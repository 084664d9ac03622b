"""Landlock (Linux 5.13 and later): from now on this process reads only beneath some folders, and writes nowhere."""

from __future__ import annotations

import ctypes
import os
import stat
import struct
from collections.abc import Iterable
from pathlib import Path

_CREATE, _ADD, _RESTRICT = 444, 445, 446  # the same numbers on every architecture
_VERSION = 1
_PATH_BENEATH = 1
_READ_FILE, _READ_DIR = 1 << 2, 1 << 3
_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15, 5: 16}
"""How many rights to files each version knows; all are taken but those given back by a rule."""


def version() -> int:
    """The version of Landlock that this kernel has, 0 for none."""
    return max(0, int(_libc().syscall(_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint(_VERSION))))


def restrict(readable: Iterable[Path]) -> bool:
    """Take all rights to files but reading beneath these paths; also TCP, and signals to others, where it can be.
    False where the kernel has no Landlock.
    """
    abi = version()
    if not abi:
        return False
    rights = (1 << _RIGHTS.get(abi, 16)) - 1
    attributes = struct.pack("=QQQ", rights, 0b11 if abi >= 4 else 0, 0b11 if abi >= 6 else 0)
    size = 8 if abi < 4 else 16 if abi < 6 else 24
    libc = _libc()
    ruleset = libc.syscall(_CREATE, attributes, ctypes.c_size_t(size), ctypes.c_uint(0))
    if ruleset < 0:
        return False
    try:
        for path in readable:
            _allow(libc, ruleset, path)
        libc.prctl(38, ctypes.c_ulong(1), None, None, None)
        return not libc.syscall(_RESTRICT, ruleset, ctypes.c_uint(0))
    finally:
        os.close(ruleset)


def _allow(libc: ctypes.CDLL, ruleset: int, path: Path) -> None:
    try:
        opened = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return  # what is not there cannot be read
    try:
        is_folder = stat.S_ISDIR(os.fstat(opened).st_mode)
        allowed = _READ_FILE | (_READ_DIR if is_folder else 0)
        libc.syscall(_ADD, ruleset, ctypes.c_int(_PATH_BENEATH), struct.pack("=Qi", allowed, opened), ctypes.c_uint(0))
    finally:
        os.close(opened)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)

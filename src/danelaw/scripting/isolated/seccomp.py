"""A filter of system calls for this process, installed without any library (Linux, x86_64 and aarch64).

The programs are classic BPF over `struct seccomp_data`: number, architecture, instruction pointer, six arguments of
64 bits. A refused call fails with EPERM, so that a script sees an exception and its traceback, not a dead process;
a call of another architecture ends the process.
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct

from danelaw.scripting.isolated.syscalls import ALWAYS, ARCHITECTURES, BOUNDED

_LD, _JEQ, _AND, _RET = 0x20, 0x15, 0x54, 0x06
_ALLOW, _ERRNO, _KILL = 0x7FFF0000, 0x00050000, 0x80000000
_LOW, _HIGH = 0, 4  # both architectures are little-endian
_PR_SET_NO_NEW_PRIVS = 38
_WRITES = (
    os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND | 0o20000000
)  # the last is O_TMPFILE's own bit
_ALL = 0xFFFFFFFF
_FCNTL = (0, 1, 2, 3, 4, 1030)  # duplicate, flags of descriptors and files; no owners, leases, locks
_IOCTL = (0x5401, 0x541B, 0x5421, 0x5450, 0x5451)  # TCGETS, FIONREAD, FIONBIO, FIONCLEX, FIOCLEX
_SET_MODE_FILTER = 1
_AF_UNIX = 1

Instruction = tuple[int, int, int, int]


class SeccompError(Exception):
    """This kernel or this machine cannot filter system calls; the text says why."""


def is_known() -> bool:
    """Whether there is a table for this machine's architecture."""
    return platform.machine() in ARCHITECTURES and os.name == "posix"


def program(pid: int, machine: str | None = None) -> list[Instruction]:
    """The allow-list for a process; signals may go to `pid`, which is its own."""
    column, architecture = ARCHITECTURES[machine or platform.machine()]
    code = _begin(architecture)
    for numbers in ALWAYS.values():
        if (number := numbers[column]) is not None:
            code += [(_JEQ, 0, 1, number), (_RET, 0, 0, _ALLOW)]
    bounds = _bounds(pid)
    for name, numbers in BOUNDED.items():
        if (number := numbers[column]) is not None:
            tests = [one for alternative in bounds[name] for one in _when(alternative)]
            code += [(_JEQ, 0, len(tests) + 1, number), *tests, (_RET, 0, 0, _ERRNO | errno.EPERM)]
    return [*code, (_RET, 0, 0, _ERRNO | errno.EPERM)]


def without_opening(machine: str | None = None) -> list[Instruction]:
    """On top of the other: no file may be opened any more. For kernels without Landlock, once the policy is loaded."""
    column, architecture = ARCHITECTURES[machine or platform.machine()]
    code = _begin(architecture)
    for name in ("open", "openat"):
        if (number := BOUNDED[name][column]) is not None:
            code += [(_JEQ, 0, 1, number), (_RET, 0, 0, _ERRNO | errno.EACCES)]
    return [*code, (_RET, 0, 0, _ALLOW)]


def install(code: list[Instruction]) -> None:
    """Filter the calls of this process from now on. Raises `SeccompError`."""
    libc = ctypes.CDLL(None, use_errno=True)
    octets = b"".join(struct.pack("=HBBI", *one) for one in code)
    buffer = ctypes.create_string_buffer(octets, len(octets))
    head = struct.pack("@HP", len(code), ctypes.addressof(buffer))
    number = BOUNDED["seccomp"][ARCHITECTURES[platform.machine()][0]]
    # Without it the filter is refused; once it is set, the first filter forbids to set it again, which is fine.
    libc.prctl(_PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), None, None, None)
    if libc.syscall(ctypes.c_long(number or 0), ctypes.c_ulong(_SET_MODE_FILTER), ctypes.c_ulong(0), head):
        raise SeccompError(f"the kernel filters no system calls: {os.strerror(ctypes.get_errno())}")


Test = tuple[int, int, int]
"""Argument, mask over its lower half, value; a whole argument is two tests."""


def _bounds(pid: int) -> dict[str, list[list[Test]]]:
    """For each bounded call the alternatives under which it is allowed. Tests of upper halves have index + 10."""
    return {
        "fcntl": [[(1, _ALL, command)] for command in _FCNTL],
        "ioctl": [[(1, _ALL, request)] for request in _IOCTL],
        "open": [[(1, _WRITES, 0)]],
        "openat": [[(2, _WRITES, 0)]],
        "prlimit64": [[(2, _ALL, 0), (12, _ALL, 0)]],
        "kill": [[(0, _ALL, pid)]],
        "tgkill": [[(0, _ALL, pid)]],
        "sendto": [[(4, _ALL, 0), (14, _ALL, 0)]],
        "socketpair": [[(0, _ALL, _AF_UNIX)]],
        "seccomp": [[(0, _ALL, _SET_MODE_FILTER)]],
    }


def _begin(architecture: int) -> list[Instruction]:
    return [(_LD, 0, 0, 4), (_JEQ, 1, 0, architecture), (_RET, 0, 0, _KILL), (_LD, 0, 0, 0)]


def _when(tests: list[Test]) -> list[Instruction]:
    """Allow when all tests hold, else go on behind."""
    code: list[Instruction] = []
    left = 3 * len(tests) + 1
    for index, mask, value in tests:
        half = _HIGH if index >= 10 else _LOW
        left -= 3
        code += [(_LD, 0, 0, 16 + 8 * (index % 10) + half), (_AND, 0, 0, mask), (_JEQ, 0, left, value)]
    return [*code, (_RET, 0, 0, _ALLOW)]

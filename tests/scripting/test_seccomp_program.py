"""The filter of system calls, run in a small machine of ours for both architectures, and in a real process."""

from __future__ import annotations

import errno
import os
import struct
import subprocess
import sys

import pytest

from danelaw.scripting.isolated import seccomp
from danelaw.scripting.isolated.syscalls import ALWAYS, ARCHITECTURES, BOUNDED

PID = 4711
ALLOW, EPERM, EACCES, KILL = 0x7FFF0000, 0x50000 | errno.EPERM, 0x50000 | errno.EACCES, 0x80000000


def run(code: list[seccomp.Instruction], architecture: int, number: int, *arguments: int) -> int:
    """Classic BPF over `struct seccomp_data`."""
    words = (*arguments, *([0] * (6 - len(arguments))))
    data = struct.pack("=IIQ6Q", number & 0xFFFFFFFF, architecture, 0, *(word % (1 << 64) for word in words))
    accumulator = at = 0
    while True:
        operation, when_true, when_false, constant = code[at]
        at += 1
        if operation == 0x20:
            (accumulator,) = struct.unpack_from("=I", data, constant)
        elif operation == 0x54:
            accumulator &= constant
        elif operation == 0x15:
            at += when_true if accumulator == constant else when_false
        else:
            assert operation == 0x06
            return constant


def ask(machine: str, name: str, *arguments: int) -> int:
    column, architecture = ARCHITECTURES[machine]
    number = {**ALWAYS, **BOUNDED}[name][column]
    assert number is not None
    return run(seccomp.program(PID, machine), architecture, number, *arguments)


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_only_what_is_listed_is_allowed(machine: str) -> None:
    column, architecture = ARCHITECTURES[machine]
    code = seccomp.program(PID, machine)
    listed = {numbers[column] for numbers in ALWAYS.values()}
    bounded = {numbers[column] for numbers in BOUNDED.values()}
    for number in range(600):
        if number not in bounded:
            assert run(code, architecture, number) == (ALLOW if number in listed else EPERM), number
    assert run(code, architecture, 0x40000000) == EPERM, "the x32 numbers"
    assert len(code) <= 4096


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_calls_of_another_architecture_end_the_process(machine: str) -> None:
    assert run(seccomp.program(PID, machine), 0x40000003, 3) == KILL


@pytest.mark.parametrize("machine", ARCHITECTURES)
@pytest.mark.parametrize(
    ("name", "arguments", "allowed"),
    [
        ("openat", (-100, 0, os.O_RDONLY | os.O_CLOEXEC), True),
        ("openat", (-100, 0, os.O_WRONLY), False),
        ("openat", (-100, 0, os.O_RDWR | os.O_CLOEXEC), False),
        ("openat", (-100, 0, os.O_RDONLY | os.O_CREAT), False),
        ("openat", (-100, 0, os.O_RDONLY | os.O_TRUNC), False),
        ("openat", (-100, 0, os.O_RDONLY | 0o20000000), False),
        ("kill", (PID, 9), True),
        ("kill", (PID + 1, 9), False),
        ("kill", (-1, 9), False),
        ("kill", (0, 9), False),
        ("tgkill", (PID, PID, 6), True),
        ("tgkill", (1, 1, 6), False),
        ("prlimit64", (0, 9, 0, 1 << 40), True),
        ("prlimit64", (0, 9, 1 << 32, 0), False),
        ("prlimit64", (0, 9, 1, 0), False),
        ("sendto", (3, 0, 1, 0, 0, 0), True),
        ("sendto", (3, 0, 1, 0, 1 << 40, 16), False),
        ("socketpair", (1, 1, 0), True),
        ("socketpair", (2, 1, 0), False),
        ("fcntl", (3, 4, 0), True),
        ("fcntl", (3, 8, 1), False),
        ("ioctl", (0, 0x5401), True),
        ("ioctl", (0, 0x5412), False),
        ("seccomp", (1, 0, 0), True),
        ("seccomp", (0, 0, 0), False),
    ],
)
def test_bounded_calls_look_at_their_arguments(
    machine: str, name: str, arguments: tuple[int, ...], allowed: bool
) -> None:
    assert ask(machine, name, *arguments) == (ALLOW if allowed else EPERM)


@pytest.mark.parametrize("machine", ARCHITECTURES)
def test_without_landlock_nothing_is_opened_after_loading(machine: str) -> None:
    column, architecture = ARCHITECTURES[machine]
    code = seccomp.without_opening(machine)
    number = BOUNDED["openat"][column]
    assert number is not None
    assert run(code, architecture, number) == EACCES
    assert run(code, architecture, 63) == ALLOW


def test_both_programs_hold_in_a_real_process() -> None:
    program = """
        import os, socket
        from danelaw.scripting.isolated import seccomp
        from danelaw.scripting.isolated.confinement import close_files
        seccomp.install(seccomp.program(os.getpid()))
        def tried(call):
            try:
                call()
            except OSError as error:
                return error.errno
            return 0
        opened = tried(lambda: open(os.devnull).close())
        close_files()
        os.write(1, f"{opened} {tried(lambda: open(os.devnull))} {tried(socket.socket)} {tried(os.fork)}".encode())
        os._exit(0)
    """
    lines = "\n".join(line[8:] for line in program.splitlines())
    done = subprocess.run([sys.executable, "-c", lines], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == f"0 {errno.EACCES} {errno.EPERM} {errno.EPERM}", done.stderr

"""A program per recipient, with the message on its standard input; the exit status says what became of it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import signal
from collections.abc import Mapping, Sequence

from danelaw.carriers.parcel import Addressee, CarrierDown, Given, Parcel, Result
from danelaw.carriers.template import Template, Unusable

LONGEST_OUTPUT = 4096
"""Octets of what a program says that are kept; the rest is read and dropped."""
# sysexits(3) by what the sender is told; those of the machine and of our own configuration are for later.
_REFUSED = {65: "5.6.0", 67: "5.1.1", 68: "5.1.2", 76: "5.5.0", 77: "5.7.0"}
_LATER = {71: "4.3.0", 73: "4.2.0", 74: "4.3.0", 75: "4.3.0", 78: "4.3.5", 126: "4.3.5", 127: "4.3.5"}
_STATUS = re.compile(r"([45]\.(?:0|[1-9][0-9]{0,2})\.(?:0|[1-9][0-9]{0,2}))(?:\s+|\Z)", re.ASCII)
_NEVER_STARTS = "the program cannot be started"


class Pipe:
    """`command` is the program, by its absolute path, and its arguments, each a template. It may take `seconds` for one
    recipient; then its whole process group is killed. Its environment has PATH and what it is about, nothing else.
    """

    def __init__(self, name: str, command: Sequence[Template], *, seconds: float = 60.0, at_once: int = 10) -> None:
        self.name = name
        self._command = tuple(command)
        self._seconds = seconds
        self._places = asyncio.Semaphore(at_once)

    async def carry(self, parcel: Parcel) -> Mapping[int, Given]:
        """Run the program for each addressee, one after the other. Raises `CarrierDown`."""
        ends = {}
        for addressee in parcel.addressees:
            async with self._places:
                ends[addressee.number] = await self._run(parcel, addressee)
        return ends

    async def close(self) -> None:
        """Programs end with the deliveries that wait for them."""

    async def _run(self, parcel: Parcel, addressee: Addressee) -> Given:
        try:
            command = [part.as_argument(parcel, addressee) for part in self._command]
        except Unusable as error:
            return Given(Result.REFUSED, "5.1.3", "", error.reason)
        try:
            process = await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
                cwd="/",
                env=_environment(parcel, addressee),
                start_new_session=True,
            )
        except OSError as error:
            raise CarrierDown(f"{_NEVER_STARTS}: {command[0]}: {error.strerror or error}") from None
        try:
            async with asyncio.timeout(self._seconds):
                _, said = await asyncio.gather(_feed(process, parcel, addressee), _hear(process))
                status = await process.wait()
        except TimeoutError:
            return Given(Result.LATER, "4.3.0", "", f"{command[0]} did not end within {self._seconds:g} s")
        except OSError as error:  # the message cannot be read
            return Given(Result.LATER, "4.3.0", "", f"the message cannot be read: {error.strerror or error}")
        finally:
            if process.returncode is None:
                await _kill(process)
        return given(command[0], status, said)


def _environment(parcel: Parcel, addressee: Addressee) -> dict[str, str]:
    """Nothing of ours, whose variables may hold secrets or change how a program works."""
    return {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "LANG": "C.UTF-8",
        "SENDER": parcel.reverse_path,
        "RECIPIENT": addressee.address,
        "QUEUE_ID": parcel.id,
        "SIZE": str(parcel.size),
    }


async def _feed(process: asyncio.subprocess.Process, parcel: Parcel, addressee: Addressee) -> None:
    """Give it the message. A program that reads no further knows what it does: its exit status counts."""
    stdin = process.stdin
    assert stdin is not None
    with contextlib.suppress(ConnectionError):
        for piece in parcel.lines_for(addressee):
            if stdin.is_closing():  # uvloop raises RuntimeError for a pipe that has broken already
                break
            stdin.write(piece)
            await stdin.drain()
    with contextlib.suppress(ConnectionError):
        stdin.close()
        await stdin.wait_closed()


async def _hear(process: asyncio.subprocess.Process) -> bytes:
    assert process.stdout is not None
    kept = b""
    while piece := await process.stdout.read(4096):
        kept = (kept + piece)[:LONGEST_OUTPUT]
    return kept


async def _kill(process: asyncio.subprocess.Process) -> None:
    """The program and all it has started, which are in a process group of their own."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    await asyncio.shield(process.wait())


def given(program: str, exit_status: int, output: bytes) -> Given:
    """What an exit status (negative for a signal) and the first line of the output say."""
    said = next((line.strip() for line in output.decode("utf-8", "replace").splitlines() if line.strip()), "")[:500]
    if exit_status == 0:
        return Given(Result.DELIVERED, "2.0.0", said, f"{program} took it")
    if exit_status < 0:
        return Given(Result.LATER, "4.3.0", said, f"{program} was ended by signal {-exit_status}")
    reason = f"{program} ended with status {exit_status}" + (f": {said}" if said else "")
    own = _STATUS.match(said)
    if exit_status in _LATER:
        usual, digit, result = _LATER[exit_status], "4", Result.LATER
    else:
        usual, digit, result = _REFUSED.get(exit_status, "5.3.0"), "5", Result.REFUSED
    status = own[1] if own is not None and own[1].startswith(digit) else usual
    return Given(result, status, said, reason)

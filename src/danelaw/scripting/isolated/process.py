"""One worker as the gateway has it: its process, its line, and the one hook it is asked at a time."""

from __future__ import annotations

import asyncio
import contextlib
import inspect
import os
import socket
import subprocess
import sys
import time
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from danelaw.errors import DanelawError
from danelaw.policy import Context, Hook, calls, wire
from danelaw.policy.forms import Given, WireError
from danelaw.scripting.errors import HookFailed
from danelaw.scripting.isolated.confinement import Confinement
from danelaw.scripting.isolated.frames import Frame, FrameReader, encode

if TYPE_CHECKING:
    from danelaw.policy import Library

MOST_CALLS = 1000
"""Library calls, log lines and counts of one call of a hook."""
SMALL = 32 * 1024
"""A message up to this size goes along; a larger one is sent when the hook looks at it."""


class FailedThere(HookFailed):
    """A hook that failed in its worker; the reason names the place in the policy."""


def spawn(directory: Path, version: str, bounds: Confinement) -> tuple[subprocess.Popen[bytes], socket.socket]:
    """Start a worker with nothing but its line, and tell it what to load: any version when that is empty."""
    ours, its = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    with its:
        process = subprocess.Popen(
            [sys.executable, "-I", "-B", "-X", "utf8", "-m", "danelaw.scripting.isolated", str(os.getpid())],
            stdin=its.fileno(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            env={}, cwd="/", close_fds=True, start_new_session=True,
        )  # fmt: skip
    ours.sendall(encode({"directory": str(directory), "version": version, "bounds": bounds.to_object()}))
    return process, ours


class Worker(asyncio.Protocol):
    """A worker process. `changed` is called when it is ready, has ended, or was given back broken."""

    def __init__(self, process: subprocess.Popen[bytes], changed: Callable[[Worker], None]) -> None:
        self.process = process
        self.asked = 0
        self.is_ready = False
        self.is_demoted = False
        self.started = time.monotonic()
        self.fault = ""
        self.refusal: dict[str, Any] | None = None
        self._changed = changed
        self._reader = FrameReader()
        self._frames: deque[Frame] = deque()
        self._waiting: asyncio.Future[None] | None = None
        self._transport: asyncio.Transport | None = None
        self._is_busy = False
        self._works = 0  # counts spells of work between two waits, 0 while it waits for the gateway
        self._spells = 0
        self._cpu = 0.0

    # the process

    @property
    def works(self) -> int:
        """The number of the spell of work it is in, 0 when it waits for the gateway."""
        return self._works

    @property
    def cpu(self) -> float:
        """Seconds it may work in this spell."""
        return self._cpu

    def cpu_spent(self) -> float:
        """Seconds of processor time since it was started."""
        try:
            return time.clock_gettime(~self.process.pid << 3 | 2)  # CPUCLOCK_SCHED of the process (clock_getcpuclockid)
        except OSError:
            return 0.0

    def memory(self) -> int:
        """Octets that are in memory now."""
        try:
            text = Path(f"/proc/{self.process.pid}/statm").read_text("ascii")
        except OSError:
            return 0
        return int(text.split()[1]) * 4096

    def demote(self) -> None:
        """Give way to everybody from now on: it works for a hook that has cost workers."""
        if not self.is_demoted:
            self.is_demoted = True
            with contextlib.suppress(OSError):
                os.setpriority(os.PRIO_PROCESS, self.process.pid, 19)

    def kill(self, fault: str) -> None:
        """End it. Whoever waits for it is told why."""
        if not self.fault:
            self.fault = fault
        if self._transport is not None:
            self._transport.abort()
        self.process.kill()
        self._wake()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The line is open."""
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        """It has said something: only when it is asked, and only what was agreed."""
        try:
            frames = self._reader.receive(data)
        except WireError as error:
            self.kill(f"its process sent what was not agreed: {error.reason}")
            return
        for frame in frames:
            if not self.is_ready:
                self._first_word(frame)
            elif not self._is_busy or len(self._frames) > MOST_CALLS:
                self.kill("its process spoke without being asked")
                return
            else:
                self._frames.append(frame)
        self._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        """Its line has ended, and so does it."""
        self.process.kill()
        if not self.fault:
            self.fault = "its process ended"
        self._wake()
        self._changed(self)

    def _first_word(self, frame: Frame) -> None:
        if "ready" in frame.object:
            self.is_ready = True
            self._changed(self)
        else:
            self.refusal = frame.object
            self.kill(f"its process could not begin: {frame.object.get('refused', '')!s:.300}")

    def _wake(self) -> None:
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    # asking

    async def ask(self, hook: Hook, context: Context, cpu: float) -> wire.Answer:
        """Ask one hook. Raises `HookFailed`; the worker is then of no use when `fault` says so."""
        self.asked += 1
        given = wire.given_of(context)
        asked = wire.context_to_object(hook.point, context)
        octets = _beside(context, given)
        self._is_busy, self._cpu = True, cpu
        try:
            self._send(
                {"ask": self.asked, "hook": hook.name, "asked": asked, "beside": octets is not None}, octets or b""
            )
            return await self._answer(hook, context, given)
        except (WireError, DanelawError) as error:
            if isinstance(error, HookFailed):
                raise
            self.kill(f"its process sent what was not agreed: {error.reason}")
            raise HookFailed(self.fault) from None
        except asyncio.CancelledError:
            self.kill("nobody waited for it any more")
            raise
        finally:
            self._is_busy, self._works = False, 0
            if self._frames and not self.fault:
                self.kill("its process spoke without being asked")

    async def _answer(self, hook: Hook, context: Context, given: Given | None) -> wire.Answer:
        for _ in range(MOST_CALLS):
            frame = (await self._next()).object
            if frame.get("re") != self.asked:
                raise WireError("an answer to another question")
            if "answer" in frame:
                self._works = 0
                return wire.answer_from_object(hook.point, frame["answer"], given)
            if "failed" in frame:
                if frame.get("last"):
                    self.kill("it had no memory left")
                raise FailedThere(str(frame["failed"])[:500])
            if "word" in frame:
                await self._perform(context.library, frame["word"])
            else:
                self._works = 0
                await self._serve(frame, context, given)
        self.kill(f"it called the library more than {MOST_CALLS} times")
        raise HookFailed(self.fault)

    async def _serve(self, frame: dict[str, Any], context: Context, given: Given | None) -> None:
        if "mail" in frame and given is not None:
            self._send({}, given.mail.as_it_came()[:])
            return
        try:
            result = await self._perform(context.library, frame.get("call"))
        except DanelawError as error:
            self._send({"error": error.reason, "advice": error.advice or ""})
        else:
            self._send({"result": result})

    async def _perform(self, library: Library, path: Any) -> Any:
        call = calls.find(library, path)
        result = call.function(**call.arguments)
        if inspect.isawaitable(result):
            result = await result
        return None if call.method.result is None else call.method.result.write(result, None)

    def _send(self, value: dict[str, Any], octets: bytes = b"") -> None:
        if self._transport is None or self._transport.is_closing():
            raise HookFailed(self.fault or "its process ended")
        self._transport.write(encode(value, len(octets)) + octets)
        self._spells += 1
        self._works = self._spells

    async def _next(self) -> Frame:
        while not self._frames:
            if self.fault:
                raise HookFailed(self.fault)
            self._waiting = asyncio.get_running_loop().create_future()
            await self._waiting
        return self._frames.popleft()


def _beside(context: Context, given: Given | None) -> bytes | None:
    """The message where it is small; None where there is none, or it is fetched when it is looked at."""
    if given is None or getattr(context, "size", SMALL + 1) > SMALL:
        return None
    return given.mail.as_it_came()[:]

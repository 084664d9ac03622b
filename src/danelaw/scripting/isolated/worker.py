"""The worker: binds itself, loads the policy, and runs the hooks it is asked, one at a time, until its line ends."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from types import CoroutineType
from typing import Any

from danelaw.errors import DanelawError
from danelaw.policy import POINTS, Hook, LibraryError, wire
from danelaw.policy.forms import form_of
from danelaw.policy.mail import Mail
from danelaw.scripting.errors import PolicyError
from danelaw.scripting.isolated.confinement import Confinement, close_files, confine
from danelaw.scripting.isolated.frames import Frame
from danelaw.scripting.isolated.remote import Line, LineEnded, remote_library
from danelaw.scripting.loading import LoadedPolicy, load, place_in


@dataclass(frozen=True, slots=True, kw_only=True)
class HookFacts:
    """A hook as the gateway must know it."""

    point: str
    name: str
    module: str
    line: int
    order: int
    seconds: float | None
    cpu: float | None
    on_failure: str
    every: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyFacts:
    """A policy as the gateway must know it; `holds` is what binds the worker."""

    version: str
    hooks: tuple[HookFacts, ...]
    files: tuple[str, ...]
    holds: tuple[str, ...]


def main(descriptor: int, parent: int) -> None:
    """Serve one line. Ends when it ends."""
    line = Line(descriptor)
    try:
        begin = line.read().object
        try:
            policy, holds = _begin(begin, parent)
        except DanelawError as error:
            line.write({"refused": error.reason, "advice": error.advice or ""})
            return
        line.write({"ready": form_of(PolicyFacts).write(_facts(policy, holds), None)})
        _Asked(line, policy).serve()
    except LineEnded:
        return
    finally:
        os._exit(0)  # what a script has registered for the end has no business here


def _begin(begin: dict[str, Any], parent: int) -> tuple[LoadedPolicy, tuple[str, ...]]:
    directory = Path(begin["directory"])
    _prepare()
    holds = confine(Confinement.from_object(begin["bounds"]), directory, parent)
    policy = load(directory)
    if begin["version"] not in ("", policy.version):
        raise PolicyError(f"the files in {directory} have changed: they are version {policy.version} now")
    if policy.in_task or policy.caches:
        import_module("asyncio").new_event_loop().close()
    if "landlock" not in holds:
        close_files()
    return policy, holds


def _prepare() -> None:
    """Read now what would be read later, when files may be closed."""
    for name in ("encodings.idna", "html", "traceback", "zoneinfo"):
        import_module(name)
    for point in POINTS:
        wire.form_for(point)
    sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: SIM115 - for as long as the process lives


def _facts(policy: LoadedPolicy, holds: tuple[str, ...]) -> PolicyFacts:
    hooks = tuple(
        HookFacts(
            point=one.point, name=one.name, module=one.module, line=one.line, order=one.order, seconds=one.seconds,
            cpu=one.cpu, on_failure=one.on_failure.value, every=one.every,
        )
        for one in policy.hooks
    )  # fmt: skip
    return PolicyFacts(version=policy.version, hooks=hooks, files=policy.files, holds=holds)


class _Asked:
    """Runs the hooks that the gateway asks for."""

    def __init__(self, line: Line, policy: LoadedPolicy) -> None:
        self._line = line
        self._policy = policy
        self._hooks = {one.name: one for one in policy.hooks}
        self._library = remote_library(line)

    def serve(self) -> None:
        """Until the line ends, or a hook has run out of memory: what it has broken nobody knows."""
        go_on = True
        while go_on:
            frame = self._line.read()
            self._line.serial = frame.object["ask"]
            hook = self._hooks[frame.object["hook"]]
            try:
                self._line.write({"answer": self._run(hook, frame)})
            except LineEnded:
                raise
            except BaseException as error:
                go_on = not isinstance(error, MemoryError | SystemExit | KeyboardInterrupt)
                self._line.write({"failed": self._in_words(hook, error), "last": not go_on})

    def _run(self, hook: Hook, frame: Frame) -> dict[str, Any]:
        point = hook.point
        mail = Mail(self._opener(frame))
        context = wire.context_from_object(frame.object["asked"], self._library, mail)
        before, given = wire.changing(point, context), wire.given_of(context)
        verdict = hook.function(context)
        if isinstance(verdict, CoroutineType):
            verdict = self._finish(hook, verdict)
        return wire.answer_to_object(point, context, verdict, before, given)

    def _opener(self, frame: Frame) -> Any:
        if frame.object.get("beside"):
            return lambda: frame.octets
        return lambda: self._line.ask({"mail": True}).octets

    def _finish(self, hook: Hook, coroutine: CoroutineType[Any, Any, Any]) -> Any:
        """Run a coroutine to its end. Library calls never suspend it; what the script waits for by asyncio does."""
        if hook.module in self._policy.in_task or self._policy.caches:
            import asyncio

            return asyncio.run(coroutine)
        try:
            coroutine.send(None)
        except StopIteration as end:
            return end.value
        coroutine.close()
        raise LibraryError("it waits for something that is not in ctx.library; import asyncio in its file")

    def _in_words(self, hook: Hook, error: BaseException) -> str:
        place = place_in(error, self._policy.directory) or hook.place
        words = error.reason if isinstance(error, DanelawError) else str(error)
        return f"{place}: {type(error).__name__}: {words}"[:500].encode("utf-8", "replace").decode("utf-8")
